// SPDX-License-Identifier: Apache-2.0
#include "shim/frame.hpp"

#include <catch2/catch.hpp>

using namespace wherry::shim;

TEST_CASE("frame: header and data", "[shim]") {
  const std::string frame = encode_frame(0x01020304, FrameType::kResponse, "abc");
  CHECK(frame == std::string("\0\0\0\3\1\2\3\4\2\0abc", 13));
}

TEST_CASE("frame: pieces of any size", "[shim]") {
  const std::string stream = encode_frame(1, FrameType::kRequest, "first") + encode_frame(3, FrameType::kRequest, "") +
                             encode_frame(5, FrameType::kData, "third");
  for (std::size_t size = 1; size <= stream.size(); ++size) {
    FrameReader reader;
    std::string seen;
    for (std::size_t at = 0; at < stream.size(); at += size) {
      reader.append(std::string_view(stream).substr(at, size));
      while (auto frame = reader.next())
        seen += std::to_string(frame->stream) + ":" + std::to_string(frame->type) + ":" + frame->data + " ";
    }
    CHECK(seen == "1:1:first 3:1: 5:3:third ");
  }
}

TEST_CASE("frame: one that is too large is left out, and what follows is read", "[shim]") {
  FrameReader reader;
  std::string header("\0\x40\0\1\0\0\0\x09\1\0", 10);  // 4194305 bytes
  reader.append(header);
  auto frame = reader.next();
  REQUIRE(frame);
  CHECK((frame->too_large && frame->stream == 9 && frame->data.empty()));
  const std::string piece(65536, 'x');
  for (int i = 0; i < 64; ++i) {
    reader.append(piece);
    CHECK_FALSE(reader.next());
  }
  reader.append("x" + encode_frame(11, FrameType::kRequest, "next"));
  frame = reader.next();
  REQUIRE(frame);
  CHECK((frame->stream == 11 && frame->data == "next"));
}
