// SPDX-License-Identifier: Apache-2.0
#include "container/notify.hpp"

#include <algorithm>

#include "os/sockets.hpp"
#include "wherry/wherry.hpp"

namespace wherry {
namespace container {
namespace {

constexpr int kAnswerTimeoutMs = 5000;  // of a service manager that is busy

Error unheard(const std::string& notify_socket, int error) {
  return Error("tell $NOTIFY_SOCKET (" + notify_socket + ") that the container is ready")
      .because(error)
      .remedy("unset NOTIFY_SOCKET if no service manager waits for the container");
}

os::Fd connect_to_host(const std::string& notify_socket) {
  const bool abstract = notify_socket.rfind('@', 0) == 0;
  auto socket = abstract ? os::connect_abstract(notify_socket.substr(1), os::kSockDgram | os::kSockNonblock)
                         : os::connect_to(notify_socket, os::kSockDgram | os::kSockNonblock);
  if (!socket) throw unheard(notify_socket, socket.error());
  return std::move(*socket);
}

// Waits until the other side has room.
os::Status send(int socket, const std::string& text, const int* fds = nullptr, unsigned fd_count = 0) {
  os::pollfd writable{socket, os::kPollOut, 0};
  (void)os::poll(&writable, 1, kAnswerTimeoutMs);  // EAGAIN below says the rest
  return os::send_message(socket, text.data(), text.size(), fds, fd_count);
}

// sd_notify_barrier(3): the other side closes the descriptor when it has seen what came before. A manager
// looks up who has sent a message, so the sender must not end earlier. One that does not answer has had its
// time.
void wait_for_barrier(int socket) {
  int ends[2] = {-1, -1};
  if (!os::status_of(os::raw_syscall(__NR_pipe2, os::address(ends), os::kCloexec))) return;
  os::Fd mine(ends[0]), theirs(ends[1]);
  const int number = theirs.get();
  if (!send(socket, "BARRIER=1", &number, 1)) return;
  theirs.reset();
  os::pollfd closed{mine.get(), 0, 0};
  (void)os::poll(&closed, 1, kAnswerTimeoutMs);
}

void tell_host(int socket, const std::string& notify_socket, pid_t main_pid) {
  if (auto sent = send(socket, "READY=1\nMAINPID=" + std::to_string(main_pid) + "\n"); !sent)
    throw unheard(notify_socket, sent.error());
}

// One datagram, if there is one. Without a control buffer the kernel drops descriptors that travel along
// (unix(7)).
bool take_ready(int socket) {
  constexpr long kDontWait = 0x40;  // MSG_DONTWAIT
  char datagram[4096] = {};
  const long size =
      os::raw_syscall(__NR_recvfrom, socket, os::address(datagram), sizeof datagram, kDontWait | os::kMsgTrunc, 0, 0);
  if (size <= 0 || size > static_cast<long>(sizeof datagram)) return false;
  return says_ready({datagram, static_cast<std::size_t>(size)});
}

}  // namespace

void make_notify_directory(const StateDirectory& directory) {
  auto made = os::mkdirat(directory.fd(), kNotifyDirectory, 0755);
  if (made) made = os::fchmodat(directory.fd(), kNotifyDirectory, 0755);  // less the umask so far
  if (!made) throw Error("make the directory of the notify socket").because(made.error());
}

os::Fd bind_notify_socket(const StateDirectory& directory) {
  if (!directory.has(kNotifyDirectory)) return {};
  // In the directory itself the container could put a link in its place before it gets its mode.
  directory.unlink(kNewNotifySocket);
  auto socket = os::receive_datagrams_at(directory.fd(), kNewNotifySocket, 0777);
  if (!socket) throw Error("bind the notify socket").because(socket.error());
  const std::string name = std::string(kNotifyDirectory) + "/notify.sock";
  if (auto moved = os::renameat(directory.fd(), kNewNotifySocket, directory.fd(), name.c_str()); !moved)
    throw Error("bind the notify socket").because(moved.error());
  return std::move(*socket);
}

bool says_ready(std::string_view datagram) noexcept {
  for (std::size_t at = 0; at < datagram.size();) {
    const std::size_t end = std::min(datagram.find('\n', at), datagram.size());
    if (datagram.substr(at, end - at) == "READY=1") return true;
    at = end + 1;
  }
  return false;
}

void check_notify_socket(const std::string& notify_socket) { (void)connect_to_host(notify_socket); }

void wait_until_ready(int socket, int pidfd, pid_t pid, const std::string& notify_socket) {
  for (;;) {
    os::pollfd fds[2] = {{socket, os::kPollIn, 0}, {pidfd, os::kPollIn, 0}};
    const auto woken = os::poll(fds, 2, -1);
    if (!woken && woken.error() != EINTR) throw Error("wait for the container").because(woken.error());
    if (!woken) continue;
    if (fds[0].revents != 0 && take_ready(socket)) break;
    if (fds[0].revents == 0 && fds[1].revents != 0) return;
  }
  const os::Fd host = connect_to_host(notify_socket);
  tell_host(host.get(), notify_socket, pid);
  wait_for_barrier(host.get());
}

}  // namespace container

bool forward_readiness(const Process& process, const std::string& notify_socket, pid_t main_pid) {
  if (!container::take_ready(process.notify.get())) return false;
  const os::Fd host = container::connect_to_host(notify_socket);
  container::tell_host(host.get(), notify_socket, main_pid);
  return true;
}

}  // namespace wherry
