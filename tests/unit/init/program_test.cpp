// SPDX-License-Identifier: Apache-2.0
// The last steps before the exec: directory, home, program.
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "init/execute.hpp"
#include "unit/init/init_fixtures.hpp"

using namespace wherry;
using namespace wherry::init;
using plan::Owned;
namespace fs = std::filesystem;

namespace {

std::string home_of(const test::TemporaryDirectory& base, uint32_t uid) {
  const auto context = test::make_context();
  context->root = base.open();
  const Outcome outcome = test::perform(plan::FindHome<Owned>{uid}, *context);
  CHECK(outcome.error == 0);
  return context->home;
}

std::string home_in(const std::string& passwd, uint32_t uid) {
  test::TemporaryDirectory base;
  base.write("etc/passwd", passwd);
  return home_of(base, uid);
}

struct Found {
  int error = 0;
  Detail detail = Detail::kNone;
  std::string path;
};

Found find(const std::string& name, const std::string& search_path) {
  const auto context = test::make_context();
  const Outcome outcome = test::perform(plan::FindExecutable<Owned>{name, search_path}, *context);
  return {outcome.error, outcome.detail, context->executable};
}

void make_program(const fs::path& path, int mode) {
  fs::create_directories(path.parent_path());
  std::ofstream(path) << "#!/bin/sh\n";
  REQUIRE(::chmod(path.c_str(), static_cast<mode_t>(mode)) == 0);
}

}  // namespace

TEST_CASE("find-home: the line of the uid", "[init]") {
  const std::string passwd =
      "root:x:0:0:root:/root:/bin/sh\n"
      "user:x:1000:1000:A User,,,:/home/user:/bin/sh\n"
      "other:x:1001:1001::/home/other:\n";
  CHECK(home_in(passwd, 0) == "HOME=/root");
  CHECK(home_in(passwd, 1000) == "HOME=/home/user");
  CHECK(home_in(passwd, 1001) == "HOME=/home/other");
  CHECK(home_in(passwd, 100) == "HOME=/");
  CHECK(home_in(passwd, 4294967295U) == "HOME=/");
}

TEST_CASE("find-home: files that are cut short or strange", "[init]") {
  CHECK(home_in("", 0) == "HOME=/");
  CHECK(home_in("\n\n:::\n", 0) == "HOME=/");
  CHECK(home_in("root:x:0:0:root:/root:/bin/sh", 0) == "HOME=/root");  // no newline at the end
  CHECK(home_in("root:x:0:0:root:/root", 0) == "HOME=/root");
  CHECK(home_in("root:x:0:0:root", 0) == "HOME=/");
  CHECK(home_in("root:x:0", 0) == "HOME=/");
  CHECK(home_in("root:x:0:0::\n", 0) == "HOME=/");
  CHECK(home_in("a:x:0:0:::\nb:x:0:0::/b:\n", 0) == "HOME=/b");  // the first that has one
  CHECK(home_in("a:x:00:0::/a:\n", 0) == "HOME=/");
  CHECK(home_in("a:x: 0:0::/a:\n", 0) == "HOME=/");
}

TEST_CASE("find-home: lines that are longer than any buffer", "[init]") {
  const std::string wanted = "user:x:7:7::/home/seven:/bin/sh\n";
  for (const std::size_t length : {4000U, 4094U, 4095U, 4096U, 4097U, 8191U, 8192U, 8193U, 20000U}) {
    INFO(length);
    CHECK(home_in(std::string(length, 'x') + "\n" + wanted, 7) == "HOME=/home/seven");
    CHECK(home_in(std::string(length, 'x') + wanted, 7) ==
          "HOME=" + std::string(length + wanted.size() <= 4096 ? "/home/seven" : "/"));
    // What lies behind a cut is no line of its own.
    CHECK(home_in(std::string(length, 'x') + "\nu:x:8:8::/" + std::string(200, 'h') + ":\n" + wanted, 7) ==
          "HOME=/home/seven");
  }
  const std::string long_home = "/" + std::string(3000, 'h');
  CHECK(home_in("u:x:7:7::" + long_home + ":\n", 7) == "HOME=" + long_home);
}

