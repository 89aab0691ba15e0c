// SPDX-License-Identifier: Apache-2.0
// What netlink and resctrl say: no byte beyond the end is read, whatever the lengths in it claim.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "container/net_devices.hpp"
#include "container/resctrl.hpp"

using namespace wherry;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const auto& address : container::parse_addresses(text, 1))
    if (address.local.size() > size || address.label.find('\0') != std::string::npos) __builtin_trap();
  if (container::parse_links(text).size() > size) __builtin_trap();
  const std::string_view half = text.substr(0, size / 2);
  (void)container::holds_schemata(text, half);
  if (!container::holds_schemata(text, "")) __builtin_trap();
  return 0;
}
