// SPDX-License-Identifier: Apache-2.0
// Whiteouts: image-spec layer.md "Whiteouts". They hide what lower layers have, and nothing of their own layer,
// wherever in it they stand.
#include "image/paths.hpp"
#include "image/tree.hpp"
#include "wherry/error.hpp"

namespace wherry::image {
namespace {

constexpr std::string_view kPrefix = ".wh.";
constexpr std::string_view kOpaqueEntry = ".wh..wh..opq";

}  // namespace

bool Tree::is_of_layer(const std::string& path) const { return layer_ == 0 || of_layer_.contains(path); }

bool Tree::holds_of_layer(const std::string& path) const {
  const std::string below = path + "/";
  const auto first = of_layer_.lower_bound(below);
  return first != of_layer_.end() && first->compare(0, below.size(), below) == 0;
}

void Tree::whiteout(const std::string& directory, const std::string& name) {
  if (name == kOpaqueEntry) {
    const auto found = find_directory(directory, false);
    if (!found) return;
    return options_.overlay ? set_opaque(*found) : hide_all(*found);
  }
  const std::string hidden = name.substr(kPrefix.size());
  if (hidden.empty() || hidden == "." || hidden == "..")
    throw Error("unpack " + directory + "/" + name).detail("it is a whiteout of nothing");
  const auto found = find_directory(directory, false);
  if (found) hide(*found, hidden);
}

void Tree::hide(const std::string& directory, const std::string& name) {
  if (!options_.overlay) return layer_ == 0 ? void() : remove_lower(directory, name);
  const int fd = open_directory(directory);
  const os::Status made = os::mknodat(fd, name.c_str(), os::kTypeChar, 0);
  const std::string path = join(directory, name);
  if (made) return whiteouts_.push_back(path);
  if (made.error() != EEXIST) throw Error("make the whiteout of " + path).because(made.error());
  struct statx status {};
  if (auto found = os::statx(fd, name.c_str(), os::kAtSymlinkNofollow, STATX_TYPE, status); !found)
    throw Error("look up " + path).because(found.error());
  // What this layer has stays; a file of it hides what is below by itself.
  if ((status.stx_mode & os::kTypeMask) != os::kTypeDirectory) return;
  if (!for_whiteouts_.contains(path)) return set_opaque(path);
  forget(path);
  if (auto gone = remove_tree(fd, name.c_str()); !gone) throw Error("remove " + path).because(gone.error());
  hide(directory, name);
}

void Tree::finish_whiteouts() {
  drop_idle_whiteouts();
  drop_idle_directories();
  const auto root = directories_.find("");
  if (root != directories_.end() && root->second.opaque) hide_below_root();
}

// overlayfs passes over the mark of a layer's root.
void Tree::hide_below_root() {
  for (const std::string& name : lowers_.names()) {
    const os::Status made = os::mknodat(root_.get(), name.c_str(), os::kTypeChar, 0);
    if (made) continue;
    if (made.error() != EEXIST) throw Error("make the whiteout of " + name).because(made.error());
    struct statx status {};
    if (auto found = os::statx(root_.get(), name.c_str(), os::kAtSymlinkNofollow, STATX_TYPE, status); !found)
      throw Error("look up " + name).because(found.error());
    if ((status.stx_mode & os::kTypeMask) == os::kTypeDirectory) set_opaque(name);
  }
}

// What they lie in was hidden later.
void Tree::drop_idle_directories() {
  while (!for_whiteouts_.empty()) {
    const std::string path = *for_whiteouts_.rbegin();  // what is inside comes first
    for_whiteouts_.erase(path);
    if (look_below(path).type() == os::kTypeDirectory) continue;
    const Split at = split_path(path);
    forget(path);
    if (auto gone = remove_tree(open_directory(at.directory), at.name.c_str()); !gone)
      throw Error("remove " + path).because(gone.error());
  }
}

// Where there is nothing to hide, overlayfs reads the directory as it is, and would list a whiteout.
void Tree::drop_idle_whiteouts() {
  for (const std::string& path : whiteouts_) {
    const Split at = split_path(path);
    if (!at.directory.empty() && !directories_.contains(at.directory)) continue;  // replaced meanwhile
    if (look_below(path).root >= 0) continue;
    struct statx status {};
    const int fd = open_directory(at.directory);
    const os::Status found = os::statx(fd, at.name.c_str(), os::kAtSymlinkNofollow, STATX_BASIC_STATS, status);
    if (!found && found.error() != ENOENT) throw Error("look up " + path).because(found.error());
    if (!found || !is_whiteout(status)) continue;
    if (auto gone = os::unlinkat(fd, at.name.c_str(), 0); !gone)
      throw Error("remove the whiteout of " + path).because(gone.error());
  }
  whiteouts_.clear();
}

void Tree::hide_all(const std::string& directory) {
  if (layer_ != 0) remove_lower_children(directory);
}

void Tree::remove_lower_children(const std::string& directory) {
  auto names = names_in(open_directory(directory), ".");
  if (!names) throw Error("list the directory " + directory).because(names.error());
  for (const std::string& name : *names) remove_lower(directory, name);
}

void Tree::remove_lower(const std::string& directory, const std::string& name) {
  const std::string path = join(directory, name);
  const int fd = open_directory(directory);
  if (!is_of_layer(path) && !holds_of_layer(path)) {
    forget(path);
    if (auto gone = remove_tree(fd, name.c_str()); !gone) throw Error("remove " + path).because(gone.error());
    return;
  }
  struct statx status {};
  if (auto found = os::statx(fd, name.c_str(), os::kAtSymlinkNofollow, STATX_TYPE, status); !found) {
    if (found.error() == ENOENT) return;
    throw Error("look up " + path).because(found.error());
  }
  if ((status.stx_mode & os::kTypeMask) == os::kTypeDirectory) remove_lower_children(path);
}

void Tree::set_opaque(const std::string& directory) {
  auto fd = os::openat(open_directory(directory), ".", os::kRdOnly | os::kDirectory);
  if (!fd) throw Error("open the directory " + directory).because(fd.error());
  const long done = os::raw_syscall(__NR_fsetxattr, fd->get(), os::address(kOpaqueName), os::address("y"), 1, 0);
  if (done < 0)
    throw Error("mark the directory " + directory + " as opaque")
        .because(static_cast<int>(-done))
        .remedy("the store needs a file system with user extended attributes; or use --layers flat");
  directories_[directory].opaque = true;
}

}  // namespace wherry::image
