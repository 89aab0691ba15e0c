// SPDX-License-Identifier: Apache-2.0
#include "init/paths.hpp"

#include "init/text.hpp"

namespace wherry::init {
namespace {

constexpr int kMostLinks = 8;  // each takes two pages of stack

// Where the link `name` in `parent` leads: an absolute path below the root. `directory` is the parent's path.
bool read_link(int parent, const char* name, TextView directory, char (&out)[kPathMax]) noexcept {
  char text[kPathMax];
  auto size = os::readlinkat(parent, name, text, sizeof text - 1);
  if (!size || *size <= 0) return false;
  const uint32_t link = static_cast<uint32_t>(*size), before = text[0] == '/' ? 0 : directory.size;
  if (before + link + 2 > kPathMax) return false;
  __builtin_memcpy(out, directory.data, before);
  out[before] = '/';
  __builtin_memcpy(out + before + 1, text, link);
  out[before + 1 + link] = 0;
  return true;
}

os::Result<Fd> make_prefixes(int root, TextView path, Links links, int depth = 0) noexcept {
  char prefix[kPathMax];
  if (depth > kMostLinks) return os::Result<Fd>::failure(ELOOP);
  if (path.size >= kPathMax) return os::Result<Fd>::failure(ENAMETOOLONG);
  auto parent = open_in_root(root, "/", os::kPath | os::kDirectory);
  for (uint32_t at = 0; at < path.size && parent;) {
    const uint32_t end = find(path, '/', at);
    if (end != at) {
      __builtin_memcpy(prefix, path.data, end);
      prefix[end] = 0;
      auto next = open_in_root(root, prefix, os::kPath | os::kDirectory, links);
      if (!next && next.error() == ENOENT) {
        const os::Status made = os::mkdirat(parent->get(), prefix + at, 0755);
        if (!made && made.error() != EEXIST) return os::Result<Fd>::failure(made.error());
        next = open_in_root(root, prefix, os::kPath | os::kDirectory, links);
        char target[kPathMax];  // of a symbolic link that dangles
        if (!next && next.error() == ENOENT && read_link(parent->get(), prefix + at, {prefix, at}, target))
          next = make_prefixes(root, {target, length(target)}, links, depth + 1);
      }
      parent = static_cast<os::Result<Fd>&&>(next);
    }
    at = end + 1;
  }
  return parent;
}

TextView without_trailing_slashes(TextView path) noexcept {
  while (path.size > 1 && path.data[path.size - 1] == '/') --path.size;
  return path;
}

}  // namespace

os::Result<Fd> open_in_root(int root, const char* path, int flags, Links links) noexcept {
  const uint64_t resolve =
      RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | (links == Links::kRefuse ? uint64_t{RESOLVE_NO_SYMLINKS} : 0);
  return os::openat2(root, path[0] == 0 ? "/" : path, static_cast<uint64_t>(flags), resolve);
}

os::Result<Fd> make_directory(int root, TextView path, Links links) noexcept {
  auto found = open_in_root(root, path.data, os::kPath | os::kDirectory, links);
  if (found || found.error() != ENOENT) return found;
  // The usual case is that the last component alone is missing.
  char parent_path[kPathMax];
  uint32_t slash = path.size;
  while (slash > 0 && path.data[slash - 1] != '/') --slash;
  if (path.size >= kPathMax || slash == path.size) return make_prefixes(root, path, links);
  __builtin_memcpy(parent_path, path.data, slash);
  parent_path[slash] = 0;
  auto parent = open_in_root(root, parent_path, os::kPath | os::kDirectory, links);
  if (!parent || !os::mkdirat(parent->get(), path.data + slash, 0755)) return make_prefixes(root, path, links);
  return open_in_root(root, path.data, os::kPath | os::kDirectory, links);
}

os::Result<Place> make_parent(Context& context, TextView path) noexcept {
  path = without_trailing_slashes(path);
  uint32_t slash = path.size;
  while (slash > 0 && path.data[slash - 1] != '/') --slash;
  const char* name = path.data + slash;
  const uint32_t size = path.size - slash;
  if (size == 0 || equal(TextView{name, size}, ".") || equal(TextView{name, size}, "..") || name[size] != 0)
    return os::Result<Place>::failure(EINVAL);
  if (context.parent && equal(TextView{path.data, slash}, TextView{context.parent_path, length(context.parent_path)}))
    return Place{context.parent.get(), name};
  char directory[kPathMax];
  if (slash >= kPathMax) return os::Result<Place>::failure(ENAMETOOLONG);
  __builtin_memcpy(directory, path.data, slash);
  directory[slash] = 0;
  auto parent = make_directory(context.root.get(), {directory, slash});
  if (!parent) return os::Result<Place>::failure(parent.error());
  context.parent = static_cast<Fd&&>(*parent);
  const bool fits = slash < sizeof context.parent_path;
  __builtin_memcpy(context.parent_path, fits ? directory : "?", fits ? slash + 1 : 2);  // "?" is no directory of a path
  return Place{context.parent.get(), name};
}

os::Result<Fd> make_file(Context& context, TextView path, int depth) noexcept {
  const int root = context.root.get();
  if (depth > kMostLinks) return os::Result<Fd>::failure(ELOOP);
  auto found = open_in_root(root, path.data, os::kPath);
  if (found || found.error() != ENOENT) return found;
  auto place = make_parent(context, path);
  if (!place) return os::Result<Fd>::failure(place.error());
  // O_EXCL: a dangling symbolic link is not followed.
  auto made = os::openat(place->parent, place->name, os::kWrOnly | os::kCreat | os::kExcl | os::kNoFollow, 0644);
  if (!made && made.error() != EEXIST) return made;
  found = open_in_root(root, path.data, os::kPath);
  char target[kPathMax];
  const TextView directory{path.data, static_cast<uint32_t>(place->name - path.data)};
  if (found || found.error() != ENOENT || !read_link(place->parent, place->name, directory, target)) return found;
  return make_file(context, {target, length(target)}, depth + 1);
}

}  // namespace wherry::init
