// SPDX-License-Identifier: Apache-2.0
// overlay: a layer is unpacked alone, but means what it means on top of the layers below.
#include "image/paths.hpp"
#include "image/tree.hpp"
#include "wherry/error.hpp"

namespace wherry::image {
namespace {

constexpr uint64_t kBeneath = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV;
constexpr unsigned kMask = STATX_BASIC_STATS;

// Its last component is not followed, and no other is a link.
os::Status look_up(int root, const std::string& path, struct statx& status) {
  auto fd = os::openat2(root, path.c_str(), os::kPath | os::kNoFollow, RESOLVE_BENEATH | RESOLVE_NO_XDEV);
  return fd ? os::statx(fd->get(), "", os::kAtEmptyPath, kMask, status) : os::Status(fd.error());
}

bool has_opaque_mark(int root, const std::string& path) {
  auto fd = os::openat2(root, path.empty() ? "." : path.c_str(), os::kRdOnly | os::kDirectory, kBeneath);
  char value = 0;
  return fd && os::raw_syscall(__NR_fgetxattr, fd->get(), os::address(kOpaqueName), os::address(&value), 1) == 1 &&
         value == 'y';
}

bool covers(int error) { return error == ENOTDIR || error == ELOOP; }

}  // namespace

// A directory above `path`, or itself, is opaque in this layer, or a file or a whiteout stands in its place.
bool Tree::is_opaque_in(int lower, const std::string& path) {
  for (std::string at = split_path(path).directory; !at.empty(); at = split_path(at).directory) {
    struct statx status {};
    if (!look_up(lower, at, status)) continue;
    if ((status.stx_mode & os::kTypeMask) != os::kTypeDirectory || has_opaque_mark(lower, at)) return true;
  }
  return has_opaque_mark(lower, "");
}

Tree::Below Tree::look_below(const std::string& path) {
  // This layer's own opaque directories first.
  for (std::string at = split_path(path).directory;; at = split_path(at).directory) {
    const auto known = directories_.find(at);
    if (known != directories_.end() && known->second.opaque) return {};
    if (at.empty()) break;
  }
  for (const int lower : lowers_) {
    Below below{lower, {}};
    const os::Status found = look_up(lower, path, below.status);
    if (found) return is_whiteout(below.status) ? Below{} : below;
    if (found.error() != ENOENT && !covers(found.error())) throw Error("look up " + path).because(found.error());
    if (covers(found.error()) || is_opaque_in(lower, path)) return {};
  }
  return {};
}

void Tree::copy_directory_attributes(const Below& below, const std::string& path) {
  auto from = os::openat2(below.lower, path.c_str(), os::kPath | os::kDirectory, kBeneath);
  if (!from) throw Error("open " + path + " of a lower layer").because(from.error());
  copy_directory(from->get(), open_directory(path), options_.own);
  const unsigned mode = below.status.stx_mode & 07777U;
  Directory& directory = adopt(path, below.status)->second;
  directory.late_mode = (mode & 0700U) != 0700U;
  directory.mode = mode;
}

void copy_directory(int from, int to, bool own) {
  auto source = os::openat(from, ".", os::kRdOnly | os::kDirectory);
  auto target = os::openat(to, ".", os::kRdOnly | os::kDirectory);
  struct statx status {};
  int error = source ? target.error() : source.error();
  if (error == 0) error = os::statx(source->get(), "", os::kAtEmptyPath, kMask, status).error();
  if (error == 0 && own)
    error = os::fchownat(target->get(), "", status.stx_uid, status.stx_gid, os::kAtEmptyPath).error();
  if (error == 0) {
    copy_xattrs(source->get(), target->get());
    error = os::fchmod(target->get(), (status.stx_mode & 07777U) | 0700U).error();
  }
  const os::timespec64 time{status.stx_mtime.tv_sec, status.stx_mtime.tv_nsec};
  const os::timespec64 times[2] = {time, time};
  if (error == 0)
    error = os::status_of(os::raw_syscall(__NR_utimensat, target->get(), 0, os::address(times), 0)).error();
  if (error != 0) throw Error("copy the attributes of a directory").because(error);
}

// A hard link to a file of a lower layer: overlayfs cannot link across layers, so this one gets a copy.
bool Tree::copy_up(const Place& place) {
  const std::string path = place.path();
  const Below below = look_below(path);
  const unsigned type = below.status.stx_mode & os::kTypeMask;
  if (below.lower < 0 || type == os::kTypeDirectory) return false;
  Entry entry;
  entry.name = path;
  entry.mode = below.status.stx_mode & 07777U;
  entry.uid = below.status.stx_uid;
  entry.gid = below.status.stx_gid;
  entry.mtime = below.status.stx_mtime.tv_sec;
  entry.mtime_ns = below.status.stx_mtime.tv_nsec;
  entry.major = below.status.stx_rdev_major;
  entry.minor = below.status.stx_rdev_minor;
  if (type == os::kTypeSymlink) {
    char target[4096];
    auto size = os::readlinkat(below.lower, path.c_str(), target, sizeof target);
    if (!size) throw Error("read the link " + path).because(size.error());
    entry.type = EntryType::kSymlink;
    entry.link.assign(target, static_cast<std::size_t>(*size));
    return make_other(place, entry), true;
  }
  if (type != os::kTypeRegular) {
    entry.type = type == os::kTypeFifo   ? EntryType::kFifo
                 : type == os::kTypeChar ? EntryType::kChar
                                         : EntryType::kBlock;
    return make_other(place, entry), true;
  }
  copy_file(below.lower, place, entry);
  return true;
}

void Tree::copy_file(int lower, const Place& place, const Entry& entry) {
  const std::string path = place.path();
  auto from = os::openat2(lower, path.c_str(), os::kRdOnly | os::kNonBlock, kBeneath);
  auto to = os::openat(place.fd, place.name.c_str(), os::kWrOnly | os::kCreat | os::kExcl | os::kNoFollow, 0600);
  if (!from || !to) throw Error("copy " + path + " from a lower layer").because(from ? to.error() : from.error());
  for (;;) {
    constexpr long kAtOnce = 1L << 30;
    const long copied = os::raw_syscall(__NR_sendfile, to->get(), from->get(), 0, kAtOnce);
    if (copied < 0) throw Error("copy " + path + " from a lower layer").because(static_cast<int>(-copied));
    if (copied == 0) break;
  }
  if (options_.own) {
    if (auto owned = os::fchownat(to->get(), "", entry.uid, entry.gid, os::kAtEmptyPath); !owned)
      throw Error("give an owner to " + path).because(owned.error());
  }
  copy_xattrs(from->get(), to->get());
  if (auto changed = os::fchmod(to->get(), entry.mode); !changed)
    throw Error("set the mode of " + path).because(changed.error());
  set_times(place, entry);
  remember(path);
}

}  // namespace wherry::image
