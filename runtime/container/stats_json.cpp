// SPDX-License-Identifier: Apache-2.0
#include "container/stats_json.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <concepts>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string_view>
#include <vector>

#include "oci/state.hpp"

namespace wherry::container {
namespace {

using std::uint64_t;

constexpr uint64_t kUnlimited = std::numeric_limits<uint64_t>::max();
constexpr uint64_t kNanoseconds = 1000;  // of a microsecond

class Object {
 public:
  explicit Object(std::string& out) : out_(out) { out_ += '{'; }
  ~Object() { out_ += '}'; }
  Object(const Object&) = delete;
  Object& operator=(const Object&) = delete;

  std::string& key(std::string_view name) {
    if (out_.back() != '{') out_ += ',';
    oci::append_json_quoted(out_, name);
    return out_ += ':';
  }
  void number(std::string_view name, std::integral auto value) { key(name) += std::to_string(value); }
  void number(std::string_view name, double value) {
    std::array<char, 32> text;
    const auto end = std::to_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
    key(name).append(text.data(), end.ptr);
  }
  void unless_zero(std::string_view name, uint64_t value) {
    if (value != 0) number(name, value);
  }

 private:
  std::string& out_;
};

void put_line(Object& parent, std::string_view name, const cgroup::PressureLine& line) {
  const bool is_zero = line.avg10 == 0 && line.avg60 == 0 && line.avg300 == 0 && line.total == 0;
  if (is_zero) return;
  Object object(parent.key(name));
  object.number("avg10", line.avg10);
  object.number("avg60", line.avg60);
  object.number("avg300", line.avg300);
  object.number("total", line.total);
}

void put_pressure(Object& parent, const std::optional<cgroup::Pressure>& pressure) {
  if (!pressure) return;
  Object object(parent.key("psi"));
  put_line(object, "some", pressure->some);
  put_line(object, "full", pressure->full);
}

void put_cpu(Object& parent, const cgroup::CpuStats& cpu) {
  Object object(parent.key("cpu"));
  if (cpu.usage_usec != 0 || cpu.user_usec != 0 || cpu.system_usec != 0) {
    Object usage(object.key("usage"));
    usage.unless_zero("total", cpu.usage_usec * kNanoseconds);
    usage.number("kernel", cpu.system_usec * kNanoseconds);
    usage.number("user", cpu.user_usec * kNanoseconds);
  }
  if (cpu.periods != 0 || cpu.throttled_periods != 0 || cpu.throttled_usec != 0) {
    Object throttling(object.key("throttling"));
    throttling.unless_zero("periods", cpu.periods);
    throttling.unless_zero("throttledPeriods", cpu.throttled_periods);
    throttling.unless_zero("throttledTime", cpu.throttled_usec * kNanoseconds);
  }
  put_pressure(object, cpu.pressure);
}

// All of cgroup v1, and written nevertheless.
void put_cpuset(Object& parent) {
  Object object(parent.key("cpuset"));
  for (const char* name : {"cpu_exclusive", "mem_hardwall", "mem_exclusive", "memory_migrate", "memory_spread_page",
                           "memory_spread_slab", "memory_pressure", "sched_load_balance", "sched_relax_domain_level"})
    object.number(name, 0);
}

struct Entry {
  uint64_t limit = 0, usage = 0, max = 0;
};

void put_entry(Object& parent, std::string_view name, const Entry& entry) {
  if (entry.limit == 0 && entry.usage == 0 && entry.max == 0) return;
  Object object(parent.key(name));
  object.number("limit", entry.limit);
  object.unless_zero("usage", entry.usage);
  object.unless_zero("max", entry.max);
  object.number("failcnt", 0);
}

uint64_t sum(uint64_t a, uint64_t b) { return a > kUnlimited - b ? kUnlimited : a + b; }

void put_memory(Object& parent, const cgroup::MemoryStats& memory) {
  Object object(parent.key("memory"));
  auto counters = memory.stat;
  std::sort(counters.begin(), counters.end());
  const auto file = std::find_if(counters.begin(), counters.end(), [](const auto& c) { return c.first == "file"; });
  object.unless_zero("cache", file == counters.end() ? 0 : file->second);
  const Entry usage{memory.max.value_or(kUnlimited), memory.current, memory.peak.value_or(0)};
  put_entry(object, "usage", usage);
  // cgroup v1 counted memory and swap together.
  const uint64_t swap_limit = memory.swap_current ? memory.swap_max.value_or(kUnlimited) : 0;
  put_entry(object, "swap", {sum(swap_limit, usage.limit), sum(memory.swap_current.value_or(0), usage.usage), 0});
  if (!counters.empty()) {
    Object raw(object.key("raw"));
    for (const auto& [name, value] : counters) raw.number(name, value);
  }
  put_pressure(object, memory.pressure);
}

void put_pids(Object& parent, const cgroup::PidsStats& pids) {
  Object object(parent.key("pids"));
  object.unless_zero("current", pids.current);
  object.unless_zero("limit", pids.max.value_or(0));
}

void put_block_entry(std::string& out, const cgroup::IoDeviceStats& device, const char* operation, uint64_t value) {
  if (out.back() != '[') out += ',';
  Object object(out);
  object.unless_zero("major", device.major);
  object.unless_zero("minor", device.minor);
  oci::append_json_quoted(object.key("op"), operation);
  object.unless_zero("value", value);
}

void put_block_io(Object& parent, const cgroup::IoStats& io) {
  Object object(parent.key("blkio"));
  if (!io.devices.empty()) {
    std::string& bytes = object.key("ioServiceBytesRecursive") += '[';
    for (const cgroup::IoDeviceStats& device : io.devices) {
      put_block_entry(bytes, device, "Read", device.read_bytes);
      put_block_entry(bytes, device, "Write", device.write_bytes);
    }
    bytes += ']';
    std::string& operations = object.key("ioServicedRecursive") += '[';
    for (const cgroup::IoDeviceStats& device : io.devices) {
      put_block_entry(operations, device, "Read", device.read_ios);
      put_block_entry(operations, device, "Write", device.write_ios);
    }
    operations += ']';
  }
  put_pressure(object, io.pressure);
}

void put_hugetlb(Object& parent, std::vector<cgroup::HugetlbStats> sizes) {
  std::sort(sizes.begin(), sizes.end(), [](const auto& a, const auto& b) { return a.page_size < b.page_size; });
  Object object(parent.key("hugetlb"));
  for (const cgroup::HugetlbStats& size : sizes) {
    Object entry(object.key(size.page_size));
    entry.unless_zero("usage", size.reserved.value_or(size.usage));
    entry.number("failcnt", size.max_events);
  }
}

}  // namespace

std::string stats_json(const cgroup::Stats& stats) {
  std::string out;
  {
    Object object(out);
    put_cpu(object, stats.cpu.value_or(cgroup::CpuStats{}));
    put_cpuset(object);
    if (stats.memory) {
      put_memory(object, *stats.memory);
    } else {
      const Object empty(object.key("memory"));
    }
    put_pids(object, stats.pids.value_or(cgroup::PidsStats{}));
    put_block_io(object, stats.io.value_or(cgroup::IoStats{}));
    put_hugetlb(object, stats.hugetlb);
    { const Object intel_rdt(object.key("intel_rdt")); }
    object.key("network_interfaces") += "null";
  }
  return out;
}

}  // namespace wherry::container
