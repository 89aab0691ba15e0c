// SPDX-License-Identifier: Apache-2.0
#include "plan/limits.hpp"

#include <catch2/catch.hpp>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "plan/compile_limits.hpp"
#include "wherry/error.hpp"

using namespace wherry;
using plan::DeviceRule;
using plan::DeviceType;
using plan::Limits;

namespace {

std::string refused_at(const std::function<void(oci::Resources&)>& edit) {
  oci::Resources resources;
  edit(resources);
  try {
    (void)plan::compile_limits(resources);
  } catch (const Error& error) {
    return error.pointer();
  }
  return "accepted";
}

Limits compiled(const std::function<void(oci::Resources&)>& edit) {
  oci::Resources resources;
  edit(resources);
  return plan::compile_limits(resources);
}

std::string refused_rule(const oci::DeviceRule& rule) {
  oci::Linux linux_config;
  linux_config.resources.emplace();
  linux_config.resources->devices = {{}, rule};
  try {
    (void)plan::compile_device_rules(linux_config);
  } catch (const Error& error) {
    return error.pointer();
  }
  return "accepted";
}

// Each field once, so that a field that fields() forgets is found by its name.
struct NameCollector {
  std::vector<std::string>& names;
  template <class Value>
  void operator()(const char* name, const Value&) {
    names.emplace_back(name);
  }
};

}  // namespace

TEST_CASE("shares become weights on the curve that keeps the defaults", "[plan]") {
  CHECK(plan::cpu_weight_of_shares(0) == 1);
  CHECK(plan::cpu_weight_of_shares(2) == 1);
  CHECK(plan::cpu_weight_of_shares(1024) == 100);
  CHECK(plan::cpu_weight_of_shares(262144) == 10000);
  CHECK(plan::cpu_weight_of_shares(std::numeric_limits<std::uint64_t>::max()) == 10000);
  std::uint64_t last = 1;
  for (std::uint64_t shares = 2; shares <= 262144; shares += 7) {
    const std::uint64_t weight = plan::cpu_weight_of_shares(shares);
    REQUIRE(weight >= last);
    REQUIRE(weight <= 10000);
    last = weight;
  }
}

TEST_CASE("what engines always send sets nothing", "[plan]") {
  CHECK(plan::compile_limits({}) == Limits{});
  const Limits limits = compiled([](oci::Resources& r) {
    r.memory.emplace();
    r.memory->limit = r.memory->swap = r.memory->reservation = 0;
    r.memory->kernel = 0;
    r.memory->kernel_tcp = -1;
    r.memory->disable_oom_killer = false;
    r.memory->use_hierarchy = true;
    r.cpu.emplace();
    r.cpu->shares = 0;
    r.cpu->quota = 0;
    r.cpu->period = 0;
    r.cpu->realtime_period = 0;
    r.cpu->realtime_runtime = 0;
    r.pids.emplace();
    r.block_io.emplace();
    r.block_io->weight = 0;
    r.block_io->leaf_weight = 0;
    r.network.emplace();
    r.network->class_id = 0;
    r.network->priorities = {{"eth0", 0}};
  });
  CHECK(limits == Limits{});
}

TEST_CASE("memory and swap are taken apart", "[plan]") {
  const auto memory = [](std::optional<std::int64_t> limit, std::optional<std::int64_t> swap) {
    return compiled([&](oci::Resources& r) {
      r.memory.emplace();
      r.memory->limit = limit;
      r.memory->swap = swap;
    });
  };
  CHECK(memory(100, 300).memory_max == 100);
  CHECK(memory(100, 300).memory_swap_max == 200);
  CHECK(memory(100, 100).memory_swap_max == 0);
  CHECK(memory(100, -1).memory_swap_max == plan::kNoLimit);
  CHECK_FALSE(memory(100, 0).memory_swap_max);
  CHECK_FALSE(memory(100, {}).memory_swap_max);
  CHECK(memory(-1, {}).memory_max == plan::kNoLimit);
  CHECK(memory(-1, {}).memory_swap_max == plan::kNoLimit);
  CHECK(memory({}, -1).memory_swap_max == plan::kNoLimit);
  CHECK_THROWS_AS(memory({}, 100), Error);
  CHECK_THROWS_AS(memory(-1, 100), Error);
  CHECK_THROWS_AS(memory(100, 99), Error);
  CHECK_THROWS_AS(memory(-2, {}), Error);
}

