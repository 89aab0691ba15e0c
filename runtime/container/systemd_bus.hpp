// SPDX-License-Identifier: Apache-2.0
// Which systemd manager a caller's containers belong to: the system's, or the user's own.
#pragma once

#include <string>
#include <string_view>

#include "wherry/wherry.hpp"

namespace wherry::container {

// The D-Bus address of the user's bus; empty for root in the initial user namespace: the system's manager.
[[nodiscard]] std::string systemd_bus(const Settings& settings);

// Where systemd puts units of that bus: "" for the system's manager, "/user.slice/user-1000.slice/user@1000.service"
// for a user's. An expectation: the manager may run in a container itself.
[[nodiscard]] std::string systemd_root(const std::string& bus);

// user_namespaces(7), a text of /proc/PID/uid_map: what `uid` is outside; `uid` itself if it is not mapped.
[[nodiscard]] unsigned outer_id(std::string_view uid_map, unsigned uid);
[[nodiscard]] bool maps_everything(std::string_view uid_map);

}  // namespace wherry::container
