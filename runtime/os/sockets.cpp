// SPDX-License-Identifier: Apache-2.0
#include "os/sockets.hpp"

#include <cstddef>
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

Result<Fd> bind_at(int dir, const std::string& name, int type, unsigned mode) {
  auto where = socket_address(path_of(dir, name));
  if (!where) return Result<Fd>::failure(where.error());
  auto fd = socket(kAfUnix, type);
  if (!fd) return fd;
  // unix(7): the file gets the socket's own mode, less the umask.
  if (auto status = fchmod(fd->get(), mode); !status) return Result<Fd>::failure(status.error());
  if (auto status = status_of(raw_syscall(__NR_bind, fd->get(), address(&where.value()), sizeof(sockaddr_un))); !status)
    return Result<Fd>::failure(status.error());
  return fd;
}

Result<Fd> connect_socket(const sockaddr_un& where, std::size_t size, int type) {
  auto fd = socket(kAfUnix, type);
  if (!fd) return fd;
  long result;
  do result = raw_syscall(__NR_connect, fd->get(), address(&where), static_cast<long>(size));
  while (result == -EINTR);
  return result < 0 ? Result<Fd>::failure(static_cast<int>(-result)) : static_cast<Result<Fd>&&>(fd);
}

}  // namespace

Result<Fd> listen_at(int dir, const std::string& name) {
  auto fd = bind_at(dir, name, kSockSeqpacket, 0600);
  if (!fd) return fd;
  if (auto status = status_of(raw_syscall(__NR_listen, fd->get(), 1)); !status)
    return Result<Fd>::failure(status.error());
  return fd;
}

Result<Fd> receive_datagrams_at(int dir, const std::string& name, unsigned mode) {
  auto fd = bind_at(dir, name, kSockDgram, mode);
  if (!fd) return fd;
  if (auto status = fchmodat(dir, name.c_str(), mode); !status) return Result<Fd>::failure(status.error());
  return fd;
}

Result<Fd> connect_at(int dir, const std::string& name, int type) {
  auto where = socket_address(path_of(dir, name));
  return where ? connect_socket(*where, sizeof *where, type) : Result<Fd>::failure(where.error());
}

// The name is all bytes up to the length that is given: no NUL ends it.
Result<Fd> connect_abstract(const std::string& name, int type) {
  sockaddr_un where{};
  where.family = kAfUnix;
  if (name.size() >= sizeof where.path) return Result<Fd>::failure(ENAMETOOLONG);
  std::memcpy(where.path + 1, name.data(), name.size());
  return connect_socket(where, offsetof(sockaddr_un, path) + 1 + name.size(), type);
}

Result<Fd> connect_to(const std::string& path, int type) {
  const std::size_t slash = path.rfind('/');
  const std::string directory = slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
  auto dir = openat(kAtFdcwd, directory.c_str(), kPath | kDirectory);
  if (!dir) return dir;
  return connect_at(dir->get(), slash == std::string::npos ? path : path.substr(slash + 1), type);
}

}  // namespace wherry::os
