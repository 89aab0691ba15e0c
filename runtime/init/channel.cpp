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
               (message.kind == MessageKind::kGo || message.slot_count == 0) && message.kind >= MessageKind::kGo &&
               message.kind <= MessageKind::kShow;
  for (uint32_t i = 0; i < received->fd_count; ++i) {
    Fd fd(fds[i]);
    valid = valid && message.slots[i] < kMaxPlanSlots;
    if (valid) context.slots[message.slots[i]] = static_cast<Fd&&>(fd);
  }
  return valid ? os::Status() : os::Status(EPROTO);
}

os::Status send(Context& context, MessageKind kind, uint32_t step, Slot slot, int fd, int pid = 0) noexcept {
  const Message message{.kind = kind, .step = step, .pid = pid, .slot_count = fd >= 0 ? 1U : 0, .slots = {slot}};
  return os::send_message(context.channel.get(), &message, sizeof message, &fd, message.slot_count);
}

// ptrace(2) "Ptrace access mode checking": where the caller has no rights over the user namespace of this program's
// exec, the /proc/PID/ns of a process that hides opens for itself alone.
os::Status show_namespaces(Context& context, uint64_t wanted) noexcept {
  for (const plan::NamespaceFile& file : plan::kNamespaceFiles) {
    if ((wanted & file.type) == 0) continue;
    auto fd = os::openat(context.proc.get(), file.path, os::kRdOnly);
    if (!fd || !produce(context, file.slot, fd->get())) return os::Status(EPIPE);
  }
  return os::Status();
}

}  // namespace

os::Result<uint32_t> receive_go(Context& context) noexcept {
  for (;;) {
    Message message;
    auto status = receive(context, message);
    if (status && message.kind == MessageKind::kShow) status = show_namespaces(context, message.namespaces);
    if (!status) return os::Result<uint32_t>::failure(status.error());
    if (message.kind == MessageKind::kGo) return message.step;
    if (message.kind == MessageKind::kShow) continue;
    // CreateNamespaces tells what came of it.
    context.made_ahead = message.namespaces;
    context.ahead_error = os::unshare(message.namespaces).error();
  }
}

os::Status send_reached(Context& context, uint32_t step, Slot slot, int fd) noexcept {
  return send(context, MessageKind::kReached, step, slot, fd);
}

os::Result<uint32_t> hand_over(Context& context, uint32_t step) noexcept {
  if (auto sent = send_reached(context, step); !sent) return os::Result<uint32_t>::failure(sent.error());
  return receive_go(context);
}

os::Status produce(Context& context, Slot slot, int fd, int pid) noexcept {
  return send(context, MessageKind::kProduced, context.step, slot, fd, pid);
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
