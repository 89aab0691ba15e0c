// SPDX-License-Identifier: Apache-2.0
// A container's root file system, as containerd names it: mounts, one over the other, on <bundle>/rootfs.
#pragma once

#include <string>
#include <vector>

#include "shim/messages.hpp"

namespace wherry::shim {

// All or nothing. Throws Error.
void mount_rootfs(const std::vector<Mount>& mounts, const std::string& rootfs);

// Every mount on `rootfs` and below it; none, or no such directory, is a success. Returns what could not be undone.
[[nodiscard]] std::string unmount_rootfs(const std::string& rootfs) noexcept;

}  // namespace wherry::shim
