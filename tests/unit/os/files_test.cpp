// SPDX-License-Identifier: Apache-2.0
#include "os/files.hpp"

#include <sys/stat.h>

#include <cerrno>

#include "unit/temporary_directory.hpp"

using namespace wherry;
using namespace wherry::os;
namespace fs = std::filesystem;

namespace {

std::string text_of(int dir, const char* name) {
  auto text = read_file(dir, name, 1 << 20);
  return text ? *text : "error " + std::to_string(text.error());
}

unsigned mode_of(const fs::path& path) {
  struct stat status {};
  REQUIRE(::stat(path.c_str(), &status) == 0);
  return status.st_mode & 07777;
}

}  // namespace

TEST_CASE("files: read whole, up to a limit", "[os]") {
  const test::TemporaryDirectory base;
  const Fd dir = base.open();
  for (const std::size_t size : {0U, 1U, 4095U, 4096U, 4097U, 16384U, 100000U}) {
    INFO(size);
    const std::string text(size, 'x');
    base.write("file", text);
    auto read = read_file(dir.get(), "file", size);
    REQUIRE(read);
    CHECK(*read == text);
    if (size == 0) continue;
    auto limited = read_file(dir.get(), "file", size - 1);
    REQUIRE_FALSE(limited);
    CHECK(limited.error() == EFBIG);
  }
  CHECK(read_file(dir.get(), "missing", 10).error() == ENOENT);
  CHECK(read_file(dir.get(), ".", 10).error() == EISDIR);
  CHECK(read_file(kAtFdcwd, "/dev/zero", 100000).error() == EFBIG);
  CHECK_FALSE(text_of(kAtFdcwd, "/proc/self/stat").empty());  // a file that says it is empty
}

TEST_CASE("files: create_file makes a new one only", "[os]") {
  const test::TemporaryDirectory base;
  const Fd dir = base.open();
  REQUIRE(create_file(dir.get(), "new", "text", 0600));
  CHECK(text_of(dir.get(), "new") == "text");
  CHECK(mode_of(base / "new") == 0600);
  CHECK(create_file(dir.get(), "new", "other", 0600).error() == EEXIST);
  CHECK(text_of(dir.get(), "new") == "text");
  fs::create_symlink(base / "target", base / "link");
  CHECK(create_file(dir.get(), "link", "other", 0600).error() == EEXIST);
  CHECK_FALSE(fs::exists(base / "target"));
}

TEST_CASE("files: replace_file replaces, whatever was left behind", "[os]") {
  const test::TemporaryDirectory base;
  const Fd dir = base.open();
  REQUIRE(replace_file(dir.get(), "state", "first", 0600));
  CHECK(text_of(dir.get(), "state") == "first");
  base.write("state.tmp", "cut off, and longer than what comes next");
  REQUIRE(replace_file(dir.get(), "state", "second", 0600));
  CHECK(text_of(dir.get(), "state") == "second");
  CHECK_FALSE(fs::exists(base / "state.tmp"));
  fs::create_symlink(base / "target", base / "state.tmp");
  CHECK(replace_file(dir.get(), "state", "third", 0600).error() == ELOOP);
  CHECK_FALSE(fs::exists(base / "target"));
  CHECK(text_of(dir.get(), "state") == "second");
}

TEST_CASE("files: write_existing makes nothing", "[os]") {
  const test::TemporaryDirectory base;
  const Fd dir = base.open();
  CHECK(write_existing(dir.get(), "missing", "x").error() == ENOENT);
  CHECK_FALSE(fs::exists(base / "missing"));
  base.write("file", "abcdef");
  REQUIRE(write_existing(dir.get(), "file", "XY"));
  CHECK(text_of(dir.get(), "file") == "XYcdef");
  CHECK(write_existing(kAtFdcwd, "/dev/full", "x").error() == ENOSPC);
}

TEST_CASE("files: sealed memory can be read and never changed", "[os]") {
  for (const bool executable : {false, true}) {
    INFO(executable);
    auto fd = sealed_memory("test", "content", executable);
    REQUIRE(fd);
    CHECK(os::write(fd->get(), "x", 1).error() == EPERM);
    CHECK(os::ftruncate(fd->get(), 0).error() == EPERM);
    CHECK(os::ftruncate(fd->get(), 100).error() == EPERM);
    CHECK(fcntl(fd->get(), kFAddSeals, kSealWrite).error() == EPERM);
    CHECK(text_of(kAtFdcwd, ("/proc/self/fd/" + std::to_string(fd->get())).c_str()) == "content");
    struct stat status {};
    REQUIRE(::fstat(fd->get(), &status) == 0);
    if (executable) CHECK((status.st_mode & 0111) != 0);
  }
}
