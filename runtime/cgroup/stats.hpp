// SPDX-License-Identifier: Apache-2.0
// What a cgroup uses, read from its files. A group of values is absent when its controller is not enabled.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace wherry::cgroup {

// A *.pressure line (Documentation/accounting/psi.rst): averages in percent, total in microseconds.
struct PressureLine {
  double avg10 = 0, avg60 = 0, avg300 = 0;
  std::uint64_t total = 0;
};
struct Pressure {
  PressureLine some;
  PressureLine full;
};

using Counters = std::vector<std::pair<std::string, std::uint64_t>>;  // in the order of the file

struct MemoryStats {
  std::uint64_t current = 0;                    // bytes
  std::optional<std::uint64_t> max, low, peak;  // bytes; max and low absent: "max"
  std::optional<std::uint64_t> swap_current, swap_max;
  Counters stat;    // memory.stat
  Counters events;  // memory.events: low high max oom oom_kill oom_group_kill
  std::optional<Pressure> pressure;
};

struct CpuStats {
  std::uint64_t usage_usec = 0, user_usec = 0, system_usec = 0;
  std::uint64_t periods = 0, throttled_periods = 0, throttled_usec = 0;
  std::uint64_t bursts = 0, burst_usec = 0;
  std::optional<Pressure> pressure;
};

struct PidsStats {
  std::uint64_t current = 0;         // without the controller: the processes of the cgroup itself
  std::optional<std::uint64_t> max;  // absent: "max"
};

struct IoDeviceStats {
  std::uint32_t major = 0, minor = 0;
  std::uint64_t read_bytes = 0, write_bytes = 0, read_ios = 0, write_ios = 0, discard_bytes = 0, discard_ios = 0;
};
struct IoStats {
  std::vector<IoDeviceStats> devices;
  std::optional<Pressure> pressure;
};

struct HugetlbStats {
  std::string page_size;
  std::uint64_t usage = 0;                // bytes in use
  std::optional<std::uint64_t> reserved;  // bytes in use or promised by mmap(2): hugetlb.SIZE.rsvd.current
  std::uint64_t max_events = 0;
};

struct RdmaStats {
  std::string device;
  std::optional<std::uint64_t> hca_handles, hca_objects;
};

struct Stats {
  std::optional<MemoryStats> memory;
  std::optional<CpuStats> cpu;  // cpu.stat has its usage values without the controller, too
  std::optional<PidsStats> pids;
  std::optional<IoStats> io;
  std::vector<HugetlbStats> hugetlb;
  std::vector<RdmaStats> rdma;
};

// dir_fd: a directory fd of the cgroup, not owned. Throws Error when a file cannot be read or is not what it
// should be.
[[nodiscard]] Stats read_stats(int dir_fd);

// The number in a file that has one; none for "max", and when the file is not there.
[[nodiscard]] std::optional<std::uint64_t> read_limit(int dir_fd, const char* file);

// The value of `key` in a flat keyed file ("oom_kill 3"), 0 if the file, the key or the whole cgroup is not there.
[[nodiscard]] std::uint64_t read_counter(int dir_fd, const char* file, const char* key);

}  // namespace wherry::cgroup
