// SPDX-License-Identifier: Apache-2.0
// create() and remove().
#include <algorithm>
#include <utility>

#include "cgroup/cgroupfs.hpp"
#include "cgroup/file.hpp"
#include "wherry/error.hpp"

namespace wherry::cgroup {
namespace {

constexpr int kRemoveDirectory = 0x200;  // unlinkat(2) AT_REMOVEDIR
constexpr const char* kPointer = "/linux/cgroupsPath";

const char* remedy_of(int number) {
  switch (number) {
    case EACCES:
    case EPERM:
      return "use a cgroup that is delegated to this user (systemd-run --user --scope -p Delegate=yes), or ask for "
             "none: rootless needs no limits + no cgrouppath when no permission is granted for cgroups";
    case EROFS:
      return "mount the cgroup2 hierarchy writable, or do without by --cgroup-manager disabled";
    case EAGAIN:
      return "raise cgroup.max.descendants or cgroup.max.depth of a parent";
    default:
      return "";
  }
}

Error failure(const char* operation, const std::string& path, int number) {
  return Error(operation + std::string(" cgroup ") + path).at(kPointer).because(number).remedy(remedy_of(number));
}

// A cgroup that was there before: a second container, or what a crash left.
void refuse_in_use(const os::Fd& dir, const std::string& path) {
  const auto events = read_file(dir.get(), "cgroup.events");
  if (!events) throw failure("read cgroup.events of", path, events.error());
  if (value_of(events.value(), "populated") == "1")
    throw Error("use cgroup " + path)
        .at(kPointer)
        .detail("container's cgroup is not empty")
        .remedy("give each container its own");
  if (value_of(events.value(), "frozen") == "1")
    throw Error("use cgroup " + path)
        .at(kPointer)
        .detail("container's cgroup unexpectedly frozen")
        .remedy("write 0 to its cgroup.freeze");
}

std::string joined(const std::string& mount, const std::vector<std::string>& parts, std::size_t count) {
  std::string path = mount;
  for (std::size_t i = 0; i < count; ++i) path += "/" + parts[i];
  return path;
}

// cgroupfs has no symbolic links: one on the way means that the path is not in it.
os::Result<os::Fd> open_plain(const std::string& path, int flags) {
  return os::openat2(os::kAtFdcwd, path.c_str(), static_cast<std::uint64_t>(flags | os::kDirectory),
                     RESOLVE_NO_SYMLINKS);
}

// The components between the first `existing` ones and `end`, from below, until one is in use.
void remove_parents(const std::string& mount, const std::vector<std::string>& parts, std::size_t existing,
                    std::size_t end) {
  for (std::size_t depth = end; depth > existing; --depth) {
    const auto parent = open_plain(joined(mount, parts, depth - 1), os::kPath);
    if (!parent && parent.error() == ENOENT) continue;
    if (!parent) return;
    const auto removed = os::unlinkat(parent.value().get(), parts[depth - 1].c_str(), kRemoveDirectory);
    if (!removed && removed.error() != ENOENT) return;
  }
}

struct Descent {
  os::Fd dir;
  std::size_t existing = 0;  // leading components that were there
  std::size_t reached = 0;   // components that are there now
  bool found = false;        // the last one was there
  int error = 0;
};

Descent descend(const std::string& mount, const std::vector<std::string>& parts) {
  Descent descent;
  descent.existing = parts.size();
  auto next = open_plain(mount, os::kRdOnly);
  for (const std::string& part : parts) {
    if (!next) break;
    descent.dir = std::move(*next);
    const auto made = os::mkdirat(descent.dir.get(), part.c_str(), 0755);
    descent.found = !made && made.error() == EEXIST;
    if (!made && !descent.found) {
      descent.error = made.error();
      return descent;
    }
    if (made) descent.existing = std::min(descent.existing, descent.reached);
    ++descent.reached;
    next = open_directory(descent.dir.get(), part.c_str());
  }
  descent.error = next.error();
  if (next) descent.dir = std::move(*next);
  return descent;
}

// ENOENT: another container's remove() took a parent away meanwhile. Again from the mount.
Created create_from_mount(const std::string& mount, const std::vector<std::string>& parts) {
  constexpr int kAttempts = 16;
  const std::string full = joined(mount, parts, parts.size());
  Descent descent;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    descent = descend(mount, parts);
    if (descent.error == 0) break;
    remove_parents(mount, parts, descent.existing, descent.reached);
    if (descent.error != ENOENT) throw failure("create", full, descent.error);
  }
  if (descent.error != 0) throw failure("create", full, descent.error);
  if (descent.found) refuse_in_use(descent.dir, full);
  return {std::move(descent.dir), static_cast<unsigned>(descent.existing)};
}

void remove_children(int dir) {
  // A child that is in use is waited for with its parent; a child that is gone is none.
  walk(
      dir, [](int) {},
      [](int parent, const std::string& name) { (void)os::unlinkat(parent, name.c_str(), kRemoveDirectory); });
}

std::string list_of(const std::vector<int>& pids) {
  std::string text;
  for (std::size_t i = 0; i < pids.size() && i < 8; ++i) text += (i == 0 ? "" : " ") + std::to_string(pids[i]);
  return pids.size() > 8 ? text + " ..." : text;
}

[[noreturn]] void refuse_busy(const std::string& full, int dir) {
  const std::string pids = list_of(processes(dir));
  throw Error("remove cgroup " + full)
      .because(EBUSY)
      .detail(pids.empty() ? "it is still in use" : "processes are left: " + pids)
      .remedy("kill them first");
}

// A pause of the loop in remove_busy() for EBUSY without a process to wait for: a child that is just being
// made or removed by another. Grows, so that a long wait costs little.
void pause(int& milliseconds, const Deadline& deadline) {
  const int left = deadline.remaining_ms();
  (void)os::poll(nullptr, 0, left < 0 ? milliseconds : std::min(milliseconds, left));  // early is fine
  milliseconds = std::min(milliseconds * 2, 200);
}

void remove_busy(int parent, const char* name, const std::string& full, const Deadline& deadline) {
  const auto dir = open_directory(parent, name);
  if (!dir && dir.error() == ENOENT) return;
  if (!dir) throw failure("open", full, dir.error());
  int milliseconds = 1;
  for (;;) {
    if (!wait_event(dir.value().get(), "populated", '0', deadline)) refuse_busy(full, dir.value().get());
    remove_children(dir.value().get());
    const auto removed = os::unlinkat(parent, name, kRemoveDirectory);
    if (removed || removed.error() == ENOENT) return;
    if (removed.error() != EBUSY) throw failure("remove", full, removed.error());
    if (deadline.passed()) refuse_busy(full, dir.value().get());
    pause(milliseconds, deadline);
  }
}

}  // namespace

