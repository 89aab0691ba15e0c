// SPDX-License-Identifier: Apache-2.0
// Extended attributes of a tree's entries.
#include <algorithm>

#include "image/tree.hpp"
#include "wherry/error.hpp"

namespace wherry::image {
namespace {

// What says how this host labels files, and not what the image is.
constexpr std::string_view kHostsOwn[] = {"security.selinux", "security.ima", "security.evm", "system.nfs4_acl"};
constexpr std::string_view kOverlay = "user.overlay.";
constexpr std::size_t kListSize = 64U << 10U;  // XATTR_LIST_MAX

bool is_hosts_own(std::string_view name) { return std::ranges::find(kHostsOwn, name) != std::end(kHostsOwn); }

// Not for this file system, this user or this kind of file: the rest of the image is good all the same.
bool is_tolerable(int error) { return error == EOPNOTSUPP || error == EPERM || error == EINVAL || error == EACCES; }

std::vector<std::string> names_of(int fd) {
  std::vector<std::string> names;
  char list[4096];
  auto size = os::result_of(os::raw_syscall(__NR_flistxattr, fd, os::address(list), sizeof list));
  std::string large;
  const char* text = list;
  if (!size && size.error() == ERANGE) {
    large.resize(kListSize);
    size = os::result_of(os::raw_syscall(__NR_flistxattr, fd, os::address(large.data()), kListSize));
    text = large.data();
  }
  if (size.error() == EOPNOTSUPP) return names;
  if (!size) throw Error("list extended attributes").because(size.error());
  for (long at = 0; at < *size; at += static_cast<long>(names.back().size()) + 1) names.emplace_back(text + at);
  return names;
}

}  // namespace

template <class Set>
void Tree::set_each_xattr(const Entry& entry, Set&& set) {
  for (const auto& [name, value] : entry.xattrs) {
    if (is_hosts_own(name)) continue;
    // overlayfs would obey the image's own; since 6.7 it shows "user.overlay.overlay.X" as "user.overlay.X".
    const bool escape = options_.overlay && name.rfind(kOverlay, 0) == 0;
    const std::string as = escape ? std::string(kOverlay) + "overlay." + name.substr(kOverlay.size()) : name;
    const os::Status done = set(as, value);
    if (done) continue;
    if (!is_tolerable(done.error()))
      throw Error("set the extended attribute " + name + " of " + entry.name).because(done.error());
    if (losses_.xattrs++ == 0) losses_.first_xattr = name + " of " + entry.name + ": " + errno_name(done.error());
  }
}

void Tree::set_xattrs(int fd, const Entry& entry) {
  set_each_xattr(entry, [&](const std::string& name, const std::string& value) {
    return os::status_of(os::raw_syscall(__NR_fsetxattr, fd, os::address(name.c_str()), os::address(value.data()),
                                         static_cast<long>(value.size()), 0));
  });
}

// There is no setxattrat(2) before 6.13: through the directory's descriptor in procfs.
void Tree::set_xattrs(const std::string& path, const Entry& entry) {
  const std::size_t slash = path.rfind('/');
  const int fd = open_directory(slash == std::string::npos ? "" : path.substr(0, slash));
  const std::string through =
      "/proc/self/fd/" + std::to_string(fd) + "/" + path.substr(slash == std::string::npos ? 0 : slash + 1);
  set_each_xattr(entry, [&](const std::string& name, const std::string& value) {
    return os::status_of(os::raw_syscall(__NR_lsetxattr, os::address(through.c_str()), os::address(name.c_str()),
                                         os::address(value.data()), static_cast<long>(value.size()), 0));
  });
}

// layer.md: the attributes of a directory that is there are replaced. The host's own labels stay, and overlayfs's mark.
void Tree::clear_xattrs(int fd) const {
  for (const std::string& name : names_of(fd)) {
    if (is_hosts_own(name) || (options_.overlay && name == kOpaqueName)) continue;
    (void)os::raw_syscall(__NR_fremovexattr, fd, os::address(name.c_str()));  // one that may not go was not set by us
  }
}

void copy_xattrs(int from, int to) {
  std::string value(kListSize, '\0');
  for (const std::string& name : names_of(from)) {
    if (is_hosts_own(name) || name == kOpaqueName) continue;
    const long size = os::raw_syscall(__NR_fgetxattr, from, os::address(name.c_str()), os::address(value.data()),
                                      static_cast<long>(value.size()));
    if (size < 0) continue;  // what this user may not read was not written by this user
    (void)os::raw_syscall(__NR_fsetxattr, to, os::address(name.c_str()), os::address(value.data()), size, 0);
  }
}

}  // namespace wherry::image
