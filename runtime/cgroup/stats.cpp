// SPDX-License-Identifier: Apache-2.0
#include "cgroup/stats.hpp"

#include <algorithm>
#include <charconv>
#include <string_view>

#include "cgroup/file.hpp"
#include "wherry/error.hpp"

namespace wherry::cgroup {
namespace {

using Text = std::optional<std::string>;

// Absent when the controller is not enabled. ENODEV: the cgroup has been removed. EOPNOTSUPP: *.pressure with psi=0.
Text read_if_there(int dir, const char* file) {
  auto text = read_file(dir, file);
  if (text) return std::move(*text);
  if (text.error() == ENOENT || text.error() == ENODEV || text.error() == EOPNOTSUPP) return std::nullopt;
  throw Error(std::string("read ") + file).because(text.error());
}

std::uint64_t number_in(std::string_view word, const char* file) {
  const auto number = parse_number(word);
  if (!number) throw Error(std::string("read ") + file).detail("\"" + std::string(word) + "\" is not a number");
  return *number;
}

// A file with one number; absent for "max", too.
std::optional<std::uint64_t> read_number(int dir, const char* file) {
  const Text text = read_if_there(dir, file);
  if (!text) return std::nullopt;
  std::string_view rest = *text;
  const std::string_view word = next_word(rest);
  return word == "max" ? std::nullopt : std::optional(number_in(word, file));
}

Counters counters_in(std::string_view text, const char* file) {
  Counters counters;
  while (!text.empty()) {
    std::string_view line = next_line(text);
    const std::string_view key = next_word(line);
    if (!key.empty()) counters.emplace_back(key, number_in(next_word(line), file));
  }
  return counters;
}

Counters read_counters(int dir, const char* file) {
  const Text text = read_if_there(dir, file);
  return text ? counters_in(*text, file) : Counters();
}

// "key=value" words of a nested keyed file.
std::string_view part_of(std::string_view line, std::string_view key) {
  for (;;) {
    const std::string_view word = next_word(line);
    if (word.empty()) return {};
    if (word.size() > key.size() && word.substr(0, key.size()) == key && word[key.size()] == '=')
      return word.substr(key.size() + 1);
  }
}

double average_in(std::string_view word) {
  double value = 0;
  (void)std::from_chars(word.data(), word.data() + word.size(), value);  // 0 if the kernel leaves it out
  return value;
}

PressureLine pressure_line(std::string_view line, const char* file) {
  return {average_in(part_of(line, "avg10")), average_in(part_of(line, "avg60")), average_in(part_of(line, "avg300")),
          number_in(part_of(line, "total"), file)};
}

std::optional<Pressure> read_pressure(int dir, const char* file) {
  const Text text = read_if_there(dir, file);
  if (!text) return std::nullopt;
  Pressure pressure;
  std::string_view rest = *text;
  while (!rest.empty()) {
    std::string_view line = next_line(rest);
    const std::string_view kind = next_word(line);
    if (kind == "some") pressure.some = pressure_line(line, file);
    if (kind == "full") pressure.full = pressure_line(line, file);
  }
  return pressure;
}

std::optional<MemoryStats> read_memory(int dir) {
  const auto current = read_number(dir, "memory.current");
  if (!current) return std::nullopt;
  MemoryStats stats;
  stats.current = *current;
  stats.max = read_number(dir, "memory.max");
  stats.low = read_number(dir, "memory.low");
  stats.peak = read_number(dir, "memory.peak");  // Linux 5.19
  stats.swap_current = read_number(dir, "memory.swap.current");
  stats.swap_max = read_number(dir, "memory.swap.max");
  stats.stat = read_counters(dir, "memory.stat");
  stats.events = read_counters(dir, "memory.events");
  stats.pressure = read_pressure(dir, "memory.pressure");
  return stats;
}

struct CpuField {
  std::string_view key;
  std::uint64_t CpuStats::*field;
};
constexpr CpuField kCpuFields[] = {
    {"usage_usec", &CpuStats::usage_usec},
    {"user_usec", &CpuStats::user_usec},
    {"system_usec", &CpuStats::system_usec},
    {"nr_periods", &CpuStats::periods},
    {"nr_throttled", &CpuStats::throttled_periods},
    {"throttled_usec", &CpuStats::throttled_usec},
    {"nr_bursts", &CpuStats::bursts},
    {"burst_usec", &CpuStats::burst_usec},
};

std::optional<CpuStats> read_cpu(int dir) {
  const Text text = read_if_there(dir, "cpu.stat");
  if (!text) return std::nullopt;
  CpuStats stats;
  for (const auto& [key, value] : counters_in(*text, "cpu.stat")) {
    for (const CpuField& entry : kCpuFields) {
      if (entry.key == key) stats.*entry.field = value;
    }
  }
  stats.pressure = read_pressure(dir, "cpu.pressure");
  return stats;
}

std::optional<PidsStats> read_pids(int dir) {
  if (const auto current = read_number(dir, "pids.current")) return PidsStats{*current, read_number(dir, "pids.max")};
  const Text processes = read_if_there(dir, "cgroup.procs");
  if (!processes) return std::nullopt;
  return PidsStats{static_cast<std::uint64_t>(std::count(processes->begin(), processes->end(), '\n')), std::nullopt};
}

struct IoField {
  std::string_view key;
  std::uint64_t IoDeviceStats::*field;
};
constexpr IoField kIoFields[] = {
    {"rbytes", &IoDeviceStats::read_bytes},    {"wbytes", &IoDeviceStats::write_bytes},
    {"rios", &IoDeviceStats::read_ios},        {"wios", &IoDeviceStats::write_ios},
    {"dbytes", &IoDeviceStats::discard_bytes}, {"dios", &IoDeviceStats::discard_ios},
};

std::optional<IoDeviceStats> io_device(std::string_view line) {
  const std::string_view name = next_word(line);
  const auto colon = name.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  IoDeviceStats stats;
  stats.major = static_cast<std::uint32_t>(number_in(name.substr(0, colon), "io.stat"));
  stats.minor = static_cast<std::uint32_t>(number_in(name.substr(colon + 1), "io.stat"));
  for (const IoField& entry : kIoFields) {
    const std::string_view value = part_of(line, entry.key);
    if (!value.empty()) stats.*entry.field = number_in(value, "io.stat");
  }
  return stats;
}

std::optional<IoStats> read_io(int dir) {
  const Text text = read_if_there(dir, "io.stat");
  if (!text) return std::nullopt;
  IoStats stats;
  std::string_view rest = *text;
  while (!rest.empty()) {
    if (const auto device = io_device(next_line(rest))) stats.devices.push_back(*device);
  }
  stats.pressure = read_pressure(dir, "io.pressure");
  return stats;
}

// There is a file for each page size the kernel has, so the directory says which those are.
std::vector<std::string> page_sizes(int dir) {
  constexpr std::string_view kPrefix = "hugetlb.", kSuffix = ".current";
  std::vector<std::string> sizes;
  for (const std::string& name : file_names(dir)) {
    if (name.size() <= kPrefix.size() + kSuffix.size() || name.compare(0, kPrefix.size(), kPrefix) != 0) continue;
    const std::string size = name.substr(kPrefix.size(), name.size() - kPrefix.size() - kSuffix.size());
    const bool plain = name.substr(name.size() - kSuffix.size()) == kSuffix && size.find('.') == std::string::npos;
    if (plain) sizes.push_back(size);
  }
  std::sort(sizes.begin(), sizes.end());
  return sizes;
}

std::vector<HugetlbStats> read_hugetlb(int dir) {
  std::vector<HugetlbStats> list;
  for (const std::string& size : page_sizes(dir)) {
    const std::string prefix = "hugetlb." + size;
    const auto usage = read_number(dir, (prefix + ".current").c_str());
    if (usage)
      list.push_back({size, *usage, read_number(dir, (prefix + ".rsvd.current").c_str()),
                      read_counter(dir, (prefix + ".events").c_str(), "max")});
  }
  return list;
}

std::vector<RdmaStats> read_rdma(int dir) {
  std::vector<RdmaStats> list;
  const Text text = read_if_there(dir, "rdma.current");
  std::string_view rest = text ? std::string_view(*text) : std::string_view();
  while (!rest.empty()) {
    std::string_view line = next_line(rest);
    const std::string_view device = next_word(line);
    if (!device.empty())
      list.push_back(
          {std::string(device), parse_number(part_of(line, "hca_handle")), parse_number(part_of(line, "hca_object"))});
  }
  return list;
}

}  // namespace

Stats read_stats(int dir_fd) {
  return {read_memory(dir_fd), read_cpu(dir_fd),     read_pids(dir_fd),
          read_io(dir_fd),     read_hugetlb(dir_fd), read_rdma(dir_fd)};
}

std::optional<std::uint64_t> read_limit(int dir_fd, const char* file) { return read_number(dir_fd, file); }

std::uint64_t read_counter(int dir_fd, const char* file, const char* key) {
  for (const auto& [name, value] : read_counters(dir_fd, file)) {
    if (name == key) return value;
  }
  return 0;
}

}  // namespace wherry::cgroup
