// SPDX-License-Identifier: Apache-2.0
#include "cgroup/location.hpp"

#include <catch2/catch.hpp>

#include "wherry/error.hpp"

using namespace wherry::cgroup;

TEST_CASE("the cgroup2 mount is found in mountinfo", "[cgroup]") {
  CHECK(parse_mount("").empty());
  CHECK(parse_mount("30 23 0:26 / /sys/fs/cgroup/cpu rw shared:9 - cgroup cgroup rw,cpu\n").empty());
  CHECK(parse_mount("30 23 0:26 / /a rw - cgroup cgroup rw\n31 23 0:27 / /odd\\040place\\134x rw,nosuid shared:3 "
                    "master:1 - cgroup2 cgroup2 rw\n") == "/odd place\\x");
  CHECK(parse_mount("31 23 0:27 / /first rw - cgroup2 c rw\n32 23 0:27 / /second rw - cgroup2 c rw").substr(1) ==
        "first");
  // A mount point may contain the separator's look-alike.
  CHECK(parse_mount("31 23 0:27 / /x-y rw - tmpfs cgroup2 rw\n").empty());
}

TEST_CASE("mounts of whole kernel file systems are found in mountinfo", "[cgroup]") {
  const char* text =
      "22 28 0:21 / /sys rw shared:7 - sysfs sysfs rw\n23 28 0:22 / /proc rw shared:8 - proc proc rw\n"
      "24 23 0:22 /fs /part rw - proc proc rw\n25 28 0:23 / /odd\\040one/proc rw - proc none rw\n"
      "26 28 0:24 / /dev rw - devtmpfs udev rw\nno line at all\n";
  CHECK(mounts_of_types(text, {"proc", "sysfs"}) == std::vector<std::string>{"/sys", "/proc", "/odd one/proc"});
  CHECK(mounts_of_types(text, {"ext4"}).empty());
}

TEST_CASE("the own cgroup is the line of hierarchy 0", "[cgroup]") {
  CHECK(parse_own_cgroup("9:name=systemd:/a\n0::/user.slice/x\n") == "/user.slice/x");
  CHECK(parse_own_cgroup("0::/") == "/");
  CHECK(parse_own_cgroup("10::/x\n4:memory:/y\n").empty());
}

TEST_CASE("cgroupsPath resolves beside the own cgroup or from the mount", "[cgroup]") {
  CHECK(resolve_from("/user.slice/session.scope", "", "c1") == "/user.slice/c1");
  CHECK(resolve_from("/", "", "c1") == "/c1");
  CHECK(resolve_from("/user.slice/session.scope", "pods/a", "c1") == "/user.slice/pods/a");
  CHECK(resolve_from("/user.slice/session.scope", "/docker/abc", "c1") == "/docker/abc");
  CHECK(resolve_from("/x", "//docker/./abc/", "c1") == "/docker/abc");
  CHECK(resolve_from("/x", "/a:b:c", "c1") == "/a:b:c");
}

TEST_CASE("paths out of the hierarchy and of the other manager are refused", "[cgroup]") {
  for (const char* path : {"..", "a/../b", "/a/..", "/", "./", "system.slice:docker:abc", ":a:b"}) {
    INFO(path);
    try {
      const std::string taken = resolve_from("/own", path, "c1");
      FAIL_CHECK("taken as " << taken);
    } catch (const wherry::Error& error) {
      CHECK(error.pointer() == "/linux/cgroupsPath");
    }
  }
  CHECK_THROWS_AS(resolve_from("/../../outside", "", "c1"), wherry::Error);
  CHECK_THROWS_AS(resolve_from("/own", "", ".."), wherry::Error);
}
