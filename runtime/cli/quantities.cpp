// SPDX-License-Identifier: Apache-2.0
#include "cli/quantities.hpp"

#include <charconv>
#include <cmath>
#include <optional>

#include "wherry/error.hpp"

namespace wherry::cli {
namespace {

constexpr std::string_view kSizeUnits = "kmgtp";
constexpr double kLargest = 9007199254740992.0;  // 2^53: exact in a double, and more than any host has

struct DurationUnit {
  std::string_view name;
  double milliseconds;
};
// Longer names before their beginnings.
constexpr DurationUnit kDurationUnits[] = {{"ns", 1e-6}, {"us", 1e-3}, {"µs", 1e-3}, {"ms", 1},
                                           {"s", 1e3},   {"m", 60e3},  {"h", 3600e3}};

[[noreturn]] void refuse(const char* option, const std::string& text, const char* example) {
  throw Error(std::string("read --") + option).detail("\"" + text + "\" is not like " + example);
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

// Digits, perhaps with a fraction; no sign, no exponent.
std::optional<double> take_decimal(std::string_view& text) {
  if (text.empty() || text.front() < '0' || text.front() > '9') return std::nullopt;
  double value = 0;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
  if (fault != std::errc()) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return value;
}

bool take(std::string_view& text, char wanted) {
  if (text.empty() || lower(text.front()) != wanted) return false;
  text.remove_prefix(1);
  return true;
}

double take_size_unit(std::string_view& text) {
  (void)take(text, ' ');
  double factor = 1;
  const std::size_t power = text.empty() ? std::string_view::npos : kSizeUnits.find(lower(text.front()));
  if (power != std::string_view::npos) {
    factor = std::pow(1024.0, static_cast<double>(power + 1));
    text.remove_prefix(1);
    (void)take(text, 'i');
  }
  (void)take(text, 'b');
  return factor;
}

std::optional<double> take_duration_unit(std::string_view& text) {
  for (const DurationUnit& unit : kDurationUnits) {
    if (!text.starts_with(unit.name)) continue;
    text.remove_prefix(unit.name.size());
    return unit.milliseconds;
  }
  return std::nullopt;
}

}  // namespace

std::int64_t parse_size(const char* option, const std::string& text) {
  std::string_view rest = text;
  const auto number = take_decimal(rest);
  const double bytes = number ? *number * take_size_unit(rest) : kLargest;
  if (!rest.empty() || bytes >= kLargest) refuse(option, text, "1048576 or 512m");
  return static_cast<std::int64_t>(bytes);
}

std::chrono::milliseconds parse_duration(const char* option, const std::string& text) {
  std::string_view rest = text;
  double sum = 0;
  while (!rest.empty()) {
    const auto number = take_decimal(rest);
    const auto unit = number ? take_duration_unit(rest) : std::nullopt;
    if (!unit) refuse(option, text, "5s or 1m30s");
    sum += *number * *unit;
  }
  if (sum < 1 || sum >= kLargest) refuse(option, text, "5s or 1m30s, at least 1ms");
  return std::chrono::milliseconds(static_cast<std::int64_t>(sum));
}

}  // namespace wherry::cli
