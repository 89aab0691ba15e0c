// SPDX-License-Identifier: Apache-2.0
#include "plan/narrate.hpp"

#include <catch2/catch.hpp>

using namespace wherry;
using namespace wherry::plan;
using Lines = std::vector<std::string>;

TEST_CASE("narrate: who did what, for which part of config.json, and how long it took", "[plan]") {
  CHECK(narrate({Lane::kPid1, SetHostname<Owned>{"x"}, "/hostname"}, {1234567, 0}) ==
        Lines{"pid1: set the hostname to \"x\" [/hostname] (1.235 ms)"});
  CHECK(narrate({Lane::kInit, HideFromTracers<Owned>{}, ""}, {0, 0}) == Lines{"init: hide from tracers"});
  CHECK(narrate({Lane::kInit, HideFromTracers<Owned>{}, ""}, {0, 1}) == Lines{"init: hide from tracers (way 2)"});
  CHECK(narrate({Lane::kInit, HideFromTracers<Owned>{}, ""}, {1000, 2}) ==
        Lines{"init: hide from tracers (0.001 ms, way 3)"});
}

TEST_CASE("narrate: an affinity is a mask", "[plan]") {
  const auto mask = [](std::vector<uint64_t> cpus) {
    return narrate({Lane::kInit, SetCpuAffinity<Owned>{std::move(cpus)}, ""}, {0, 0}).front();
  };
  CHECK(mask({}) == "init: set the CPU affinity: affinity: all");
  CHECK(mask({5}) == "init: set the CPU affinity: affinity: 0x5");
  CHECK(mask({3, 16}) == "init: set the CPU affinity: affinity: 0x100000000000000003");
  CHECK(mask({3, 0}) == "init: set the CPU affinity: affinity: 0x3");
}

TEST_CASE("narrate: the flags of a filter are a line of their own", "[plan]") {
  LoadSeccomp<Owned> load;
  load.flags = 6;
  const Lines lines = narrate({Lane::kPid1, load, "/linux/seccomp"}, {0, 0});
  CHECK(lines == Lines{"pid1: load the seccomp filter [/linux/seccomp]", "seccomp filter flags: 6"});
}

TEST_CASE("narrate: the program of a container and of an exec", "[plan]") {
  Plan plan;
  plan.steps.push_back({Lane::kPid1, Exec<Owned>{{"/bin/true", "-x"}, {}}, "/args"});
  CHECK(narrate_exec(plan) == "setns_init: about to exec /bin/true");
  plan.steps.insert(plan.steps.begin(), {Lane::kPid1, AwaitStart<Owned>{}, ""});
  CHECK(narrate_exec(plan) == "init: closing the pipe to signal completion: exec /bin/true");
}
