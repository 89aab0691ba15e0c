// SPDX-License-Identifier: Apache-2.0
// The config.json that the `spec` command writes.
#pragma once

#include <string>

namespace wherry::oci {

// Content, order and tab indentation as runc's; no newline at the end. Rootless: a user namespace that maps
// container id 0 to uid and gid 0, which the caller replaces by passing its own ids, no network namespace and
// no resources.
[[nodiscard]] std::string default_config_json(bool rootless, unsigned host_uid = 0, unsigned host_gid = 0);

}  // namespace wherry::oci
