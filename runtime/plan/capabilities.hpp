// SPDX-License-Identifier: Apache-2.0
// Capability names and bits. capabilities(7), config.md "Linux Process".
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace wherry::plan {

// Bit N is capability N. A name that libcap does not know, or that is above `last_capability` (the highest
// number the running kernel knows: /proc/sys/kernel/cap_last_cap), is added once to `unknown` and left out:
// config.md says that it is a warning, not an error.
[[nodiscard]] std::uint64_t capability_mask(const std::vector<std::string>& names, unsigned last_capability,
                                            std::vector<std::string>& unknown);

// "CAP_CHOWN" and so on in the order of their numbers, up to `last_capability`; those that have a name.
[[nodiscard]] std::vector<std::string> capability_names(unsigned last_capability);

// The names of the bits in `mask`; a bit without a name is "CAP_63".
[[nodiscard]] std::vector<std::string> capability_names_of(std::uint64_t mask);

}  // namespace wherry::plan
