// SPDX-License-Identifier: Apache-2.0
// The program wherry-init as bytes: all of init/ that the host may know.
#pragma once

#include <cstddef>
#include <span>

extern "C" const std::byte wherry_init_image_begin[];  // NOLINT(readability-identifier-naming): a symbol of image.S
extern "C" const std::byte wherry_init_image_end[];    // NOLINT(readability-identifier-naming)

namespace wherry::init {

[[nodiscard]] inline std::span<const std::byte> image() noexcept {
  return {wherry_init_image_begin, wherry_init_image_end};
}

}  // namespace wherry::init
