// SPDX-License-Identifier: Apache-2.0
// What a cgroup gets from above, and what it gives to its container.
#include <string>
#include <string_view>
#include <vector>

#include "cgroup/cgroupfs.hpp"
#include "cgroup/file.hpp"
#include "wherry/error.hpp"

namespace wherry::cgroup {
namespace {

constexpr const char* kControllers = "cgroup.controllers";
constexpr const char* kHandedDown = "cgroup.subtree_control";
constexpr const char* kDelegate = "/sys/kernel/cgroup/delegate";
// config-linux.md "Cgroup ownership", for kernels without that file.
constexpr std::string_view kDelegateFallback = "cgroup.procs\ncgroup.subtree_control\ncgroup.threads\n";

bool has_own_processes(int dir) {
  if (!os::faccessat2(dir, "cgroup.type", 0, 0)) return false;  // the root of all has none
  const auto text = read_file(dir, "cgroup.procs");
  return text && !text.value().empty();
}

void hand_down(int dir) {
  const auto there = read_file(dir, kControllers);
  const auto given = read_file(dir, kHandedDown);
  if (!there || !given) return;
  std::string all;
  std::vector<std::string> each;
  std::string_view rest = there.value();
  for (std::string_view name = next_word(rest); !name.empty(); name = next_word(rest)) {
    if (has_word(given.value(), name)) continue;
    each.push_back("+" + std::string(name));
    all += (all.empty() ? "" : " ") + each.back();
  }
  if (all.empty()) return;
  const os::Status written = write_subtree_control(dir, all);
  if (written || written.error() == EBUSY) return;
  // One that cannot be (cpu with realtime tasks) holds up the others.
  for (const std::string& one : each) (void)write_subtree_control(dir, one);
}

// The controllers are where they should be, or there is nothing to be had.
bool is_settled(const Created& created, std::size_t depth, const std::string& mount) {
  if (created.existing + 1 < depth) return false;  // a new parent hands nothing down yet
  if (os::faccessat2(created.dir.get(), "memory.current", 0, 0)) return true;
  const auto all = read_file(os::kAtFdcwd, (mount + "/" + kControllers).c_str());
  return !all || !has_word(all.value(), "memory");
}

}  // namespace

os::Status write_subtree_control(int dir_fd, const std::string& controllers) {
  if (has_own_processes(dir_fd)) return os::Status(EBUSY);
  return write_file(dir_fd, kHandedDown, controllers);
}

void hand_down_controllers(const Created& created, const std::string& mount, const std::string& path) {
  const std::vector<std::string> parts = components(path);
  if (is_settled(created, parts.size(), mount)) return;
  auto dir = open_directory(os::kAtFdcwd, mount.c_str());
  for (const std::string& part : parts) {
    if (!dir) return;
    hand_down(dir.value().get());
    dir = open_directory(dir.value().get(), part.c_str());
  }
}

void delegate(int dir_fd, unsigned uid, unsigned gid) {
  const auto listed = read_file(os::kAtFdcwd, kDelegate);
  const auto give = [&](const std::string& name) {
    const auto given = os::fchownat(dir_fd, name.c_str(), uid, gid, os::kAtEmptyPath | os::kAtSymlinkNofollow);
    if (!given && given.error() != ENOENT)
      throw Error("give " + (name.empty() ? std::string("the cgroup") : name) + " to uid " + std::to_string(uid))
          .because(given.error());
  };
  give("");
  std::string_view rest = listed ? std::string_view(listed.value()) : kDelegateFallback;
  for (std::string_view line = next_line(rest); !line.empty(); line = next_line(rest)) give(std::string(line));
}

}  // namespace wherry::cgroup
