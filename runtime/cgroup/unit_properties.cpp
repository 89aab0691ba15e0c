// SPDX-License-Identifier: Apache-2.0
#include "cgroup/unit_properties.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "cgroup/file.hpp"

namespace wherry::cgroup {
namespace {

using plan::DeviceRule;
using plan::DeviceType;
using plan::kInfinity;
using plan::property;
using plan::PropertyType;
using plan::UnitProperty;

constexpr std::uint64_t kDefaultPeriod = 100000;  // cgroup-v2.rst cpu.max, microseconds
constexpr std::uint64_t kIdleWeight = 0;          // systemd 252: CPUWeight=idle

// A list with at most one property of a name: what comes last wins, as in files.
class Properties {
 public:
  void set(UnitProperty value) {
    const auto same = [&](const UnitProperty& entry) { return entry.name == value.name; };
    const auto found = std::ranges::find_if(list_, same);
    if (found == list_.end()) {
      list_.push_back(std::move(value));
    } else {
      *found = std::move(value);
    }
  }
  void set_optional(UnitProperty value) {
    value.optional = true;
    set(std::move(value));
  }
  void set_ids(const char* name, const std::string& list) { set({name, PropertyType::kIdSet, 0, {list}}); }
  std::vector<UnitProperty> take() { return std::move(list_); }