TEST_CASE("find-home: lines at every offset of a buffer's end", "[init]") {
  const std::string filler = "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n";
  std::string passwd;
  while (passwd.size() < 9000) passwd += filler;
  for (std::size_t shift = 0; shift < filler.size(); ++shift) {
    INFO(shift);
    CHECK(home_in(std::string(shift, '#') + "\n" + passwd + "user:x:7:7::/home/seven:\n" + filler, 7) ==
          "HOME=/home/seven");
  }
}

TEST_CASE("find-home: an endless file is given up", "[init]") {
  const std::string wanted = "user:x:7:7::/home/seven:/bin/sh\n";
  std::string comments;
  while (comments.size() < (2U << 20U)) comments += "# a comment\n";
  CHECK(home_in(comments + wanted, 7) == "HOME=/");
  CHECK(home_in(std::string(2U << 20U, 'x') + "\n" + wanted, 7) == "HOME=/");
  CHECK(home_in(comments.substr(0, std::size_t{500} * 12) + wanted, 7) == "HOME=/home/seven");
}

TEST_CASE("find-home: what is no file", "[init]") {
  test::TemporaryDirectory base;
  CHECK(home_of(base, 0) == "HOME=/");  // none
  fs::create_directories(base / "etc");
  REQUIRE(::mkfifo((base / "etc/passwd").c_str(), 0600) == 0);
  CHECK(home_of(base, 0) == "HOME=/");
  fs::remove(base / "etc/passwd");
  fs::create_directory(base / "etc/passwd");
  CHECK(home_of(base, 0) == "HOME=/");
  fs::remove(base / "etc/passwd");
  fs::create_symlink("/dev/zero", base / "etc/passwd");
  CHECK(home_of(base, 0) == "HOME=/");
  fs::remove(base / "etc/passwd");
  fs::create_symlink("../../../../real", base / "etc/passwd");  // of the root, not of the host
  base.write("real", "root:x:0:0::/found:\n");
  CHECK(home_of(base, 0) == "HOME=/found");
}

TEST_CASE("find-executable: by name, in the order of the path", "[init]") {
  test::TemporaryDirectory base;
  make_program(base / "one/tool", 0755);
  make_program(base / "two/tool", 0755);
  make_program(base / "two/other", 0755);
  const std::string one = base / "one", two = base / "two";
  CHECK(find("tool", one + ":" + two).path == one + "/tool");
  CHECK(find("tool", two + ":" + one).path == two + "/tool");
  CHECK(find("other", one + ":" + two).path == two + "/other");
  CHECK(find("other", ":" + std::string("/nowhere") + "::" + one + ":" + two + ":").path == two + "/other");
  CHECK(find("missing", one + ":" + two).error == ENOENT);
  CHECK(find("missing", one + ":" + two).detail == Detail::kNotFound);
  CHECK(find("tool", "").error == ENOENT);
  CHECK(find("tool", ":::").error == ENOENT);
}

TEST_CASE("find-executable: what may not be executed is remembered, and the search goes on", "[init]") {
  test::TemporaryDirectory base;
  make_program(base / "one/tool", 0644);
  make_program(base / "two/tool", 0755);
  fs::create_directories(base / "three/tool");
  const std::string one = base / "one", two = base / "two", three = base / "three";
  CHECK(find("tool", one + ":" + three + ":" + two).path == two + "/tool");
  for (const std::string& path : {one, three, one + ":/nowhere", "/nowhere:" + three}) {
    INFO(path);
    const Found found = find("tool", path);
    CHECK(found.error == EACCES);
    CHECK(found.detail == Detail::kNotExecutable);
  }
}

