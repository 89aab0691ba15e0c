// SPDX-License-Identifier: Apache-2.0
// The one way in which what a container left behind is taken away: after a failed create, and by delete.
#pragma once

#include "container/store.hpp"
#include "oci/record.hpp"

namespace wherry::container {

// The id of the topmost mount at a path, statx(2) STATX_MNT_ID; 0: there is no such path.
[[nodiscard]] std::uint64_t mount_id(const std::string& path);

// Kills what still runs, removes the cgroup and what was mounted on the host. Succeeds on what is gone already; throws
// what could not be taken away.
void undo(const oci::Record& record);
// The same for who has opened its pidfd and cgroup already; each may be empty.
void undo(const oci::Record& record, const os::Fd& process, const os::Fd& cgroup);

// The poststop hooks of the saved config. runtime.md "Delete": a failure is a warning and the others still run.
[[nodiscard]] std::vector<std::string> run_poststop_hooks(const StateDirectory& directory, const oci::Record& record);

}  // namespace wherry::container
