// SPDX-License-Identifier: Apache-2.0
#include "image/gzip.hpp"

#include <algorithm>

#include "wherry/error.hpp"

namespace wherry::image {

std::size_t GzipMembers::skip_padding(std::span<const std::byte> in) {
  if (!any_ || inside_) return 0;
  const auto end = std::find_if(in.begin(), in.end(), [](std::byte b) { return b != std::byte{0}; });
  const auto size = static_cast<std::size_t>(end - in.begin());
  padded_ = padded_ || size != 0;
  if (end != in.end() && (padded_ || *end != std::byte{0x1f}))
    throw Error("decompress gzip").detail("there is something behind the last member");
  return size;
}

}  // namespace wherry::image