TEST_CASE("find-executable: by path", "[init]") {
  test::TemporaryDirectory base;
  make_program(base / "tool", 0755);
  make_program(base / "data", 0644);
  fs::create_symlink("tool", base / "link");
  fs::create_symlink("nowhere", base / "dangling");
  CHECK(find(base / "tool", "").path == (base / "tool").string());
  CHECK(find(base / "link", "").error == 0);
  CHECK(find(base / "data", "").detail == Detail::kNotExecutable);
  CHECK(find(base.path(), "").detail == Detail::kNotExecutable);
  CHECK(find(base / "dangling", "").error == ENOENT);
  CHECK(find(base / "tool/x", "").error == ENOTDIR);
  CHECK(find(base / "missing", "/bin").error == ENOENT);
}

TEST_CASE("find-executable: names and paths without end", "[init]") {
  const std::string name(5000, 'n');
  CHECK(find(name, "/bin:/usr/bin").error == ENOENT);
  CHECK(find("/" + name, "").error == ENAMETOOLONG);
  CHECK(find("tool", "/" + name + ":/nowhere").error == ENOENT);
  test::TemporaryDirectory base;
  make_program(base / "tool", 0755);
  CHECK(find("tool", "/" + name + ":" + base.path().string()).path == (base / "tool").string());
}

TEST_CASE("change-directory: made when missing, inside the root", "[init]") {
  test::TemporaryDirectory base;
  fs::create_directories(base / "root");
  fs::create_symlink("../../..", base / "root/up");
  const auto ends_in = [&](const std::string& cwd, const fs::path& expected) {
    return test::in_child([&] {
      const auto context = test::make_context();
      auto root = os::openat(os::kAtFdcwd, (base / "root").c_str(), os::kPath | os::kDirectory);
      if (!root) return 1;
      context->root = std::move(*root);
      if (test::perform(plan::ChangeDirectory<Owned>{cwd}, *context).error != 0) return 2;
      return fs::equivalent(".", expected) ? 0 : 3;
    });
  };
  CHECK(ends_in("/", base / "root") == 0);
  CHECK(ends_in("/work/deep", base / "root/work/deep") == 0);
  CHECK(ends_in("/up/../work", base / "root/work") == 0);
  base.write("root/file", "");
  CHECK(ends_in("/file", base / "root") == 2);
}

TEST_CASE("change-directory: what is closed to root may be open to the user", "[init]") {
  if (geteuid() != 0) return;
  const test::TemporaryDirectory base;
  fs::create_directories(base / "root/closed");
  fs::permissions(base / "root/closed", fs::perms::owner_all);
  fs::permissions(base.path(), fs::perms::all);
  CHECK(::chown((base / "root/closed").c_str(), 7, 7) == 0);
  CHECK(test::in_child([&] {
          const auto context = test::make_context();
          auto root = os::openat(os::kAtFdcwd, (base / "root").c_str(), os::kPath | os::kDirectory);
          if (!root) return 1;
          context->root = std::move(*root);
          if (setresuid(8, 8, 0) != 0) return 2;  // neither its owner nor root
          const plan::ChangeDirectory<Owned> first{"/closed", true, false}, second{"/closed", false, true};
          if (test::perform(second, *context).error != EACCES) return 3;
          if (test::perform(first, *context).error != 0 || context->in_directory) return 4;
          if (setresuid(0, 0, 0) != 0 || setresuid(7, 7, 7) != 0) return 5;
          if (test::perform(second, *context).error != 0) return 6;
          return fs::equivalent(".", base / "root/closed") ? 0 : 7;
        }) == 0);
}

// CVE-2024-21626: a working directory through a descriptor of the host.
TEST_CASE("change-directory: not through a magic link", "[init]") {
  CHECK(test::in_child([] {
          const auto context = test::make_context();
          auto root = os::openat(os::kAtFdcwd, "/", os::kPath | os::kDirectory);
          if (!root) return 1;
          const std::string path = "/proc/self/fd/" + std::to_string(root->get());
          context->root = std::move(*root);
          return test::perform(plan::ChangeDirectory<Owned>{path}, *context).error;
        }) == ELOOP);
}
