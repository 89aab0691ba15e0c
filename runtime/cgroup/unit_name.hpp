// SPDX-License-Identifier: Apache-2.0
// linux.cgroupsPath for the systemd manager: the unit's name, and where systemd puts its cgroup. Pure.
#pragma once

#include <string>
#include <string_view>

namespace wherry::cgroup {

struct UnitName {
  std::string slice;  // "machine.slice"
  std::string unit;   // "libpod-abc.scope"
  std::string path;   // below the manager's own cgroup: "/machine.slice/libpod-abc.scope"
  bool operator==(const UnitName&) const = default;
};

// "slice:prefix:name" is prefix-name.scope in that slice; without a prefix it is name.scope. An empty slice is
// `default_slice`; an empty path is "default_slice:wherry:id". Throws Error for what is not of that form or not a name
// that systemd takes (systemd.unit(5)).
[[nodiscard]] UnitName unit_name(std::string_view cgroups_path, std::string_view id, const std::string& default_slice);

// "a-b.slice" is in "a.slice": "/a.slice/a-b.slice"; "-.slice" is the root: "". Throws Error.
[[nodiscard]] std::string slice_path(std::string_view slice);

// "unix:path=/run/user/1000/bus", with what D-Bus wants escaped.
[[nodiscard]] std::string bus_address(std::string_view socket_path);

}  // namespace wherry::cgroup
