// SPDX-License-Identifier: Apache-2.0
#include "os/core/calls.hpp"

namespace wherry::os {
namespace {

struct ControlBlock {
  alignas(cmsghdr) unsigned char bytes[sizeof(cmsghdr) + kMaxPassedFds * sizeof(int)];
};

void close_all(const int* fds, unsigned count) noexcept {
  for (unsigned i = 0; i < count; ++i) (void)raw_syscall(__NR_close, fds[i]);
}

// The control block holds as many as may be sent: MSG_CTRUNC says that the table of descriptors is full.
int error_of(unsigned flags) noexcept { return (flags & static_cast<unsigned>(kMsgCtrunc)) != 0 ? EMFILE : EMSGSIZE; }

}  // namespace

Status send_message(int socket, const void* data, size_t size, const int* fds, unsigned fd_count) noexcept {
  if (fd_count > kMaxPassedFds) return Status(EINVAL);
  ControlBlock control;
  iovec vector{const_cast<void*>(data), size};
  msghdr message{nullptr, 0, &vector, 1, nullptr, 0, 0};
  if (fd_count != 0) {
    auto* header = reinterpret_cast<cmsghdr*>(control.bytes);
    header->length = sizeof(cmsghdr) + fd_count * sizeof(int);
    header->level = kSolSocket;
    header->type = kScmRights;
    __builtin_memcpy(control.bytes + sizeof(cmsghdr), fds, fd_count * sizeof(int));
    message.control = control.bytes;
    message.control_length = header->length;
  }
  long result;
  do result = raw_syscall(__NR_sendmsg, socket, address(&message), kMsgNosignal);
  while (result == -EINTR);
  if (result < 0) return Status(static_cast<int>(-result));
  return static_cast<size_t>(result) == size ? Status() : Status(EIO);
}

Result<Received> receive_message(int socket, void* data, size_t size, int* fds, unsigned fd_capacity) noexcept {
  ControlBlock control;
  iovec vector{data, size};
  msghdr message{nullptr, 0, &vector, 1, control.bytes, sizeof control.bytes, 0};
  long result;
  do result = raw_syscall(__NR_recvmsg, socket, address(&message), kMsgCmsgCloexec);
  while (result == -EINTR);
  if (result < 0) return Result<Received>::failure(static_cast<int>(-result));
  Received received{result, 0};
  const auto* header = reinterpret_cast<const cmsghdr*>(control.bytes);
  // NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult): recvmsg(2) wrote control_length bytes
  if (message.control_length >= sizeof(cmsghdr) && header->level == kSolSocket && header->type == kScmRights) {
    int incoming[kMaxPassedFds];
    const auto count = static_cast<unsigned>((header->length - sizeof(cmsghdr)) / sizeof(int));
    __builtin_memcpy(incoming, control.bytes + sizeof(cmsghdr), count * sizeof(int));
    const bool truncated = (message.flags & static_cast<unsigned>(kMsgTrunc | kMsgCtrunc)) != 0;
    if (count > fd_capacity || truncated) {
      close_all(incoming, count);
      return Result<Received>::failure(error_of(message.flags));
    }
    __builtin_memcpy(fds, incoming, count * sizeof(int));
    received.fd_count = count;
  }
  if ((message.flags & static_cast<unsigned>(kMsgTrunc | kMsgCtrunc)) != 0)
    return Result<Received>::failure(error_of(message.flags));
  return received;
}

}  // namespace wherry::os
