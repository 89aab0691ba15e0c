// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "os/core/fd.hpp"
#include "plan/host_step.hpp"

namespace wherry::container {

// user_namespaces(7): writes the maps of the user namespace that process `pid` is in. A host without CAP_SETUID uses
// newuidmap(1) and newgidmap(1), or, for its own id alone, denies setgroups(2) and writes directly.
void write_id_maps(const plan::MapIds& maps, pid_t pid);

// The content of uid_map. Exposed for its test.
[[nodiscard]] std::string map_text(const std::vector<plan::IdMap>& maps);

// A user namespace with these maps, in which nothing runs any more. Throws Error.
[[nodiscard]] os::Fd make_id_mapping(const plan::CreateIdMapping& mapping);

}  // namespace wherry::container
