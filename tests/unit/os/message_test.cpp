// SPDX-License-Identifier: Apache-2.0
#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "os/core/calls.hpp"

using namespace wherry::os;

namespace {

struct Pair {
  Fd left, right;
  explicit Pair(int type = kSockSeqpacket) {
    int fds[2];
    REQUIRE(socketpair(type, fds));
    left.reset(fds[0]);
    right.reset(fds[1]);
  }
};

std::size_t open_descriptors() {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) ++count;
  return count;
}

bool same_file(int a, int b) {
  struct stat left {
  }, right{};
  return ::fstat(a, &left) == 0 && ::fstat(b, &right) == 0 && left.st_ino == right.st_ino &&
         left.st_dev == right.st_dev;
}

}  // namespace

TEST_CASE("message: data alone", "[os]") {
  const Pair pair;
  char buffer[16] = {};
  int fds[1];
  REQUIRE(send_message(pair.left.get(), "hello", 5));
  REQUIRE(send_message(pair.left.get(), "again", 5));
  auto received = receive_message(pair.right.get(), buffer, sizeof buffer, fds, 1);
  REQUIRE(received);
  CHECK(received->size == 5);
  CHECK(received->fd_count == 0);
  CHECK(std::string(buffer, 5) == "hello");
  CHECK(receive_message(pair.right.get(), buffer, 5, fds, 0)->size == 5);
}

TEST_CASE("message: descriptors arrive as copies, in order, with FD_CLOEXEC", "[os]") {
  const Pair pair;
  const std::vector<int> sent{pair.left.get(), pair.right.get(), pair.left.get()};
  REQUIRE(send_message(pair.left.get(), "x", 1, sent.data(), 3));
  char buffer[1];
  int fds[kMaxPassedFds];
  auto received = receive_message(pair.right.get(), buffer, 1, fds, kMaxPassedFds);
  REQUIRE(received);
  REQUIRE(received->fd_count == 3);
  for (std::size_t i = 0; i < 3; ++i) {
    const Fd owned(fds[i]);
    CHECK(owned.get() != sent[i]);
    CHECK(same_file(owned.get(), sent[i]));
    CHECK(fcntl(owned.get(), kFGetFd).value() == 1);
  }
}

TEST_CASE("message: as many descriptors as there may be, and one more", "[os]") {
  const Pair pair;
  const std::vector<int> sent(kMaxPassedFds + 1, pair.left.get());
  CHECK(send_message(pair.left.get(), "x", 1, sent.data(), kMaxPassedFds + 1).error() == EINVAL);
  REQUIRE(send_message(pair.left.get(), "x", 1, sent.data(), kMaxPassedFds));
  char buffer[1];
  int fds[kMaxPassedFds];
  auto received = receive_message(pair.right.get(), buffer, 1, fds, kMaxPassedFds);
  REQUIRE(received);
  CHECK(received->fd_count == kMaxPassedFds);
  for (unsigned i = 0; i < received->fd_count; ++i) Fd{fds[i]}.reset();
}

TEST_CASE("message: what does not fit is refused and closed", "[os]") {
  const Pair pair;
  const std::size_t before = open_descriptors();
  const int sent[] = {pair.left.get(), pair.right.get()};
  char buffer[4];
  int fds[kMaxPassedFds];
  REQUIRE(send_message(pair.left.get(), "x", 1, sent, 2));
  CHECK(receive_message(pair.right.get(), buffer, sizeof buffer, fds, 1).error() == EMSGSIZE);
  REQUIRE(send_message(pair.left.get(), "too long", 8));
  CHECK(receive_message(pair.right.get(), buffer, sizeof buffer, fds, 2).error() == EMSGSIZE);
  REQUIRE(send_message(pair.left.get(), "too long", 8, sent, 2));
  CHECK(receive_message(pair.right.get(), buffer, sizeof buffer, fds, 2).error() == EMSGSIZE);
  CHECK(open_descriptors() == before);
  REQUIRE(send_message(pair.left.get(), "fine", 4));
  CHECK(receive_message(pair.right.get(), buffer, sizeof buffer, fds, 2)->size == 4);
}

TEST_CASE("message: the end of the other side", "[os]") {
  Pair pair;
  REQUIRE(send_message(pair.left.get(), "last", 4));
  pair.left.reset();
  char buffer[4];
  int fds[1];
  CHECK(receive_message(pair.right.get(), buffer, sizeof buffer, fds, 1)->size == 4);
  auto end = receive_message(pair.right.get(), buffer, sizeof buffer, fds, 1);
  REQUIRE(end);
  CHECK(end->size == 0);
  CHECK(send_message(pair.right.get(), "x", 1).error() == EPIPE);  // and no SIGPIPE
  CHECK(receive_message(-1, buffer, sizeof buffer, fds, 1).error() == EBADF);
}
