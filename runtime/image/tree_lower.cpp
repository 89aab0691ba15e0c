// SPDX-License-Identifier: Apache-2.0
// overlay: a layer is unpacked alone, but means what it means on top of the layers below.
#include "image/paths.hpp"
#include "image/tree.hpp"
#include "os/files.hpp"
#include "wherry/error.hpp"

namespace wherry::image {
namespace {

constexpr uint64_t kBeneath = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV;

}  // namespace

Layers::Found Tree::look_below(const std::string& path) {
  // This layer's own opaque directories first.
  for (std::string at = split_path(path).directory;; at = split_path(at).directory) {
    const auto known = directories_.find(at);
    if (known != directories_.end() && known->second.opaque) return {};
    if (at.empty()) break;
  }
  return lowers_.find(path);
}

void Tree::copy_directory_attributes(const Layers::Found& below, const std::string& path) {
  auto from = os::openat2(below.root, path.c_str(), os::kPath | os::kDirectory, kBeneath);
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
  if (error == 0) error = os::statx(source->get(), "", os::kAtEmptyPath, STATX_BASIC_STATS, status).error();
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
  const Layers::Found below = look_below(path);
  const unsigned type = below.type();
  if (below.root < 0 || type == os::kTypeDirectory) return false;
  make_real(place.directory);
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
    entry.type = EntryType::kSymlink;
    entry.link = read_link(below.root, path);
    return make_other(place, entry), true;
  }
  if (type != os::kTypeRegular) {
    entry.type = type == os::kTypeFifo   ? EntryType::kFifo
                 : type == os::kTypeChar ? EntryType::kChar
                                         : EntryType::kBlock;
    return make_other(place, entry), true;
  }
  copy_file(below.root, place, entry);
  return true;
}

void Tree::copy_file(int lower, const Place& place, const Entry& entry) {
  const std::string path = place.path();
  auto from = os::open_regular(lower, path.c_str(), kBeneath);
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
