// SPDX-License-Identifier: Apache-2.0
// What compile() may know of the host and of the command line. Collected by container/facts.cpp; plain values, so that
// a golden test can invent a host.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "plan/seccomp.hpp"

namespace wherry::plan {

enum class CgroupManager : std::uint8_t { kCgroupfs, kSystemd, kDisabled };

struct Facts {
  // The host.
  bool privileged = true;          // CAP_SYS_ADMIN over the mount and user namespace that Wherry runs in, and uid 0
  bool in_user_namespace = false;  // of an outer container: no device node can be made and no device filter attached
  unsigned last_capability = 40;
  std::string cgroup_mount = "/sys/fs/cgroup";  // of cgroup2
  bool has_kcore = true;                        // /proc/kcore exists
  std::array<std::uint64_t, 16> hard_limits{};  // by RLIMIT_*; ~0: unlimited

  // The container.
  std::string id;
  std::string bundle;  // absolute
  std::string rootfs;  // absolute, links resolved
  CgroupManager cgroup_manager = CgroupManager::kCgroupfs;
  std::string resctrl_mount;             // empty: none, or not needed
  std::string cgroup_path;               // below cgroup_mount; of kSystemd: where it is expected
  std::string slice, unit;               // of kSystemd
  std::string bus;                       // of kSystemd: where the user's own manager is reached; empty: the system's
  bool pid1_is_closed = false;           // of exec: pid 1 waits for start, and shows its namespaces on start.sock alone
  std::optional<CompiledFilter> filter;  // compile_seccomp() of linux.seccomp, if that has been done

  // The command line.
  bool no_pivot = false;
  std::vector<std::string> kernel_mounts;  // with no_pivot: where procfs and sysfs are mounted outside the rootfs
  bool no_new_keyring = false;
  bool keeps_terminal = false;     // the caller copies what the terminal says: no console socket
  std::uint32_t preserve_fds = 0;  // how many beyond 0, 1, 2
  std::uint32_t listen_fds = 0;    // LISTEN_FDS of socket activation; among preserve_fds
  std::string notify_socket;       // directory on the host to bind for sd_notify(3); empty: none
};

}  // namespace wherry::plan
