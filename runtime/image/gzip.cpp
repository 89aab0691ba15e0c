// SPDX-License-Identifier: Apache-2.0
#include "image/gzip.hpp"

#include <algorithm>

#include "wherry/error.hpp"

namespace wherry::image {

// How many bytes are padding between or behind members. Throws Error for anything else that is no member.
std::size_t Gzip::skip_padding(std::span<const std::byte> in) {
  if (!any_) return 0;
  const auto end = std::find_if(in.begin(), in.end(), [](std::byte b) { return b != std::byte{0}; });
  const auto size = static_cast<std::size_t>(end - in.begin());
  padded_ = padded_ || size != 0;
  if (end != in.end() && (padded_ || *end != std::byte{0x1f}))
    throw Error("decompress gzip").detail("there is something behind the last member");
  return size;
}

Decoder::Step Gzip::decode(std::span<const std::byte> in, std::span<std::byte> out) {
  Step step;
  std::size_t padding = 0;
  if (!inside_) {
    padding = skip_padding(in);
    in = in.subspan(padding);
    step.consumed = padding;
    if (in.empty()) return step;
    restart();
    inside_ = true;
  }
  if (inflate_member(in, out, step)) inside_ = false, any_ = true;
  step.consumed += padding;
  return step;
}

}  // namespace wherry::image
