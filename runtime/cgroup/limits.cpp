// SPDX-License-Identifier: Apache-2.0
// Limits as file contents: which file takes what, in which order, and the controllers that must be there.
#include <algorithm>
#include <string>
#include <utility>

#include "cgroup/cgroupfs.hpp"
#include "cgroup/file.hpp"
#include "wherry/error.hpp"

namespace wherry::cgroup {
namespace {

constexpr std::uint64_t kDefaultWeight = 100;  // cgroup-v2.rst cpu.weight

// What a write may meet without an error.
enum class Tolerate {
  kNothing,
  kMissing,        // the value is what holds without the file, or the file is an addition
  kMissingNoSwap,  // the same, as long as the host has no swap
  kInvalid,        // written once more later
};

struct Write {
  std::string file;
  std::string value;
  std::string pointer;  // below /linux/resources
  Tolerate tolerate = Tolerate::kNothing;
  std::string other_file = {};  // when there is no `file`
  std::string other_value = {};
};
using Writes = std::vector<Write>;

std::string number(std::int64_t value) { return value < 0 ? "max" : std::to_string(value); }

Tolerate unless_limit(std::int64_t value) { return value < 0 ? Tolerate::kMissing : Tolerate::kNothing; }

void add_cpu_max(const plan::Limits& limits, const std::string& old_quota, Writes& writes) {
  if (!limits.cpu_quota && !limits.cpu_period) return;
  const bool limited = limits.cpu_quota.value_or(plan::kNoLimit) >= 0;
  // A quota alone leaves the period as it is; a period cannot be written alone.
  std::string value = limits.cpu_quota ? number(*limits.cpu_quota) : old_quota;
  if (limits.cpu_period) value += " " + std::to_string(*limits.cpu_period);
  writes.push_back({"cpu.max", value, limits.cpu_quota ? "cpu/quota" : "cpu/period",
                    limited ? Tolerate::kNothing : Tolerate::kMissing});
}

void add_cpu(const plan::Limits& limits, const std::string& old_quota, Writes& writes) {
  // cpu.idle first: an idle group takes no weight (EINVAL), and shows 0 in cpu.weight.
  if (limits.cpu_idle)
    writes.push_back({"cpu.idle", std::to_string(*limits.cpu_idle), "cpu/idle",
                      *limits.cpu_idle == 0 ? Tolerate::kMissing : Tolerate::kNothing});
  if (limits.cpu_weight && limits.cpu_idle.value_or(0) == 0)
    writes.push_back({"cpu.weight", std::to_string(*limits.cpu_weight), "cpu/shares",
                      *limits.cpu_weight == kDefaultWeight ? Tolerate::kMissing : Tolerate::kNothing});
  // The burst may never be above the quota: before it when both shrink, after it when both grow.
  const std::string burst = std::to_string(limits.cpu_burst.value_or(0));
  const Tolerate missing = limits.cpu_burst.value_or(0) == 0 ? Tolerate::kMissing : Tolerate::kNothing;
  if (limits.cpu_burst && limits.cpu_quota) writes.push_back({"cpu.max.burst", burst, "cpu/burst", Tolerate::kInvalid});
  add_cpu_max(limits, old_quota, writes);
  if (limits.cpu_burst) writes.push_back({"cpu.max.burst", burst, "cpu/burst", missing});
}

void add_cpuset(const plan::Limits& limits, Writes& writes) {
  if (!limits.cpuset_cpus.empty()) writes.push_back({"cpuset.cpus", limits.cpuset_cpus, "cpu/cpus"});
  if (!limits.cpuset_mems.empty()) writes.push_back({"cpuset.mems", limits.cpuset_mems, "cpu/mems"});
}

// blkio.weight 10 to 1000 as io.weight 1 to 10000.
std::string scaled_weight(std::uint16_t weight) { return std::to_string(1 + (weight - 10) * 9999 / 990); }

std::string device(std::uint32_t major, std::uint32_t minor) {
  return std::to_string(major) + ":" + std::to_string(minor) + " ";
}

std::string rate(const char* key, std::optional<std::uint64_t> value) {
  if (!value) return {};
  return std::string(key) + "=" + (*value == 0 ? "max " : std::to_string(*value) + " ");
}

void add_io(const plan::Limits& limits, Writes& writes) {
  if (limits.io_weight)
    writes.push_back({"io.bfq.weight", std::to_string(*limits.io_weight), "blockIO/weight", Tolerate::kNothing,
                      "io.weight", "default " + scaled_weight(*limits.io_weight)});
  for (const plan::IoDeviceWeight& entry : limits.io_device_weights) {
    const std::string name = device(entry.major, entry.minor);
    writes.push_back({"io.bfq.weight", name + std::to_string(entry.weight), "blockIO/weightDevice", Tolerate::kNothing,
                      "io.weight", name + scaled_weight(entry.weight)});
  }
  for (const plan::IoThrottle& entry : limits.io_throttles) {
    const auto is_limit = [](const std::optional<std::uint64_t>& value) { return value.value_or(0) != 0; };
    const bool limited = is_limit(entry.read_bps) || is_limit(entry.write_bps) || is_limit(entry.read_iops) ||
                         is_limit(entry.write_iops);
    std::string value = device(entry.major, entry.minor) + rate("rbps", entry.read_bps) +
                        rate("wbps", entry.write_bps) + rate("riops", entry.read_iops) +
                        rate("wiops", entry.write_iops);
    value.pop_back();
    writes.push_back({"io.max", std::move(value), "blockIO", limited ? Tolerate::kNothing : Tolerate::kMissing});
  }
}

void add_hugetlb(const plan::Limits& limits, Writes& writes) {
  for (const plan::HugetlbLimit& entry : limits.hugetlb) {
    const std::string prefix = "hugetlb." + entry.page_size;
    const std::string value = std::to_string(entry.limit);
    // Faults are limited whatever the kernel; a limit of reservations spares the container a SIGBUS.
    writes.push_back({prefix + ".max", value, "hugepageLimits"});
    writes.push_back({prefix + ".rsvd.max", value, "hugepageLimits", Tolerate::kMissing});
  }
}

void add_rdma(const plan::Limits& limits, Writes& writes) {
  for (const plan::RdmaLimit& entry : limits.rdma) {
    std::string value = entry.device;
    if (entry.hca_handles) value += " hca_handle=" + std::to_string(*entry.hca_handles);
    if (entry.hca_objects) value += " hca_object=" + std::to_string(*entry.hca_objects);
    writes.push_back({"rdma.max", std::move(value), "rdma"});
  }
}

void add_memory_but_max(const plan::Limits& limits, Writes& writes) {
  if (limits.memory_low)
    writes.push_back(
        {"memory.low", number(*limits.memory_low), "memory/reservation", unless_limit(*limits.memory_low)});
  if (limits.memory_swap_max) {
    Tolerate tolerate = unless_limit(*limits.memory_swap_max);
    if (*limits.memory_swap_max == 0) tolerate = Tolerate::kMissingNoSwap;
    writes.push_back({"memory.swap.max", number(*limits.memory_swap_max), "memory/swap", tolerate});
  }
}

void add_unified(const plan::UnifiedFile& entry, Writes& writes) {
  const std::string pointer = "unified/" + entry.name;
  std::string_view rest = entry.value;
  if (rest.empty()) writes.push_back({entry.name, "\n", pointer});  // write(2) of nothing would not arrive
  while (!rest.empty()) {
    const std::string_view line = next_line(rest);
    if (!line.empty()) writes.push_back({entry.name, std::string(line), pointer});
  }
}

// memory.max is last: the allocations of the other writes must not meet it.
Writes writes_of(const plan::Limits& limits, const std::string& old_quota) {
  constexpr const char* kLast = "memory.max";
  Writes writes;
  add_cpuset(limits, writes);
  add_cpu(limits, old_quota, writes);
  add_io(limits, writes);
  if (limits.pids_max)
    writes.push_back({"pids.max", number(*limits.pids_max), "pids/limit", unless_limit(*limits.pids_max)});
  add_hugetlb(limits, writes);
  add_rdma(limits, writes);
  add_memory_but_max(limits, writes);
  for (const plan::UnifiedFile& entry : limits.unified) {
    if (entry.name != kLast) add_unified(entry, writes);
  }
  if (limits.memory_max)
    writes.push_back({kLast, number(*limits.memory_max), "memory/limit", unless_limit(*limits.memory_max)});
  for (const plan::UnifiedFile& entry : limits.unified) {
    if (entry.name == kLast) add_unified(entry, writes);
  }
  return writes;
}

std::string full_pointer(const Write& write) { return "/linux/resources/" + write.pointer; }

// The controller that a file belongs to; empty for cgroup.* and *.pressure, which are there without one.
std::string controller_of(const std::string& file) {
  constexpr std::string_view kPressure = ".pressure";
  const std::string name = file.substr(0, file.find('.'));
  const bool pressure = file.size() > kPressure.size() && file.compare(file.size() - kPressure.size(), kPressure.size(),
                                                                       kPressure.data(), kPressure.size()) == 0;
  return name == "cgroup" || pressure ? std::string() : name;
}

struct Need {
  std::string controller;
  Write why;
};

// One entry for each controller, with the first limit that needs it.
std::vector<Need> needs_of(const plan::Limits& limits) {
  std::vector<Need> needs;
  for (Write& write : writes_of(limits, "max")) {
    if (write.tolerate == Tolerate::kMissing || write.tolerate == Tolerate::kInvalid) continue;
    std::string controller = controller_of(write.file);
    const auto same = [&](const Need& need) { return need.controller == controller; };
    if (controller.empty() || std::any_of(needs.begin(), needs.end(), same)) continue;
    needs.push_back({std::move(controller), std::move(write)});
  }
  return needs;
}

std::vector<Need> without(std::vector<Need> needs, std::string_view controllers) {
  const auto present = [&](const Need& need) { return has_word(controllers, need.controller); };
  needs.erase(std::remove_if(needs.begin(), needs.end(), present), needs.end());
  return needs;
}

std::string read_or_throw(int dir, const char* file, const std::string& path) {
  auto text = read_file(dir, file);
  if (!text) throw Error(std::string("read ") + file + " of cgroup " + path).because(text.error());
  return std::move(*text);
}

[[noreturn]] void refuse_missing(const Need& need, const std::string& path, const std::string& mount) {
  Error error = Error("write " + need.why.value + " to " + need.why.file).at(full_pointer(need.why));
  const std::string controller = "controller " + need.controller + " is missing from ";
  if (path == mount)
    throw std::move(error)
        .detail(controller + "cgroup2 at " + mount + " (bound to cgroup v1, disabled at boot or not delegated)")
        .remedy("boot with systemd.unified_cgroup_hierarchy=1 cgroup_no_v1=all, or remove the limit");
  throw std::move(error)
      .detail(controller + path + ", whose parent does not hand it down")
      .remedy("delegate it, or choose another linux.cgroupsPath, or remove the limit");
}

[[noreturn]] void explain_enable(int dir, const std::vector<Need>& missing, const std::string& path,
                                 const std::string& mount, int number_of_error) {
  const std::vector<Need> absent = without(missing, read_or_throw(dir, "cgroup.controllers", path));
  if (!absent.empty()) refuse_missing(absent.front(), path, mount);
  const Need& need = missing.front();
  Error error = Error("enable controller " + need.controller + " in " + path + "/cgroup.subtree_control")
                    .at(full_pointer(need.why))
                    .because(number_of_error);
  if (number_of_error == EBUSY)
    throw std::move(error)
        .detail("a cgroup with processes of its own hands no controllers down")
        .remedy("choose a linux.cgroupsPath below a cgroup without processes");
  throw std::move(error).remedy("delegate the cgroup to this user with its controllers");
}

void enable_in(int dir, const std::vector<Need>& needs, const std::string& path, const std::string& mount) {
  const std::vector<Need> missing = without(needs, read_or_throw(dir, "cgroup.subtree_control", path));
  if (missing.empty()) return;
  std::string value;
  for (const Need& need : missing) value += (value.empty() ? "+" : " +") + need.controller;
  const auto written = write_subtree_control(dir, value);
  if (!written) explain_enable(dir, missing, path, mount, written.error());
}

bool host_has_swap() {
  // One heading, then a line for each swap area; no file in a kernel without swap.
  const auto text = read_file(os::kAtFdcwd, "/proc/swaps");
  if (!text) return text.error() != ENOENT;
  return std::count(text.value().begin(), text.value().end(), '\n') > 1;
}

bool tolerated(const Write& write, int error) {
  switch (write.tolerate) {
    case Tolerate::kNothing:
      return false;
    case Tolerate::kMissing:
      return error == ENOENT;
    case Tolerate::kMissingNoSwap:
      return error == ENOENT && !host_has_swap();
    case Tolerate::kInvalid:
      return error == EINVAL || error == ENOENT;
  }
  return false;
}

const char* remedy_of(int error) {
  switch (error) {
    case ENOENT:
      return "the controller is not enabled for this cgroup, or the kernel has no such limit";
    case EINVAL:
    case ERANGE:
      return "the kernel does not take this value";
    case ENODEV:
      return "there is no such block device";
    case EACCES:
    case EPERM:
      return "the cgroup is not delegated to this user, or the file is read-only";
    case ENOSPC:
      return "a parent cgroup does not have these CPUs or memory nodes";
    default:
      return "";
  }
}

void perform(int dir, const Write& write) {
  auto written = write_file(dir, write.file.c_str(), write.value);
  const bool other = !written && written.error() == ENOENT && !write.other_file.empty();
  if (other) written = write_file(dir, write.other_file.c_str(), write.other_value);
  if (written || tolerated(write, written.error())) return;
  throw Error("write " + (other ? write.other_value : write.value) + " to " + (other ? write.other_file : write.file))
      .at(full_pointer(write))
      .because(written.error())
      .remedy(remedy_of(written.error()));
}

// Files of which a line is read and written at a time, and what a line is when it is not shown.
struct KeyedFile {
  std::string_view name;
  std::string_view unset;
};
constexpr KeyedFile kKeyedFiles[] = {
    {"io.max", " rbps=max wbps=max riops=max wiops=max"}, {"io.weight", " default"}, {"io.bfq.weight", " default"},
    {"rdma.max", " hca_handle=max hca_object=max"},       {"misc.max", " max"},
};

struct OldValue {
  std::string file;
  std::string value;  // in the form in which the file takes it back; empty: it does not
};

std::string keyed_value(std::string_view text, const Write& write, std::string_view unset) {
  std::string_view words = write.value;
  const std::string_view first = next_word(words);
  const std::string_view key = parse_number(first) ? "default" : first;  // io.bfq.weight takes a bare number for it
  while (!text.empty()) {
    const std::string_view line = next_line(text);
    std::string_view rest = line;
    if (next_word(rest) == key) return std::string(line);
  }
  return std::string(key).append(unset);
}

OldValue old_value(int dir, const Write& write) {
  OldValue old{write.file, {}};
  if (old.file.starts_with("cgroup.") && !old.file.starts_with("cgroup.max.")) return old;  // commands, not values
  auto text = read_file(dir, old.file.c_str());
  if (!text && !write.other_file.empty()) {
    old.file = write.other_file;
    text = read_file(dir, old.file.c_str());
  }
  if (!text) return old;
  const auto* const keyed = std::find_if(std::begin(kKeyedFiles), std::end(kKeyedFiles),
                                         [&](const KeyedFile& file) { return file.name == old.file; });
  if (keyed != std::end(kKeyedFiles)) {
    old.value = keyed_value(text.value(), write, keyed->unset);
  } else {
    std::string_view rest = text.value();
    old.value = std::string(next_line(rest)) + "\n";
  }
  return old;
}

std::uint64_t usage(int dir, const char* file) {
  const auto text = read_file(dir, file);
  if (!text)
    throw Error(std::string("read ") + file).at("/linux/resources/memory/checkBeforeUpdate").because(text.error());
  std::string_view rest = text.value();
  return parse_number(next_word(rest)).value_or(0);
}

void refuse_limit(const char* name, const char* pointer, std::int64_t limit, std::uint64_t in_use) {
  if (in_use <= static_cast<std::uint64_t>(limit)) return;
  throw Error(std::string("rejecting ") + name + " limit " + number(limit))
      .at(pointer)
      .detail(std::to_string(in_use) + " bytes are in use, and checkBeforeUpdate is set");
}

// config-linux.md memory.checkBeforeUpdate: the kernel itself would reclaim, then kill.
void refuse_below_usage(int dir, const plan::Limits& limits) {
  if (!limits.check_before_update || limits.memory_max.value_or(plan::kNoLimit) < 0) return;
  const std::uint64_t memory = usage(dir, "memory.current");
  if (limits.memory_swap_max.value_or(plan::kNoLimit) >= 0)
    refuse_limit("memory+swap", "/linux/resources/memory/swap", *limits.memory_max + *limits.memory_swap_max, memory);
  refuse_limit("memory", "/linux/resources/memory/limit", *limits.memory_max, memory);
}

std::string old_quota_of(int dir, const plan::Limits& limits) {
  if (limits.cpu_quota || !limits.cpu_period) return "max";
  const auto text = read_file(dir, "cpu.max");
  if (!text) return "max";
  std::string_view rest = text.value();
  return std::string(next_word(rest));
}

}  // namespace

bool restricts(const plan::Limits& limits) {
  const Writes writes = writes_of(limits, "max");
  return std::any_of(writes.begin(), writes.end(), [](const Write& write) {
    return write.tolerate == Tolerate::kNothing || write.tolerate == Tolerate::kMissingNoSwap;
  });
}

void enable_controllers(int dir_fd, const std::string& mount, const std::string& path, const plan::Limits& limits) {
  std::vector<Need> needs = needs_of(limits);
  if (needs.empty()) return;
  std::string level = mount;
  needs = without(std::move(needs), read_or_throw(dir_fd, "cgroup.controllers", mount + path));
  if (needs.empty()) return;
  auto dir = open_directory(os::kAtFdcwd, mount.c_str());
  for (const std::string& part : checked_components("enable controllers for", path)) {
    if (!dir) throw Error("open cgroup " + level).because(dir.error());
    enable_in(dir.value().get(), needs, level, mount);
    level += "/" + part;
    dir = open_directory(dir.value().get(), part.c_str());
  }
}

void apply(int dir_fd, const plan::Limits& limits) {
  refuse_below_usage(dir_fd, limits);
  for (const Write& write : writes_of(limits, old_quota_of(dir_fd, limits))) perform(dir_fd, write);
}

void update(int dir_fd, const plan::Limits& limits) {
  refuse_below_usage(dir_fd, limits);
  std::vector<OldValue> done;
  try {
    for (const Write& write : writes_of(limits, old_quota_of(dir_fd, limits))) {
      OldValue old = old_value(dir_fd, write);
      perform(dir_fd, write);
      done.push_back(std::move(old));
    }
  } catch (const Error&) {
    for (auto old = done.rbegin(); old != done.rend(); ++old)
      if (!old->value.empty()) (void)write_file(dir_fd, old->file.c_str(), old->value);  // the first error is the news
    throw;
  }
}

}  // namespace wherry::cgroup
