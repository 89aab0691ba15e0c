// SPDX-License-Identifier: Apache-2.0
#include "image/layers.hpp"

#include "image/paths.hpp"
#include "image/tree.hpp"
#include "os/files.hpp"
#include "wherry/error.hpp"

namespace wherry::image {
namespace {

constexpr uint64_t kBeneath = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV;

os::Status look_up(int root, const std::string& path, struct statx& status) {
  auto fd = os::openat2(root, path.empty() ? "." : path.c_str(), os::kPath | os::kNoFollow, kBeneath);
  return fd ? os::statx(fd->get(), "", os::kAtEmptyPath, STATX_BASIC_STATS, status) : os::Status(fd.error());
}

// What is no directory, above the path, hides whatever the layers below have there.
bool covers(int error) { return error == ENOTDIR || error == ELOOP; }

[[noreturn]] void fail(const std::string& path, int error) {
  throw Error("look up " + path + " in a layer").because(error);
}

bool is_opaque(int root, const std::string& directory) {
  auto fd = os::openat2(root, directory.empty() ? "." : directory.c_str(), os::kRdOnly | os::kDirectory, kBeneath);
  if (!fd) fail(directory, fd.error());
  char value = 0;
  const auto size =
      os::result_of(os::raw_syscall(__NR_fgetxattr, fd->get(), os::address(kOpaqueName), os::address(&value), 1));
  const int error = size.error();
  if (error != 0 && error != ENODATA && error != EOPNOTSUPP && error != ERANGE) fail(directory, error);
  return error == 0 && size.value() == 1 && value == 'y';
}

// A directory above `path` is opaque in this layer, or something else stands in its place.
bool hides_below(int root, const std::string& path) {
  for (std::string at = split_path(path).directory; !at.empty(); at = split_path(at).directory) {
    struct statx status {};
    const os::Status found = look_up(root, at, status);
    if (found.error() == ENOENT) continue;
    if (covers(found.error())) return true;
    if (!found) fail(at, found.error());
    if ((status.stx_mode & os::kTypeMask) != os::kTypeDirectory || is_opaque(root, at)) return true;
  }
  return is_opaque(root, "");
}

}  // namespace

Layers::Found Layers::find(const std::string& path) const {
  for (const int root : roots_) {
    Found found{root, {}};
    const os::Status looked = look_up(root, path, found.status);
    if (looked) return is_whiteout(found.status) ? Found{} : found;
    if (covers(looked.error())) return {};
    if (looked.error() != ENOENT) fail(path, looked.error());
    if (hides_below(root, path)) return {};
  }
  return {};
}

std::set<std::string> Layers::names() const {
  std::set<std::string> all;
  for (const int root : roots_) {
    auto names = names_in(root, ".");
    if (!names) fail("/", names.error());
    for (std::string& name : *names)
      if (find(name).root >= 0) all.insert(std::move(name));
  }
  return all;
}

std::optional<std::string> Layers::resolve(const std::string& path) const {
  std::string at, rest = path;
  int links = 0;
  while (!rest.empty()) {
    const std::string component = pop_component(rest);
    if (component.empty() || component == ".") continue;
    if (component == "..") {
      at = split_path(at).directory;
      continue;
    }
    std::string next = join(at, component);
    const Found found = find(next);
    if (found.root < 0) return std::nullopt;
    if (found.type() != os::kTypeSymlink) {
      at = std::move(next);
      continue;
    }
    if (++links > kMostLinks) fail(path, ELOOP);
    const std::string target = read_link(found.root, next);
    if (target.front() == '/') at.clear();
    rest.insert(0, target + "/");
  }
  return at;
}

std::optional<std::string> Layers::read(const std::string& path, std::size_t limit) const {
  const auto at = resolve(path);
  if (!at) return std::nullopt;
  const Found found = find(*at);
  if (found.type() != os::kTypeRegular) return std::nullopt;
  auto fd = os::open_regular(found.root, at->c_str(), kBeneath);
  if (!fd) fail(path, fd.error());
  auto text = os::read_all(fd->get(), limit);
  if (!text) throw Error("read /" + path + " of the image").because(text.error());
  return std::move(*text);
}

std::string read_link(int directory, const std::string& path) {
  char target[4096];
  auto size = os::readlinkat(directory, path.c_str(), target, sizeof target);
  if (!size) throw Error("read the link " + path).because(size.error());
  return {target, static_cast<std::size_t>(*size)};
}

}  // namespace wherry::image
