// SPDX-License-Identifier: Apache-2.0
#include "container/users.hpp"

#include <algorithm>
#include <string_view>

#include "os/files.hpp"

namespace wherry::container {
namespace {

constexpr std::size_t kLargestPasswd = 4U << 20U;

// Field `index` of a line of passwd(5).
std::string_view field(std::string_view line, int index) {
  for (; index > 0; --index) {
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) return {};
    line.remove_prefix(colon + 1);
  }
  return line.substr(0, line.find(':'));
}

}  // namespace

std::string user_name(const std::string& uid) {
  const auto passwd = os::read_file(os::kAtFdcwd, "/etc/passwd", kLargestPasswd);
  if (!passwd) return uid;
  std::string_view rest = passwd.value();
  while (!rest.empty()) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    if (field(line, 2) == uid) return std::string(field(line, 0));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
  }
  return uid;
}

}  // namespace wherry::container
