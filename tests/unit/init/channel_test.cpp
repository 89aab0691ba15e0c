// SPDX-License-Identifier: Apache-2.0
#include "init/channel.hpp"

#include <cerrno>
#include <filesystem>
#include <string>

#include "unit/init/init_fixtures.hpp"

using namespace wherry;
using namespace wherry::init;
using plan::Message;
using plan::MessageKind;

namespace {

// Init's end in a context, and the host's.
struct Pair {
  std::unique_ptr<Context> context = test::make_context();
  Fd host;

  Pair() {
    int fds[2];
    REQUIRE(os::socketpair(os::kSockSeqpacket, fds));
    context->channel.reset(fds[0]);
    host.reset(fds[1]);
  }
  void send(const void* data, std::size_t size, const std::vector<int>& fds = {}) const {
    REQUIRE(os::send_message(host.get(), data, size, fds.data(), static_cast<unsigned>(fds.size())));
  }
  void send(const Message& message, const std::vector<int>& fds = {}) const { send(&message, sizeof message, fds); }
  [[nodiscard]] int error() const {
    auto go = receive_go(*context);
    return go ? 0 : go.error();
  }
};

Message go(uint32_t step, std::vector<Slot> slots = {}) {
  Message message{};
  message.kind = MessageKind::kGo;
  message.step = step;
  message.slot_count = static_cast<uint32_t>(slots.size());
  for (std::size_t i = 0; i < slots.size() && i < plan::kMaxSlots; ++i) message.slots[i] = slots[i];
  return message;
}

std::size_t open_descriptors() {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) ++count;
  return count;
}

}  // namespace

TEST_CASE("channel: Go says where to go on, and binds slots by name", "[init]") {
  Pair pair;
  pair.send(go(42, {plan::slot::kCgroup, 17}), {0, pair.host.get()});
  auto step = receive_go(*pair.context);
  REQUIRE(step);
  CHECK(*step == 42);
  CHECK(slot_fd(*pair.context, plan::slot::kCgroup) > 2);
  CHECK(slot_fd(*pair.context, 17) > 2);
  CHECK(os::fcntl(slot_fd(*pair.context, 17), os::kFGetFd).value() == 1);  // FD_CLOEXEC at birth
  const std::size_t before = open_descriptors();
  pair.send(go(43, {17}), {0});
  REQUIRE(receive_go(*pair.context));
  CHECK(open_descriptors() == before);  // what was bound before is closed
}

TEST_CASE("channel: Ahead is done at once, and the Go behind it is the answer", "[init]") {
  Pair pair;
  Message ahead{};
  ahead.kind = MessageKind::kAhead;
  ahead.namespaces = 1;  // no namespace: unshare(2) refuses it, which is told later and not here
  pair.send(ahead);
  pair.send(go(7));
  auto step = receive_go(*pair.context);
  REQUIRE(step);
  CHECK(*step == 7);
  CHECK(pair.context->made_ahead == 1);
  CHECK(pair.context->ahead_error == EINVAL);
}

TEST_CASE("channel: Ahead brings no descriptors", "[init]") {
  Pair pair;
  Message ahead{};
  ahead.kind = MessageKind::kAhead;
  ahead.slot_count = 1;
  pair.send(ahead, {0});
  CHECK(pair.error() == EPROTO);
}

TEST_CASE("channel: Show is answered with the namespaces that were asked for, and is no Go", "[init]") {
  Pair pair;
  pair.context->proc = std::move(os::openat(os::kAtFdcwd, "/proc", os::kPath | os::kDirectory).value());
  Message show{};
  show.kind = MessageKind::kShow;
  show.namespaces = CLONE_NEWUTS | CLONE_NEWUSER;
  pair.send(show);
  pair.send(go(7));
  auto step = receive_go(*pair.context);
  REQUIRE(step);
  CHECK(*step == 7);
  CHECK(pair.context->made_ahead == 0);
  for (const char* path : {"/proc/self/ns/user", "/proc/self/ns/uts"}) {
    Message message;
    int number = -1;
    const auto received = os::receive_message(pair.host.get(), &message, sizeof message, &number, 1);
    REQUIRE((received && received->fd_count == 1));
    const os::Fd shown(number);
    CHECK(message.kind == MessageKind::kProduced);
    CHECK(std::filesystem::equivalent("/proc/self/fd/" + std::to_string(number), path));
  }
}

TEST_CASE("channel: who asks for namespaces that cannot be opened, or does not wait for them, is hung up on",
          "[init]") {
  const Pair pair;
  Message show{};
  show.kind = MessageKind::kShow;
  show.namespaces = CLONE_NEWUTS;
  pair.send(show);
  CHECK(pair.error() == EPIPE);  // no procfs
  show.slot_count = 1;
  pair.send(show, {0});
  CHECK(pair.error() == EPROTO);
  Pair gone;
  gone.context->proc = std::move(os::openat(os::kAtFdcwd, "/proc", os::kPath | os::kDirectory).value());
  show.slot_count = 0;
  gone.send(show);
  gone.host.reset();
  CHECK(gone.error() == EPIPE);
}

