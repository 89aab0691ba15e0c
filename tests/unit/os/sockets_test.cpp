// SPDX-License-Identifier: Apache-2.0
#include "os/sockets.hpp"

#include <sys/socket.h>
#include <sys/stat.h>

#include <cerrno>

#include "unit/temporary_directory.hpp"

using namespace wherry;
using namespace wherry::os;
namespace fs = std::filesystem;

namespace {

bool talk(int listener, int client) {
  const Fd peer(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
  char buffer[4];
  int fds[1];
  if (!peer || !send_message(client, "ping", 4)) return false;
  auto received = receive_message(peer.get(), buffer, sizeof buffer, fds, 1);
  return received && received->size == 4;
}

}  // namespace

TEST_CASE("sockets: listen below a directory and connect", "[os]") {
  const test::TemporaryDirectory base;
  const Fd dir = base.open();
  auto listener = listen_at(dir.get(), "start.sock");
  REQUIRE(listener);
  struct stat status {};
  REQUIRE(::stat((base / "start.sock").c_str(), &status) == 0);
  CHECK(S_ISSOCK(status.st_mode));
  CHECK((status.st_mode & 0177) == 0);  // the permission of the socket is the permission to start
  auto by_directory = connect_at(dir.get(), "start.sock", kSockSeqpacket);
  REQUIRE(by_directory);
  CHECK(talk(listener->get(), by_directory->get()));
  auto by_path = connect_to(base / "start.sock", kSockSeqpacket);
  REQUIRE(by_path);
  CHECK(talk(listener->get(), by_path->get()));
  CHECK(fcntl(by_path->get(), kFGetFd).value() == 1);
  CHECK(connect_to(base / "start.sock", kSockStream).error() == EPROTOTYPE);
}

TEST_CASE("sockets: paths longer than sun_path", "[os]") {
  const test::TemporaryDirectory base;
  fs::path deep = base.path();
  while (deep.string().size() < 400) deep /= std::string(60, 'd');
  fs::create_directories(deep);
  auto dir = openat(kAtFdcwd, deep.c_str(), kPath | kDirectory);
  REQUIRE(dir);
  auto listener = listen_at(dir->get(), "s");
  REQUIRE(listener);
  auto client = connect_to(deep / "s", kSockSeqpacket);
  REQUIRE(client);
  CHECK(talk(listener->get(), client->get()));
  // The name alone still has to fit.
  const std::string name(108, 'n');
  CHECK(listen_at(dir->get(), name).error() == ENAMETOOLONG);
  CHECK(connect_to(deep / name, kSockSeqpacket).error() == ENAMETOOLONG);
}

TEST_CASE("sockets: nobody there", "[os]") {
  const test::TemporaryDirectory base;
  const Fd dir = base.open();
  CHECK(connect_at(dir.get(), "missing", kSockSeqpacket).error() == ENOENT);
  CHECK(connect_to("/nowhere/at/all", kSockSeqpacket).error() == ENOENT);
  base.write("file", "");
  CHECK(connect_to(base / "file", kSockSeqpacket).error() == ECONNREFUSED);
  REQUIRE(listen_at(dir.get(), "gone"));  // closed at once; its file stays
  CHECK(connect_at(dir.get(), "gone", kSockSeqpacket).error() == ECONNREFUSED);
  CHECK(listen_at(dir.get(), "gone").error() == EADDRINUSE);
}
