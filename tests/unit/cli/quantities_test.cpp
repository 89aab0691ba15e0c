// SPDX-License-Identifier: Apache-2.0
#include "cli/quantities.hpp"

#include <catch2/catch.hpp>

#include "wherry/error.hpp"

using namespace wherry;
using namespace std::chrono_literals;

TEST_CASE("sizes are read as runc reads them", "[cli]") {
  const auto size = [](const std::string& text) { return cli::parse_size("memory", text); };
  CHECK(size("0") == 0);
  CHECK(size("1048576") == 1048576);
  CHECK(size("512m") == 512 << 20);
  CHECK(size("512 MiB") == 512 << 20);
  CHECK(size("64KB") == 64 << 10);
  CHECK(size("32b") == 32);
  CHECK(size("1.5g") == 3LL << 29);
  CHECK(size("2T") == 2LL << 40);
  for (const char* bad : {"", "m", "-1", "-5m", "1.m.", "12x", "1 2", "1e3", "0x10", " 1", "99999999p", "1mm", "inf"}) {
    INFO(bad);
    CHECK_THROWS_AS(size(bad), Error);
  }
}

TEST_CASE("durations are sums of numbers with units", "[cli]") {
  const auto duration = [](const std::string& text) { return cli::parse_duration("interval", text); };
  CHECK(duration("5s") == 5s);
  CHECK(duration("1m30s") == 90s);
  CHECK(duration("250ms") == 250ms);
  CHECK(duration("1.5h") == 90min);
  CHECK(duration("2000000ns") == 2ms);
  CHECK(duration("1500us500µs") == 2ms);
  for (const char* bad : {"", "5", "s", "5 s", "-1s", "0s", "1ns", "5sec", "1e9s"}) {
    INFO(bad);
    CHECK_THROWS_AS(duration(bad), Error);
  }
}