TEST_CASE("an update of memory or of swap knows the other", "[plan]") {
  const auto memory = [](std::optional<std::int64_t> limit, std::optional<std::int64_t> swap) {
    oci::Resources resources;
    resources.memory.emplace();
    resources.memory->limit = limit;
    resources.memory->swap = swap;
    return resources;
  };
  const plan::AskedMemory old{100, 300};
  CHECK(plan::compile_update(memory(120, {}), old).memory_swap_max == 180);
  CHECK(plan::compile_update(memory(120, 0), old).memory_swap_max == 180);
  CHECK(plan::compile_update(memory({}, 400), old).memory_swap_max == 300);
  CHECK_FALSE(plan::compile_update(memory({}, 400), old).memory_max);
  CHECK(plan::compile_update(memory(200, 400), old).memory_swap_max == 200);
  CHECK(plan::compile_update(memory(-1, {}), old).memory_swap_max == plan::kNoLimit);
  CHECK(plan::compile_update(memory({}, -1), old).memory_swap_max == plan::kNoLimit);
  CHECK_FALSE(plan::compile_update(memory({}, {}), old).memory_swap_max);
  CHECK_FALSE(plan::compile_update({}, old).memory_swap_max);
  CHECK_FALSE(plan::compile_update(memory(120, {}), {100, 0}).memory_swap_max);
  CHECK_THROWS_AS(plan::compile_update(memory(301, {}), old), Error);
  CHECK_THROWS_AS(plan::compile_update(memory({}, 99), old), Error);
  CHECK_THROWS_AS(plan::compile_update(memory({}, 99), {}), Error);
  CHECK(plan::asked_memory(memory(120, {}), old) == plan::AskedMemory{120, 300});
  CHECK(plan::asked_memory(memory({}, 400), old) == plan::AskedMemory{100, 400});
  CHECK(plan::asked_memory(memory(-1, {}), old) == plan::AskedMemory{-1, 0});
  CHECK(plan::asked_memory({}, old) == old);
}

TEST_CASE("-1, 0 and absent stay apart", "[plan]") {
  const auto pids = [](std::optional<std::int64_t> limit) {
    return compiled([&](oci::Resources& r) { r.pids = oci::PidsResources{limit}; }).pids_max;
  };
  CHECK_FALSE(pids({}));
  CHECK(pids(0) == 1);  // the container itself, and nobody else
  CHECK(pids(-1) == plan::kNoLimit);
  CHECK(pids(-5) == plan::kNoLimit);
  CHECK(pids(7) == 7);
  const Limits cpu = compiled([](oci::Resources& r) {
    r.cpu.emplace();
    r.cpu->quota = -1;
    r.cpu->period = 50000;
    r.cpu->burst = 0;
    r.cpu->idle = 1;
    r.cpu->shares = 1024;
    r.cpu->cpus = "0-3";
    r.cpu->mems = "0";
  });
  CHECK(cpu.cpu_quota == plan::kNoLimit);
  CHECK(cpu.cpu_period == 50000U);
  CHECK(cpu.cpu_burst == 0U);
  CHECK(cpu.cpu_idle == 1);
  CHECK(cpu.cpu_weight == 100U);
  CHECK(cpu.cpuset_cpus == "0-3");
  CHECK(cpu.cpuset_mems == "0");
}

TEST_CASE("block I/O lists meet by device", "[plan]") {
  const Limits limits = compiled([](oci::Resources& r) {
    r.block_io.emplace();
    r.block_io->weight = 500;
    r.block_io->weight_device = {{8, 0, 10, {}}, {8, 16, {}, {}}};
    r.block_io->throttle_read_bps_device = {{8, 0, 100}};
    r.block_io->throttle_write_iops_device = {{8, 16, 5}, {8, 0, 0}};
  });
  CHECK(limits.io_weight == std::uint16_t{500});
  CHECK(limits.io_device_weights == std::vector<plan::IoDeviceWeight>{{8, 0, 10}});
  REQUIRE(limits.io_throttles.size() == 2);
  CHECK(limits.io_throttles[0] == plan::IoThrottle{8, 0, 100, {}, {}, 0});
  CHECK(limits.io_throttles[1] == plan::IoThrottle{8, 16, {}, {}, {}, 5});
}

TEST_CASE("the rest is taken as it is", "[plan]") {
  const Limits limits = compiled([](oci::Resources& r) {
    r.hugepage_limits = {{"2MB", 0}, {"1GB", 5}};
    r.rdma = {{"mlx5_1", {3, {}}}, {"empty", {}}};
    r.unified = {{"memory.high", "1"}, {"hugetlb.1GB.max", "a\nb"}};
    r.memory.emplace();
    r.memory->check_before_update = true;
    r.memory->reservation = 77;
  });
  CHECK(limits.hugetlb == std::vector<plan::HugetlbLimit>{{"2MB", 0}, {"1GB", 5}});
  CHECK(limits.rdma == std::vector<plan::RdmaLimit>{{"mlx5_1", 3, {}}});
  CHECK(limits.unified == std::vector<plan::UnifiedFile>{{"memory.high", "1"}, {"hugetlb.1GB.max", "a\nb"}});
  CHECK(limits.check_before_update);
  CHECK(limits.memory_low == 77);
}

