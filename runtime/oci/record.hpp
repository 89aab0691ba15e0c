// SPDX-License-Identifier: Apache-2.0
// The runtime's own file on a container: state.json in its state directory. Not the OCI state document
// (state.hpp). It names every resource that exists outside the process, so that delete can undo a half-made
// container.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "oci/spec.hpp"

namespace wherry::oci {

inline constexpr int kRecordVersion = 1;

// Annotations are the only part without a natural bound, and they came through a config.json.
inline constexpr std::size_t kRecordMaxBytes = 4U << 20U;

struct Record {
  int version = kRecordVersion;
  std::string id;
  std::string bundle;       // absolute
  std::string rootfs;       // absolute
  std::string created;      // RFC 3339, UTC
  std::string boot_id;      // /proc/sys/kernel/random/boot_id: another boot, another world of pids
  std::string oci_version;  // as in config.json
  std::string owner;
  pid_t pid = 0;                     // the container's process; 0: none yet
  std::uint64_t pid_start_time = 0;  // field 22 of /proc/PID/stat, clock ticks since boot; 0: the inode is known
  std::uint64_t pidfd_inode = 0;     // st_ino of its pidfd on pidfs (Linux 6.9); 0: unknown
  std::string cgroup_manager;        // "cgroupfs", "systemd" or "disabled"
  std::string cgroup_path;           // below cgroup_root, begins with '/'
  std::string cgroup_root;           // mount point of the cgroup2 hierarchy
  unsigned cgroup_existing = 0;      // leading components of cgroup_path that were there before
  std::uint64_t covered_mount =
      0;                        // mount id of what the rootfs lies on where it was mounted on the host; 0: it was not
  std::string resctrl_group;    // made for this container; empty: none
  std::string resctrl_monitor;  // likewise
  std::string unit;             // of the systemd manager; empty: there is none (yet)
  std::string bus;              // where that manager is; empty: the system's
  std::string pending_unit;     // asked of it, not answered yet: perhaps there already, perhaps another's
  std::string pending_path;     // where the cgroup of that one is expected
  bool no_new_keyring = false;
  bool creating = false;        // create is at work, or was cut off
  bool poststop_hooks = false;  // the config has some
  StringMap annotations;
  bool operator==(const Record&) const = default;
};

// Throws wherry::Error for anything that write_record did not write whole: truncated, not JSON, wrong types,
// another version, larger than kRecordMaxBytes. Unknown properties are ignored.
[[nodiscard]] Record read_record(std::string_view json);

// One line of JSON. Strings that are not UTF-8 lose their bad bytes (U+FFFD).
[[nodiscard]] std::string write_record(const Record& record);

}  // namespace wherry::oci
