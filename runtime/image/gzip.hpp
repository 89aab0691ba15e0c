// SPDX-License-Identifier: Apache-2.0
// gzip by the library that the build found: gzip_isal.cpp or gzip_zlib.cpp (docs/DEPENDENCIES.md has the figures).
#pragma once

#include "image/decoder.hpp"

namespace wherry::image {

[[nodiscard]] std::unique_ptr<Decoder> make_gzip_decoder();

// What may stand behind a member is another one, or zeros that pad the file (gzip(1) takes them too).
class GzipMembers {
 public:
  // How many bytes of `in` are padding between or behind members. Throws Error for anything else that is no member.
  std::size_t skip_padding(std::span<const std::byte> in);
  void begun() noexcept { inside_ = true; }
  void ended() noexcept { inside_ = false, any_ = true; }
  [[nodiscard]] bool inside() const noexcept { return inside_; }
  [[nodiscard]] bool complete() const noexcept { return any_ && !inside_; }

 private:
  bool inside_ = false, any_ = false, padded_ = false;
};

}  // namespace wherry::image