TEST_CASE("what cgroup v2 cannot do is refused where it stands", "[plan]") {
  const std::string base = "/linux/resources/";
  const auto memory = [](auto set) { return refused_at([&](oci::Resources& r) { set(r.memory.emplace()); }); };
  const auto cpu = [](auto set) { return refused_at([&](oci::Resources& r) { set(r.cpu.emplace()); }); };
  const auto io = [](auto set) { return refused_at([&](oci::Resources& r) { set(r.block_io.emplace()); }); };
  CHECK(memory([](auto& m) { m.swappiness = 60; }) == base + "memory/swappiness");
  CHECK(memory([](auto& m) { m.disable_oom_killer = true; }) == base + "memory/disableOOMKiller");
  CHECK(memory([](auto& m) { m.use_hierarchy = false; }) == base + "memory/useHierarchy");
  CHECK(memory([](auto& m) { m.kernel = 1; }) == base + "memory/kernel");
  CHECK(memory([](auto& m) { m.kernel_tcp = 1; }) == base + "memory/kernelTCP");
  CHECK(cpu([](auto& c) { c.realtime_runtime = 1; }) == base + "cpu/realtimeRuntime");
  CHECK(cpu([](auto& c) { c.realtime_period = 1; }) == base + "cpu/realtimePeriod");
  CHECK(cpu([](auto& c) { c.idle = 2; }) == base + "cpu/idle");
  CHECK(io([](auto& b) { b.leaf_weight = 10; }) == base + "blockIO/leafWeight");
  CHECK(io([](auto& b) { b.weight = 9; }) == base + "blockIO/weight");
  CHECK(io([](auto& b) { b.weight_device = {{8, 0, {}, 5}}; }) == base + "blockIO/weightDevice/0/leafWeight");
  CHECK(io([](auto& b) {
          b.throttle_read_bps_device = {{8, -1, 5}};
        }) == base + "blockIO/throttleReadBpsDevice/0/minor");
  CHECK(refused_at([](auto& r) { r.network.emplace().class_id = 1; }) == base + "network/classID");
  CHECK(refused_at([](auto& r) { r.network.emplace().priorities = {{"eth0", 1}}; }) == base + "network/priorities");
  CHECK(refused_at([](auto& r) { r.hugepage_limits = {{"../x", 1}}; }) == base + "hugepageLimits/0/pageSize");
  CHECK(refused_at([](auto& r) { r.rdma = {{"a b", {1, 1}}}; }) == base + "rdma/a b");
}

TEST_CASE("unified names files of the cgroup only", "[plan]") {
  for (const char* name : {"", "memory", ".max", "memory.", "../memory.max", "a/b.c"}) {
    INFO(name);
    CHECK(refused_at([&](oci::Resources& r) { r.unified = {{name, "1"}}; }) != "accepted");
  }
  CHECK(refused_at([](auto& r) { r.unified = {{"a/b.c", "1"}}; }) == "/linux/resources/unified/a~1b.c");
}

TEST_CASE("fields() names every member of Limits", "[plan]") {
  std::vector<std::string> names;
  const Limits limits;
  Limits::fields(limits, NameCollector{names});
  CHECK(names.size() == 18);
  names.clear();
  const DeviceRule rule;
  DeviceRule::fields(rule, NameCollector{names});
  CHECK(names == std::vector<std::string>{"allow", "type", "major", "minor", "read", "write", "mknod"});
}

TEST_CASE("device rules: the document's, then the defaults, never tun", "[plan]") {
  const std::vector<DeviceRule> defaults = plan::compile_device_rules({});
  CHECK(defaults.size() == 11);
  CHECK(defaults.front() == DeviceRule{true, DeviceType::kChar, {}, {}, false, false, true});
  for (const DeviceRule& rule : defaults) {
    CHECK(rule.allow);
    CHECK(rule.major != 10U);
    if (!rule.major) CHECK((!rule.read && !rule.write));
  }
  oci::Linux linux_config;
  linux_config.resources.emplace();
  CHECK(plan::compile_device_rules(linux_config) == defaults);  // an empty list denies all else, as no list does
  linux_config.resources->devices = {{false, {}, {}, {}, ""},
                                     {true, oci::DeviceType::kBlock, 8, -1, "rw"},
                                     {true, oci::DeviceType::kUnbuffered, 10, 229, "m"}};
  const std::vector<DeviceRule> rules = plan::compile_device_rules(linux_config);
  REQUIRE(rules.size() == defaults.size() + 3);
  CHECK(rules[0] == DeviceRule{false, DeviceType::kAny, {}, {}, true, true, true});
  CHECK(rules[1] == DeviceRule{true, DeviceType::kBlock, 8, {}, true, true, false});
  CHECK(rules[2] == DeviceRule{true, DeviceType::kChar, 10, 229, false, false, true});
}

TEST_CASE("device rules that mean nothing are refused", "[plan]") {
  const std::string base = "/linux/resources/devices/1/";
  CHECK(refused_rule({true, oci::DeviceType::kFifo, {}, {}, "r"}) == base + "type");
  CHECK(refused_rule({true, {}, -2, {}, "r"}) == base + "major");
  CHECK(refused_rule({true, {}, 1, 1LL << 32, "r"}) == base + "minor");
  CHECK(refused_rule({true, {}, 1, 1, "rx"}) == base + "access");
}
