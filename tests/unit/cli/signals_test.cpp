// SPDX-License-Identifier: Apache-2.0
#include "cli/signals.hpp"

#include <catch2/catch.hpp>

using namespace wherry::cli;

TEST_CASE("signals by number and by name", "[cli]") {
  CHECK(parse_signal("9") == 9);
  CHECK(parse_signal("64") == 64);
  CHECK(parse_signal("KILL") == 9);
  CHECK(parse_signal("SIGKILL") == 9);
  CHECK(parse_signal("sigterm") == 15);
  CHECK(parse_signal("Usr1") == 10);
  CHECK(parse_signal("RTMIN") == 34);
  CHECK(parse_signal("SIGRTMIN+3") == 37);
  CHECK(parse_signal("RTMAX-1") == 63);
  CHECK(parse_signal("RTMIN+30") == 64);
  CHECK(parse_signal("0") == 0);  // kill(2): is it there?
}

TEST_CASE("what is no signal", "[cli]") {
  for (const char* text : {"", "65", "-9", "9x", "SIG", "FOO", "RTMIN-1", "RTMAX+1", "RTMIN+31", "RTMIN+", "RTMAX-x",
                           "RTMINX", "99999999999999999999", "SIGSIGTERM"}) {
    INFO(text);
    CHECK_FALSE(parse_signal(text).has_value());
  }
}
