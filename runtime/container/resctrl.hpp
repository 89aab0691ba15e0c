// SPDX-License-Identifier: Apache-2.0
// linux.intelRdt: groups of the resctrl file system (the kernel's documentation of resctrl; config-linux.md
// "IntelRdt").
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

#include "plan/host_step.hpp"

namespace wherry::container {

// Where resctrl is mounted; empty: nowhere.
[[nodiscard]] std::string find_resctrl();

// Makes the group and its monitoring group if they are not there, writes the schemata, and puts `pid` in. For a group
// that is there the schemata must be in force already. Throws Error.
void join_resctrl_group(const plan::JoinResctrlGroup& step, pid_t pid);

// Whether every value that `wanted` names ("L3:0=ff;1=f") is what `schemata`, the kernel's file, has for it. Spaces,
// leading zeros and order do not matter.
[[nodiscard]] bool holds_schemata(std::string_view schemata, std::string_view wanted);

}  // namespace wherry::container
