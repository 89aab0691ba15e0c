// SPDX-License-Identifier: Apache-2.0
#include "container/identity.hpp"

#include <unistd.h>

#include <catch2/catch.hpp>

#include "os/files.hpp"
#include "os/spawn.hpp"

using namespace wherry;
using namespace wherry::container;

namespace {

std::string stat_line(const std::string& name, const std::string& start_time) {
  return "4711 (" + name + ") S 1 4711 4711 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 " + start_time +
         " 2551808 128 18446744073709551615 1 1 0 0 0 0 0 0 0 0 0 0 17 1 0 0\n";
}

oci::Record record_of(pid_t pid) {
  oci::Record record;
  record.boot_id = boot_id();
  auto pidfd = os::pidfd_open(pid);
  REQUIRE(pidfd);
  identify(record, pid, pidfd->get());
  return record;
}

std::uint64_t start_time_of_self() {
  const auto text = os::read_file(os::kAtFdcwd, "/proc/self/stat", 65536);
  REQUIRE(text);
  return parse_start_time(text.value());
}

os::Child sleeper() {
  os::Program program;
  program.path = "/bin/sleep";
  program.args = {"sleep", "60"};
  auto child = os::spawn(program);
  REQUIRE(child);
  return std::move(*child);
}

}  // namespace

TEST_CASE("identity: the start time behind any name", "[container]") {
  CHECK(parse_start_time(stat_line("sh", "123456")) == 123456);
  for (const char* name :
       {"", " ", "a b", ") S 1 2 3", "((", "))", "a)b(c", "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22",
        "a\nb", ") S 9 9 9 9 9 9 9 9 9 9 9 9 9 9 9 9 9 9 9 9"}) {
    INFO(name);
    CHECK(parse_start_time(stat_line(name, "123456")) == 123456);
  }
  CHECK(parse_start_time(stat_line("sh", "18446744073709551615")) == 18446744073709551615U);
}

TEST_CASE("identity: what is no stat line has no start time", "[container]") {
  const std::string line = stat_line("sh", "123456");
  CHECK(parse_start_time("") == 0);
  CHECK(parse_start_time(")") == 0);
  CHECK(parse_start_time("4711 sh S 1") == 0);
  CHECK(parse_start_time(line.substr(0, line.find(" 123456"))) == 0);
  CHECK(parse_start_time(line.substr(0, line.find("123456"))) == 0);
  CHECK(parse_start_time(stat_line("sh", "x")) == 0);
  CHECK(parse_start_time(stat_line("sh", "-5")) == 0);
  CHECK(parse_start_time(stat_line("sh", "18446744073709551616")) == 0);
  CHECK(start_time_of_self() != 0);
}

TEST_CASE("identity: the boot", "[container]") {
  const std::string id = boot_id();
  CHECK(id.size() == 36);
  CHECK(id.find('\n') == std::string::npos);
  CHECK(boot_id() == id);
}

TEST_CASE("identity: a process is recognized by one of two marks", "[container]") {
  const oci::Record record = record_of(::getpid());
  CHECK(record.pid == ::getpid());
  CHECK((record.pidfd_inode != 0) != (record.pid_start_time != 0));
  CHECK(open_process(record));
  oci::Record by_time = record;
  by_time.pidfd_inode = 0;
  by_time.pid_start_time = start_time_of_self();
  CHECK(open_process(by_time));
}

TEST_CASE("identity: a pid that is another process now", "[container]") {
  oci::Record record = record_of(::getpid());
  record.pidfd_inode = 0;
  record.pid_start_time = start_time_of_self() + 1;
  CHECK_FALSE(open_process(record));
  record.pid_start_time = 0;  // never known
  CHECK_FALSE(open_process(record));
  record = record_of(::getpid());
  if (record.pidfd_inode != 0) {
    record.pidfd_inode += 1;
    CHECK_FALSE(open_process(record));
  }
  record = record_of(::getpid());
  record.pid = ::getppid();  // the marks of one process, the pid of another
  CHECK_FALSE(open_process(record));
}

TEST_CASE("identity: no process, and another boot", "[container]") {
  const oci::Record record = record_of(::getpid());
  for (const pid_t pid : {0, -1, 0x3fffffff}) {
    oci::Record other = record;
    other.pid = pid;
    CHECK_FALSE(open_process(other));
  }
  oci::Record other = record;
  other.boot_id = "00000000-0000-0000-0000-000000000000";
  CHECK_FALSE(open_process(other));
  other.boot_id.clear();
  CHECK_FALSE(open_process(other));
}

TEST_CASE("identity: a zombie has ended", "[container]") {
  const os::Child child = sleeper();
  const oci::Record record = record_of(child.pid);
  CHECK(open_process(record));
  REQUIRE(os::pidfd_send_signal(child.pidfd.get(), 9));
  os::pollfd fds{child.pidfd.get(), os::kPollIn, 0};
  REQUIRE(os::poll(&fds, 1, 10000).value() == 1);
  CHECK_FALSE(open_process(record));
  REQUIRE(os::reap(child.pidfd.get()));
  CHECK_FALSE(open_process(record));
}
