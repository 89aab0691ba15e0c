// SPDX-License-Identifier: Apache-2.0
// Signal names, signal(7).
#pragma once

#include <optional>
#include <string_view>

namespace wherry::cli {

// "9", "KILL", "SIGKILL", "sigkill", "RTMIN+3", "RTMAX-1"; numbers from 1 to 64.
[[nodiscard]] std::optional<int> parse_signal(std::string_view text);

}  // namespace wherry::cli
