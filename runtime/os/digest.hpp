// SPDX-License-Identifier: Apache-2.0
// BLAKE2b (RFC 7693) with 32 bytes of result: a strong name for bytes, at a fraction of SHA-256's cost. Hosted.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace wherry::os {

using Digest = std::array<std::uint8_t, 32>;

[[nodiscard]] Digest digest(std::string_view data) noexcept;

// 64 lower-case hexadecimal digits.
[[nodiscard]] std::string hex(const Digest& digest);

}  // namespace wherry::os
