// SPDX-License-Identifier: Apache-2.0
#include "shim/frame.hpp"

#include <algorithm>

namespace wherry::shim {
namespace {

std::uint32_t big_endian(std::string_view bytes) {
  std::uint32_t value = 0;
  for (const char byte : bytes.substr(0, 4)) value = value << 8U | static_cast<unsigned char>(byte);
  return value;
}

void append_big_endian(std::string& out, std::uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<char>(value >> shift & 0xffU));
}

}  // namespace

std::string encode_frame(std::uint32_t stream, FrameType type, std::string_view data) {
  std::string out;
  out.reserve(kFrameHeader + data.size());
  append_big_endian(out, static_cast<std::uint32_t>(data.size()));
  append_big_endian(out, stream);
  out.push_back(static_cast<char>(type));
  out.push_back(0);  // no flags: a unary call
  return out.append(data);
}

void FrameReader::drop(std::size_t size) {
  buffer_.erase(0, size);
  if (buffer_.empty()) buffer_.shrink_to_fit();
}

std::optional<Frame> FrameReader::next() {
  if (skipping_ > 0) {
    const std::size_t size = std::min(skipping_, buffer_.size());
    drop(size);
    skipping_ -= size;
  }
  if (skipping_ > 0 || buffer_.size() < kFrameHeader) return std::nullopt;
  const std::size_t size = big_endian(buffer_);
  Frame frame{big_endian(std::string_view(buffer_).substr(4)),
              static_cast<std::uint8_t>(buffer_[8]),
              static_cast<std::uint8_t>(buffer_[9]),
              {},
              size > kLargestFrame};
  if (frame.too_large) {
    skipping_ = size;
    drop(kFrameHeader);
    return frame;
  }
  if (buffer_.size() < kFrameHeader + size) return std::nullopt;
  frame.data = buffer_.substr(kFrameHeader, size);
  drop(kFrameHeader + size);
  return frame;
}

}  // namespace wherry::shim
