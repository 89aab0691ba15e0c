// SPDX-License-Identifier: Apache-2.0
#include "shim/metrics.hpp"

#include <string_view>

namespace wherry::shim {
namespace {

constexpr std::uint64_t kUnlimited = ~std::uint64_t{0};

struct MemoryField {
  std::string_view line;
  std::uint32_t number;
};
constexpr MemoryField kMemoryFields[] = {
    {"anon", 1},
    {"file", 2},
    {"kernel_stack", 3},
    {"slab", 4},
    {"sock", 5},
    {"shmem", 6},
    {"file_mapped", 7},
    {"file_dirty", 8},
    {"file_writeback", 9},
    {"anon_thp", 10},
    {"inactive_anon", 11},
    {"active_anon", 12},
    {"inactive_file", 13},
    {"active_file", 14},
    {"unevictable", 15},
    {"slab_reclaimable", 16},
    {"slab_unreclaimable", 17},
    {"pgfault", 18},
    {"pgmajfault", 19},
    {"workingset_refault", 20},
    {"workingset_activate", 21},
    {"workingset_nodereclaim", 22},
    {"pgrefill", 23},
    {"pgscan", 24},
    {"pgsteal", 25},
    {"pgactivate", 26},
    {"pgdeactivate", 27},
    {"pglazyfree", 28},
    {"pglazyfreed", 29},
    {"thp_fault_alloc", 30},
    {"thp_collapse_alloc", 31},
    {"workingset_refault_anon", 39},
    {"workingset_refault_file", 40},
    {"workingset_activate_anon", 41},
    {"workingset_activate_file", 42},
};
constexpr std::uint32_t kUsage = 32, kUsageLimit = 33, kSwapUsage = 34, kSwapLimit = 35, kMaxUsage = 36;

PsiData psi_data(const cgroup::PressureLine& line) { return {line.avg10, line.avg60, line.avg300, line.total}; }

std::optional<PsiStats> psi(const std::optional<cgroup::Pressure>& pressure) {
  if (!pressure) return std::nullopt;
  return PsiStats{psi_data(pressure->some), psi_data(pressure->full)};
}

CpuStat cpu(const cgroup::CpuStats& stats) {
  return {stats.usage_usec,     stats.user_usec,     stats.system_usec, stats.periods,   stats.throttled_periods,
          stats.throttled_usec, psi(stats.pressure), stats.bursts,      stats.burst_usec};
}

MemoryStat memory(const cgroup::MemoryStats& stats) {
  MemoryStat result;
  result.values.resize(MemoryStat::kLast + 1);
  for (const auto& [line, value] : stats.stat)
    for (const MemoryField& field : kMemoryFields)
      if (field.line == line) result.values[field.number] = value;
  result.values[kUsage] = stats.current;
  result.values[kUsageLimit] = stats.max.value_or(kUnlimited);
  result.values[kSwapUsage] = stats.swap_current.value_or(0);
  result.values[kSwapLimit] = stats.swap_max.value_or(stats.swap_current ? kUnlimited : 0);
  result.values[kMaxUsage] = stats.peak.value_or(0);
  result.psi = psi(stats.pressure);
  return result;
}

MemoryEvents memory_events(const cgroup::Counters& counters) {
  MemoryEvents events;
  const std::pair<std::string_view, std::uint64_t*> kLines[] = {
      {"low", &events.low}, {"high", &events.high},         {"max", &events.max},
      {"oom", &events.oom}, {"oom_kill", &events.oom_kill}, {"oom_group_kill", &events.oom_group_kill}};
  for (const auto& [name, value] : counters)
    for (const auto& [line, target] : kLines)
      if (line == name) *target = value;
  return events;
}

IoStat io(const cgroup::IoStats& stats) {
  IoStat result;
  for (const cgroup::IoDeviceStats& device : stats.devices)
    result.usage.push_back(
        {device.major, device.minor, device.read_bytes, device.write_bytes, device.read_ios, device.write_ios});
  result.psi = psi(stats.pressure);
  return result;
}

}  // namespace

Metrics metrics_of(const cgroup::Stats& stats) {
  Metrics metrics;
  metrics.pids.emplace();
  metrics.memory.emplace();
  metrics.rdma.emplace();
  metrics.io.emplace();
  metrics.memory_events.emplace();
  if (stats.pids) metrics.pids = PidsStat{stats.pids->current, stats.pids->max.value_or(kUnlimited)};
  if (stats.cpu) metrics.cpu = cpu(*stats.cpu);
  if (stats.memory) {
    metrics.memory = memory(*stats.memory);
    metrics.memory_events = memory_events(stats.memory->events);
  }
  if (stats.io) metrics.io = io(*stats.io);
  for (const cgroup::RdmaStats& device : stats.rdma)
    metrics.rdma->current.push_back({device.device, static_cast<std::uint32_t>(device.hca_handles.value_or(0)),
                                     static_cast<std::uint32_t>(device.hca_objects.value_or(0))});
  for (const cgroup::HugetlbStats& size : stats.hugetlb)
    metrics.hugetlb.push_back({size.usage, 0, size.page_size, size.max_events});
  return metrics;
}

}  // namespace wherry::shim
