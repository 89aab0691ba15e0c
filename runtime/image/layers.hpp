// SPDX-License-Identifier: Apache-2.0
// Layers on top of each other, each a directory in overlayfs's own form (with its option userxattr), and what they
// show together. Their content is hostile, but nobody changes it. All functions throw Error for what cannot be found
// out: a layer that cannot be read hides nothing, and must not be passed over.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "os/core/calls.hpp"

namespace wherry::image {

// overlayfs(5) with userxattr
inline constexpr const char* kOpaqueName = "user.overlay.opaque";
[[nodiscard]] inline bool is_whiteout(const struct statx& status) noexcept {
  return (status.stx_mode & os::kTypeMask) == os::kTypeChar && status.stx_rdev_major == 0 && status.stx_rdev_minor == 0;
}

inline constexpr int kMostLinks = 40;  // path_resolution(7)

class Layers {
 public:
  // `roots`: the topmost first. They must outlive this.
  explicit Layers(std::vector<int> roots) : roots_(std::move(roots)) {}

  // What stands at a path, whose directories are no links; the last component is not followed.
  struct Found {
    int root = -1;  // of its layer; -1: there is nothing
    struct statx status {};
    [[nodiscard]] unsigned type() const noexcept { return root < 0 ? 0 : status.stx_mode & os::kTypeMask; }
  };
  [[nodiscard]] Found find(const std::string& path) const;
  // The path behind all links, which stay inside the root, as in a chroot. nullopt: there is nothing.
  [[nodiscard]] std::optional<std::string> resolve(const std::string& path) const;
  // The content of the regular file that a path leads to; nullopt: there is none. EFBIG beyond `limit` bytes.
  [[nodiscard]] std::optional<std::string> read(const std::string& path, std::size_t limit) const;

  // What stands in the root.
  [[nodiscard]] std::set<std::string> names() const;

  [[nodiscard]] bool empty() const noexcept { return roots_.empty(); }

 private:
  std::vector<int> roots_;
};

// The target of a symbolic link. Throws Error.
[[nodiscard]] std::string read_link(int directory, const std::string& path);

}  // namespace wherry::image