 private:
  std::vector<UnitProperty> list_;
};

std::uint64_t amount(std::int64_t value) { return value < 0 ? kInfinity : static_cast<std::uint64_t>(value); }

// TasksMax= knows no 0; the file has the real one.
std::uint64_t tasks(std::uint64_t value) { return std::max<std::uint64_t>(value, 1); }

void set_quota(std::uint64_t quota, std::uint64_t period, Properties& out) {
  out.set(property("CPUQuotaPerSecUSec", quota == kInfinity ? kInfinity : quota_per_second(quota, period)));
  out.set(property("CPUQuotaPeriodUSec", period));
}

void add_cpu(const plan::Limits& limits, Properties& out) {
  if (limits.cpu_weight) out.set(property("CPUWeight", *limits.cpu_weight));
  if (limits.cpu_idle == 1) out.set_optional(property("CPUWeight", kIdleWeight));
  if (limits.cpu_quota == plan::kNoLimit) {
    set_quota(kInfinity, limits.cpu_period.value_or(kDefaultPeriod), out);
  } else if (limits.cpu_quota && limits.cpu_period) {
    set_quota(amount(*limits.cpu_quota), *limits.cpu_period, out);
  }
  if (!limits.cpuset_cpus.empty()) out.set_ids("AllowedCPUs", limits.cpuset_cpus);
  if (!limits.cpuset_mems.empty()) out.set_ids("AllowedMemoryNodes", limits.cpuset_mems);
}

void add_memory(const plan::Limits& limits, Properties& out) {
  if (limits.memory_low) out.set(property("MemoryLow", amount(*limits.memory_low)));
  if (limits.memory_swap_max) out.set(property("MemorySwapMax", amount(*limits.memory_swap_max)));
  if (limits.memory_max) out.set(property("MemoryMax", amount(*limits.memory_max)));
}

// --- unified -------------------------------------------------------------------------------------

struct AmountFile {
  std::string_view file;
  const char* name;
  bool optional;
};
constexpr AmountFile kAmountFiles[] = {
    {"cpu.weight", "CPUWeight", false},           {"memory.high", "MemoryHigh", false},
    {"memory.low", "MemoryLow", false},           {"memory.max", "MemoryMax", false},
    {"memory.min", "MemoryMin", false},           {"memory.swap.max", "MemorySwapMax", false},
    {"memory.zswap.max", "MemoryZSwapMax", true},  // systemd 253
};

void add_unified_quota(std::string_view value, Properties& out) {
  const auto quota = parse_amount(next_word(value));
  const std::string_view word = next_word(value);
  const auto period = word.empty() ? kDefaultPeriod : parse_number(word).value_or(0);
  if (quota && period != 0) set_quota(*quota, period, out);
}

void add_unified_io_weight(std::string_view value, Properties& out) {
  std::string_view word = next_word(value);
  if (word == "default") word = next_word(value);
  const auto weight = parse_number(word);  // "8:0 100" is none
  if (weight && next_word(value).empty()) out.set(property("IOWeight", *weight));
}

// A value that cannot be read is for the kernel to refuse.
void add_unified(const plan::UnifiedFile& entry, Properties& out) {
  std::string_view text = entry.value;
  std::string_view line = next_line(text);
  for (const AmountFile& row : kAmountFiles) {
    if (row.file != entry.name) continue;
    if (const auto value = parse_amount(next_word(line))) {
      UnitProperty result = property(row.name, *value);
      result.optional = row.optional;
      out.set(std::move(result));
    }
    return;
  }
  if (entry.name == "cpu.max") add_unified_quota(line, out);
  if (entry.name == "cpu.idle" && next_word(line) == "1") out.set_optional(property("CPUWeight", kIdleWeight));
  if (entry.name == "cpuset.cpus" && !line.empty()) out.set_ids("AllowedCPUs", std::string(line));
  if (entry.name == "cpuset.mems" && !line.empty()) out.set_ids("AllowedMemoryNodes", std::string(line));
  if (entry.name == "io.weight") add_unified_io_weight(line, out);
  if (entry.name == "pids.max")
    if (const auto value = parse_amount(next_word(line))) out.set(property("TasksMax", tasks(*value)));
}

// --- devices -------------------------------------------------------------------------------------

struct Allowance {
  DeviceType type = DeviceType::kChar;
  std::optional<std::uint32_t> major, minor;
  unsigned access = 0;
};

constexpr unsigned kRead = 1, kWrite = 2, kMknod = 4, kAllAccess = 7;

unsigned access_of(const DeviceRule& rule) {
  return (rule.read ? kRead : 0U) | (rule.write ? kWrite : 0U) | (rule.mknod ? kMknod : 0U);
}

bool covers(const Allowance& wide, const Allowance& narrow) {
  return wide.type == narrow.type && (!wide.major || wide.major == narrow.major) &&
         (!wide.minor || wide.minor == narrow.minor);
}

// What is denied after it was allowed stays on the list: the other filter denies it.
void allow(DeviceType type, const DeviceRule& rule, std::vector<Allowance>& list) {
  // One number of every driver: no device group says that, so all of them.
  Allowance added{type, rule.major, rule.major ? rule.minor : std::nullopt, access_of(rule)};
  for (Allowance& entry : list) {
    if (covers(added, entry) && covers(entry, added)) {
      entry.access |= added.access;
      return;
    }
  }
  list.push_back(added);
}

std::vector<Allowance> allowances(const std::vector<DeviceRule>& rules) {
  std::vector<Allowance> list;
  for (const DeviceRule& rule : rules) {
    const bool everything = rule.type == DeviceType::kAny && !rule.major && !rule.minor;
    if (!rule.allow && everything && access_of(rule) == kAllAccess) list.clear();
    if (!rule.allow) continue;
    for (const DeviceType type : {DeviceType::kChar, DeviceType::kBlock})
      if (rule.type == type || rule.type == DeviceType::kAny) allow(type, rule, list);
  }
  // systemd asks for one entry that allows the whole access; Wherry's rules may allow reading here and writing there.
  for (Allowance& entry : list)
    for (const Allowance& wide : list)
      if (covers(wide, entry)) entry.access |= wide.access;
  return list;
}

bool is_everything(const std::vector<Allowance>& list, DeviceType type) {
  return std::ranges::any_of(
      list, [&](const Allowance& entry) { return entry.type == type && !entry.major && entry.access == kAllAccess; });
}

std::string node_of(const Allowance& entry) {
  const std::string type = entry.type == DeviceType::kChar ? "char" : "block";
  if (!entry.major) return type + "-*";
  if (!entry.minor) return type + "-" + std::to_string(*entry.major);
  return "/dev/" + type + "/" + std::to_string(*entry.major) + ":" + std::to_string(*entry.minor);
}

std::string letters_of(unsigned access) {
  return std::string((access & kRead) != 0 ? "r" : "") + ((access & kWrite) != 0 ? "w" : "") +
         ((access & kMknod) != 0 ? "m" : "");
}

}  // namespace

std::uint64_t quota_per_second(std::uint64_t quota, std::uint64_t period) {
  constexpr std::uint64_t kSecond = 1000000, kPercent = kSecond / 100, kMost = kInfinity / kSecond - 1;
  if (period == 0 || quota / period >= kMost || period >= kMost) return kInfinity;
  const std::uint64_t exact = quota / period * kSecond + quota % period * kSecond / period;
  return (exact + kPercent - 1) / kPercent * kPercent;
}

std::optional<std::uint64_t> parse_amount(std::string_view text) {
  if (text == "max") return kInfinity;
  constexpr std::string_view kUnits = "KMGT", kSmallUnits = "kmgt";
  std::uint64_t factor = 1;
  if (!text.empty()) {
    const auto index = std::min(kUnits.find(text.back()), kSmallUnits.find(text.back()));
    if (index != std::string_view::npos) {
      factor = std::uint64_t{1} << (10 * (index + 1));
      text.remove_suffix(1);
    }
  }
  const auto value = parse_number(text);
  if (!value || *value > (kInfinity - 1) / factor) return std::nullopt;
  return *value * factor;
}

std::vector<UnitProperty> limit_properties(const plan::Limits& limits) {
  Properties out;
  add_cpu(limits, out);
  if (limits.io_weight) out.set(property("IOWeight", std::uint64_t{1} + (*limits.io_weight - 10U) * 9999U / 990U));
  if (limits.pids_max) out.set(property("TasksMax", tasks(amount(*limits.pids_max))));
  add_memory(limits, out);
  for (const plan::UnifiedFile& entry : limits.unified) add_unified(entry, out);
  return out.take();
}

std::vector<UnitProperty> device_properties(const std::vector<DeviceRule>& rules) {
  const std::vector<Allowance> list = allowances(rules);
  // An empty list empties the one that the unit has.
  const UnitProperty none{"DeviceAllow", PropertyType::kDevices, 0, {}};
  if (is_everything(list, DeviceType::kChar) && is_everything(list, DeviceType::kBlock))
    return {property("DevicePolicy", std::string("auto")), none};
  UnitProperty allowed = none;
  for (const Allowance& entry : list) {
    if (entry.access == 0) continue;
    allowed.texts.push_back(node_of(entry));
    allowed.texts.push_back(letters_of(entry.access));
  }
  return {property("DevicePolicy", std::string("strict")), none, std::move(allowed)};
}

}  // namespace wherry::cgroup
