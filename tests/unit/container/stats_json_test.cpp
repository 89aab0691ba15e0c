// SPDX-License-Identifier: Apache-2.0
#include "container/stats_json.hpp"

#include <catch2/catch.hpp>

using namespace wherry;

namespace {

const std::string kCpuset =
    R"("cpuset":{"cpu_exclusive":0,"mem_hardwall":0,"mem_exclusive":0,"memory_migrate":0,"memory_spread_page":0,)"
    R"("memory_spread_slab":0,"memory_pressure":0,"sched_load_balance":0,"sched_relax_domain_level":0})";

}  // namespace

TEST_CASE("statistics of nothing have runc's skeleton", "[container]") {
  CHECK(container::stats_json({}) == R"({"cpu":{},)" + kCpuset +
                                         R"(,"memory":{},"pids":{},"blkio":{},"hugetlb":{},"intel_rdt":{},)"
                                         R"("network_interfaces":null})");
}

TEST_CASE("statistics are written as runc writes them", "[container]") {
  cgroup::Stats stats;
  stats.cpu.emplace();
  stats.cpu->usage_usec = 9;
  stats.cpu->system_usec = 9;
  stats.cpu->throttled_periods = 2;
  stats.cpu->pressure = cgroup::Pressure{{0.5, 0, 12.25, 77}, {}};
  stats.memory.emplace();
  stats.memory->current = 100;
  stats.memory->max = 4096;
  stats.memory->peak = 300;
  stats.memory->swap_current = 5;
  stats.memory->swap_max = 1000;
  stats.memory->stat = {{"file", 7}, {"anon", 0}};
  stats.pids = cgroup::PidsStats{3, 20};
  stats.io.emplace();
  stats.io->devices = {{8, 0, 1, 0, 3, 4, 0, 0}};
  stats.hugetlb = {{"2MB", 10, 20, 1}, {"1GB", 5, {}, 0}};
  CHECK(container::stats_json(stats) ==
        R"({"cpu":{"usage":{"total":9000,"kernel":9000,"user":0},"throttling":{"throttledPeriods":2},)"
        R"("psi":{"some":{"avg10":0.5,"avg60":0,"avg300":12.25,"total":77}}},)" +
            kCpuset +
            R"(,"memory":{"cache":7,"usage":{"limit":4096,"usage":100,"max":300,"failcnt":0},)"
            R"("swap":{"limit":5096,"usage":105,"failcnt":0},"raw":{"anon":0,"file":7}},)"
            R"("pids":{"current":3,"limit":20},)"
            R"("blkio":{"ioServiceBytesRecursive":[{"major":8,"op":"Read","value":1},{"major":8,"op":"Write"}],)"
            R"("ioServicedRecursive":[{"major":8,"op":"Read","value":3},{"major":8,"op":"Write","value":4}]},)"
            R"("hugetlb":{"1GB":{"usage":5,"failcnt":0},"2MB":{"usage":20,"failcnt":1}},"intel_rdt":{},)"
            R"("network_interfaces":null})");
}

TEST_CASE("no limit is the largest number", "[container]") {
  cgroup::Stats stats;
  stats.memory.emplace();
  stats.memory->current = 1;
  const std::string most = "18446744073709551615";
  CHECK(container::stats_json(stats).find(R"("usage":{"limit":)" + most +
                                          R"(,"usage":1,"failcnt":0},"swap":{"limit":)" + most) != std::string::npos);
  stats.memory->swap_current = 0;
  CHECK(container::stats_json(stats).find(R"("swap":{"limit":)" + most) != std::string::npos);
  stats.pids = cgroup::PidsStats{1, {}};
  CHECK(container::stats_json(stats).find(R"("pids":{"current":1})") != std::string::npos);
}
