// SPDX-License-Identifier: Apache-2.0
#include "container/store.hpp"

#include <dirent.h>
#include <sys/file.h>

#include <algorithm>
#include <memory>

#include "os/core/calls.hpp"
#include "os/files.hpp"
#include "wherry/error.hpp"

namespace wherry::container {
namespace {

constexpr std::size_t kLongestId = 1024;
constexpr std::size_t kLargestFile = 64U << 20U;
constexpr const char* kOtherRoot = "choose a writable one with --root, or set XDG_RUNTIME_DIR";
constexpr int kLockTimeoutMs = 10000;
constexpr int kLockPauseMs = 5;  // flock(2) has no timeout and no descriptor to poll

bool is_id_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '+' ||
         c == '.' || c == '-';
}

bool is_id(const std::string& id) {
  return !id.empty() && id.size() <= kLongestId && id != "." && id != ".." && id.front() != '-' &&
         std::all_of(id.begin(), id.end(), is_id_character);
}

// Closed to others; its parents are not.
void make_root(const std::string& root) {
  if (auto made = os::make_directories(root, 0755, 0700); !made)
    throw Error("create the state directory " + root).because(made.error()).remedy(kOtherRoot);
}

os::Result<os::Fd> open_directory(int dir, const char* name) {
  return os::openat(dir, name, os::kRdOnly | os::kDirectory | os::kNoFollow);
}

constexpr int kRemoveDirectory = 0x200;  // AT_REMOVEDIR
constexpr unsigned kDeepestTree = 256;

// Follows no link: a container without a user namespace may have made the contents.
os::Status remove_tree(int parent, const char* name, unsigned depth = 0) {
  if (const auto removed = os::unlinkat(parent, name, 0); removed || removed.error() != EISDIR) return removed;
  auto dir = open_directory(parent, name);
  if (!dir) return os::Status(dir.error());
  if (depth == kDeepestTree) return os::Status(ELOOP);
  const std::unique_ptr<DIR, int (*)(DIR*)> entries(::fdopendir(dir->get()), ::closedir);
  if (!entries) return os::Status(errno);
  const int number = dir->release();  // closedir(3) closes it
  errno = 0;                          // readdir(3): the one way to tell an error from the end
  while (const dirent* entry = ::readdir(entries.get())) {
    const std::string_view child = entry->d_name;
    if (child == "." || child == "..") continue;
    if (auto removed = remove_tree(number, entry->d_name, depth + 1); !removed) return removed;
  }
  if (errno != 0) return os::Status(errno);
  return os::unlinkat(parent, name, kRemoveDirectory);
}

}  // namespace

void check_id(const std::string& id) {
  if (is_id(id)) return;
  throw Error("container id")
      .detail("invalid id format")
      .remedy("use 1 to 1024 of [A-Za-z0-9_+.-], not starting with \"-\"");
}

StateDirectory StateDirectory::create(const std::string& root, const std::string& id) {
  check_id(id);
  const std::string path = root + "/" + id;
  auto made = os::mkdirat(os::kAtFdcwd, path.c_str(), 0700);
  if (!made && made.error() == ENOENT) {
    make_root(root);
    made = os::mkdirat(os::kAtFdcwd, path.c_str(), 0700);
  }
  if (!made && made.error() == EEXIST)
    throw Error("container with id " + id + " already exists").remedy("choose another id, or delete that container");
  if (!made) throw Error("create the state directory " + path).because(made.error()).remedy(kOtherRoot);
  auto dir = open_directory(os::kAtFdcwd, path.c_str());
  if (!dir) throw Error("open the state directory " + path).because(dir.error());
  StateDirectory created(root, id, std::move(*dir));
  created.lock();
  return created;
}

std::optional<StateDirectory> StateDirectory::find(const std::string& root, const std::string& id) {
  if (!is_id(id)) return std::nullopt;
  const std::string path = root + "/" + id;
  auto dir = open_directory(os::kAtFdcwd, path.c_str());
  if (dir) return StateDirectory(root, id, std::move(*dir));
  if (dir.error() == ENOENT || dir.error() == ENOTDIR || dir.error() == ELOOP) return std::nullopt;
  throw Error("open the state directory " + path).because(dir.error());
}

