// SPDX-License-Identifier: Apache-2.0
// The entries of a layer, one after the other.
#include "image/tree.hpp"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include "image/paths.hpp"
#include "os/files.hpp"
#include "wherry/error.hpp"

namespace wherry::image {
namespace {

constexpr std::string_view kWhiteout = ".wh.";
constexpr std::string_view kOpaque = ".wh..wh..opq";
constexpr std::string_view kAufs = ".wh..wh.";
constexpr unsigned kSetIds = 06000, kSetGroup = 02000, kOwnerAll = 0700;

[[noreturn]] void refuse(const Entry& entry, const std::string& why) {
  throw Error("unpack " + entry.name).detail(why);
}

void check(const os::Status& status, const char* what, const std::string& path) {
  if (!status) throw Error(std::string(what) + " " + path).because(status.error());
}

os::Status set_times_of(int fd, const char* name, const os::timespec64& time, int flags) {
  const os::timespec64 times[2] = {time, time};
  return os::status_of(os::raw_syscall(__NR_utimensat, fd, os::address(name), os::address(times), flags));
}

os::timespec64 time_of(const Entry& entry) { return {entry.mtime, entry.mtime_ns}; }

unsigned device_number(std::uint32_t major, std::uint32_t minor) {  // the kernel's new_encode_dev()
  return (minor & 0xffU) | major << 8U | (minor & ~0xffU) << 12U;
}

std::uint32_t mapped(const std::vector<IdRange>& map, std::uint32_t id, const Entry& entry) {
  if (map.empty()) return id;
  for (const IdRange& range : map)
    if (id >= range.container && id - range.container < range.size) return range.host + (id - range.container);
  refuse(entry, "its owner " + std::to_string(id) + " is not in the map of ids");
}

template <class F>
bool any_component(std::string_view path, F&& test) {
  while (!path.empty()) {
    const std::string_view component = path.substr(0, path.find('/'));
    if (test(component)) return true;
    path.remove_prefix(std::min(path.size(), component.size() + 1));
  }
  return false;
}

}  // namespace

Tree::Tree(os::Fd root, TreeOptions options, std::vector<int> lowers)
    : root_(std::move(root)),
      options_(std::move(options)),
      lowers_(std::move(lowers)),
      uid_(::geteuid()),
      gid_(::getegid()) {
  struct statx status {};
  if (!lowers_.empty()) {
    check(os::statx(root_.get(), "", os::kAtEmptyPath, STATX_BASIC_STATS, status), "look up", "the root of the layer");
    adopt("", status);
    return;
  }
  Directory top;
  top.has_time = options_.layer;  // 1970 until a layer says better: the same image is the same tree
  directories_.emplace("", top);
}

void Tree::apply(TarReader& reader) {
  of_layer_.clear();
  Entry entry;
  while (reader.next(entry)) {
    try {
      apply_entry(entry, reader);
    } catch (const Error& error) {
      const std::string& message = error.message();
      if (error.code() != 1 || message.rfind("unpack ", 0) == 0 || message.rfind("read the tar", 0) == 0) throw;
      throw Error("unpack " + entry.name).because(error.number()).detail(message);
    }
  }
  ++layer_;
}

void Tree::count_one(const std::string& name) {
  if (++entries_ > options_.limits.entries)
    throw Error("unpack " + name)
        .because(EFBIG)
        .detail("the image has more than " + std::to_string(options_.limits.entries) + " entries")
        .remedy("raise --max-entries if it is to be trusted");
}

void Tree::count(const Entry& entry) {
  count_one(entry.name);
  if (entry.size > options_.limits.bytes || bytes_ > options_.limits.bytes - entry.size)
    throw Error("unpack " + entry.name)
        .because(EFBIG)
        .detail("the image's files have more than " + std::to_string(options_.limits.bytes) + " bytes")
        .remedy("raise --max-bytes if it is to be trusted");
  bytes_ += entry.size;
}

void Tree::apply_entry(Entry& entry, TarReader& reader) {
  count(entry);
  if (options_.accepts != nullptr && !options_.accepts(entry.name)) refuse(entry, "it does not belong here");
  const auto path = clean_name(entry.name);
  if (!path) refuse(entry, "the name leaves the root, or has too long a component");
  if (static_cast<std::uint64_t>(std::ranges::count(*path, '/')) >= options_.limits.depth)
    refuse(entry, "it lies too deep");
  if (path->empty()) return set_root(entry);
  if (options_.layer && is_special(*path, entry)) return;
  const Place place = place_of(*path);
  switch (entry.type) {  // intentionally no default
    case EntryType::kDirectory:
      return make_directory(place, entry);
    case EntryType::kFile:
      return make_file(place, entry, reader);
    case EntryType::kHardLink:
      return make_hard_link(place, entry);
    case EntryType::kSymlink:
    case EntryType::kChar:
    case EntryType::kBlock:
    case EntryType::kFifo:
      return make_other(place, entry);
  }
}

// Whiteouts, and what AUFS left.
bool Tree::is_special(const std::string& path, const Entry& entry) {
  if (any_component(path, [](std::string_view part) { return part.rfind(kAufs, 0) == 0 && part != kOpaque; }))
    return true;
  const Split split = split_path(path);
  if (any_component(split.directory, [](std::string_view part) { return part.rfind(kWhiteout, 0) == 0; }))
    refuse(entry, "a directory has the name of a whiteout");
  if (split.name.rfind(kWhiteout, 0) != 0) return false;
  whiteout(split.directory, split.name);
  return true;
}

// Deep directories have long paths, and each entry may need hundreds of them.
void Tree::remember(const std::string& path) {
  constexpr std::uint64_t kBesidesText = 128;
  remembered_ += path.size() + kBesidesText;
  if (remembered_ > options_.limits.names)
    throw Error("unpack " + path).because(EFBIG).detail("the image has too many long paths");
  if (layer_ != 0) of_layer_.insert(path);
}

// CVE-2021-29136: the root is a directory and stays one.
void Tree::set_root(const Entry& entry) {
  if (entry.type != EntryType::kDirectory) refuse(entry, "the root of a layer must be a directory");
  set_directory("", root_.get(), entry, true);
}

// `make` gives EEXIST where something stands. layer.md: whatever it is goes, but for a directory that is to be one.
template <class Make>
void Tree::make_anew(const Place& place, Make&& make) {
  os::Status made = make();
  if (!made && made.error() == EEXIST) {
    forget(place.path());
    check(remove_tree(place.fd, place.name.c_str()), "replace", place.path());
    made = make();
  }
  check(made, "make", place.path());
  remember(place.path());
}

bool Tree::owned_already(const Place& place, const Entry& entry) {
  if (!options_.own) return true;
  const auto directory = directories_.find(place.directory);
  const bool inherits = directory == directories_.end() || directory->second.set_group || place.directory.empty();
  return !inherits && mapped(options_.uids, entry.uid, entry) == uid_ &&
         mapped(options_.gids, entry.gid, entry) == gid_;
}

void Tree::set_owner(const Place& place, const Entry& entry) {
  if (owned_already(place, entry)) return;
  check(os::fchownat(place.fd, place.name.c_str(), mapped(options_.uids, entry.uid, entry),
                     mapped(options_.gids, entry.gid, entry), os::kAtSymlinkNofollow),
        "give an owner to", place.path());
}

void Tree::set_times(const Place& place, const Entry& entry) {
  check(set_times_of(place.fd, place.name.c_str(), time_of(entry), os::kAtSymlinkNofollow), "set the time of",
        place.path());
}

void Tree::make_directory(const Place& place, const Entry& entry) {
  const std::string path = place.path();
  for_whiteouts_.erase(path);
  bool hid = false, existed = false;
  os::Status made = os::mkdirat(place.fd, place.name.c_str(), kOwnerAll);
  if (!made && made.error() == EEXIST) {
    struct statx status {};
    check(os::statx(place.fd, place.name.c_str(), os::kAtSymlinkNofollow, STATX_TYPE, status), "look up", path);
    if ((status.stx_mode & os::kTypeMask) == os::kTypeDirectory) {
      made = os::Status();
      existed = true;
    } else {
      hid = options_.overlay;  // a whiteout, or what this layer had there before
      forget(path);
      check(os::unlinkat(place.fd, place.name.c_str(), 0), "replace", path);
      made = os::mkdirat(place.fd, place.name.c_str(), kOwnerAll);
    }
  }
  check(made, "make the directory", path);
  set_directory(path, open_directory(path), entry, existed);
  if (hid) set_opaque(path);
  remember(path);
}

// Its mode and times are final only when nothing is made inside any more.
void Tree::set_directory(const std::string& path, int fd, const Entry& entry, bool existed) {
  auto opened = os::openat(fd, ".", os::kRdOnly | os::kDirectory);
  if (!opened) throw Error("open the directory " + path).because(opened.error());
  if (options_.own)
    check(os::fchownat(opened->get(), "", mapped(options_.uids, entry.uid, entry),
                       mapped(options_.gids, entry.gid, entry), os::kAtEmptyPath),
          "give an owner to", path);
  if (existed) clear_xattrs(opened->get());
  set_xattrs(opened->get(), entry);
  Directory& directory = directories_[path];
  directory.set_group = (entry.mode & kSetGroup) != 0;
  directory.has_time = true;
  directory.time = time_of(entry);
  directory.late_mode = (entry.mode & kOwnerAll) != kOwnerAll;
  directory.mode = entry.mode;
  check(os::fchmod(opened->get(), entry.mode | kOwnerAll), "set the mode of", path);
}

void Tree::make_file(const Place& place, const Entry& entry, TarReader& reader) {
  os::Fd file;
  const unsigned mode = entry.mode & 0777U;
  make_anew(place, [&] {
    constexpr int kFlags = os::kWrOnly | os::kCreat | os::kExcl | os::kNoFollow;
    auto made = os::openat(place.fd, place.name.c_str(), kFlags, mode);
    if (made) file = std::move(*made);
    return os::Status(made.error());
  });
  fill(file.get(), entry, reader);
  if (!owned_already(place, entry))
    check(os::fchownat(file.get(), "", mapped(options_.uids, entry.uid, entry), mapped(options_.gids, entry.gid, entry),
                       os::kAtEmptyPath),
          "give an owner to", place.path());
  // Behind the owner: chown(2) clears both the set-id bits and security.capability.
  if (!entry.xattrs.empty()) set_xattrs(file.get(), entry);
  if (entry.mode != mode) check(os::fchmod(file.get(), entry.mode), "set the mode of", place.path());
  check(set_times_of(file.get(), nullptr, time_of(entry), 0), "set the time of", place.path());
}

void Tree::fill(int fd, const Entry& entry, TarReader& reader) {
  const std::vector<Segment> whole{{0, entry.size}};
  for (const Segment& segment : entry.sparse ? *entry.sparse : whole) {
    if (segment.offset != 0) {
      auto moved = os::result_of(os::raw_syscall(__NR_lseek, fd, static_cast<long>(segment.offset), SEEK_SET));
      if (!moved) throw Error("write " + entry.name).because(moved.error());
    }
    for (std::uint64_t left = segment.size; left > 0;) {
      const auto part = reader.data(left);
      const os::Status written = os::write_all(fd, {reinterpret_cast<const char*>(part.data()), part.size()});
      if (!written) throw Error("write " + entry.name).because(written.error());
      left -= part.size();
    }
  }
  if (entry.sparse) check(os::ftruncate(fd, static_cast<std::int64_t>(entry.size)), "set the size of", entry.name);
}

void Tree::make_hard_link(const Place& place, const Entry& entry) {
  const auto target = clean_name(entry.link);
  if (!target || target->empty()) refuse(entry, "the link's target \"" + entry.link + "\" leaves the root");
  const Split split = split_path(*target);
  const auto directory = find_directory(split.directory, false);
  if (!directory) refuse(entry, "the link's target \"" + entry.link + "\" is not there");
  const Place from{*directory, split.name, open_directory(*directory)};
  if (from.path() == place.path()) refuse(entry, "it is a link to itself");
  struct statx status {};
  const os::Status found =
      os::statx(from.fd, from.name.c_str(), os::kAtSymlinkNofollow, STATX_TYPE | STATX_INO, status);
  const bool missing = !found || (options_.overlay && is_whiteout(status));
  if (missing && !(options_.overlay && found.error() == ENOENT && copy_up(from)))
    refuse(entry, "the link's target \"" + entry.link + "\" is not there");
  const Place to{place.directory, place.name, open_directory(place.directory)};
  make_anew(to, [&] {
    const int flags = 0;  // no AT_SYMLINK_FOLLOW: a link to a symbolic link is one
    return os::status_of(os::raw_syscall(__NR_linkat, open_directory(from.directory), os::address(from.name.c_str()),
                                         open_directory(to.directory), os::address(to.name.c_str()), flags));
  });
}

void Tree::make_other(const Place& place, const Entry& entry) {
  if (entry.type == EntryType::kSymlink) {
    make_anew(place, [&] { return os::symlinkat(entry.link.c_str(), place.fd, place.name.c_str()); });
  } else {
    make_node(place, entry);
  }
  set_owner(place, entry);
  if (!entry.xattrs.empty()) set_xattrs(place.path(), entry);
  if ((entry.mode & kSetIds) != 0 && entry.type != EntryType::kSymlink)
    check(os::fchmodat(place.fd, place.name.c_str(), entry.mode), "set the mode of", place.path());
  set_times(place, entry);
}

void Tree::make_node(const Place& place, const Entry& entry) {
  const bool device = entry.type != EntryType::kFifo;
  const bool hides = device && entry.major == 0 && entry.minor == 0 && entry.type == EntryType::kChar;
  if (device && (!options_.devices || (options_.overlay && hides))) {
    if (losses_.devices++ == 0) losses_.first_device = entry.name;
    return make_anew(place, [&] { return os::mknodat(place.fd, place.name.c_str(), os::kTypeRegular, 0); });
  }
  const unsigned type = entry.type == EntryType::kFifo   ? os::kTypeFifo
                        : entry.type == EntryType::kChar ? os::kTypeChar
                                                         : os::kTypeBlock;
  make_anew(place, [&] {
    return os::mknodat(place.fd, place.name.c_str(), type | entry.mode, device_number(entry.major, entry.minor));
  });
}

void Tree::finish() {
  if (options_.overlay) finish_whiteouts();
  // From the leaves: a mode may close the way to what is below.
  for (auto at = directories_.rbegin(); at != directories_.rend(); ++at) {
    const auto& [path, directory] = *at;
    if (!directory.has_time && !directory.late_mode) continue;
    const int fd = open_directory(path);
    if (directory.late_mode) check(os::fchmodat(fd, ".", directory.mode), "set the mode of", path);
    if (directory.has_time) check(set_times_of(fd, ".", directory.time, 0), "set the time of", path);
  }
}

}  // namespace wherry::image
