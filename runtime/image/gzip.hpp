// SPDX-License-Identifier: Apache-2.0
// gzip by the library that the build found: gzip_isal.cpp or gzip_zlib.cpp (docs/DEPENDENCIES.md has the figures).
#pragma once

#include "image/decoder.hpp"

namespace wherry::image {

[[nodiscard]] std::unique_ptr<Decoder> make_gzip_decoder();

// Member after member. What may stand behind one is another, or zeros that pad the file (gzip(1) takes them too).
class Gzip : public Decoder {
 public:
  Step decode(std::span<const std::byte> in, std::span<std::byte> out) final;
  [[nodiscard]] bool complete() const noexcept final { return any_ && !inside_; }

 protected:
  // A new member begins.
  virtual void restart() noexcept = 0;
  // Takes from `in`, fills `out`; true at the member's end. Throws Error for corrupt data.
  virtual bool inflate_member(std::span<const std::byte> in, std::span<std::byte> out, Step& step) = 0;

 private:
  std::size_t skip_padding(std::span<const std::byte> in);
  bool inside_ = false, any_ = false, padded_ = false;
};

// The libraries declare their input as mutable, and do not write to it.
[[nodiscard]] inline std::uint8_t* mutable_bytes(std::span<const std::byte> in) noexcept {
  return const_cast<std::uint8_t*>(reinterpret_cast<const std::uint8_t*>(in.data()));
}

}  // namespace wherry::image
