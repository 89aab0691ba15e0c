// SPDX-License-Identifier: Apache-2.0
#include "container/systemd_bus.hpp"

#include <unistd.h>

#include <catch2/catch.hpp>

using namespace wherry;
using namespace wherry::container;

TEST_CASE("the initial user namespace maps all ids", "[container][systemd]") {
  CHECK(maps_everything("         0          0 4294967295\n"));
  CHECK_FALSE(maps_everything("         0       1000          1\n         1     100000      65536\n"));
  CHECK_FALSE(maps_everything("0 0 1000\n"));
  CHECK_FALSE(maps_everything(""));
}

TEST_CASE("ids as they are outside", "[container][systemd]") {
  const char* map = "         0       1000          1\n         1     100000      65536\n";
  CHECK(outer_id(map, 0) == 1000);
  CHECK(outer_id(map, 1) == 100000);
  CHECK(outer_id(map, 65536) == 165535);
  CHECK(outer_id(map, 70000) == 70000);
  CHECK(outer_id("", 7) == 7);
}

TEST_CASE("a user's manager is found by the environment", "[container][systemd]") {
  if (::geteuid() == 0) {
    CHECK(systemd_bus({"/r", "systemd", "/run/user/0", "unix:path=/x", {}}).empty());
  } else {
    CHECK(systemd_bus({"/r", "systemd", "/run/user/0", "unix:path=/x", {}}) == "unix:path=/x");
    CHECK(systemd_bus({"/r", "systemd", "/run/user/0", "", {}}) == "unix:path=/run/user/0/bus");
  }
  CHECK(systemd_root("").empty());
  CHECK(systemd_root("unix:path=/x").find("/user.slice/user-") == 0);
}
