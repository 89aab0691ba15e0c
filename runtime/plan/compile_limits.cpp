// SPDX-License-Identifier: Apache-2.0
#include "plan/compile_limits.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <string_view>

#include "wherry/error.hpp"

namespace wherry::plan {
namespace {

using std::int64_t;
using std::uint64_t;

std::string pointer(std::string_view property) { return "/linux/resources/" + std::string(property); }

[[noreturn]] void refuse_v1(std::string_view property) {
  throw Error("convert " + std::string(property) + " to cgroup v2")
      .at(pointer(property))
      .detail("cgroup v1 only, cgroup v2 has no counterpart")
      .remedy("remove it");
}

[[noreturn]] void refuse_value(std::string_view property, const std::string& value, const char* rule) {
  throw Error("limit " + value).at(pointer(property)).detail(rule);
}

// Memory sizes: 0 is "not set", -1 "no limit".
std::optional<int64_t> size_limit(std::string_view property, std::optional<int64_t> value) {
  if (!value || *value == 0) return std::nullopt;
  if (*value < kNoLimit) refuse_value(property, std::to_string(*value), "must be -1 or more");
  return value;
}

// memory.swap counts memory and swap together, memory.swap.max swap alone.
std::optional<int64_t> swap_limit(const AskedMemory& asked) {
  constexpr std::string_view kProperty = "memory/swap";
  // Unlimited memory without a word on swap: cgroup v1 left both unlimited.
  if (asked.swap == 0) return asked.limit == kNoLimit ? std::optional(kNoLimit) : std::nullopt;
  if (asked.swap == kNoLimit) return kNoLimit;
  if (asked.limit <= 0)
    refuse_value(kProperty, std::to_string(asked.swap), "needs memory.limit: cgroup v2 limits swap alone");
  if (asked.swap < asked.limit) refuse_value(kProperty, std::to_string(asked.swap), "must not be below memory.limit");
  return asked.swap - asked.limit;
}

void compile_memory(const oci::MemoryResources& memory, const AskedMemory& asked, Limits& limits) {
  if (memory.swappiness) refuse_v1("memory/swappiness");
  if (memory.kernel.value_or(0) > 0) refuse_v1("memory/kernel");
  if (memory.kernel_tcp.value_or(0) > 0) refuse_v1("memory/kernelTCP");
  if (memory.disable_oom_killer.value_or(false)) refuse_v1("memory/disableOOMKiller");
  // cgroup v2 is always hierarchical.
  if (!memory.use_hierarchy.value_or(true)) refuse_v1("memory/useHierarchy");
  limits.memory_max = size_limit("memory/limit", memory.limit);
  limits.memory_low = size_limit("memory/reservation", memory.reservation);
  if (limits.memory_max || size_limit("memory/swap", memory.swap)) limits.memory_swap_max = swap_limit(asked);
  limits.check_before_update = memory.check_before_update.value_or(false);
}

template <class Number>
std::optional<Number> unless_zero(std::optional<Number> value) {
  return value.value_or(0) == 0 ? std::nullopt : value;
}

void compile_cpu(const oci::CpuResources& cpu, Limits& limits) {
  if (cpu.realtime_runtime.value_or(0) != 0) refuse_v1("cpu/realtimeRuntime");
  if (cpu.realtime_period.value_or(0) != 0) refuse_v1("cpu/realtimePeriod");
  if (cpu.idle && *cpu.idle != 0 && *cpu.idle != 1)
    refuse_value("cpu/idle", std::to_string(*cpu.idle), "must be 0 or 1");
  if (unless_zero(cpu.shares)) limits.cpu_weight = cpu_weight_of_shares(*cpu.shares);
  limits.cpu_quota = unless_zero(cpu.quota);
  if (limits.cpu_quota) limits.cpu_quota = std::max(*limits.cpu_quota, kNoLimit);
  limits.cpu_period = unless_zero(cpu.period);
  limits.cpu_burst = cpu.burst;
  limits.cpu_idle = cpu.idle;
  limits.cpuset_cpus = cpu.cpus;
  limits.cpuset_mems = cpu.mems;
}

std::string element(std::string_view list, std::size_t index, std::string_view member = {}) {
  std::string path = std::string(list) + "/" + std::to_string(index);
  return member.empty() ? path : path + "/" + std::string(member);
}

std::uint32_t device_number(const std::string& property, int64_t value) {
  if (value < 0 || value > std::numeric_limits<std::uint32_t>::max())
    refuse_value(property, std::to_string(value), "is not a device number");
  return static_cast<std::uint32_t>(value);
}

std::optional<std::uint16_t> io_weight(const std::string& property, std::optional<std::uint16_t> weight) {
  if (!unless_zero(weight)) return std::nullopt;
  if (*weight < 10 || *weight > 1000) refuse_value(property, std::to_string(*weight), "must be from 10 to 1000");
  return weight;
}

void compile_io_weights(const std::vector<oci::WeightDevice>& devices, Limits& limits) {
  constexpr std::string_view kList = "blockIO/weightDevice";
  for (std::size_t i = 0; i < devices.size(); ++i) {
    const oci::WeightDevice& device = devices[i];
    if (device.leaf_weight.value_or(0) != 0) refuse_v1(element(kList, i, "leafWeight"));
    const auto weight = io_weight(element(kList, i, "weight"), device.weight);
    if (!weight) continue;
    limits.io_device_weights.push_back({device_number(element(kList, i, "major"), device.major),
                                        device_number(element(kList, i, "minor"), device.minor), *weight});
  }
}

IoThrottle& throttle_of(std::uint32_t major, std::uint32_t minor, Limits& limits) {
  for (IoThrottle& throttle : limits.io_throttles) {
    if (throttle.major == major && throttle.minor == minor) return throttle;
  }
  limits.io_throttles.push_back({major, minor, {}, {}, {}, {}});
  return limits.io_throttles.back();
}

struct ThrottleList {
  std::string_view property;
  std::vector<oci::ThrottleDevice> oci::BlockIoResources::*devices;
  std::optional<uint64_t> IoThrottle::*rate;
};

constexpr ThrottleList kThrottleLists[] = {
    {"blockIO/throttleReadBpsDevice", &oci::BlockIoResources::throttle_read_bps_device, &IoThrottle::read_bps},
    {"blockIO/throttleWriteBpsDevice", &oci::BlockIoResources::throttle_write_bps_device, &IoThrottle::write_bps},
    {"blockIO/throttleReadIOPSDevice", &oci::BlockIoResources::throttle_read_iops_device, &IoThrottle::read_iops},
    {"blockIO/throttleWriteIOPSDevice", &oci::BlockIoResources::throttle_write_iops_device, &IoThrottle::write_iops},
};

void compile_block_io(const oci::BlockIoResources& io, Limits& limits) {
  if (io.leaf_weight.value_or(0) != 0) refuse_v1("blockIO/leafWeight");
  limits.io_weight = io_weight("blockIO/weight", io.weight);
  compile_io_weights(io.weight_device, limits);
  for (const ThrottleList& list : kThrottleLists) {
    const std::vector<oci::ThrottleDevice>& devices = io.*list.devices;
    for (std::size_t i = 0; i < devices.size(); ++i) {
      const auto major = device_number(element(list.property, i, "major"), devices[i].major);
      const auto minor = device_number(element(list.property, i, "minor"), devices[i].minor);
      throttle_of(major, minor, limits).*list.rate = devices[i].rate;
    }
  }
}

bool is_page_size(std::string_view text) {
  const auto digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const std::string_view unit = text.substr(digits);
  return digits != 0 && (unit == "KB" || unit == "MB" || unit == "GB");
}

void compile_hugetlb(const std::vector<oci::HugepageLimit>& list, Limits& limits) {
  for (std::size_t i = 0; i < list.size(); ++i) {
    if (!is_page_size(list[i].page_size))
      refuse_value(element("hugepageLimits", i, "pageSize"), list[i].page_size, "must be a number and KB, MB or GB");
    limits.hugetlb.push_back({list[i].page_size, list[i].limit});
  }
}

// Any negative number is "no limit". The kernel starts no process in a cgroup whose pids.max is 0, so there would be no
// container; with 1 there is one, and it starts no other. systemd and runc read it so, too.
int64_t pids_limit(int64_t limit) { return limit == 0 ? 1 : std::max(limit, kNoLimit); }

void compile_network(const oci::NetworkResources& network) {
  if (network.class_id.value_or(0) != 0) refuse_v1("network/classID");
  const auto is_set = [](const oci::NetworkPriority& entry) { return entry.priority != 0; };
  if (std::any_of(network.priorities.begin(), network.priorities.end(), is_set)) refuse_v1("network/priorities");
}

// RFC 6901: "~" and "/" of a member's name.
std::string escaped(std::string_view name) {
  std::string result;
  for (const char c : name) {
    if (c == '~') {
      result += "~0";
    } else if (c == '/') {
      result += "~1";
    } else {
      result += c;
    }
  }
  return result;
}

void compile_rdma(const oci::OrderedMap<oci::RdmaLimit>& devices, Limits& limits) {
  for (const auto& [device, limit] : devices) {
    if (device.empty() || device.find_first_of(" \t\n") != std::string::npos)
      refuse_value("rdma/" + escaped(device), "of device \"" + device + "\"", "is not the name of a device");
    if (limit.hca_handles || limit.hca_objects) limits.rdma.push_back({device, limit.hca_handles, limit.hca_objects});
  }
}

// config-linux.md "Unified": unknown files are written as they are, but only files of this very cgroup.
void compile_unified(const oci::StringMap& files, Limits& limits) {
  for (const auto& [name, value] : files) {
    const auto dot = name.find('.');
    const bool is_file = name.find('/') == std::string::npos && name.find('\0') == std::string::npos;
    if (!is_file || dot == 0 || dot == std::string::npos || dot + 1 == name.size())
      refuse_value("unified/" + escaped(name), "in file \"" + name + "\"", "must be CONTROLLER.PARAMETER");
    limits.unified.push_back({name, value});
  }
}

constexpr DeviceRule allow(DeviceType type, std::optional<std::uint32_t> major, std::optional<std::uint32_t> minor) {
  return {true, type, major, minor, true, true, true};
}
constexpr DeviceRule allow_mknod(DeviceType type) {
  return {true, type, std::nullopt, std::nullopt, false, false, true};
}

// Numbers: Documentation/admin-guide/devices.txt.
constexpr DeviceRule kDefaultDevices[] = {
    allow_mknod(DeviceType::kChar),
    allow_mknod(DeviceType::kBlock),
    allow(DeviceType::kChar, 1, 3),              // /dev/null
    allow(DeviceType::kChar, 1, 5),              // /dev/zero
    allow(DeviceType::kChar, 1, 7),              // /dev/full
    allow(DeviceType::kChar, 1, 8),              // /dev/random
    allow(DeviceType::kChar, 1, 9),              // /dev/urandom
    allow(DeviceType::kChar, 5, 0),              // /dev/tty
    allow(DeviceType::kChar, 5, 1),              // /dev/console
    allow(DeviceType::kChar, 5, 2),              // /dev/ptmx
    allow(DeviceType::kChar, 136, std::nullopt)  // /dev/pts/*
};

DeviceType device_type(const oci::DeviceRule& rule, std::size_t index) {
  switch (rule.type.value_or(oci::DeviceType::kAll)) {
    case oci::DeviceType::kAll:
      return DeviceType::kAny;
    case oci::DeviceType::kChar:
    case oci::DeviceType::kUnbuffered:
      return DeviceType::kChar;
    case oci::DeviceType::kBlock:
      return DeviceType::kBlock;
    case oci::DeviceType::kFifo:
      break;
  }
  throw Error("device rule for FIFOs")
      .at(pointer(element("devices", index, "type")))
      .detail("must be \"a\", \"c\" or \"b\"");
}

std::optional<std::uint32_t> wildcard_number(const std::string& property, std::optional<int64_t> value) {
  if (value.value_or(-1) == -1) return std::nullopt;
  return device_number(property, *value);
}

DeviceRule device_rule(const oci::DeviceRule& rule, std::size_t index) {
  const std::string& access = rule.access;
  if (access.find_first_not_of("rwm") != std::string::npos)
    refuse_value(element("devices", index, "access"), "\"" + access + "\"", "letters are r, w and m");
  const auto has = [&](char letter) { return access.empty() || access.find(letter) != std::string::npos; };
  return {rule.allow,
          device_type(rule, index),
          wildcard_number(element("devices", index, "major"), rule.major),
          wildcard_number(element("devices", index, "minor"), rule.minor),
          has('r'),
          has('w'),
          has('m')};
}

}  // namespace

// A parabola through (2, 1), (1024, 100) and (262144, 10000) on logarithmic scales; runtimes agreed on this
// one, so that the default of the one is the default of the other.
uint64_t cpu_weight_of_shares(uint64_t shares) {
  if (shares <= 2) return 1;
  if (shares >= 262144) return 10000;
  const double l = std::log2(static_cast<double>(shares));
  return static_cast<uint64_t>(std::ceil(std::pow(10.0, (l * l + 125 * l) / 612.0 - 7.0 / 34.0)));
}

AskedMemory asked_memory(const oci::Resources& resources, const AskedMemory& old) {
  if (!resources.memory) return old;
  const int64_t limit = resources.memory->limit.value_or(0);
  const int64_t swap = resources.memory->swap.value_or(0);
  // Memory without a limit leaves swap without one, unless it is given as well.
  return {limit != 0 ? limit : old.limit, swap != 0 || limit == kNoLimit ? swap : old.swap};
}

Limits compile_limits(const oci::Resources& resources) { return compile_update(resources, {}); }

Limits compile_update(const oci::Resources& resources, const AskedMemory& old) {
  Limits limits;
  if (resources.memory) compile_memory(*resources.memory, asked_memory(resources, old), limits);
  if (resources.cpu) compile_cpu(*resources.cpu, limits);
  if (resources.pids && resources.pids->limit) limits.pids_max = pids_limit(*resources.pids->limit);
  if (resources.block_io) compile_block_io(*resources.block_io, limits);
  compile_hugetlb(resources.hugepage_limits, limits);
  if (resources.network) compile_network(*resources.network);
  compile_rdma(resources.rdma, limits);
  compile_unified(resources.unified, limits);
  return limits;
}

std::vector<DeviceRule> compile_device_rules(const oci::Linux& linux_config) {
  std::vector<DeviceRule> rules;
  if (linux_config.resources) {
    const auto& devices = linux_config.resources->devices;
    rules.reserve(devices.size() + std::size(kDefaultDevices));
    for (std::size_t i = 0; i < devices.size(); ++i) rules.push_back(device_rule(devices[i], i));
  }
  rules.insert(rules.end(), std::begin(kDefaultDevices), std::end(kDefaultDevices));
  return rules;
}

}  // namespace wherry::plan
