// SPDX-License-Identifier: Apache-2.0
#include "container/systemd_bus.hpp"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include "cgroup/unit_name.hpp"
#include "os/files.hpp"

namespace wherry::container {
namespace {

struct Row {
  unsigned inside = 0, outside = 0, count = 0;
};

// The next line of three numbers; none at the end, or for what is no such line.
std::optional<Row> next_row(std::string_view& text) {
  Row row;
  for (unsigned* field : {&row.inside, &row.outside, &row.count}) {
    text.remove_prefix(std::min(text.find_first_not_of(" \n"), text.size()));
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), *field);
    if (parsed.ec != std::errc()) return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(parsed.ptr - text.data()));
  }
  return row;
}

std::string own_uid_map() {
  constexpr std::size_t kLargest = 65536;  // 340 lines
  auto text = os::read_file(os::kAtFdcwd, "/proc/self/uid_map", kLargest);
  return text ? std::move(*text) : std::string();
}

}  // namespace

bool maps_everything(std::string_view uid_map) {
  const auto row = next_row(uid_map);
  return row && row->inside == 0 && row->outside == 0 && row->count == ~0U;
}

unsigned outer_id(std::string_view uid_map, unsigned uid) {
  while (const auto row = next_row(uid_map))
    if (uid >= row->inside && uid - row->inside < row->count) return row->outside + (uid - row->inside);
  return uid;
}

std::string systemd_bus(const Settings& settings) {
  const std::string map = own_uid_map();
  if (::geteuid() == 0 && maps_everything(map)) return "";
  if (!settings.session_bus.empty()) return settings.session_bus;
  const std::string directory =
      settings.runtime_dir.empty() ? "/run/user/" + std::to_string(outer_id(map, ::geteuid())) : settings.runtime_dir;
  return cgroup::bus_address(directory + "/bus");
}

std::string systemd_root(const std::string& bus) {
  if (bus.empty()) return "";
  const std::string uid = std::to_string(outer_id(own_uid_map(), ::geteuid()));
  return "/user.slice/user-" + uid + ".slice/user@" + uid + ".service";
}

}  // namespace wherry::container
