// SPDX-License-Identifier: Apache-2.0
// A property of a systemd unit (org.freedesktop.systemd1(5)), as a plain value like those of limits.hpp.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace wherry::plan {

// The types that D-Bus has for them, by their signatures.
enum class PropertyType : std::uint8_t {
  kBool,     // b: number
  kInt32,    // i: number, two's complement
  kUint64,   // t: number
  kText,     // s: texts[0]
  kTexts,    // as: texts
  kIdSet,    // ay: a bit mask, from texts[0] in the kernel's list format: "0-3,7"
  kDevices,  // a(ss): pairs of texts, a device and its permissions
};

inline constexpr std::uint64_t kInfinity = ~std::uint64_t{0};  // how systemd says "no limit"

struct UnitProperty {
  std::string name;
  PropertyType type{};
  std::uint64_t number = 0;
  std::vector<std::string> texts;
  bool optional = false;  // left out if this systemd does not take it: the cgroup's file has the value as well
  bool operator==(const UnitProperty&) const = default;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& v) {
    v("name", self.name);
    v("type", self.type);
    v("number", self.number);
    v("texts", self.texts);
    v("optional", self.optional);
  }
};

[[nodiscard]] inline UnitProperty property(std::string name, bool value) {
  return {std::move(name), PropertyType::kBool, value ? 1U : 0U, {}};
}
[[nodiscard]] inline UnitProperty property(std::string name, std::uint64_t value) {
  return {std::move(name), PropertyType::kUint64, value, {}};
}
[[nodiscard]] inline UnitProperty property(std::string name, std::string value) {
  return {std::move(name), PropertyType::kText, 0, {std::move(value)}};
}
inline UnitProperty property(std::string name, const char* value) = delete;  // would be a bool

}  // namespace wherry::plan
