// SPDX-License-Identifier: Apache-2.0
#include "cgroup/unit_name.hpp"

#include <catch2/catch.hpp>

#include "wherry/error.hpp"

using namespace wherry::cgroup;

TEST_CASE("cgroupsPath names a scope in a slice", "[cgroup][systemd]") {
  CHECK(unit_name("machine.slice:libpod:abc", "id", "system.slice") ==
        UnitName{"machine.slice", "libpod-abc.scope", "/machine.slice/libpod-abc.scope"});
  CHECK(unit_name("", "web.1", "user.slice") ==
        UnitName{"user.slice", "wherry-web.1.scope", "/user.slice/wherry-web.1.scope"});
  CHECK(unit_name(":docker:abc", "id", "system.slice").path == "/system.slice/docker-abc.scope");
  CHECK(unit_name("a-b-c.slice::x", "id", "system.slice") ==
        UnitName{"a-b-c.slice", "x.scope", "/a.slice/a-b.slice/a-b-c.slice/x.scope"});
  CHECK(unit_name("-.slice:p:x", "id", "system.slice").path == "/p-x.scope");
}

TEST_CASE("what is no slice:prefix:name is refused", "[cgroup][systemd]") {
  for (const char* bad :
       {"/a/b", "a", "system.slice:x", "system.slice:a:b:c", "system.slice:p:", "::", "system:p:n", ".slice:p:n",
        "a--b.slice:p:n", "-a.slice:p:n", "a-.slice:p:n", "a/b.slice:p:n", "system.slice:p:a/b", "system.slice:p:a b",
        "system.slice:p:x.slice", "system.slice:_p:x", "system.slice:.p:x", "system.slice:p:a+b"}) {
    INFO(bad);
    CHECK_THROWS_AS(unit_name(bad, "id", "system.slice"), wherry::Error);
  }
  CHECK_THROWS_AS(unit_name("system.slice:p:" + std::string(248, 'x'), "id", "system.slice"), wherry::Error);
  CHECK_NOTHROW(unit_name("system.slice:p:" + std::string(247, 'x'), "id", "system.slice"));
}

TEST_CASE("the refusal of a path names the form", "[cgroup][systemd]") {
  try {
    (void)unit_name("/a/b", "id", "system.slice");
    FAIL("accepted");
  } catch (const wherry::Error& error) {
    CHECK(error.pointer() == "/linux/cgroupsPath");
    CHECK(error.message().find("slice:prefix:name") != std::string::npos);
  }
}

TEST_CASE("a bus address escapes what D-Bus would take for its own", "[cgroup][systemd]") {
  CHECK(bus_address("/run/user/1000/bus") == "unix:path=/run/user/1000/bus");
  CHECK(bus_address("/a b;c,d=%") == "unix:path=/a%20b%3bc%2cd%3d%25");
}
