// SPDX-License-Identifier: Apache-2.0
#include "init/channel.hpp"

namespace wherry::init {

using plan::Message;
using plan::MessageKind;

namespace {

// One message from the host; its descriptors go into the slots of a Go, and are closed otherwise.
os::Status receive(Context& context, Message& message) noexcept {
  int fds[plan::kMaxSlots];
  auto received = os::receive_message(context.channel.get(), &message, sizeof message, fds, plan::kMaxSlots);
  if (!received) return os::Status(received.error());
  if (received->size == 0) return os::Status(EPIPE);
  bool valid = received->size == sizeof message && message.slot_count == received->fd_count &&
               (message.kind == MessageKind::kGo || (message.kind == MessageKind::kAhead && message.slot_count == 0));
  for (uint32_t i = 0; i < received->fd_count; ++i) {
    Fd fd(fds[i]);
    valid = valid && message.slots[i] < kMaxPlanSlots;
    if (valid) context.slots[message.slots[i]] = static_cast<Fd&&>(fd);
  }
  return valid ? os::Status() : os::Status(EPROTO);
}

}  // namespace

os::Result<uint32_t> receive_go(Context& context) noexcept {
  for (;;) {
    Message message;
    if (auto status = receive(context, message); !status) return os::Result<uint32_t>::failure(status.error());
    if (message.kind == MessageKind::kGo) return message.step;
    // CreateNamespaces tells what came of it.
    context.made_ahead = message.namespaces;
    context.ahead_error = os::unshare(message.namespaces).error();
  }
}

os::Status send_reached(Context& context, uint32_t step, Slot slot, int fd) noexcept {
  Message message{};
  message.kind = MessageKind::kReached;
  message.step = step;
  message.slot_count = fd >= 0 ? 1 : 0;
  message.slots[0] = slot;
  return os::send_message(context.channel.get(), &message, sizeof message, &fd, message.slot_count);
}

os::Result<uint32_t> hand_over(Context& context, uint32_t step) noexcept {
  if (auto sent = send_reached(context, step); !sent) return os::Result<uint32_t>::failure(sent.error());
  return receive_go(context);
}

os::Status produce(Context& context, Slot slot, int fd, int pid) noexcept {
  Message message{};
  message.kind = MessageKind::kProduced;
  message.step = context.step;
  message.pid = pid;
  message.slot_count = 1;
  message.slots[0] = slot;
  return os::send_message(context.channel.get(), &message, sizeof message, &fd, 1);
}

void fail(Context& context, const Outcome& outcome) noexcept {
  plan::StatusPage& page = *context.page;
  page.detail = static_cast<uint32_t>(outcome.detail);
  page.argument = outcome.argument;
  page.step = context.step;
  __atomic_store_n(&page.error, outcome.error, __ATOMIC_RELEASE);
  Message message{};
  message.kind = MessageKind::kFailed;
  message.step = context.step;
  message.error = outcome.error;
  message.detail = page.detail;
  message.argument = outcome.argument;
  (void)os::send_message(context.channel.get(), &message, sizeof message);  // the page has said it already
  os::exit_group(1);
}

}  // namespace wherry::init
