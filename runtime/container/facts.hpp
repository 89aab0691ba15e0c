// SPDX-License-Identifier: Apache-2.0
// Looks at the host and at the command line, and writes down what plan::compile may know.
#pragma once

#include "oci/spec.hpp"
#include "plan/facts.hpp"
#include "wherry/wherry.hpp"

namespace wherry::container {

// Also checks what only the host can tell: that the rootfs is a directory, that joined net namespaces are not the
// host's when sysctls are to be set in them.
[[nodiscard]] plan::Facts collect_facts(const Settings& settings, const CreateOptions& options, const oci::Spec& spec);

// The part that concerns the host alone.
[[nodiscard]] plan::Facts host_facts(const oci::Spec& spec);

// In another than the initial one: of an outer container, or of an ordinary user who is root there only.
[[nodiscard]] bool in_user_namespace();

[[nodiscard]] std::string absolute_path(const std::string& path);

}  // namespace wherry::container
