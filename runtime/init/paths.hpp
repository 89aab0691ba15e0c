// SPDX-License-Identifier: Apache-2.0
// Paths inside a hostile rootfs. Every look-up stays in the root (RESOLVE_IN_ROOT) and follows no magic link; what it
// finds is used as a descriptor only.
#pragma once

#include "init/context.hpp"

namespace wherry::init {

enum class Links : uint8_t { kFollow, kRefuse };

// Opens what is there. Links::kRefuse: no component may be a symbolic link (ELOOP).
os::Result<Fd> open_in_root(int root, const char* path, int flags, Links links = Links::kFollow) noexcept;
// O_PATH descriptor of the directory, made with its parents (0755) where missing.
os::Result<Fd> make_directory(int root, TextView path, Links links = Links::kFollow) noexcept;
// O_PATH descriptor of a mount point for a file: an empty regular file is made where nothing stands.
os::Result<Fd> make_file(Context& context, TextView path, int depth = 0) noexcept;

// The directory that holds the last component of `path`, and that component. The name has no '/'; the descriptor is the
// context's, good until the next call.
struct Place {
  int parent = -1;
  const char* name = "";
};
os::Result<Place> make_parent(Context& context, TextView path) noexcept;

}  // namespace wherry::init
