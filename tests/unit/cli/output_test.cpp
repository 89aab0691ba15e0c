// SPDX-License-Identifier: Apache-2.0
#include "cli/output.hpp"

#include <catch2/catch.hpp>

#include "wherry/error.hpp"

using namespace wherry::cli;

TEST_CASE("columns are at least twelve wide, the last one is not padded", "[cli]") {
  CHECK(format_table({{"ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"}}) ==
        "ID          PID         STATUS      BUNDLE      CREATED     OWNER\n");
  CHECK(format_table({{"ID", "PID", "OWNER"}, {"a-longer-name", "1", "root"}}) ==
        "ID              PID         OWNER\n"
        "a-longer-name   1           root\n");
  CHECK(format_table({{"B\xC3\xA4r", "x"}}) == "B\xC3\xA4r         x\n");
  CHECK(format_table({}).empty());
}

TEST_CASE("formats", "[cli]") {
  CHECK(wants_json("json"));
  CHECK_FALSE(wants_json("table"));
  CHECK_THROWS_AS(wants_json("xml"), wherry::Error);
}
