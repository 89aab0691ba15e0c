// SPDX-License-Identifier: Apache-2.0
#include "plan/describe.hpp"

#include <linux/sched.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstdio>
#include <optional>
#include <type_traits>

#include "oci/names.hpp"
#include "oci/state.hpp"
#include "os/core/abi.hpp"
#include "plan/capabilities.hpp"

namespace wherry::plan {
namespace {

struct BitName {
  uint64_t bits;
  const char* name;
};

constexpr BitName kNamespaceNames[] = {
    {CLONE_NEWUSER, "user"}, {CLONE_NEWPID, "pid"}, {CLONE_NEWNS, "mount"},      {CLONE_NEWNET, "network"},
    {CLONE_NEWIPC, "ipc"},   {CLONE_NEWUTS, "uts"}, {CLONE_NEWCGROUP, "cgroup"}, {os::kCloneNewTime, "time"},
};

constexpr BitName kAttributeNames[] = {
    {MOUNT_ATTR_RDONLY, "ro"},
    {MOUNT_ATTR_NOSUID, "nosuid"},
    {MOUNT_ATTR_NODEV, "nodev"},
    {MOUNT_ATTR_NOEXEC, "noexec"},
    {MOUNT_ATTR__ATIME, "atime"},
    {MOUNT_ATTR_NOATIME, "noatime"},
    {MOUNT_ATTR_STRICTATIME, "strictatime"},
    {MOUNT_ATTR_NODIRATIME, "nodiratime"},
    {MOUNT_ATTR_NOSYMFOLLOW, "nosymfollow"},
};

constexpr BitName kPropagationNames[] = {
    {os::kMsShared, "shared"},         {os::kMsSlave, "slave"},   {os::kMsPrivate, "private"},
    {os::kMsUnbindable, "unbindable"}, {os::kMsRec, "recursive"},
};

constexpr BitName kTypeNames[] = {
    {os::kTypeChar, "c"},
    {os::kTypeBlock, "b"},
    {os::kTypeFifo, "p"},
};

constexpr const char* kSlotNames[] = {"",           "cgroup",       "user-namespace", "pid1",        "console",
                                      "hook-state", "start-socket", "target",         "status-page", "listener",
                                      "network"};
constexpr const char* kLaneNames[] = {"host", "init", "pid1", "beside"};
constexpr const char* kHookNames[] = {"prestart",       "createRuntime", "createContainer",
                                      "startContainer", "poststart",     "poststop"};
constexpr const char* kDeviceTypeNames[] = {"any", "c", "b"};

template <std::size_t N>
std::string joined(const BitName (&names)[N], uint64_t value) {
  std::string text;
  for (const BitName& row : names) {
    if ((value & row.bits) != row.bits || row.bits == 0) continue;
    value &= ~row.bits;
    text.append(text.empty() ? "" : ",").append(row.name);
  }
  char rest[32];
  if (value != 0) {
    (void)std::snprintf(rest, sizeof rest, "%s%#llx", text.empty() ? "" : ",", static_cast<unsigned long long>(value));
    text += rest;
  }
  return text;
}

std::string octal(uint64_t mode) {
  char text[24];
  (void)std::snprintf(text, sizeof text, "%04llo", static_cast<unsigned long long>(mode & 07777));
  return text;
}

std::string text_of(const Namespaces& value) { return joined(kNamespaceNames, value.value); }
std::string text_of(const MountAttributes& value) { return joined(kAttributeNames, value.value); }
std::string text_of(const Propagation& value) { return joined(kPropagationNames, value.value); }
std::string text_of(const Amount& value) {
  return value.value == ~uint64_t{0} ? "unlimited" : std::to_string(value.value);
}
std::string text_of(const ResourceLimit& value) {
  for (const auto& row : oci::kRlimitTypes)
    if (static_cast<uint64_t>(row.value) == value.value) return std::string(row.name);
  return std::to_string(value.value);
}
std::string text_of(const Mode& value) {
  for (const BitName& row : kTypeNames)
    if ((value.value & os::kTypeMask) == row.bits) {
      const bool only_type = (value.value & 07777) == 0;
      return only_type ? row.name : std::string(row.name) + " " + octal(value.value);
    }
  return octal(value.value);
}
std::string text_of(const CapabilityMask& value) {
  std::string text;
  for (const std::string& name : capability_names_of(value.value)) text.append(text.empty() ? "" : ",").append(name);
  return text.empty() ? "none" : text;
}
std::string text_of(Slot slot) { return name_of_slot(slot); }
std::string text_of(HookKind kind) { return name_of(kind); }
std::string text_of(DeviceType type) { return kDeviceTypeNames[static_cast<std::size_t>(type)]; }
std::string text_of(bool value) { return value ? "yes" : "no"; }
template <class T>
requires std::is_integral_v<T> std::string text_of(T value) { return std::to_string(value); }

bool is_plain(const std::string& text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return c > ' ' && c < 0x7f && c != '"' && c != '\\' && c != ',' && c != '[' && c != ']';
  });
}
std::string text_of(const std::string& text) { return is_plain(text) ? text : oci::json_quote(text); }
std::string text_of(const Owned::Bytes& bytes) { return std::to_string(bytes.size()) + " bytes"; }

