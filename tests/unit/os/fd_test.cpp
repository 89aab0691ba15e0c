// SPDX-License-Identifier: Apache-2.0
#include "os/core/fd.hpp"

#include <catch2/catch.hpp>
#include <cstring>
#include <utility>

#include "os/core/calls.hpp"

using namespace wherry::os;

namespace {

bool is_open(int fd) { return static_cast<bool>(fcntl(fd, kFGetFd)); }

Fd some() {
  auto fd = openat(kAtFdcwd, "/dev/null", kRdOnly);
  REQUIRE(fd);
  return std::move(*fd);
}

}  // namespace

TEST_CASE("fd: closed once, by its last owner", "[os]") {
  int number = -1;
  {
    Fd first = some();
    number = first.get();
    Fd second = std::move(first);
    CHECK_FALSE(first);
    CHECK(first.get() == -1);
    CHECK(second.get() == number);
    CHECK(is_open(number));
    Fd third;
    third = std::move(second);
    Fd& itself = third;
    third = std::move(itself);
    CHECK(third.get() == number);
  }
  CHECK_FALSE(is_open(number));
}

TEST_CASE("fd: release and reset", "[os]") {
  Fd owner = some();
  const int number = owner.release();
  CHECK_FALSE(owner);
  CHECK(is_open(number));
  owner.reset(number);
  owner.reset(some().release());
  CHECK_FALSE((owner.get() == number && !is_open(number)));
  owner.reset();
  CHECK_FALSE(owner);
  owner.reset();  // nothing is closed twice
}

TEST_CASE("fd: an empty one is all zero bits, and 0 is a descriptor", "[os]") {
  const Fd empty;
  unsigned char bytes[sizeof empty];
  std::memcpy(bytes, static_cast<const void*>(&empty), sizeof empty);
  for (const unsigned char byte : bytes) CHECK(byte == 0);
  Fd zero(0);
  CHECK(zero);
  CHECK(zero.release() == 0);
}

TEST_CASE("fd: born with FD_CLOEXEC", "[os]") {
  CHECK(fcntl(some().get(), kFGetFd).value() == 1);
  int pair[2];
  REQUIRE(socketpair(kSockSeqpacket, pair));
  const Fd left(pair[0]), right(pair[1]);
  CHECK(fcntl(left.get(), kFGetFd).value() == 1);
  CHECK(fcntl(right.get(), kFGetFd).value() == 1);
  auto copy = duplicate(left.get(), 50);
  REQUIRE(copy);
  CHECK(copy->get() >= 50);
  CHECK(fcntl(copy->get(), kFGetFd).value() == 1);
}
