// SPDX-License-Identifier: Apache-2.0
// The directories of a tree: from the names of entries to descriptors.
#include <algorithm>

#include "image/paths.hpp"
#include "image/tree.hpp"
#include "wherry/error.hpp"

namespace wherry::image {
namespace {

constexpr uint64_t kBeneath = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV;

unsigned type_of(const struct statx& status) { return status.stx_mode & os::kTypeMask; }

bool starts_below(const std::string& path, const std::string& directory) {
  return directory.empty() || path == directory ||
         (path.size() > directory.size() && path.compare(0, directory.size(), directory) == 0 &&
          path[directory.size()] == '/');
}

}  // namespace

int Tree::open_directory(const std::string& path) {
  if (path.empty()) return root_.get();
  auto* const found = std::ranges::find(kept_, path, &Kept::path);
  if (found != kept_.end()) {
    found->used = ++uses_;
    return found->fd.get();
  }
  auto fd = os::openat2(root_.get(), path.c_str(), os::kPath | os::kDirectory, kBeneath);
  if (!fd) throw Error("open the directory " + path).because(fd.error());
  auto* const oldest = std::ranges::min_element(kept_, {}, &Kept::used);
  *oldest = {path, std::move(*fd), ++uses_};
  return oldest->fd.get();
}

Tree::Place Tree::place_of(const std::string& path) {
  Split split = split_path(path);
  Place place{*find_directory(split.directory, true), std::move(split.name), -1};
  check_depth(place.directory);
  make_real(place.directory);
  place.fd = open_directory(place.directory);
  return place;
}

// Something of this layer comes to be in a directory, and so in all above it.
void Tree::make_real(const std::string& directory) {
  for (std::string at = directory; for_whiteouts_.erase(at) != 0;) at = split_path(at).directory;
}

// Links may lead deeper than a name says; what is too deep could not be removed again.
void Tree::check_depth(const std::string& path) const {
  if (static_cast<std::uint64_t>(std::ranges::count(path, '/')) >= options_.limits.depth)
    throw Error("make " + path).because(ENAMETOOLONG).detail("it lies too deep");
}

// A directory is no more: nothing that is remembered of it, or below it, may be used again.
void Tree::forget(const std::string& path) {
  last_wanted_.clear();
  last_found_.clear();
  directories_.erase(path);
  for_whiteouts_.erase(path);
  const std::string below = path + "/";
  const auto is_below = [&](const std::string& other) { return other.compare(0, below.size(), below) == 0; };
  auto at = directories_.lower_bound(below);
  while (at != directories_.end() && is_below(at->first)) at = directories_.erase(at);
  auto idle = for_whiteouts_.lower_bound(below);
  while (idle != for_whiteouts_.end() && is_below(*idle)) idle = for_whiteouts_.erase(idle);
  for (Kept& kept : kept_)
    if (!kept.path.empty() && starts_below(kept.path, path)) kept = {};
}

Tree::Directories::iterator Tree::adopt(const std::string& path, const struct statx& status) {
  constexpr unsigned kSetGroup = 02000;
  Directory directory;
  directory.set_group = (status.stx_mode & kSetGroup) != 0;
  directory.has_time = true;  // as it was before something is made inside
  directory.time = {status.stx_mtime.tv_sec, status.stx_mtime.tv_nsec};
  return directories_.insert_or_assign(path, directory).first;
}

// layer.md: a parent that the layer does not have. Below it may be one, whose attributes then stay.
void Tree::make_implied(const std::string& directory, const std::string& name) {
  const std::string path = join(directory, name);
  check_depth(path);
  count_one(path);
  const int fd = open_directory(directory);
  if (auto made = os::mkdirat(fd, name.c_str(), 0755); !made)
    throw Error("make the directory " + path).because(made.error());
  // 0:0 of the container.
  Entry entry;
  entry.type = EntryType::kDirectory;
  set_owner({directory, name, fd}, entry);
  Directory made;
  if (auto parent = directories_.find(directory); parent != directories_.end())
    made.set_group = parent->second.set_group;
  directories_.insert_or_assign(path, made);
  remember(path);
  if (!options_.overlay) return;
  const Layers::Found below = look_below(path);
  if (below.type() == os::kTypeDirectory) copy_directory_attributes(below, path);
}

// One component further. False: it is not there, and is not to be made.
bool Tree::enter(std::string& at, std::string& rest, const std::string& component, bool create) {
  const std::string next = join(at, component);
  if (directories_.contains(next)) return at = next, true;
  const int parent = open_directory(at);
  struct statx status {};
  constexpr unsigned kMask = STATX_TYPE | STATX_MODE | STATX_MTIME;
  const os::Status found = os::statx(parent, component.c_str(), os::kAtSymlinkNofollow, kMask, status);
  if (!found && found.error() != ENOENT) throw Error("look up " + next).because(found.error());
  bool exists = static_cast<bool>(found);
  bool hides = exists && options_.overlay && is_whiteout(status);
  int link_in = parent;
  std::string link_name = component;
  if (!exists && options_.overlay) {
    const Layers::Found below = look_below(next);
    if (below.type() == os::kTypeSymlink) {
      status = below.status;
      exists = true;
      link_in = below.root;
      link_name = next;
    } else if (below.root >= 0 && !create) {
      // A directory of the layers below in which this one has nothing.
      if (below.type() != os::kTypeDirectory) return false;
      make_implied(at, component);
      for_whiteouts_.insert(next);
      return at = next, true;
    }
  }
  if (exists && !hides && type_of(status) == os::kTypeDirectory) return adopt(next, status), at = next, true;
  if (exists && !hides && type_of(status) == os::kTypeSymlink) {
    const std::string text = read_link(link_in, link_name);
    if (text.substr(0, 1) == "/") at.clear();
    rest = rest.empty() ? text : text + "/" + rest;
    return true;
  }
  if (!create) return false;
  if (exists) {  // image-spec: what is no directory makes way for one
    if (auto gone = os::unlinkat(parent, component.c_str(), 0); !gone)
      throw Error("replace " + next).because(gone.error());
  }
  make_implied(at, component);
  if (exists && options_.overlay) set_opaque(next);
  return at = next, true;
}

std::optional<std::string> Tree::walk(const std::string& path, bool create) {
  std::string at, rest = path;
  std::size_t links = 0, steps = 0;
  while (!rest.empty()) {
    const std::string component = pop_component(rest);
    if (component.empty() || component == ".") continue;
    if (component == "..") {
      at = split_path(at).directory;
      continue;
    }
    const std::size_t before = rest.size();
    if (!enter(at, rest, component, create)) return std::nullopt;
    if (rest.size() > before && ++links > kMostLinks) throw Error("resolve " + path).because(ELOOP);
    if (++steps > 4 * options_.limits.depth + kMostLinks || rest.size() > 64U << 10U)
      throw Error("resolve " + path).because(ENAMETOOLONG);
  }
  return at;
}

std::optional<std::string> Tree::find_directory(const std::string& path, bool create) {
  if (path.empty()) return path;
  if (path == last_wanted_) return last_found_;
  std::optional<std::string> found = directories_.contains(path) ? path : walk(path, create);
  if (found) last_wanted_ = path, last_found_ = *found;
  return found;
}

}  // namespace wherry::image