void refuse_in_use(const std::string& mount, const std::string& path) {
  const std::vector<std::string> parts = checked_components("create", path);
  const std::string full = joined(mount, parts, parts.size());
  if (const auto dir = open_plain(full, os::kRdOnly)) refuse_in_use(dir.value(), full);
}

Created create(const std::string& mount, const std::string& path) {
  const std::vector<std::string> parts = checked_components("create", path);
  const auto depth = static_cast<unsigned>(parts.size());
  const std::string full = joined(mount, parts, depth);
  // Nearly always the parent is there.
  const auto made = os::mkdirat(os::kAtFdcwd, full.c_str(), 0755);
  if (!made && made.error() == ENOENT) return create_from_mount(mount, parts);
  if (!made && made.error() != EEXIST) throw failure("create", full, made.error());
  auto dir = open_plain(full, os::kRdOnly);
  if (!dir) {
    if (made) (void)os::unlinkat(os::kAtFdcwd, full.c_str(), kRemoveDirectory);  // the first error is the one to tell
    throw failure("open", full, dir.error());
  }
  if (made) return {std::move(*dir), depth - 1};
  refuse_in_use(dir.value(), full);
  return {std::move(*dir), depth};
}

namespace {

// False when the cgroup is busy and `wait` is not given.
bool remove_leaf_and_parents(const std::string& mount, const std::string& path, unsigned existing,
                             const Timeout* wait) {
  const std::vector<std::string> parts = checked_components("remove", path);
  const std::size_t depth = parts.size();
  if (existing >= depth) return true;
  const std::string full = joined(mount, parts, depth);
  const auto parent = open_plain(joined(mount, parts, depth - 1), os::kPath);
  if (!parent && parent.error() != ENOENT) throw failure("open the parent of", full, parent.error());
  if (parent) {
    const char* name = parts.back().c_str();
    const auto removed = os::unlinkat(parent.value().get(), name, kRemoveDirectory);
    if (!removed && removed.error() == EBUSY) {
      if (wait == nullptr) return false;
      remove_busy(parent.value().get(), name, full, Deadline(*wait));
    } else if (!removed && removed.error() != ENOENT) {
      throw failure("remove", full, removed.error());
    }
  }
  remove_parents(mount, parts, existing, depth - 1);
  return true;
}

}  // namespace

void remove(const std::string& mount, const std::string& path, unsigned existing, Timeout timeout) {
  (void)remove_leaf_and_parents(mount, path, existing, &timeout);  // it waits, or throws
}

bool try_remove(const std::string& mount, const std::string& path, unsigned existing) {
  return remove_leaf_and_parents(mount, path, existing, nullptr);
}

}  // namespace wherry::cgroup