StateDirectory StateDirectory::open(const std::string& root, const std::string& id) {
  check_id(id);
  auto found = find(root, id);
  if (!found) throw Error("container " + id + " does not exist");
  return std::move(*found);
}

bool StateDirectory::try_lock() { return os::raw_syscall(__NR_flock, dir_.get(), LOCK_EX | LOCK_NB) == 0; }

void StateDirectory::lock() {
  for (int waited = 0; !try_lock(); waited += kLockPauseMs) {
    if (waited >= kLockTimeoutMs)
      throw Error("lock " + path())
          .because(EWOULDBLOCK)
          .detail("another command is at work on this container")
          .remedy("try again");
    (void)os::poll(nullptr, 0, kLockPauseMs);  // a signal only shortens the pause
  }
}

std::string StateDirectory::path(const char* name) const { return root_ + "/" + id_ + (*name == 0 ? "" : "/") + name; }

oci::Record StateDirectory::read_record() const { return oci::read_record(read_file(kStateFile)); }

void StateDirectory::write_record(const oci::Record& record) const {
  // No fsync: /run is a tmpfs, and after a crash of the kernel the boot id says that the record is void.
  if (auto written = os::replace_file(dir_.get(), kStateFile, oci::write_record(record), 0600); !written)
    throw Error("write " + path(kStateFile)).because(written.error());
}

void StateDirectory::create_file(const char* name, std::string_view data) const {
  if (auto written = os::create_file(dir_.get(), name, data, 0600); !written)
    throw Error("write " + path(name)).because(written.error());
}

std::string StateDirectory::read_file(const char* name) const {
  auto text = os::read_file(dir_.get(), name, kLargestFile);
  if (!text) throw Error("read " + path(name)).because(text.error());
  return std::move(*text);
}

bool StateDirectory::has(const char* name) const {
  struct statx status {};
  const os::Status found = os::statx(dir_.get(), name, os::kAtSymlinkNofollow, STATX_TYPE, status);
  if (!found && found.error() != ENOENT) throw Error("look at " + path(name)).because(found.error());
  return static_cast<bool>(found);
}

void StateDirectory::unlink(const char* name) const {
  const auto removed = os::unlinkat(dir_.get(), name, 0);
  if (!removed && removed.error() != ENOENT) throw Error("remove " + path(name)).because(removed.error());
}

void StateDirectory::remove() const {
  for (const char* name : {kNotifyDirectory, kNewNotifySocket}) {
    const auto removed = remove_tree(dir_.get(), name);
    if (!removed && removed.error() != ENOENT) throw Error("remove " + path(name)).because(removed.error());
  }
  for (const char* name : {kStartSocket, kPlanFile, kConfigFile, "state.json.tmp", kStateFile}) unlink(name);
  auto removed = os::unlinkat(os::kAtFdcwd, path().c_str(), kRemoveDirectory);
  if (!removed && removed.error() == ENOTEMPTY) {
    for (const char* name : {kMemoryFile, "memory.tmp"}) unlink(name);  // few containers are ever updated
    removed = os::unlinkat(os::kAtFdcwd, path().c_str(), kRemoveDirectory);
  }
  if (!removed && removed.error() != ENOENT) throw Error("remove " + path()).because(removed.error());
}

std::vector<std::string> list_ids(const std::string& root) {
  std::vector<std::string> ids;
  const std::unique_ptr<DIR, int (*)(DIR*)> dir(::opendir(root.c_str()), ::closedir);
  if (!dir && errno == ENOENT) return ids;
  if (!dir) throw Error("read the state directory " + root).because(errno);
  errno = 0;  // readdir(3): the one way to tell an error from the end
  while (const dirent* entry = ::readdir(dir.get()))
    if (is_id(entry->d_name) && entry->d_type == DT_DIR) ids.emplace_back(entry->d_name);
  if (errno != 0) throw Error("read the state directory " + root).because(errno);
  std::sort(ids.begin(), ids.end());
  return ids;
}

}  // namespace wherry::container
