// SPDX-License-Identifier: Apache-2.0
#include "plan/compile_unit.hpp"

#include <algorithm>
#include <charconv>
#include <limits>
#include <string_view>

#include "oci/reader.hpp"
#include "wherry/error.hpp"

namespace wherry::plan {
namespace {

struct Allowed {
  std::string_view name;
  PropertyType type;
};

// systemd.unit(5), systemd.kill(5), systemd.scope(5)
constexpr Allowed kAllowed[] = {
    {"After", PropertyType::kTexts},
    {"Before", PropertyType::kTexts},
    {"CollectMode", PropertyType::kText},
    {"DefaultDependencies", PropertyType::kBool},
    {"Description", PropertyType::kText},
    {"FinalKillSignal", PropertyType::kInt32},
    {"KillMode", PropertyType::kText},
    {"KillSignal", PropertyType::kInt32},
    {"ManagedOOMMemoryPressure", PropertyType::kText},
    {"ManagedOOMPreference", PropertyType::kText},
    {"ManagedOOMSwap", PropertyType::kText},
    {"OOMPolicy", PropertyType::kText},
    {"RuntimeMaxUSec", PropertyType::kUint64},
    {"SendSIGHUP", PropertyType::kBool},
    {"SendSIGKILL", PropertyType::kBool},
    {"TimeoutStopUSec", PropertyType::kUint64},
};

constexpr std::string_view kSeconds = "Sec", kMicroseconds = "USec";

bool ends_with(std::string_view text, std::string_view end) {
  return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

const Allowed* find_allowed(std::string_view name) {
  const auto* row = std::ranges::find(kAllowed, name, &Allowed::name);
  return row == std::end(kAllowed) ? nullptr : row;
}

// Reads one value in GVariant's text format from the front of a text; each function throws the complaint.
class Text {
 public:
  explicit Text(std::string_view text) : rest_(text) {}

  bool boolean() {
    keyword("boolean");
    if (take("true")) return true;
    if (take("false")) return false;
    complain("true or false");
  }

  template <class Number>
  Number number(std::string_view expected) {
    for (const char* type : {"byte", "int16", "uint16", "int32", "uint32", "int64", "uint64", "handle"}) keyword(type);
    skip_space();
    const bool hexadecimal = rest_.substr(0, 2) == "0x";
    if (hexadecimal) rest_.remove_prefix(2);
    Number value{};
    const auto parsed = std::from_chars(rest_.data(), rest_.data() + rest_.size(), value, hexadecimal ? 16 : 10);
    if (parsed.ec != std::errc()) complain(expected);
    rest_.remove_prefix(static_cast<std::size_t>(parsed.ptr - rest_.data()));
    return value;
  }

  // Seconds, with decimals if so, in microseconds.
  std::uint64_t seconds() {
    constexpr std::uint64_t kSecond = 1000000;
    constexpr std::string_view kExpected = "a number of seconds";
    keyword("double");
    const auto whole = number<std::uint64_t>(kExpected);
    std::uint64_t fraction = 0;
    if (!rest_.empty() && rest_.front() == '.') {
      rest_.remove_prefix(1);
      for (std::uint64_t unit = kSecond / 10; !rest_.empty() && rest_.front() >= '0' && rest_.front() <= '9';
           unit /= 10) {
        fraction += static_cast<std::uint64_t>(rest_.front() - '0') * unit;
        rest_.remove_prefix(1);
      }
    }
    if (whole > std::numeric_limits<std::uint64_t>::max() / kSecond - 1) complain(kExpected);
    return whole * kSecond + fraction;
  }

  std::string string() {
    keyword("string");
    skip_space();
    const char quote = rest_.empty() ? '\0' : rest_.front();
    if (quote != '\'' && quote != '"') complain("a string in quotes");
    rest_.remove_prefix(1);
    std::string value;
    while (!rest_.empty() && rest_.front() != quote) value += character();
    if (rest_.empty()) complain("a string in quotes");
    rest_.remove_prefix(1);
    return value;
  }

  std::vector<std::string> strings() {
    skip_space();
    (void)take("@as");
    if (!take("[")) complain("a list of strings");
    std::vector<std::string> values;
    if (take("]")) return values;
    do values.push_back(string());
    while (take(","));
    if (!take("]")) complain("a list of strings");
    return values;
  }

  void end() {
    skip_space();
    if (!rest_.empty()) complain("nothing behind the value");
  }

 private:
  void skip_space() { rest_.remove_prefix(std::min(rest_.find_first_not_of(" \t\n"), rest_.size())); }

  bool take(std::string_view word) {
    skip_space();
    if (rest_.substr(0, word.size()) != word) return false;
    rest_.remove_prefix(word.size());
    return true;
  }

  // The type may stand before a value; that the property has one of its own decides.
  void keyword(std::string_view type) {
    skip_space();
    if (rest_.size() > type.size() && rest_.substr(0, type.size()) == type && rest_[type.size()] == ' ')
      rest_.remove_prefix(type.size() + 1);
  }

  char character() {
    const char first = rest_.front();
    rest_.remove_prefix(1);
    if (first == '\0') complain("a string without NUL");
    if (first != '\\') return first;
    constexpr std::string_view kEscapes = "\\'\"nrtbfav", kMeanings = "\\'\"\n\r\t\b\f\a\v";
    const auto index = rest_.empty() ? std::string_view::npos : kEscapes.find(rest_.front());
    if (index == std::string_view::npos) complain("an escape of one letter");
    rest_.remove_prefix(1);
    return kMeanings[index];
  }

  [[noreturn]] static void complain(std::string_view expected) {
    throw Error("read the property's value").detail("expected " + std::string(expected));
  }

  std::string_view rest_;
};

[[noreturn]] void refuse(const std::string& name) {
  std::string list;
  for (const Allowed& row : kAllowed) list.append(list.empty() ? "" : ", ").append(row.name);
  throw Error("set the unit's property " + name)
      .detail("an annotation may set these only: " + list)
      .remedy("remove it");
}

}  // namespace

UnitProperty parse_unit_property(const std::string& name, const std::string& value) {
  Text text(value);
  // TimeoutStopSec for TimeoutStopUSec, in seconds.
  if (ends_with(name, kSeconds) && !ends_with(name, kMicroseconds)) {
    const std::string exact = name.substr(0, name.size() - kSeconds.size()).append(kMicroseconds);
    if (find_allowed(exact) == nullptr) refuse(name);
    UnitProperty result = property(exact, text.seconds());
    text.end();
    return result;
  }
  const Allowed* allowed = find_allowed(name);
  if (allowed == nullptr) refuse(name);
  UnitProperty result{name, allowed->type, 0, {}};
  switch (allowed->type) {
    case PropertyType::kBool:
      result.number = text.boolean() ? 1 : 0;
      break;
    case PropertyType::kInt32:
      result.number = static_cast<std::uint64_t>(std::int64_t{text.number<std::int32_t>("a small number")});
      break;
    case PropertyType::kUint64:
      result.number = text.number<std::uint64_t>("a number");
      break;
    case PropertyType::kText:
      result.texts.push_back(text.string());
      break;
    case PropertyType::kTexts:
      result.texts = text.strings();
      break;
    case PropertyType::kIdSet:
    case PropertyType::kDevices:
      break;  // no row above has these
  }
  text.end();
  return result;
}

std::vector<UnitProperty> compile_unit_properties(const oci::StringMap& annotations) {
  const std::string_view prefix = kPropertyAnnotation;
  std::vector<UnitProperty> properties;
  for (const auto& [key, value] : annotations) {
    if (key.compare(0, prefix.size(), prefix) != 0) continue;
    try {
      properties.push_back(parse_unit_property(key.substr(prefix.size()), value));
    } catch (Error& error) {
      throw std::move(error).at("/annotations/" + oci::pointer_token(key));
    }
  }
  return properties;
}

}  // namespace wherry::plan
