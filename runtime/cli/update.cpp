// SPDX-License-Identifier: Apache-2.0
#include <charconv>
#include <cstdint>
#include <iterator>
#include <string>

#include "cli/arguments.hpp"
#include "cli/command.hpp"
#include "cli/quantities.hpp"
#include "oci/reader.hpp"
#include "os/files.hpp"

namespace wherry::cli {
namespace {

constexpr std::size_t kLargestResources = 16U << 20U;

struct Flags {
  std::string resources, blkio_weight, cpu_period, cpu_quota, cpu_burst, cpu_share, cpu_rt_period, cpu_rt_runtime,
      cpuset_cpus, cpuset_mems, cpu_idle, kernel_memory, kernel_memory_tcp, memory, memory_reservation, memory_swap,
      pids_limit, l3_cache_schema, mem_bw_schema;
};

struct Row {
  const char* name;
  std::string Flags::*value;
  const char* help;
};

constexpr Row kRows[] = {
    {"-r,--resources", &Flags::resources,
     "File of linux.resources as JSON, - for standard input; then no other option counts"},
    {"--blkio-weight", &Flags::blkio_weight, "Weight of block I/O, 10 to 1000"},
    {"--cpu-period", &Flags::cpu_period, "Period of the CPU quota in microseconds"},
    {"--cpu-quota", &Flags::cpu_quota, "CPU time in a period in microseconds, -1 for no limit"},
    {"--cpu-burst", &Flags::cpu_burst, "CPU time that may be saved up, in microseconds"},
    {"--cpu-share", &Flags::cpu_share, "Weight of CPU time, 2 to 262144"},
    {"--cpu-idle", &Flags::cpu_idle, "1: only what nobody else wants; 0: as usual"},
    {"--cpu-rt-period", &Flags::cpu_rt_period, "Of cgroup v1, is refused"},
    {"--cpu-rt-runtime", &Flags::cpu_rt_runtime, "Of cgroup v1, is refused"},
    {"--cpuset-cpus", &Flags::cpuset_cpus, "CPUs: 0-3,7"},
    {"--cpuset-mems", &Flags::cpuset_mems, "Memory nodes: 0,1"},
    {"--memory", &Flags::memory, "Memory limit: bytes, or with k, m, g, t; -1 for none"},
    {"--memory-reservation", &Flags::memory_reservation, "Memory that is protected"},
    {"--memory-swap", &Flags::memory_swap, "Limit of memory and swap together, -1 for none"},
    {"--pids-limit", &Flags::pids_limit, "Number of tasks, -1 for no limit"},
    {"--l3-cache-schema", &Flags::l3_cache_schema, "Of Intel RDT"},
    {"--mem-bw-schema", &Flags::mem_bw_schema, "Of Intel RDT"},
    {"--kernel-memory", &Flags::kernel_memory, "Of cgroup v1, is ignored"},
    {"--kernel-memory-tcp", &Flags::kernel_memory_tcp, "Of cgroup v1, is ignored"},
};

template <class Number>
void take(const char* name, const std::string& text, std::optional<Number>& value) {
  if (text.empty()) return;
  Number number{};
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (fault != std::errc() || end != text.data() + text.size())
    throw Error(std::string("read --") + name).detail("\"" + text + "\" is not a number that fits");
  value = number;
}

void take_size(const char* name, const std::string& text, std::optional<std::int64_t>& value) {
  if (!text.empty()) value = text == "-1" ? -1 : parse_size(name, text);
}

oci::Resources from_flags(const Flags& flags) {
  oci::Resources resources;
  oci::CpuResources& cpu = resources.cpu.emplace();
  take("blkio-weight", flags.blkio_weight, resources.block_io.emplace().weight);
  take("cpu-period", flags.cpu_period, cpu.period);
  take("cpu-quota", flags.cpu_quota, cpu.quota);
  take("cpu-burst", flags.cpu_burst, cpu.burst);
  take("cpu-share", flags.cpu_share, cpu.shares);
  take("cpu-idle", flags.cpu_idle, cpu.idle);
  take("cpu-rt-period", flags.cpu_rt_period, cpu.realtime_period);
  take("cpu-rt-runtime", flags.cpu_rt_runtime, cpu.realtime_runtime);
  cpu.cpus = flags.cpuset_cpus;
  cpu.mems = flags.cpuset_mems;
  oci::MemoryResources& memory = resources.memory.emplace();
  take_size("memory", flags.memory, memory.limit);
  take_size("memory-reservation", flags.memory_reservation, memory.reservation);
  take_size("memory-swap", flags.memory_swap, memory.swap);
  take("pids-limit", flags.pids_limit, resources.pids.emplace().limit);
  return resources;
}

oci::Resources from_file(const std::string& path) {
  const bool is_stdin = path == "-";
  auto text =
      is_stdin ? os::read_all(0, kLargestResources) : os::read_file(os::kAtFdcwd, path.c_str(), kLargestResources);
  if (!text) throw Error("read the resources " + path).because(text.error());
  return oci::read_resources(text.value(), is_stdin ? "standard input" : path);
}

}  // namespace

int update_command(const Invocation& invocation) {
  Flags flags;
  Arguments arguments("update", "ID", "Change the limits of a container; what is not given stays.");
  for (const Row& row : kRows) arguments.text(row.name, flags.*row.value, row.help);
  if (!arguments.parse(invocation.words, 1, 1)) return 0;
  if (!flags.l3_cache_schema.empty() || !flags.mem_bw_schema.empty())
    throw Error("update Intel RDT").detail("the container has no linux.intelRdt");
  if (!flags.kernel_memory.empty() || !flags.kernel_memory_tcp.empty())
    invocation.log.warning("--kernel-memory and --kernel-memory-tcp are ignored: cgroup v2 has no counterpart");
  update(make_settings(invocation.globals), arguments.operands()[0],
         flags.resources.empty() ? from_flags(flags) : from_file(flags.resources));
  return 0;
}

}  // namespace wherry::cli
