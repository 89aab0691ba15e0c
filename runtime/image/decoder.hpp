// SPDX-License-Identifier: Apache-2.0
// Decompression as a stream: gzip (RFC 1952, any number of members), zstd (RFC 8878, any number of frames), or none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

namespace wherry::image {

enum class Compression : std::uint8_t { kNone, kGzip, kZstd };

// By its first bytes; at least four are needed to tell.
[[nodiscard]] Compression detect_compression(std::span<const std::byte> head) noexcept;

class Decoder {
 public:
  struct Step {
    std::size_t consumed = 0, produced = 0;
  };
  virtual ~Decoder() = default;
  // Takes from `in`, fills `out`. Neither consumed nor produced: more input is needed. Throws Error for corrupt data.
  virtual Step decode(std::span<const std::byte> in, std::span<std::byte> out) = 0;
  // The input so far may be the whole: not in the middle of a member or frame.
  [[nodiscard]] virtual bool complete() const noexcept = 0;
};

[[nodiscard]] std::unique_ptr<Decoder> make_decoder(Compression compression);

// The library behind gzip: "isa-l" or "zlib".
[[nodiscard]] std::string_view gzip_library() noexcept;

}  // namespace wherry::image
