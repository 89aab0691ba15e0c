// SPDX-License-Identifier: Apache-2.0
#include "container/identity.hpp"

#include <charconv>

#include "os/files.hpp"
#include "wherry/error.hpp"

namespace wherry::container {
namespace {

constexpr long kPidfsMagic = 0x50494446;  // PID_FS_MAGIC, 6.9: the inode number of a pidfd is unique for a boot

// What cannot be found out must not look like a process that has ended: its cgroup would be taken away below it.
[[noreturn]] void give_up(const char* operation, int number) { throw Error(operation).because(number); }

std::uint64_t inode_of(int pidfd) {
  os::statfs64 filesystem{};
  struct statx status {};
  if (auto found = os::fstatfs(pidfd, filesystem); !found) give_up("look at a pidfd", found.error());
  if (filesystem.type != kPidfsMagic) return 0;
  if (auto found = os::statx(pidfd, "", os::kAtEmptyPath, STATX_INO, status); !found)
    give_up("look at a pidfd", found.error());
  return status.stx_ino;
}

std::uint64_t start_time_of(pid_t pid) {
  const std::string path = "/proc/" + std::to_string(pid) + "/stat";
  const auto stat = os::read_file(os::kAtFdcwd, path.c_str(), 65536);
  if (!stat && stat.error() != ENOENT && stat.error() != ESRCH) give_up(("read " + path).c_str(), stat.error());
  return stat ? parse_start_time(stat.value()) : 0;
}

bool has_ended(int pidfd) {
  os::pollfd fds{pidfd, os::kPollIn, 0};  // pidfd_open(2): readable once the process is a zombie
  for (;;) {
    const auto ready = os::poll(&fds, 1, 0);
    if (ready) return fds.revents != 0;
    if (ready.error() != EINTR) give_up("look at a pidfd", ready.error());
  }
}

// pidfd_open(2): EINVAL (ENOENT since 6.13) means a thread that does not lead its process: the number passed on.
bool means_nobody(int number) { return number == ESRCH || number == EINVAL || number == ENOENT; }

}  // namespace

std::uint64_t parse_start_time(std::string_view stat) {
  // proc(5): the second field is the name in parentheses, which may hold anything.
  std::size_t at = stat.rfind(')');
  if (at == std::string_view::npos) return 0;
  for (int field = 2; field < 22 && at != std::string_view::npos; ++field) at = stat.find(' ', at + 1);
  if (at == std::string_view::npos) return 0;
  std::uint64_t time = 0;
  const auto parsed = std::from_chars(stat.data() + at + 1, stat.data() + stat.size(), time);
  return parsed.ec == std::errc() ? time : 0;
}

std::string boot_id() {
  constexpr const char* kPath = "/proc/sys/kernel/random/boot_id";
  const auto text = os::read_file(os::kAtFdcwd, kPath, 4096);
  if (!text) throw Error(std::string("read ") + kPath).because(text.error()).remedy("mount /proc");
  return text.value().substr(0, text.value().find('\n'));
}

void identify(oci::Record& record, pid_t pid, int pidfd) {
  record.pid = pid;
  record.pidfd_inode = inode_of(pidfd);
  record.pid_start_time = record.pidfd_inode == 0 ? start_time_of(pid) : 0;
}

os::Fd open_process(const oci::Record& record) {
  if (record.pid <= 0) return {};
  auto pidfd = os::pidfd_open(record.pid);
  if (!pidfd && !means_nobody(pidfd.error()))
    give_up(("open a pidfd of " + std::to_string(record.pid)).c_str(), pidfd.error());
  if (!pidfd || record.boot_id != boot_id()) return {};
  const bool same = record.pidfd_inode != 0 ? inode_of(pidfd->get()) == record.pidfd_inode
                                            : start_time_of(record.pid) == record.pid_start_time;
  return same && !has_ended(pidfd->get()) ? std::move(*pidfd) : os::Fd{};
}

}  // namespace wherry::container
