// SPDX-License-Identifier: Apache-2.0
// config.md "Linux mount options": one table, for parsing and for `features`.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "plan/plan.hpp"

namespace wherry::plan {

struct MountOptions {
  MountAttributes set, clear;                      // of the top mount
  MountAttributes recursive_set, recursive_clear;  // of the tree
  Propagation propagation;
  bool bind = false;
  bool recursive = false;               // rbind
  bool readonly = false;                // "ro" was given
  bool copy_up = false;                 // tmpcopyup
  bool idmap = false;                   // idmap or ridmap
  bool idmap_recursive = false;         // ridmap
  std::vector<std::string> superblock;  // "sync" and the like, for a new superblock
  std::vector<std::string> data;        // for the file system, in order
};

[[nodiscard]] MountOptions parse_mount_options(const std::vector<std::string>& options);

// Every option that the runtime itself understands, sorted: features.md "Mount Options".
[[nodiscard]] std::vector<std::string> known_mount_options();

}  // namespace wherry::plan
