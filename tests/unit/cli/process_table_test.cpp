// SPDX-License-Identifier: Apache-2.0
#include "cli/process_table.hpp"

#include <catch2/catch.hpp>

#include "wherry/error.hpp"

using namespace wherry::cli;

TEST_CASE("only the container's processes stay", "[cli]") {
  const char* table =
      "UID        PID  PPID  C CMD\n"
      "root         1     0  0 init\n"
      "root        21     1  0 sleep 1\n"
      "root       121    21  0 sleep 21\n";
  CHECK(select_processes(table, {21}) == "UID        PID  PPID  C CMD\nroot        21     1  0 sleep 1\n");
  CHECK(select_processes(table, {}) == "UID        PID  PPID  C CMD\n");
  CHECK(select_processes("  PID COMMAND\n   12 a\n  112 b", {112}) == "  PID COMMAND\n  112 b\n");
}

TEST_CASE("a table without pids is refused", "[cli]") {
  CHECK_THROWS_AS(select_processes("UID COMMAND\nroot x\n", {1}), wherry::Error);
  CHECK(select_processes("", {1}).empty());
}
