// SPDX-License-Identifier: Apache-2.0
#include "plan/capabilities.hpp"

#include <sys/capability.h>

#include <algorithm>
#include <cctype>
#include <optional>
#include <string_view>

namespace wherry::plan {
namespace {

constexpr unsigned kBits = 64;

// The specification's names are "CAP_" and capitals; libcap takes numbers and any case as well.
std::optional<unsigned> number_of(const std::string& name) {
  constexpr std::string_view kPrefix = "CAP_";
  if (name.compare(0, kPrefix.size(), kPrefix) != 0) return std::nullopt;
  const auto is_odd = [](char c) { return c != '_' && (c < 'A' || c > 'Z'); };
  if (std::any_of(name.begin() + kPrefix.size(), name.end(), is_odd)) return std::nullopt;
  cap_value_t number = -1;
  if (cap_from_name(name.c_str(), &number) != 0 || number < 0) return std::nullopt;
  return static_cast<unsigned>(number);
}

std::string name_of(unsigned number) {
  char* text = cap_to_name(static_cast<cap_value_t>(number));
  // libcap gives a number without a name back as digits.
  const bool is_name = text != nullptr && std::isdigit(static_cast<unsigned char>(text[0])) == 0;
  std::string name = is_name ? text : "cap_" + std::to_string(number);
  (void)cap_free(text);  // takes a null pointer, too; nothing to do if it fails
  for (char& c : name) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return name;
}

}  // namespace

std::uint64_t capability_mask(const std::vector<std::string>& names, unsigned last_capability,
                              std::vector<std::string>& unknown) {
  std::uint64_t mask = 0;
  for (const std::string& name : names) {
    const auto number = number_of(name);
    if (number && *number <= last_capability && *number < kBits) {
      mask |= std::uint64_t{1} << *number;
    } else if (std::find(unknown.begin(), unknown.end(), name) == unknown.end()) {
      unknown.push_back(name);
    }
  }
  return mask;
}

std::vector<std::string> capability_names(unsigned last_capability) {
  std::vector<std::string> names;
  for (unsigned number = 0; number <= last_capability && number < kBits; ++number) {
    std::string name = name_of(number);
    if (number_of(name)) names.push_back(std::move(name));
  }
  return names;
}

std::vector<std::string> capability_names_of(std::uint64_t mask) {
  std::vector<std::string> names;
  for (unsigned number = 0; number < kBits; ++number) {
    if ((mask >> number & 1U) != 0) names.push_back(name_of(number));
  }
  return names;
}

}  // namespace wherry::plan
