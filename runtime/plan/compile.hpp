// SPDX-License-Identifier: Apache-2.0
// Nouns to verbs: what a config.json means, as the ordered list of steps that makes it true.
#pragma once

#include "oci/spec.hpp"
#include "plan/facts.hpp"
#include "plan/plan.hpp"

namespace wherry::plan {

// Pure. `spec` is valid (oci::validate). Throws wherry::Error, with a JSON pointer, for what cannot be done on the
// host that `facts` describe.
[[nodiscard]] Plan compile(const oci::Spec& spec, const Facts& facts);

// The types that CreateNamespaces will name, if nothing that must come before it stands in its way: then they may be
// made while compile() is still at work. No bits: nothing may.
[[nodiscard]] Namespaces namespaces_ahead(const oci::Spec& spec, const Facts& facts);

// A further process in a running container. `process` is what it is to be, `spec` is the container's saved config.
// Origins point into the process document.
[[nodiscard]] Plan compile_exec(const oci::Process& process, const oci::Spec& spec, const Facts& facts);

// linux.intelRdt: the directory of the container's group, and of its monitoring group (empty: none).
[[nodiscard]] std::string resctrl_group(const oci::IntelRdt& wanted, const Facts& facts);
[[nodiscard]] std::string resctrl_monitor(const oci::IntelRdt& wanted, const Facts& facts);

// For poststop hooks, which run when there is no plan any more.
[[nodiscard]] RunHook<Owned> hook_step(const oci::Hook& hook, HookKind kind, std::size_t index);

}  // namespace wherry::plan
