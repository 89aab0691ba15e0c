// SPDX-License-Identifier: Apache-2.0
#include "container/launch.hpp"

#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <initializer_list>

#include "os/core/calls.hpp"

using namespace wherry;
using namespace wherry::container;

namespace {

struct Channel {
  Channel() {
    int ends[2] = {-1, -1};
    REQUIRE(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0);
    host.reset(ends[0]);
    init.reset(ends[1]);
  }

  void says(plan::MessageKind kind, std::initializer_list<plan::Slot> slots = {}, int fd = -1) const {
    plan::Message message;
    message.kind = kind;
    for (const plan::Slot slot : slots) message.slots[message.slot_count++] = slot;
    REQUIRE(os::send_message(init.get(), &message, sizeof message, &fd, message.slot_count));
  }

  os::Fd host, init;
};

ino_t number_of(int fd) {
  struct stat status {};
  REQUIRE(::fstat(fd, &status) == 0);
  return status.st_ino;
}

struct Pipe {
  Pipe() {
    int ends[2] = {-1, -1};
    REQUIRE(::pipe(ends) == 0);
    fd.reset(ends[0]);
    ::close(ends[1]);
  }
  os::Fd fd;
};

}  // namespace

TEST_CASE("launch: pid 1 that fails before its pidfd has been read is found") {
  const Channel channel;
  const Pipe network, pid1;
  channel.says(plan::MessageKind::kFailed);
  channel.says(plan::MessageKind::kProduced, {plan::slot::kNetwork}, network.fd.get());
  channel.says(plan::MessageKind::kProduced, {plan::slot::kPid1}, pid1.fd.get());
  const os::Fd found = unread_pid1(channel.host.get());
  REQUIRE(found);
  CHECK(number_of(found.get()) == number_of(pid1.fd.get()));
}

TEST_CASE("launch: what is not told is not waited for") {
  Channel channel;
  CHECK_FALSE(unread_pid1(channel.host.get()));
  channel.says(plan::MessageKind::kFailed);
  CHECK_FALSE(unread_pid1(channel.host.get()));
  channel.init.reset();
  CHECK_FALSE(unread_pid1(channel.host.get()));
}
