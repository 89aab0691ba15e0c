// SPDX-License-Identifier: Apache-2.0
// The cgroupfs manager: one cgroup of cgroup v2, made, limited, frozen, killed and removed through its files
// (cgroup-v2.rst). Functions that take `dir_fd` want a directory fd of the cgroup (not O_PATH) and do not own
// it. `mount` comes from find_mount(), `path` from resolve(). All throw wherry::Error.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "os/core/fd.hpp"
#include "plan/limits.hpp"

namespace wherry::cgroup {

using Timeout = std::chrono::milliseconds;  // of waiting; negative: for ever
inline constexpr Timeout kDefaultTimeout{10000};

struct Created {
  os::Fd dir;
  // How many leading components of the path were there before. remove() takes it back, so that a cgroup that
  // somebody else made stays.
  unsigned existing = 0;
};

// mkdir -p. A cgroup that exists is taken if it is neither frozen nor populated (config-linux.md "Cgroups
// Path"). Undone if it throws. Costs one mkdir and one open when the parent exists.
[[nodiscard]] Created create(const std::string& mount, const std::string& path);

// The refusal of create() alone: throws if the cgroup exists and is frozen or populated.
void refuse_in_use(const std::string& mount, const std::string& path);

// Whether a container with these limits needs a cgroup: kNoLimit and other defaults hold without one.
[[nodiscard]] bool restricts(const plan::Limits& limits);

// The controllers that `limits` need, enabled from the mount down to the cgroup's parent; reads first, writes
// only what is missing. No limits: no system call. To be called while the cgroup is empty: that takes no
// global lock. Throws when the hierarchy lacks a controller, naming the limit.
void enable_controllers(int dir_fd, const std::string& mount, const std::string& path, const plan::Limits& limits);

// Writes "+cpu +pids". EBUSY for a cgroup with processes of its own, other than the root of all (cgroup-v2.rst "No
// Internal Process Constraint"): the kernel would take threaded controllers there, and make the children invalid, so
// that no process can be in them.
[[nodiscard]] os::Status write_subtree_control(int dir_fd, const std::string& controllers);

// All controllers that there are, as far as the hierarchy and the parents let them: what a container uses is counted
// though it has no limits. `created` is what create() returned; where its parent was there and counts memory, one
// system call. What cannot be handed down is passed over: a limit that needs it asks again.
void hand_down_controllers(const Created& created, const std::string& mount, const std::string& path);

// config-linux.md "Cgroup ownership": the directory and the files of /sys/kernel/cgroup/delegate, no others. -1 keeps.
void delegate(int dir_fd, unsigned uid, unsigned gid);

// Writes the limits; memory.max last. No system call for absent ones. Setting "no limit" in a cgroup that lacks the
// controller's file does nothing.
void apply(int dir_fd, const plan::Limits& limits);
// The same for a container that runs: all of them, or (when it throws) none.
void update(int dir_fd, const plan::Limits& limits);

// Returns when cgroup.events says so; throws after `timeout`. What could not be frozen in time is thawed
// again.
void freeze(int dir_fd, Timeout timeout = kDefaultTimeout);
void thaw(int dir_fd, Timeout timeout = kDefaultTimeout);
[[nodiscard]] bool is_frozen(int dir_fd);
[[nodiscard]] bool is_populated(int dir_fd);

// SIGKILL to everything in the subtree, frozen or not. Does not wait.
void kill(int dir_fd);

// A signal to every process of the subtree, once. Processes that are gone meanwhile are no error.
void signal_all(int dir_fd, int signal);

// Pids of the subtree, as seen in the caller's pid namespace, sorted.
[[nodiscard]] std::vector<int> processes(int dir_fd);

// False when processes are left after `timeout`.
[[nodiscard]] bool wait_empty(int dir_fd, Timeout timeout = kDefaultTimeout);

// Undoes create(): removes the cgroup with all below it, waiting for processes that are about to end, then
// the parents after the first `existing` components as far as they are unused. Gone already is success. Does
// not kill. A cgroup that create() found (`existing` counts it, too) stays; a container that owned it passes
// a smaller number.
void remove(const std::string& mount, const std::string& path, unsigned existing, Timeout timeout = kDefaultTimeout);

// As remove(), without waiting: false when something is left in it.
[[nodiscard]] bool try_remove(const std::string& mount, const std::string& path, unsigned existing);

}  // namespace wherry::cgroup
