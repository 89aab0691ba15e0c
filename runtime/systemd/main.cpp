// SPDX-License-Identifier: Apache-2.0
// wherry-systemd FD: what Wherry asks of systemd, for the systemd cgroup manager. A program of its own, so that nobody
// else pays for a bus client; started by cgroup/systemd.cpp, speaks protocol.hpp, ends with its peer.
#include <sys/auxv.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <exception>
#include <optional>
#include <vector>

#include "systemd/bus.hpp"

namespace wherry::systemd {
namespace {

constexpr int kBadUse = 2;

bool is_seqpacket(int fd) {
  int type = 0;
  socklen_t size = sizeof type;
  return ::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_SEQPACKET;
}

std::optional<int> channel_of(int argc, char** argv) {
  int fd = -1;
  if (argc != 2) return std::nullopt;
  const char* end = argv[1] + std::strlen(argv[1]);
  const auto parsed = std::from_chars(argv[1], end, fd);
  if (parsed.ec != std::errc() || parsed.ptr != end || !is_seqpacket(fd)) return std::nullopt;
  return fd;
}

// Connected with the first request: all of one program's requests are for one container.
class Server {
 public:
  explicit Server(int channel) : channel_(channel), buffer_(kMaxMessage) {}

  int serve() {
    for (;;) {
      const ssize_t size = ::recv(channel_, buffer_.data(), buffer_.size(), MSG_TRUNC);
      if (size < 0 && errno == EINTR) continue;
      if (size <= 0) return size == 0 ? 0 : 1;
      const std::vector<unsigned char> reply = encode(answer(static_cast<std::size_t>(size)));
      if (::send(channel_, reply.data(), reply.size(), MSG_NOSIGNAL) < 0) return 1;
    }
  }

 private:
  Reply answer(std::size_t size) {
    const auto request = size <= buffer_.size() ? decode_request({buffer_.data(), size}) : std::nullopt;
    if (!request) return {EPROTO, "", "this wherry-systemd is not of the same version"};
    try {
      if (!bus_ || address_ != request->bus) bus_.emplace(request->bus, channel_);
      address_ = request->bus;
      carry_out(*request);
      return {};
    } catch (const Refusal& refusal) {
      return refusal.reply;
    }
  }

  void carry_out(const Request& request) {
    switch (request.operation) {
      case Operation::kStart:
        return bus_->start(request);
      case Operation::kSet:
        return bus_->set(request);
      case Operation::kStop:
        return bus_->stop(request.unit);
      case Operation::kAttach:
        return bus_->attach(request.unit, request.pid);
    }
  }

  int channel_;
  std::vector<unsigned char> buffer_;
  std::optional<Bus> bus_;
  std::string address_;
};

}  // namespace
}  // namespace wherry::systemd

int main(int argc, char** argv) {
  using namespace wherry::systemd;
  const auto channel = ::getauxval(AT_SECURE) == 0 ? channel_of(argc, argv) : std::nullopt;
  if (!channel) {
    (void)std::fputs("wherry-systemd is started by wherry\n", stderr);
    return kBadUse;
  }
  try {
    return Server(*channel).serve();
  } catch (const std::exception&) {
    return 1;  // its peer sees the end of the channel
  }
}
