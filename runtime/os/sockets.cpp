// SPDX-License-Identifier: Apache-2.0
#include "os/sockets.hpp"

#include <cstring>

namespace wherry::os {
namespace {

Result<sockaddr_un> socket_address(const std::string& path) {
  sockaddr_un result{};
  result.family = kAfUnix;
  if (path.size() >= sizeof result.path) return Result<sockaddr_un>::failure(ENAMETOOLONG);
  std::memcpy(result.path, path.c_str(), path.size() + 1);
  return result;
}

std::string path_of(int dir, const std::string& name) { return "/proc/self/fd/" + std::to_string(dir) + "/" + name; }

}  // namespace

Result<Fd> listen_at(int dir, const std::string& name) {
  auto where = socket_address(path_of(dir, name));
  if (!where) return Result<Fd>::failure(where.error());
  auto fd = socket(kAfUnix, kSockSeqpacket);
  if (!fd) return fd;
  // unix(7): the file gets the socket's own mode, less the umask.
  if (auto status = fchmod(fd->get(), 0600); !status) return Result<Fd>::failure(status.error());
  if (auto status = status_of(raw_syscall(__NR_bind, fd->get(), address(&where.value()), sizeof(sockaddr_un))); !status)
    return Result<Fd>::failure(status.error());
  if (auto status = status_of(raw_syscall(__NR_listen, fd->get(), 1)); !status) return Result<Fd>::failure(status.error());
  return fd;
}

Result<Fd> connect_at(int dir, const std::string& name, int type) {
  auto where = socket_address(path_of(dir, name));
  if (!where) return Result<Fd>::failure(where.error());
  auto fd = socket(kAfUnix, type);
  if (!fd) return fd;
  long result;
  do result = raw_syscall(__NR_connect, fd->get(), address(&where.value()), sizeof(sockaddr_un));
  while (result == -EINTR);
  return result < 0 ? Result<Fd>::failure(static_cast<int>(-result)) : static_cast<Result<Fd>&&>(fd);
}

Result<Fd> connect_to(const std::string& path, int type) {
  const std::size_t slash = path.rfind('/');
  const std::string directory = slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
  auto dir = openat(kAtFdcwd, directory.c_str(), kPath | kDirectory);
  if (!dir) return dir;
  return connect_at(dir->get(), slash == std::string::npos ? path : path.substr(slash + 1), type);
}

}  // namespace wherry::os
