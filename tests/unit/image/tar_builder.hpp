// SPDX-License-Identifier: Apache-2.0
// Tar archives made by hand, right or wrong.
#pragma once

#include <cstdio>
#include <cstring>
#include <string>

#include "image/tar.hpp"

namespace wherry::test {

struct Header {
  std::string name{};
  char type = '0';
  std::string link{};
  std::string data{};
  std::string mode = "0000644", uid = "0000000", gid = "0000000", mtime = "00000000000";
  std::string size{};  // "": that of data
  std::string magic{
      "ustar\0"
      "00",
      8};
  std::string prefix{};
  bool good_checksum = true;
};

inline std::string octal(std::size_t value, int digits) {
  char text[32];
  std::snprintf(text, sizeof text, "%0*zo", digits, value);
  return text;
}

inline std::string padded(std::string data) {
  data.resize((data.size() + 511) / 512 * 512, '\0');
  return data;
}

inline void seal(std::string& block) {
  std::memset(block.data() + 148, ' ', 8);
  std::size_t sum = 0;
  for (const char c : block) sum += static_cast<unsigned char>(c);
  const std::string text = octal(sum, 6);
  std::memcpy(block.data() + 148, text.c_str(), 7);
}

inline std::string entry(const Header& header) {
  std::string block(512, '\0');
  const auto put = [&](std::size_t at, const std::string& text) {
    std::memcpy(block.data() + at, text.data(), text.size());
  };
  put(0, header.name.substr(0, 100));
  put(100, header.mode);
  put(108, header.uid);
  put(116, header.gid);
  put(124, header.size.empty() ? octal(header.data.size(), 11) : header.size);
  put(136, header.mtime);
  block[156] = header.type;
  put(157, header.link.substr(0, 100));
  put(257, header.magic);
  put(345, header.prefix.substr(0, 155));
  seal(block);
  if (!header.good_checksum) block[148] = '7';
  return block + padded(header.data);
}

inline std::string pax_record(const std::string& key, const std::string& value) {
  const std::size_t rest = key.size() + value.size() + 3;
  std::size_t length = rest + std::to_string(rest).size();
  if (rest + std::to_string(length).size() != length) length = rest + std::to_string(length).size();
  return std::to_string(length) + " " + key + "=" + value + "\n";
}

inline std::string pax(const std::string& records) { return entry({.name = "pax", .type = 'x', .data = records}); }

inline std::string end_of_archive() { return std::string(1024, '\0'); }

// Hands out its text in parts of `step` bytes.
class TextSource final : public image::ByteSource {
 public:
  explicit TextSource(std::string text, std::size_t step = 512) : text_(std::move(text)), step_(step) {}
  std::span<const std::byte> next() override {
    const std::size_t size = std::min(step_, text_.size() - at_);
    const auto part = std::as_bytes(std::span(text_.data() + at_, size));
    at_ += size;
    return part;
  }

 private:
  std::string text_;
  std::size_t step_, at_ = 0;
};

}  // namespace wherry::test
