// SPDX-License-Identifier: Apache-2.0
#include "image/decoder.hpp"

#include <catch2/catch.hpp>
#include <string>

#include "wherry/error.hpp"

using namespace wherry;
using namespace wherry::image;

namespace {

// gzip -n of "hello\n"
const std::string kGzip(
    "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xcb\x48\xcd\xc9\xc9\xe7\x02\x00\x20\x30\x3a\x36\x06\x00\x00\x00", 26);
// zstd of "hello\n"
const std::string kZstd("\x28\xb5\x2f\xfd\x04\x58\x31\x00\x00\x68\x65\x6c\x6c\x6f\x0a\x53\x88\xbd\x91", 19);

std::string decode(const std::string& text, std::size_t step) {
  const auto bytes = std::as_bytes(std::span(text));
  const auto decoder = make_decoder(detect_compression(bytes));
  std::string out;
  std::byte buffer[3];
  for (std::size_t at = 0; at < text.size(); at += step) {
    auto rest = bytes.subspan(at, std::min(step, text.size() - at));
    for (;;) {
      const auto done = decoder->decode(rest, buffer);
      out.append(reinterpret_cast<const char*>(buffer), done.produced);
      rest = rest.subspan(done.consumed);
      if (done.consumed == 0 && done.produced == 0) break;
    }
    REQUIRE(rest.empty());
  }
  return decoder->complete() ? out : out + "(cut off)";
}

}  // namespace

TEST_CASE("streams in whatever parts they come") {
  for (const std::size_t step : {1UL, 2UL, 5UL, 100UL}) {
    CHECK(decode(kGzip, step) == "hello\n");
    CHECK(decode(kGzip + kGzip, step) == "hello\nhello\n");
    CHECK(decode(kGzip + std::string(7, '\0'), step) == "hello\n");
  }
  for (const std::size_t step : {4UL, 5UL, 100UL}) {
    CHECK(decode(kZstd, step) == "hello\n");
    CHECK(decode(kZstd + kZstd, step) == "hello\nhello\n");
  }
  CHECK(decode("plain", 4) == "plain");
}

TEST_CASE("a stream that is cut off is not complete") {
  CHECK(decode(kGzip.substr(0, 20), 100).find("(cut off)") != std::string::npos);
  CHECK(decode(kGzip + kGzip.substr(0, 12), 100).find("(cut off)") != std::string::npos);
  CHECK(decode(kZstd.substr(0, 12), 100).find("(cut off)") != std::string::npos);
}

TEST_CASE("corrupt streams are errors") {
  std::string wrong = kGzip;
  wrong[20] = static_cast<char>(wrong[20] + 1);  // of the checksum
  CHECK_THROWS_AS(decode(wrong, 100), Error);
  CHECK_THROWS_AS(decode(kGzip + "garbage", 100), Error);
  CHECK_THROWS_AS(decode(kGzip + std::string(3, '\0') + kGzip, 100), Error);
  wrong = kZstd;
  wrong[16] = static_cast<char>(wrong[16] + 1);
  CHECK_THROWS_AS(decode(wrong, 100), Error);
}
