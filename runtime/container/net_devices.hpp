// SPDX-License-Identifier: Apache-2.0
// linux.netDevices by rtnetlink(7). A netlink socket stays in the network namespace that it was made in: with one of
// the container's the host configures what it has moved there, and never enters it.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "os/core/fd.hpp"
#include "plan/host_step.hpp"

namespace wherry::container {

// config-linux.md "Network Devices": the device keeps its permanent addresses of global scope, and is set up. `inside`
// is a netlink socket of the namespace that process `pid` is in. Throws Error.
void move_net_device(const plan::MoveNetDevice& device, int inside, pid_t pid);

struct NetAddress {
  std::uint8_t family = 0, prefix = 0;
  std::string local, address, broadcast;  // bytes in network order; empty: none
  std::string label;                      // of IPv4: eth0:1
  bool operator==(const NetAddress&) const = default;
};

// What the kernel says, for tests and fuzzing: messages of a dump, one after the other.
[[nodiscard]] std::vector<NetAddress> parse_addresses(std::string_view messages, int index);
[[nodiscard]] std::vector<int> parse_links(std::string_view messages);

}  // namespace wherry::container
