// SPDX-License-Identifier: Apache-2.0
#include "cgroup/unit_properties.hpp"

#include <catch2/catch.hpp>

#include "plan/limits.hpp"

using namespace wherry;
using namespace wherry::cgroup;
using plan::DeviceRule;
using plan::DeviceType;
using plan::kInfinity;
using plan::Limits;
using plan::property;
using plan::PropertyType;
using plan::UnitProperty;

namespace {

using Properties = std::vector<UnitProperty>;

UnitProperty ids(const char* name, const char* list) { return {name, PropertyType::kIdSet, 0, {list}}; }
UnitProperty optional(UnitProperty value) {
  value.optional = true;
  return value;
}

Properties unified(const char* file, const char* value) {
  Limits limits;
  limits.unified = {{file, value}};
  return limit_properties(limits);
}

DeviceRule rule(bool allow, DeviceType type, std::optional<unsigned> major, std::optional<unsigned> minor,
                std::string_view access) {
  const auto has = [&](char letter) { return access.find(letter) != std::string_view::npos; };
  return {allow, type, major, minor, has('r'), has('w'), has('m')};
}

std::vector<std::string> allowed(const std::vector<DeviceRule>& rules) {
  const Properties properties = device_properties(rules);
  CHECK(properties[0] == property("DevicePolicy", std::string("strict")));
  CHECK(properties[1] == UnitProperty{"DeviceAllow", PropertyType::kDevices, 0, {}});
  REQUIRE(properties.size() == 3);
  return properties[2].texts;
}

using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE("each limit is a property", "[cgroup][systemd]") {
  Limits limits;
  CHECK(limit_properties(limits).empty());
  limits.cpu_weight = 174;
  limits.cpu_quota = 50000;
  limits.cpu_period = 100000;
  limits.cpuset_cpus = "0-1";
  limits.cpuset_mems = "0";
  limits.io_weight = 505;
  limits.pids_max = 20;
  limits.memory_low = 4096;
  limits.memory_swap_max = 0;
  limits.memory_max = 8192;
  CHECK(limit_properties(limits) ==
        Properties{property("CPUWeight", std::uint64_t{174}), property("CPUQuotaPerSecUSec", std::uint64_t{500000}),
                   property("CPUQuotaPeriodUSec", std::uint64_t{100000}), ids("AllowedCPUs", "0-1"),
                   ids("AllowedMemoryNodes", "0"), property("IOWeight", std::uint64_t{5000}),
                   property("TasksMax", std::uint64_t{20}), property("MemoryLow", std::uint64_t{4096}),
                   property("MemorySwapMax", std::uint64_t{0}), property("MemoryMax", std::uint64_t{8192})});
}

TEST_CASE("no limit is infinity", "[cgroup][systemd]") {
  Limits limits;
  limits.cpu_quota = plan::kNoLimit;
  limits.pids_max = plan::kNoLimit;
  limits.memory_max = plan::kNoLimit;
  CHECK(limit_properties(limits) == Properties{property("CPUQuotaPerSecUSec", kInfinity),
                                               property("CPUQuotaPeriodUSec", std::uint64_t{100000}),
                                               property("TasksMax", kInfinity), property("MemoryMax", kInfinity)});
}

TEST_CASE("what systemd has no value for", "[cgroup][systemd]") {
  Limits limits;
  limits.pids_max = 0;
  CHECK(limit_properties(limits) == Properties{property("TasksMax", std::uint64_t{1})});
  Limits half;
  half.cpu_quota = 50000;
  CHECK(limit_properties(half).empty());
  Limits idle;
  idle.cpu_weight = 5;
  idle.cpu_idle = 1;
  CHECK(limit_properties(idle) == Properties{optional(property("CPUWeight", std::uint64_t{0}))});
}

TEST_CASE("a quota is rounded up to a percent", "[cgroup][systemd]") {
  CHECK(quota_per_second(50000, 100000) == 500000);
  CHECK(quota_per_second(25500, 100000) == 260000);
  CHECK(quota_per_second(1000, 1000000) == 10000);
  CHECK(quota_per_second(300000, 100000) == 3000000);
  CHECK(quota_per_second(kInfinity - 1, 1) == kInfinity);
}

TEST_CASE("unified files are properties, and win", "[cgroup][systemd]") {
  CHECK(unified("memory.high", "16M") == Properties{property("MemoryHigh", std::uint64_t{16777216})});
  CHECK(unified("memory.min", "4096\n") == Properties{property("MemoryMin", std::uint64_t{4096})});
  CHECK(unified("memory.swap.max", "max") == Properties{property("MemorySwapMax", kInfinity)});
  CHECK(unified("memory.zswap.max", "1") == Properties{optional(property("MemoryZSwapMax", std::uint64_t{1}))});
  CHECK(unified("cpu.weight", "50") == Properties{property("CPUWeight", std::uint64_t{50})});
  CHECK(unified("cpu.idle", "1") == Properties{optional(property("CPUWeight", std::uint64_t{0}))});
  CHECK(unified("cpu.max", "20000 50000") == Properties{property("CPUQuotaPerSecUSec", std::uint64_t{400000}),
                                                        property("CPUQuotaPeriodUSec", std::uint64_t{50000})});
  CHECK(unified("cpu.max", "max") ==
        Properties{property("CPUQuotaPerSecUSec", kInfinity), property("CPUQuotaPeriodUSec", std::uint64_t{100000})});
  CHECK(unified("cpuset.cpus", "0") == Properties{ids("AllowedCPUs", "0")});
  CHECK(unified("cpuset.mems", "0") == Properties{ids("AllowedMemoryNodes", "0")});
  CHECK(unified("io.weight", "default 200") == Properties{property("IOWeight", std::uint64_t{200})});
  CHECK(unified("pids.max", "7") == Properties{property("TasksMax", std::uint64_t{7})});
  for (const char* value : {"", "x", "1x", "-1", "99999999999999999999"}) CHECK(unified("memory.high", value).empty());
  CHECK(unified("io.weight", "8:0 100").empty());
  CHECK(unified("hugetlb.2MB.max", "1").empty());
  Limits both;
  both.memory_max = 1;
  both.unified = {{"memory.max", "2"}};
  CHECK(limit_properties(both) == Properties{property("MemoryMax", std::uint64_t{2})});
}

TEST_CASE("device rules are an allow list that is never too short", "[cgroup][systemd]") {
  const DeviceRule none = rule(false, DeviceType::kAny, {}, {}, "rwm");
  CHECK(allowed({none, rule(true, DeviceType::kChar, 1, 3, "rw")}) == Texts{"/dev/char/1:3", "rw"});
  CHECK(allowed({none, rule(true, DeviceType::kBlock, 8, {}, "r")}) == Texts{"block-8", "r"});
  CHECK(allowed({none, rule(true, DeviceType::kChar, {}, {}, "m")}) == Texts{"char-*", "m"});
  // Two rules together allow O_RDWR, and one entry has to.
  CHECK(allowed({none, rule(true, DeviceType::kChar, 1, 3, "r"), rule(true, DeviceType::kChar, 1, 3, "w")}) ==
        Texts{"/dev/char/1:3", "rw"});
  CHECK(allowed({rule(true, DeviceType::kChar, {}, {}, "m"), rule(true, DeviceType::kChar, 5, {}, "r"),
                 rule(true, DeviceType::kChar, 5, 1, "w")}) ==
        Texts{"char-*", "m", "char-5", "rm", "/dev/char/5:1", "rwm"});
  // A minor number of every driver is none of systemd's groups.
  CHECK(allowed({none, rule(true, DeviceType::kBlock, {}, 1, "r")}) == Texts{"block-*", "r"});
  // What is denied later is denied by the other filter.
  CHECK(allowed({rule(true, DeviceType::kChar, 1, 3, "r"), rule(false, DeviceType::kChar, 1, 3, "r")}) ==
        Texts{"/dev/char/1:3", "r"});
  CHECK(allowed({rule(true, DeviceType::kChar, 1, 3, "r"), none, rule(true, DeviceType::kChar, 1, 5, "r")}) ==
        Texts{"/dev/char/1:5", "r"});
}

TEST_CASE("all devices are no filter", "[cgroup][systemd]") {
  const Properties off{property("DevicePolicy", std::string("auto")),
                       UnitProperty{"DeviceAllow", PropertyType::kDevices, 0, {}}};
  CHECK(device_properties({rule(true, DeviceType::kAny, {}, {}, "rwm")}) == off);
  CHECK(device_properties(
            {rule(true, DeviceType::kChar, {}, {}, "rwm"), rule(true, DeviceType::kBlock, {}, {}, "rwm")}) == off);
  CHECK(allowed({rule(true, DeviceType::kChar, {}, {}, "rwm")}) == Texts{"char-*", "rwm"});
}