// As systemctl(1) set-property takes it.
std::string text_of(const UnitProperty& property) {
  std::string text = property.name + "=";
  switch (property.type) {
    case PropertyType::kBool:
      return text + text_of(property.number != 0);
    case PropertyType::kInt32:
      return text + std::to_string(static_cast<int32_t>(property.number));
    case PropertyType::kUint64:
      return text + (property.number == kInfinity ? "infinity" : std::to_string(property.number));
    case PropertyType::kText:
    case PropertyType::kTexts:
    case PropertyType::kIdSet:
    case PropertyType::kDevices:
      break;
  }
  for (const std::string& word : property.texts) text.append(text.back() == '=' ? "" : " ").append(text_of(word));
  return text;
}

template <class T>
concept HasFields = std::is_class_v<T> && requires(T& value) {
  T::fields(value, [](const char*, auto&) {});
};

template <HasFields T>
std::string text_of(const T& value);
template <class T>
std::string text_of(const std::vector<T>& list);
template <class T>
std::string text_of(const std::optional<T>& value) {
  return value ? text_of(*value) : "any";
}

struct Collector {
  std::vector<std::pair<std::string, std::string>> rows;
  template <class T>
  void operator()(const char* name, const T& value) {
    rows.emplace_back(name, text_of(value));
  }
};

template <class T>
std::vector<std::pair<std::string, std::string>> changed_fields(const T& value) {
  Collector actual, initial;
  T::fields(value, actual);
  const T fresh{};
  T::fields(fresh, initial);
  std::vector<std::pair<std::string, std::string>> rows;
  for (std::size_t i = 0; i < actual.rows.size(); ++i)
    if (actual.rows[i].second != initial.rows[i].second) rows.push_back(actual.rows[i]);
  return rows;
}

template <HasFields T>
std::string text_of(const T& value) {
  std::string text;
  for (const auto& [name, field] : changed_fields(value))
    text.append(text.empty() ? "" : " ").append(name).append("=").append(field);
  return text;
}

template <class T>
std::string text_of(const std::vector<T>& list) {
  std::string text = "[";
  for (const T& element : list) text.append(text.size() == 1 ? "" : ", ").append(text_of(element));
  return text + "]";
}

}  // namespace

std::vector<std::pair<std::string, std::string>> described_fields(const Step& step) {
  return std::visit([](const auto& value) { return changed_fields(value); }, step);
}

const char* name_of(Lane lane) { return kLaneNames[static_cast<std::size_t>(lane)]; }
const char* name_of(HookKind kind) { return kHookNames[static_cast<std::size_t>(kind)]; }
std::string name_of_slot(Slot slot) {
  return slot < std::size(kSlotNames) ? kSlotNames[slot] : "#" + std::to_string(slot);
}
std::string name_of_namespaces(uint64_t flags) { return joined(kNamespaceNames, flags); }

}  // namespace wherry::plan
