// SPDX-License-Identifier: Apache-2.0
#include "container/announce.hpp"

#include "os/files.hpp"
#include "os/sockets.hpp"
#include "wherry/error.hpp"

namespace wherry::container {

void send_descriptor(const std::string& socket_path, int fd, const std::string& what, std::string_view data,
                     const std::string& nobody) {
  auto socket = os::connect_to(socket_path, os::kSockStream);
  if (!socket) throw Error("connect to the " + what + " socket " + socket_path).because(socket.error()).detail(nobody);
  if (auto sent = os::send_message(socket->get(), data.data(), data.size(), &fd, 1); !sent)
    throw Error("send the " + what + " to " + socket_path).because(sent.error());
}

void write_pid_file(const std::string& path, pid_t pid) {
  const std::size_t slash = path.rfind('/');
  const std::string directory = slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
  auto dir = os::openat(os::kAtFdcwd, directory.c_str(), os::kPath | os::kDirectory);
  auto written = dir ? os::replace_file(dir->get(), slash == std::string::npos ? path : path.substr(slash + 1),
                                        std::to_string(pid), 0644)
                     : os::Status(dir.error());
  if (!written) throw Error("write the pid file " + path).because(written.error());
}

}  // namespace wherry::container