TEST_CASE("channel: the end of the host", "[init]") {
  Pair pair;
  pair.host.reset();
  CHECK(pair.error() == EPIPE);
  CHECK_FALSE(hand_over(*pair.context, 1));
  const Pair empty;
  empty.send("", 0);  // an empty datagram cannot be told from the end
  CHECK(empty.error() == EPIPE);
}

TEST_CASE("channel: what is no Go", "[init]") {
  const Pair pair;
  for (const MessageKind kind :
       {MessageKind::kReached, MessageKind::kProduced, MessageKind::kFailed, MessageKind{}, MessageKind{99}}) {
    Message message = go(1);
    message.kind = kind;
    pair.send(message);
    CHECK(pair.error() == EPROTO);
  }
  const Message message = go(1);
  for (const std::size_t size : {std::size_t{1}, sizeof message - 1}) {
    pair.send(&message, size);
    CHECK(pair.error() == EPROTO);
  }
  std::vector<unsigned char> longer(sizeof message + 1);
  std::memcpy(longer.data(), &message, sizeof message);
  pair.send(longer.data(), longer.size());
  CHECK(pair.error() == EMSGSIZE);
  pair.send(go(5));  // none of that has upset the channel
  CHECK(pair.error() == 0);
}

TEST_CASE("channel: slots that do not fit, without losing a descriptor", "[init]") {
  const Pair pair;
  const std::size_t before = open_descriptors();
  pair.send(go(1, {16}));  // a slot without a descriptor
  CHECK(pair.error() == EPROTO);
  pair.send(go(1), {0});  // a descriptor without a slot
  CHECK(pair.error() == EPROTO);
  pair.send(go(1, {kMaxPlanSlots}), {0});
  CHECK(pair.error() == EPROTO);
  pair.send(go(1, {65535, 16}), {0, 0});
  CHECK(pair.error() == EPROTO);
  Message too_many = go(1, std::vector<Slot>(plan::kMaxSlots, 16));
  too_many.slot_count = plan::kMaxSlots + 1;
  pair.send(too_many, std::vector<int>(plan::kMaxSlots, 0));
  CHECK(pair.error() == EPROTO);
  Message cut = go(1, {16});
  pair.send(&cut, sizeof cut - 1, {0});
  CHECK(pair.error() == EPROTO);
  CHECK(slot_fd(*pair.context, 16) == -1);
  CHECK(open_descriptors() == before);
}

TEST_CASE("channel: a Go with as many slots as there are", "[init]") {
  const Pair pair;
  std::vector<Slot> slots;
  for (Slot slot = 0; slot < plan::kMaxSlots; ++slot) slots.push_back(static_cast<Slot>(100 + slot));
  pair.send(go(1, slots), std::vector<int>(plan::kMaxSlots, 0));
  CHECK(pair.error() == 0);
  for (const Slot slot : slots) CHECK(slot_fd(*pair.context, slot) >= 0);
}

TEST_CASE("channel: what init says", "[init]") {
  const Pair pair;
  pair.context->step = 7;
  REQUIRE(send_reached(*pair.context, 9));
  REQUIRE(produce(*pair.context, plan::slot::kPid1, pair.host.get(), 4711));
  Message message{};
  int fds[plan::kMaxSlots];
  auto received = os::receive_message(pair.host.get(), &message, sizeof message, fds, plan::kMaxSlots);
  REQUIRE(received);
  CHECK(received->size == sizeof message);
  CHECK(received->fd_count == 0);
  CHECK(message.kind == MessageKind::kReached);
  CHECK(message.step == 9);
  CHECK(message.slot_count == 0);
  received = os::receive_message(pair.host.get(), &message, sizeof message, fds, plan::kMaxSlots);
  REQUIRE(received);
  CHECK(message.kind == MessageKind::kProduced);
  CHECK(message.step == 7);
  CHECK(message.pid == 4711);
  CHECK(message.slot_count == 1);
  CHECK(message.slots[0] == plan::slot::kPid1);
  REQUIRE(received->fd_count == 1);
  const Fd owned(fds[0]);
}

TEST_CASE("channel: a failure stands on the page and in a message, and ends the process", "[init]") {
  const Pair pair;
  const auto page = std::make_unique<plan::StatusPage>();
  const int status = test::in_child([&]() -> int {
    pair.context->page = page.get();
    pair.context->step = 3;
    fail(*pair.context, failed(EINVAL, Detail::kMountOption, 2));
  });
  CHECK(status == 1);
  Message message{};
  int fds[1];
  auto received = os::receive_message(pair.host.get(), &message, sizeof message, fds, 1);
  REQUIRE(received);
  CHECK(message.kind == MessageKind::kFailed);
  CHECK(message.step == 3);
  CHECK(message.error == EINVAL);
  CHECK(message.detail == static_cast<uint32_t>(Detail::kMountOption));
  CHECK(message.argument == 2);
}
