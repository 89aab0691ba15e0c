// SPDX-License-Identifier: Apache-2.0
// The framing of ttrpc (its PROTOCOL.md): length, stream id, type and flags, then that many bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace wherry::shim {

inline constexpr std::size_t kFrameHeader = 10;          // bytes
inline constexpr std::size_t kLargestFrame = 4U << 20U;  // bytes of data

enum class FrameType : std::uint8_t { kRequest = 1, kResponse = 2, kData = 3 };

struct Frame {
  std::uint32_t stream = 0;
  std::uint8_t type = 0;  // FrameType, or one that this program does not know
  std::uint8_t flags = 0;
  std::string data;
  bool too_large = false;  // its data was left out
};

// `data` must be no larger than kLargestFrame.
[[nodiscard]] std::string encode_frame(std::uint32_t stream, FrameType type, std::string_view data);

// Takes a stream apart. Holds no more than one frame's bytes, and of a frame that is too large only its header.
class FrameReader {
 public:
  void clear() noexcept { buffer_.clear(), skipping_ = 0; }
  void append(std::string_view bytes) { buffer_.append(bytes); }
  // The next whole frame. To be called until there is none before more is appended.
  [[nodiscard]] std::optional<Frame> next();

 private:
  void drop(std::size_t size);

  std::string buffer_;
  std::size_t skipping_ = 0;  // bytes of an oversized frame that are still to come
};

}  // namespace wherry::shim
