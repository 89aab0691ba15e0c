// SPDX-License-Identifier: Apache-2.0
#include "container/identity.hpp"

#include <charconv>

#include "os/files.hpp"

namespace wherry::container {
namespace {

constexpr long kPidfsMagic = 0x50494446;  // PID_FS_MAGIC, 6.9: the inode number of a pidfd is unique for a boot

std::uint64_t inode_of(int pidfd) {
  os::statfs64 filesystem{};
  struct statx status {};
  const bool pidfs = os::fstatfs(pidfd, filesystem) && filesystem.type == kPidfsMagic;
  return pidfs && os::statx(pidfd, "", os::kAtEmptyPath, STATX_INO, status) ? status.stx_ino : 0;
}

std::uint64_t start_time_of(pid_t pid) {
  const auto stat = os::read_file(os::kAtFdcwd, ("/proc/" + std::to_string(pid) + "/stat").c_str(), 65536);
  return stat ? parse_start_time(stat.value()) : 0;
}

bool has_ended(int pidfd) {
  os::pollfd fds{pidfd, os::kPollIn, 0};  // pidfd_open(2): readable once the process is a zombie
  return os::poll(&fds, 1, 0) && fds.revents != 0;
}

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
  const auto text = os::read_file(os::kAtFdcwd, "/proc/sys/kernel/random/boot_id", 4096);
  return text ? text.value().substr(0, text.value().find('\n')) : std::string();
}

void identify(oci::Record& record, pid_t pid, int pidfd) {
  record.pid = pid;
  record.pidfd_inode = inode_of(pidfd);
  record.pid_start_time = record.pidfd_inode == 0 ? start_time_of(pid) : 0;
}

os::Fd open_process(const oci::Record& record) {
  if (record.pid <= 0) return {};
  auto pidfd = os::pidfd_open(record.pid);
  if (!pidfd || record.boot_id != boot_id()) return {};
  const bool same = record.pidfd_inode != 0 ? inode_of(pidfd->get()) == record.pidfd_inode
                                            : start_time_of(record.pid) == record.pid_start_time;
  return same && !has_ended(pidfd->get()) ? std::move(*pidfd) : os::Fd{};
}

}  // namespace wherry::container
