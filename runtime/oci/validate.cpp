// SPDX-License-Identifier: Apache-2.0
#include "oci/validate.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <utility>

#include "oci/names.hpp"

namespace wherry::oci {
namespace {

// Collects faults below one place of the document. Callers make pointers and messages only when something is
// wrong.
class Report {
 public:
  Report(std::vector<Fault>& faults, std::string base) : faults_(faults), base_(std::move(base)) {}

  void add(const std::string& pointer, std::string message) const {
    faults_.push_back({base_ + pointer, std::move(message)});
  }
  [[nodiscard]] Report below(const std::string& pointer) const { return {faults_, base_ + pointer}; }

 private:
  std::vector<Fault>& faults_;
  std::string base_;
};

std::string item(std::string_view list, std::size_t index) { return std::string(list) + "/" + std::to_string(index); }

std::string quoted(std::string_view text) {
  std::string out = "\"";
  out += text;
  return out += '"';
}

bool is_absolute(std::string_view path) { return path.starts_with('/'); }

bool is_alnum(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// Calls `visit(component)` for each part of a '/'- or '.'-separated name; ends early when it returns false.
template <typename Visit>
bool all_components(std::string_view name, char separator, Visit visit) {
  while (true) {
    const std::size_t end = name.find(separator);
    if (!visit(name.substr(0, end))) return false;
    if (end == std::string_view::npos) return true;
    name.remove_prefix(end + 1);
  }
}

bool has_dot_dot(std::string_view path) {
  return !all_components(path, '/', [](std::string_view part) { return part != ".."; });
}

// A name that becomes one file name below a directory of the kernel's.
bool is_file_name(std::string_view name) {
  return !name.empty() && name != "." && name != ".." && name.find('/') == std::string_view::npos &&
         name.find('\n') == std::string_view::npos;
}

template <typename Number>
void check_range(const Report& report, const char* pointer, const std::optional<Number>& value, std::int64_t low,
                 std::int64_t high) {
  if (!value || (std::cmp_greater_equal(*value, low) && std::cmp_less_equal(*value, high))) return;
  report.add(pointer, "must be between " + std::to_string(low) + " and " + std::to_string(high) + ", is " +
                          std::to_string(*value));
}

// -1 is "no limit"; below it there is nothing.
void check_limit(const Report& report, const char* pointer, const std::optional<std::int64_t>& value) {
  if (value && *value < -1) report.add(pointer, "must be -1 or more, is " + std::to_string(*value));
}

// (uid_t)-1 means "leave it" to setresuid(2) and chown(2): the process would keep the runtime's id.
constexpr std::uint32_t kNoId = std::numeric_limits<std::uint32_t>::max();

void check_id(const Report& report, const std::string& pointer, std::uint32_t id) {
  if (id == kNoId) report.add(pointer, "must not be 4294967295, which the kernel reserves");
}

// "0-3,7": what the kernel's bitmap_parselist() takes, less its strides.
bool is_number_list(std::string_view list) {
  const auto is_number = [](std::string_view text) {
    return !text.empty() && text.size() <= 6 && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
  };
  const auto value = [](std::string_view text) {
    int sum = 0;
    for (const char c : text) sum = sum * 10 + (c - '0');
    return sum;
  };
  return all_components(list, ',', [&](std::string_view range) {
    const std::size_t dash = range.find('-');
    if (dash == std::string_view::npos) return is_number(range);
    const std::string_view first = range.substr(0, dash);
    const std::string_view last = range.substr(dash + 1);
    return is_number(first) && is_number(last) && value(first) <= value(last);
  });
}

// How many numbers such a list names.
std::size_t size_of_list(std::string_view list) {
  std::vector<bool> named(1000000);  // six digits
  (void)all_components(list, ',', [&](std::string_view range) {
    const std::size_t dash = range.find('-');
    const auto number = [](std::string_view text) { return std::stoul(std::string(text)); };
    const std::size_t last = number(dash == std::string_view::npos ? range : range.substr(dash + 1));
    for (std::size_t i = number(range.substr(0, dash)); i <= last; ++i) named[i] = true;
    return true;
  });
  return static_cast<std::size_t>(std::ranges::count(named, true));
}

// ---- process

void check_environment(const Report& report, const Strings& env) {
  for (std::size_t i = 0; i < env.size(); ++i) {
    const std::size_t equals = env[i].find('=');
    if (equals == std::string::npos) report.add(item("/env", i), "must be NAME=value, has no '='");
    if (equals == 0) report.add(item("/env", i), "must be NAME=value, has no name");
  }
}

void check_rlimits(const Report& report, const std::vector<Rlimit>& rlimits) {
  for (std::size_t i = 0; i < rlimits.size(); ++i) {
    const Rlimit& limit = rlimits[i];
    const auto same = [&](const Rlimit& other) { return other.type == limit.type; };
    const auto self = rlimits.begin() + static_cast<std::ptrdiff_t>(i);
    // config.md "POSIX process": both are MUST.
    if (!rlimit_resource(limit.type)) report.add(item("/rlimits", i) + "/type", "unknown rlimit " + quoted(limit.type));
    if (std::find_if(rlimits.begin(), self, same) != self) {
      report.add(item("/rlimits", i) + "/type", "duplicate rlimit " + quoted(limit.type));
    }
    if (limit.soft > limit.hard) report.add(item("/rlimits", i) + "/soft", "must not exceed the hard limit");
  }
}

// sched_setattr(2) refuses what breaks these rules; config.md ties each property to its policies.
void check_scheduler(const Report& report, const Scheduler& scheduler) {
  using Policy = SchedulerPolicy;
  const bool real_time = scheduler.policy == Policy::kFifo || scheduler.policy == Policy::kRoundRobin;
  const bool deadline = scheduler.policy == Policy::kDeadline;
  const std::string policy(name_of(scheduler.policy));
  check_range(report, "/nice", scheduler.nice, -20, 19);
  if (real_time) check_range(report, "/priority", std::optional(scheduler.priority.value_or(0)), 1, 99);
  if (!real_time && scheduler.priority.value_or(0) != 0) {
    report.add("/priority", "is for SCHED_FIFO and SCHED_RR only, policy is " + policy);
  }
  const std::pair<const char*, std::uint64_t> times[] = {{"/runtime", scheduler.runtime.value_or(0)},
                                                         {"/deadline", scheduler.deadline.value_or(0)},
                                                         {"/period", scheduler.period.value_or(0)}};
  for (const auto& [pointer, nanoseconds] : times) {
    if (!deadline && nanoseconds != 0) report.add(pointer, "is for SCHED_DEADLINE only, policy is " + policy);
  }
  if (!deadline) return;
  // sched(7): runtime <= deadline <= period, and a period of 0 means the deadline.
  if (times[0].second == 0) report.add("/runtime", "must be more than 0 for SCHED_DEADLINE");
  if (times[0].second > times[1].second) report.add("/deadline", "must not be less than runtime");
  if (times[2].second != 0 && times[1].second > times[2].second) {
    report.add("/period", "must not be less than deadline");
  }
}

void check_user(const Report& report, const User& user) {
  check_id(report, "/uid", user.uid);
  check_id(report, "/gid", user.gid);
  for (std::size_t i = 0; i < user.additional_gids.size(); ++i) {
    check_id(report, item("/additionalGids", i), user.additional_gids[i]);
  }
  if (user.umask && *user.umask > 0777U) {
    report.add("/umask", "must not be more than 511 (0777), is " + std::to_string(*user.umask));
  }
}

void check_process(const Report& report, const Process& process) {
  if (process.args.empty()) report.add("/args", "must have at least one entry");
  if (!is_absolute(process.cwd)) report.add("/cwd", "must be an absolute path, is " + quoted(process.cwd));
  check_environment(report, process.env);
  check_rlimits(report, process.rlimits);
  check_user(report.below("/user"), process.user);
  check_range(report, "/oomScoreAdj", process.oom_score_adj, -1000, 1000);  // proc_pid_oom_score_adj(5)
  if (process.scheduler) check_scheduler(report.below("/scheduler"), *process.scheduler);
  if (process.io_priority) {
    check_range(report, "/ioPriority/priority", std::optional(process.io_priority->priority), 0, 7);
  }
  if (!process.exec_cpu_affinity) return;
  const std::pair<const char*, const std::string*> lists[] = {
      {"/execCPUAffinity/initial", &process.exec_cpu_affinity->initial},
      {"/execCPUAffinity/final", &process.exec_cpu_affinity->final},
  };
  for (const auto& [pointer, list] : lists) {
    if (!list->empty() && !is_number_list(*list)) report.add(pointer, "must be a list like 0-3,7, is " + quoted(*list));
  }
}

// ---- mounts, hooks and namespaces

// user_namespaces(7): an extent is not empty, does not reach 4294967295, and overlaps no other on either
// side. 340 extents are all that the kernel takes.
void check_mappings(const Report& report, const std::vector<IdMapping>& mappings) {
  constexpr std::size_t kMaxExtents = 340;
  if (mappings.size() > kMaxExtents) report.add("", "must not have more than 340 entries");
  const auto overlap = [](std::uint32_t a, std::uint32_t a_size, std::uint32_t b, std::uint32_t b_size) {
    return a < std::uint64_t{b} + b_size && b < std::uint64_t{a} + a_size;
  };
  for (std::size_t i = 0; i < std::min(mappings.size(), kMaxExtents); ++i) {
    const IdMapping& one = mappings[i];
    if (one.size == 0) report.add(item("", i) + "/size", "must not be 0");
    if (std::uint64_t{one.container_id} + one.size > kNoId || std::uint64_t{one.host_id} + one.size > kNoId) {
      report.add(item("", i), "must end below 4294967295");
    }
    for (std::size_t j = 0; j < i; ++j) {
      const IdMapping& other = mappings[j];
      if (overlap(one.container_id, one.size, other.container_id, other.size)) {
        report.add(item("", i) + "/containerID", "overlaps entry " + std::to_string(j));
      }
      if (overlap(one.host_id, one.size, other.host_id, other.size)) {
        report.add(item("", i) + "/hostID", "overlaps entry " + std::to_string(j));
      }
    }
  }
}

void check_mounts(const Report& report, const std::vector<Mount>& mounts) {
  for (std::size_t i = 0; i < mounts.size(); ++i) {
    const Mount& mount = mounts[i];
    if (mount.destination.empty()) report.add(item("/mounts", i) + "/destination", "must not be empty");
    if (mount.uid_mappings.empty() && mount.gid_mappings.empty()) continue;
    if (mount.uid_mappings.empty()) report.add(item("/mounts", i), "has gidMappings but no uidMappings");
    if (mount.gid_mappings.empty()) report.add(item("/mounts", i), "has uidMappings but no gidMappings");
    check_mappings(report.below(item("/mounts", i) + "/uidMappings"), mount.uid_mappings);
    check_mappings(report.below(item("/mounts", i) + "/gidMappings"), mount.gid_mappings);
  }
}

void check_hooks(const Report& report, const Hooks& hooks) {
  const std::pair<const char*, const std::vector<Hook>*> points[] = {
      {"/hooks/prestart", &hooks.prestart},
      {"/hooks/createRuntime", &hooks.create_runtime},
      {"/hooks/createContainer", &hooks.create_container},
      {"/hooks/startContainer", &hooks.start_container},
      {"/hooks/poststart", &hooks.poststart},
      {"/hooks/poststop", &hooks.poststop},
  };
  for (const auto& [pointer, list] : points) {
    for (std::size_t i = 0; i < list->size(); ++i) {
      const Hook& hook = (*list)[i];
      if (!is_absolute(hook.path)) {
        report.add(item(pointer, i) + "/path", "must be an absolute path, is " + quoted(hook.path));
      }
      if (hook.timeout && *hook.timeout <= 0) {
        report.add(item(pointer, i) + "/timeout", "must be more than 0, is " + std::to_string(*hook.timeout));
      }
      check_environment(report.below(item(pointer, i)), hook.env);
    }
  }
}

void check_namespaces(const Report& report, const Linux& config) {
  std::array<bool, std::size(Names<NamespaceType>::kTable)> seen{};
  for (std::size_t i = 0; i < config.namespaces.size(); ++i) {
    const Namespace& one = config.namespaces[i];
    bool& duplicate = seen.at(static_cast<std::size_t>(one.type));
    if (duplicate) {
      report.add(item("/namespaces", i) + "/type", "duplicate namespace " + quoted(name_of(one.type)));
    }
    duplicate = true;
    if (!one.path.empty() && !is_absolute(one.path)) {
      report.add(item("/namespaces", i) + "/path", "must be an absolute path, is " + quoted(one.path));
    }
  }
}

void check_user_namespace(const Report& report, const Linux& config) {
  const Namespace* user = find_namespace(config, NamespaceType::kUser);
  const std::pair<const char*, const std::vector<IdMapping>*> maps[] = {{"/uidMappings", &config.uid_mappings},
                                                                        {"/gidMappings", &config.gid_mappings}};
  for (const auto& [pointer, mappings] : maps) {
    if (user == nullptr && !mappings->empty()) report.add(pointer, "needs a user namespace");
    if (user != nullptr && user->path.empty() && mappings->empty()) {
      report.add(pointer, "must not be empty for a new user namespace");
    }
    check_mappings(report.below(pointer), *mappings);
  }
}

void check_time_offsets(const Report& report, const Linux& config) {
  if (config.time_offsets.empty()) return;
  const Namespace* time = find_namespace(config, NamespaceType::kTime);
  // time_namespaces(7): the offsets are fixed once a process is in the namespace.
  if (time == nullptr) report.add("/timeOffsets", "needs a time namespace");
  if (time != nullptr && !time->path.empty()) {
    report.add("/timeOffsets", "must not be given with a time namespace that is joined");
  }
  for (const auto& [clock, offset] : config.time_offsets) {
    const std::string pointer = "/timeOffsets/" + pointer_token(clock);
    if (clock != "monotonic" && clock != "boottime") report.add(pointer, "must be monotonic or boottime");
    if (offset.nanosecs > 999'999'999U) {
      report.add(pointer + "/nanosecs", "must be less than 1000000000, is " + std::to_string(offset.nanosecs));
    }
  }
}

void check_uts_names(const Report& report, const Spec& spec) {
  if (find_namespace(spec.linux, NamespaceType::kUts) != nullptr) return;
  // Without one the host would be renamed.
  if (!spec.hostname.empty()) report.add("/hostname", "needs a uts namespace");
  if (!spec.domainname.empty()) report.add("/domainname", "needs a uts namespace");
}

// ---- devices

constexpr std::int64_t kMaxMajor = (1 << 12) - 1;  // include/linux/kdev_t.h: MINORBITS is 20
constexpr std::int64_t kMaxMinor = (1 << 20) - 1;

void check_device(const Report& report, const Device& device) {
  if (device.type == DeviceType::kAll) report.add("/type", "must be one of c, b, u, p; is \"a\"");
  if (!is_absolute(device.path)) report.add("/path", "must be an absolute path, is " + quoted(device.path));
  if (device.type != DeviceType::kFifo) {
    if (!device.major) report.add("/major", "is required");
    if (!device.minor) report.add("/minor", "is required");
    check_range(report, "/major", device.major, 0, kMaxMajor);
    check_range(report, "/minor", device.minor, 0, kMaxMinor);
  }
  check_range(report, "/fileMode", device.file_mode, 0, 0177777);
  if (device.uid) check_id(report, "/uid", *device.uid);
  if (device.gid) check_id(report, "/gid", *device.gid);
}

// net/core/dev.c: dev_valid_name(). "%d" is the kernel's counter.
bool is_interface_name(std::string_view name) {
  constexpr std::size_t kMaxLength = 15;  // IFNAMSIZ less the NUL
  const auto bad = [](char c) { return c == '/' || c == ':' || c == ' ' || (c >= '\t' && c <= '\r'); };
  return !name.empty() && name.size() <= kMaxLength && name != "." && name != ".." && std::ranges::none_of(name, bad);
}

void check_net_devices(const Report& report, const Linux& config) {
  if (config.net_devices.empty()) return;
  if (find_namespace(config, NamespaceType::kNetwork) == nullptr) {
    report.add("/netDevices", "needs a network namespace");
  }
  Strings targets;
  for (const auto& [host_name, device] : config.net_devices) {
    const std::string pointer = "/netDevices/" + pointer_token(host_name);
    const std::string& target = device.name.empty() ? host_name : device.name;
    if (!is_interface_name(host_name)) report.add(pointer, "is not an interface name");
    if (!is_interface_name(target)) report.add(pointer + "/name", "is not an interface name: " + quoted(target));
    const bool counted = target.find("%d") != std::string::npos;
    if (!counted && std::ranges::find(targets, target) != targets.end()) {
      report.add(pointer + "/name", "duplicate interface name " + quoted(target));
    }
    targets.push_back(target);
  }
}

// ---- resources

void check_device_rule(const Report& report, const DeviceRule& rule) {
  const DeviceType type = rule.type.value_or(DeviceType::kAll);
  if (type == DeviceType::kUnbuffered || type == DeviceType::kFifo) {
    report.add("/type", "must be one of a, b, c; is " + quoted(name_of(type)));
  }
  check_range(report, "/major", rule.major, -1, kMaxMajor);
  check_range(report, "/minor", rule.minor, -1, kMaxMinor);
  if (rule.access.find_first_not_of("rwm") != std::string::npos) {
    report.add("/access", "must be letters of rwm, is " + quoted(rule.access));
  }
}

void check_memory(const Report& report, const MemoryResources& memory) {
  check_limit(report, "/limit", memory.limit);
  check_limit(report, "/reservation", memory.reservation);
  check_limit(report, "/swap", memory.swap);
  check_limit(report, "/kernel", memory.kernel);
  check_limit(report, "/kernelTCP", memory.kernel_tcp);
  check_range(report, "/swappiness", memory.swappiness, 0, 100);
  if (memory.limit.value_or(0) > 0 && memory.swap.value_or(0) > 0 && *memory.swap < *memory.limit) {
    report.add("/swap", "is memory plus swap and must not be less than limit");
  }
}

void check_cpu(const Report& report, const CpuResources& cpu) {
  check_limit(report, "/quota", cpu.quota);
  check_limit(report, "/realtimeRuntime", cpu.realtime_runtime);
  // kernel/sched/core.c: 1 ms to 1 s; 0 is Go's "not set".
  if (cpu.period.value_or(0) != 0) check_range(report, "/period", cpu.period, 1000, 1'000'000);
  check_range(report, "/idle", cpu.idle, 0, 1);
}

// config-linux.md: 10 to 1000; 0 is Go's "not set".
void check_weight(const Report& report, const char* pointer, const std::optional<std::uint16_t>& weight) {
  if (weight.value_or(0) != 0) check_range(report, pointer, weight, 10, 1000);
}

template <typename DeviceEntry>
void check_numbers(const Report& report, const DeviceEntry& device) {
  check_range(report, "/major", std::optional(device.major), 0, kMaxMajor);
  check_range(report, "/minor", std::optional(device.minor), 0, kMaxMinor);
}

void check_block_io(const Report& report, const BlockIoResources& block_io) {
  check_weight(report, "/weight", block_io.weight);
  check_weight(report, "/leafWeight", block_io.leaf_weight);
  for (std::size_t i = 0; i < block_io.weight_device.size(); ++i) {
    const WeightDevice& device = block_io.weight_device[i];
    const Report at = report.below(item("/weightDevice", i));
    check_numbers(at, device);
    check_weight(at, "/weight", device.weight);
    check_weight(at, "/leafWeight", device.leaf_weight);
    if (!device.weight && !device.leaf_weight) at.add("", "must have weight or leafWeight");
  }
  const std::pair<const char*, const std::vector<ThrottleDevice>*> lists[] = {
      {"/throttleReadBpsDevice", &block_io.throttle_read_bps_device},
      {"/throttleWriteBpsDevice", &block_io.throttle_write_bps_device},
      {"/throttleReadIOPSDevice", &block_io.throttle_read_iops_device},
      {"/throttleWriteIOPSDevice", &block_io.throttle_write_iops_device},
  };
  for (const auto& [pointer, list] : lists) {
    for (std::size_t i = 0; i < list->size(); ++i) check_numbers(report.below(item(pointer, i)), (*list)[i]);
  }
}

// config-linux.md: "^[1-9][0-9]*[KMG]B$"; it is part of a cgroup file's name.
bool is_page_size(std::string_view size) {
  if (size.size() < 3 || !size.ends_with('B')) return false;
  const char unit = size[size.size() - 2];
  const std::string_view digits = size.substr(0, size.size() - 2);
  return (unit == 'K' || unit == 'M' || unit == 'G') && digits[0] != '0' &&
         std::ranges::all_of(digits, [](char c) { return c >= '0' && c <= '9'; });
}

void check_named_limits(const Report& report, const Resources& resources) {
  for (std::size_t i = 0; i < resources.hugepage_limits.size(); ++i) {
    const HugepageLimit& limit = resources.hugepage_limits[i];
    if (!is_page_size(limit.page_size)) {
      report.add(item("/hugepageLimits", i) + "/pageSize", "must be like 2MB or 1GB, is " + quoted(limit.page_size));
    }
  }
  if (resources.network) {
    for (std::size_t i = 0; i < resources.network->priorities.size(); ++i) {
      if (resources.network->priorities[i].name.empty()) {
        report.add(item("/network/priorities", i) + "/name", "must not be empty");
      }
    }
  }
  for (const auto& [device, limit] : resources.rdma) {
    // One line of rdma.max is "device key=value ...".
    if (device.empty() || device.find_first_of(" \t\n") != std::string::npos) {
      report.add("/rdma/" + pointer_token(device), "is not a device name");
    }
  }
  for (const auto& [file, value] : resources.unified) {
    if (!is_file_name(file)) report.add("/unified/" + pointer_token(file), "is not a cgroup file name");
  }
}

void check_resources(const Report& report, const Resources& resources) {
  for (std::size_t i = 0; i < resources.devices.size(); ++i) {
    check_device_rule(report.below(item("/devices", i)), resources.devices[i]);
  }
  if (resources.memory) check_memory(report.below("/memory"), *resources.memory);
  if (resources.cpu) check_cpu(report.below("/cpu"), *resources.cpu);
  if (resources.pids) check_limit(report, "/pids/limit", resources.pids->limit);
  if (resources.block_io) check_block_io(report.below("/blockIO"), *resources.block_io);
  check_named_limits(report, resources);
}

// ---- sysctl

enum class SysctlMatch { kExact, kPrefix };

struct SysctlRule {
  SysctlMatch match;
  std::string_view path;  // below /proc/sys
  NamespaceType needs;
};

// The sysctls that a namespace isolates. All others are the host's, and among those are keys that run
// programs on the host: kernel.core_pattern was CVE-2022-0811.
constexpr SysctlRule kSysctlRules[] = {
    {SysctlMatch::kExact, "kernel/msgmax", NamespaceType::kIpc},
    {SysctlMatch::kExact, "kernel/msgmnb", NamespaceType::kIpc},
    {SysctlMatch::kExact, "kernel/msgmni", NamespaceType::kIpc},
    {SysctlMatch::kExact, "kernel/msg_next_id", NamespaceType::kIpc},
    {SysctlMatch::kExact, "kernel/sem", NamespaceType::kIpc},
    {SysctlMatch::kExact, "kernel/sem_next_id", NamespaceType::kIpc},
    {SysctlMatch::kExact, "kernel/shmall", NamespaceType::kIpc},
    {SysctlMatch::kExact, "kernel/shmmax", NamespaceType::kIpc},
    {SysctlMatch::kExact, "kernel/shmmni", NamespaceType::kIpc},
    {SysctlMatch::kExact, "kernel/shm_next_id", NamespaceType::kIpc},
    {SysctlMatch::kExact, "kernel/shm_rmid_forced", NamespaceType::kIpc},
    {SysctlMatch::kPrefix, "fs/mqueue/", NamespaceType::kIpc},
    {SysctlMatch::kPrefix, "net/", NamespaceType::kNetwork},
    {SysctlMatch::kExact, "kernel/hostname", NamespaceType::kUts},
    {SysctlMatch::kExact, "kernel/domainname", NamespaceType::kUts},
    {SysctlMatch::kPrefix, "user/", NamespaceType::kUser},
};

const SysctlRule* find_sysctl_rule(std::string_view path) {
  for (const SysctlRule& rule : kSysctlRules) {
    const bool matches = rule.match == SysctlMatch::kExact ? path == rule.path : path.starts_with(rule.path);
    if (matches) return &rule;
  }
  return nullptr;
}

void check_sysctl_rule(const Report& report, const Spec& spec, std::string_view path) {
  const SysctlRule* rule = find_sysctl_rule(path);
  if (rule == nullptr) return report.add("", "is not a sysctl of a namespace");
  if (find_namespace(spec.linux, rule->needs) == nullptr) {
    const std::string_view article = rule->needs == NamespaceType::kIpc ? "an " : "a ";
    report.add("", "needs " + std::string(article) + std::string(name_of(rule->needs)) + " namespace");
  }
  if (path == "kernel/hostname" && !spec.hostname.empty()) report.add("", "conflicts with /hostname");
  if (path == "kernel/domainname" && !spec.domainname.empty()) report.add("", "conflicts with /domainname");
}

void check_sysctls(const Report& report, const Spec& spec) {
  for (const auto& [key, value] : spec.linux.sysctl) {
    const Report at = report.below("/linux/sysctl/" + pointer_token(key));
    const std::string path = sysctl_path(key);
    if (path.empty()) {
      at.add("", "is not a sysctl name");
    } else {
      check_sysctl_rule(at, spec, path);
    }
    if (value.find('\n') != std::string::npos) at.add("", "must not contain a newline");
    if (value.find('\0') != std::string::npos) at.add("", "must not contain a NUL byte");
  }
}

// ---- seccomp

// seccomp(2): SECCOMP_RET_DATA carries an errno for these two alone.
bool takes_errno(SeccompAction action) { return action == SeccompAction::kErrno || action == SeccompAction::kTrace; }

void check_errno(const Report& report, const char* pointer, SeccompAction action,
                 const std::optional<std::uint32_t>& number) {
  if (!number) return;
  if (!takes_errno(action)) report.add(pointer, "is not for " + std::string(name_of(action)));
  // The kernel cuts an errno to MAX_ERRNO; data for a tracer has 16 bits.
  check_range(report, pointer, number, 0, action == SeccompAction::kTrace ? 0xffff : 4095);
}

void check_seccomp_syscall(const Report& report, const Seccomp& seccomp, const SeccompSyscall& rule) {
  constexpr std::uint32_t kMaxArgument = 5;
  if (rule.names.empty()) report.add("/names", "must have at least one entry");
  check_errno(report, "/errnoRet", rule.action, rule.errno_ret);
  if (rule.action == SeccompAction::kNotify && seccomp.listener_path.empty()) {
    report.add("/action", "SCMP_ACT_NOTIFY needs a listenerPath");
  }
  for (std::size_t i = 0; i < rule.args.size(); ++i) {
    if (rule.args[i].index > kMaxArgument) {
      report.add(item("/args", i) + "/index", "must be between 0 and 5, is " + std::to_string(rule.args[i].index));
    }
  }
}

void check_seccomp(const Report& report, const Seccomp& seccomp) {
  check_errno(report, "/defaultErrnoRet", seccomp.default_action, seccomp.default_errno_ret);
  if (seccomp.default_action == SeccompAction::kNotify) {
    // Every call would be trapped, those that hand the listener over among them.
    report.add("/defaultAction", "must not be SCMP_ACT_NOTIFY");
  }
  if (!seccomp.listener_metadata.empty() && seccomp.listener_path.empty()) {
    report.add("/listenerMetadata", "must not be given without listenerPath");
  }
  for (std::size_t i = 0; i < seccomp.syscalls.size(); ++i) {
    check_seccomp_syscall(report.below(item("/syscalls", i)), seccomp, seccomp.syscalls[i]);
  }
}

// ---- the rest of linux

void check_intel_rdt(const Report& report, const IntelRdt& rdt) {
  // "/" is the default group of resctrl; any other is a directory in it.
  if (!rdt.clos_id.empty() && rdt.clos_id != "/" && !is_file_name(rdt.clos_id)) {
    report.add("/closID", "must be a directory name or \"/\", is " + quoted(rdt.clos_id));
  }
  // config-linux.md "IntelRdt": both are one line of the kernel's file, but l3CacheSchema may be several.
  if (!rdt.mem_bw_schema.empty() && !rdt.mem_bw_schema.starts_with("MB:")) {
    report.add("/memBwSchema", "must start with \"MB:\", is " + quoted(rdt.mem_bw_schema));
  }
  if (rdt.mem_bw_schema.find('\n') != std::string::npos) report.add("/memBwSchema", "must not contain a newline");
  for (std::size_t i = 0; i < rdt.schemata.size(); ++i) {
    if (rdt.schemata[i].find('\n') != std::string::npos) {
      report.add(item("/schemata", i), "must not contain a newline");
    }
  }
}

// set_mempolicy(2)
void check_memory_policy(const Report& report, const MemoryPolicy& policy) {
  using Mode = MemoryPolicyMode;
  const std::string mode(name_of(policy.mode));
  const bool no_nodes = policy.mode == Mode::kDefault || policy.mode == Mode::kLocal;
  const bool any_nodes = policy.mode == Mode::kPreferred;
  const auto has = [&](MemoryPolicyFlag flag) { return std::ranges::find(policy.flags, flag) != policy.flags.end(); };
  if (!policy.nodes.empty() && !is_number_list(policy.nodes)) {
    report.add("/nodes", "invalid memory policy nodes: must be a list like 0-3,7, is " + quoted(policy.nodes));
  } else if (no_nodes && !policy.nodes.empty()) {
    report.add("/nodes", "must be empty for " + mode + ": this mode requires 0 nodes but got " +
                             std::to_string(size_of_list(policy.nodes)));
  }
  if (!no_nodes && !any_nodes && policy.nodes.empty()) report.add("/nodes", "must not be empty for " + mode);
  if (policy.nodes.empty() && !policy.flags.empty()) report.add("/flags", "must be empty when nodes is empty");
  if (has(MemoryPolicyFlag::kStaticNodes) && has(MemoryPolicyFlag::kRelativeNodes)) {
    report.add("/flags", "MPOL_F_STATIC_NODES and MPOL_F_RELATIVE_NODES exclude each other");
  }
  const bool balances = policy.mode == Mode::kBind || policy.mode == Mode::kPreferredMany;
  if (has(MemoryPolicyFlag::kNumaBalancing) && !balances) {
    report.add("/flags", "MPOL_F_NUMA_BALANCING is for MPOL_BIND and MPOL_PREFERRED_MANY only");
  }
}

void check_paths(const Report& report, const char* pointer, const Strings& paths) {
  for (std::size_t i = 0; i < paths.size(); ++i) {
    if (!is_absolute(paths[i])) report.add(item(pointer, i), "must be an absolute path, is " + quoted(paths[i]));
  }
}

void check_linux(const Report& report, const Linux& config) {
  check_namespaces(report, config);
  check_user_namespace(report, config);
  check_time_offsets(report, config);
  for (std::size_t i = 0; i < config.devices.size(); ++i) {
    check_device(report.below(item("/devices", i)), config.devices[i]);
  }
  check_net_devices(report, config);
  if (has_dot_dot(config.cgroups_path)) report.add("/cgroupsPath", "must not contain \"..\"");
  if (config.resources) check_resources(report.below("/resources"), *config.resources);
  if (config.intel_rdt) check_intel_rdt(report.below("/intelRdt"), *config.intel_rdt);
  if (config.memory_policy) check_memory_policy(report.below("/memoryPolicy"), *config.memory_policy);
  if (config.seccomp) check_seccomp(report.below("/seccomp"), *config.seccomp);
  check_paths(report, "/maskedPaths", config.masked_paths);
  check_paths(report, "/readonlyPaths", config.readonly_paths);
  if (config.personality && !config.personality->flags.empty()) {
    report.add("/personality/flags", "must be empty: no flag is defined");
  }
}

void check_annotations(const Report& report, const StringMap& annotations) {
  for (const auto& [key, value] : annotations) {
    if (key.empty()) report.add("/annotations/", "the name must not be empty");
  }
}

}  // namespace

std::string sysctl_path(std::string_view key) {
  const std::size_t first = key.find_first_of("./");
  if (first == std::string_view::npos) return {};
  std::string path(key);
  if (key[first] == '.') {
    for (char& c : path) {
      if (c == '.' || c == '/') c = c == '.' ? '/' : '.';
    }
  }
  const auto is_name = [](std::string_view part) {
    const auto allowed = [](char c) { return is_alnum(c) || c == '.' || c == '_' || c == '-'; };
    return !part.empty() && part != "." && part != ".." && std::ranges::all_of(part, allowed);
  };
  return all_components(path, '/', is_name) ? path : std::string();
}

std::vector<Fault> validate(const Spec& spec) {
  std::vector<Fault> faults;
  const Report report(faults, "");
  if (spec.root.path.empty()) report.add("/root/path", "must not be empty");
  check_mounts(report, spec.mounts);
  if (spec.process) {
    check_process(report.below("/process"), *spec.process);
  } else {
    report.add("/process", "is required");
  }
  check_uts_names(report, spec);
  check_hooks(report, spec.hooks);
  check_annotations(report, spec.annotations);
  check_linux(report.below("/linux"), spec.linux);
  check_sysctls(report, spec);
  return faults;
}

std::vector<Fault> validate_process(const Process& process) {
  std::vector<Fault> faults;
  check_process(Report(faults, ""), process);
  return faults;
}

std::vector<Fault> validate_resources(const Resources& resources) {
  std::vector<Fault> faults;
  check_resources(Report(faults, ""), resources);
  return faults;
}

}  // namespace wherry::oci
