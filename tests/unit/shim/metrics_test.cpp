// SPDX-License-Identifier: Apache-2.0
#include "shim/metrics.hpp"

#include <catch2/catch.hpp>

using namespace wherry;
using namespace wherry::shim;

TEST_CASE("metrics: numbers of the fields", "[shim]") {
  cgroup::Stats stats;
  stats.pids = cgroup::PidsStats{3, std::nullopt};
  stats.memory.emplace();
  stats.memory->current = 4096;
  stats.memory->peak = 8192;
  stats.memory->stat = {{"anon", 1}, {"workingset_activate_file", 42}, {"made_up_later", 99}};
  stats.memory->events = {{"oom_kill", 2}};
  const Metrics metrics = metrics_of(stats);
  CHECK((metrics.pids->current == 3 && metrics.pids->limit == ~0ULL));
  const auto& memory = metrics.memory->values;
  CHECK((memory[1] == 1 && memory[42] == 42 && memory[32] == 4096 && memory[36] == 8192 && memory[33] == ~0ULL));
  CHECK(metrics.memory_events->oom_kill == 2);
  Metrics read;
  REQUIRE(decode(encode(metrics), read));
  CHECK(read.memory->values == memory);
}

TEST_CASE("metrics: controllers that are not there are empty messages", "[shim]") {
  CHECK(encode(metrics_of({})) == std::string("\x0a\0\x22\0\x2a\0\x32\0\x42\0", 10));
}
