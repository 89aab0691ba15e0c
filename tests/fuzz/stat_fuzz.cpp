// SPDX-License-Identifier: Apache-2.0
// What the runtime reads of /proc: the name in /proc/PID/stat and the paths in mountinfo and cgroup are
// somebody else's choice.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "cgroup/location.hpp"
#include "container/identity.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::uint64_t time = wherry::container::parse_start_time(text);
  // Whatever the name is, the same fields behind it give the same time.
  if (const std::size_t end = text.rfind(')'); end != std::string_view::npos) {
    const std::string renamed = "1 (a) b (c" + std::string(text.substr(end));
    if (wherry::container::parse_start_time(renamed) != time) __builtin_trap();
  } else if (time != 0) {
    __builtin_trap();
  }
  if (wherry::cgroup::parse_mount(text).size() > size) __builtin_trap();
  const std::string own = wherry::cgroup::parse_own_cgroup(text);
  if (own.find('\n') != std::string::npos || own.size() > size) __builtin_trap();
  return 0;
}
