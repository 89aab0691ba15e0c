// SPDX-License-Identifier: Apache-2.0
// Sizes and durations as people type them for runc. Both throw Error that names the option.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace wherry::cli {

// Bytes: "1048576", "1.5g", "512 MiB", "64KB"; units are powers of 1024, fractions of a byte are cut off.
[[nodiscard]] std::int64_t parse_size(const char* option, const std::string& text);

// "5s", "1m30s", "250ms", "1.5h": at least a millisecond.
[[nodiscard]] std::chrono::milliseconds parse_duration(const char* option, const std::string& text);

}  // namespace wherry::cli
