// SPDX-License-Identifier: Apache-2.0
#include "container/notify.hpp"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstring>
#include <filesystem>
#include <string>

#include "wherry/wherry.hpp"

using namespace wherry;
using namespace wherry::container;

namespace {

// A state directory below a root that goes away at the end.
class State {
 public:
  State() : root_(make_root()), directory_(StateDirectory::create(root_, "c")) {}
  ~State() { std::filesystem::remove_all(root_); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  [[nodiscard]] const StateDirectory& directory() const { return directory_; }
  [[nodiscard]] const std::string& root() const { return root_; }
  [[nodiscard]] std::string path(const std::string& name) const { return root_ + "/c/" + name; }

 private:
  static std::string make_root() {
    std::string name = (std::filesystem::temp_directory_path() / "wherry-notify.XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    return name;
  }

  std::string root_;
  StateDirectory directory_;
};

unsigned mode_of(const std::string& path) {
  struct stat status {};
  REQUIRE(::lstat(path.c_str(), &status) == 0);
  return status.st_mode & 07777;
}

sockaddr_un address_of(const std::string& path) {
  sockaddr_un where{};
  where.sun_family = AF_UNIX;
  REQUIRE(path.size() < sizeof where.sun_path);
  std::memcpy(where.sun_path, path.data(), path.size());
  return where;
}

// The service manager's end.
os::Fd receiver(const std::string& path) {
  os::Fd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const sockaddr_un where = address_of(path);
  REQUIRE(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&where), sizeof where) == 0);
  return socket;
}

void speak(const std::string& path, const std::string& text) {
  const os::Fd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const sockaddr_un where = address_of(path);
  REQUIRE(::sendto(socket.get(), text.data(), text.size(), 0, reinterpret_cast<const sockaddr*>(&where),
                   sizeof where) == static_cast<ssize_t>(text.size()));
}

std::string heard(const os::Fd& socket) {
  char text[256];
  const ssize_t size = ::recv(socket.get(), text, sizeof text, MSG_DONTWAIT);
  return size < 0 ? "" : std::string(text, static_cast<std::size_t>(size));
}

}  // namespace

TEST_CASE("notify: only a line that is READY=1 says that a container is ready", "[container]") {
  for (const char* text : {"READY=1", "READY=1\n", "\nREADY=1", "X=1\nREADY=1\nY=2", "STATUS=a\n\nREADY=1"}) {
    INFO(text);
    CHECK(says_ready(text));
  }
  for (const char* text : {"", "\n", "READY=", "READY=10", "READY=1 ", " READY=1", "READY=1\r\n", "XREADY=1",
                           "STATUS=READY=1", "ready=1", "READY=0\nSTOPPING=1"}) {
    INFO(text);
    CHECK_FALSE(says_ready(text));
  }
  CHECK_FALSE(says_ready(std::string("READY=1\0", 8)));
}

TEST_CASE("notify: a socket in a directory, with modes that no umask narrows", "[container]") {
  const State state;
  CHECK_FALSE(bind_notify_socket(state.directory()));  // no directory, no socket
  make_notify_directory(state.directory());
  const os::Fd first = bind_notify_socket(state.directory());
  CHECK(first);
  CHECK(mode_of(state.path("notify")) == 0755);
  CHECK(mode_of(state.path("notify/notify.sock")) == 0777);
  const os::Fd second = bind_notify_socket(state.directory());  // a start after one that was cut off
  CHECK(second);
  speak(state.path("notify/notify.sock"), "x");
  CHECK(heard(first).empty());
  CHECK(heard(second) == "x");
  state.directory().remove();
  CHECK_FALSE(std::filesystem::exists(state.path("")));
}

TEST_CASE("notify: what a container has put beside the socket goes too, and no link is followed", "[container]") {
  const State state;
  make_notify_directory(state.directory());
  const std::string outside = state.root() + "/outside";
  std::filesystem::create_directory(outside);
  std::filesystem::create_directories(state.path("notify/a/b/c"));
  std::filesystem::create_directory_symlink(outside, state.path("notify/a/link"));
  std::filesystem::create_symlink("/nowhere", state.path("notify/a/b/dangling"));
  state.directory().remove();
  CHECK_FALSE(std::filesystem::exists(state.path("")));
  CHECK(std::filesystem::exists(outside));
}

TEST_CASE("notify: readiness is passed on once it is said", "[container]") {
  const State state;
  make_notify_directory(state.directory());
  Process process;
  process.notify = bind_notify_socket(state.directory());
  const os::Fd manager = receiver(state.path("manager"));
  const auto forward = [&] { return forward_readiness(process, state.path("manager"), 4711); };
  CHECK_FALSE(forward());  // nothing is there
  const std::string there = state.path("notify/notify.sock");
  speak(there, "STATUS=starting\nMAINPID=1");
  CHECK_FALSE(forward());
  speak(there, std::string(5000, '\n') + "READY=1");
  CHECK_FALSE(forward());  // longer than any that means well
  CHECK(heard(manager).empty());
  speak(there, "READY=1\nMAINPID=1");
  CHECK(forward());
  CHECK(heard(manager) == "READY=1\nMAINPID=4711\n");
  speak(there, "READY=1");
  CHECK_THROWS_AS(forward_readiness(process, state.path("nobody"), 1), Error);
}

TEST_CASE("notify: an abstract socket of the host", "[container]") {
  const std::string name = "wherry-notify-test-" + std::to_string(::getpid());
  CHECK_THROWS_AS(check_notify_socket("@" + name), Error);
  const os::Fd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_un where{};
  where.sun_family = AF_UNIX;
  std::memcpy(where.sun_path + 1, name.data(), name.size());
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  REQUIRE(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&where), size) == 0);
  CHECK_NOTHROW(check_notify_socket("@" + name));
  CHECK_THROWS_AS(check_notify_socket("@" + std::string(200, 'x')), Error);
}
