// SPDX-License-Identifier: Apache-2.0
#include "cli/terminal.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <string>

using namespace wherry;
using namespace wherry::cli;

TEST_CASE("a backlog keeps what one write did not take", "[cli]") {
  int ends[2];
  REQUIRE(pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
  const os::Fd reader(ends[0]);
  os::Fd writer(ends[1]);
  REQUIRE(write(writer.get(), "0123456789", 10) == 10);
  Backlog backlog;
  CHECK(backlog.empty());
  CHECK(backlog.fill(reader.get()) == 0);
  CHECK(backlog.last() == '9');
  std::string text;
  while (!backlog.empty()) {
    CHECK(backlog.drain(writer.get(), 4) == 0);
    char bytes[16];
    text.append(bytes, static_cast<std::size_t>(read(reader.get(), bytes, sizeof bytes)));
  }
  CHECK(text == "0123456789");
  CHECK(backlog.fill(reader.get()) == EAGAIN);
  writer.reset();
  CHECK(backlog.fill(reader.get()) == EPIPE);
  CHECK(backlog.last() == '9');
  backlog.append('x');
  CHECK_FALSE(backlog.empty());
}

TEST_CASE("raw mode comes and goes, and leaves other files alone", "[cli]") {
  const os::Fd master(posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (!master || grantpt(master.get()) != 0 || unlockpt(master.get()) != 0) return;  // no devpts here
  char name[64];
  REQUIRE(ptsname_r(master.get(), name, sizeof name) == 0);
  const os::Fd terminal(open(name, O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (!terminal) return;
  termios before{}, during{}, after{};
  REQUIRE(tcgetattr(terminal.get(), &before) == 0);
  {
    const RawMode raw(terminal.get());
    REQUIRE(tcgetattr(terminal.get(), &during) == 0);
  }
  REQUIRE(tcgetattr(terminal.get(), &after) == 0);
  CHECK((before.c_lflag & ICANON) != 0);
  CHECK((during.c_lflag & (ICANON | ECHO | ISIG)) == 0);
  CHECK((during.c_oflag & OPOST) != 0);
  CHECK(after.c_lflag == before.c_lflag);
  const os::Fd null(open("/dev/null", O_RDWR | O_CLOEXEC));
  const RawMode nothing(null.get());
}
