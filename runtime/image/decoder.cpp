// SPDX-License-Identifier: Apache-2.0
#include "image/decoder.hpp"

#include <zstd.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "image/gzip.hpp"
#include "wherry/error.hpp"

namespace wherry::image {
namespace {

class Plain final : public Decoder {
 public:
  Step decode(std::span<const std::byte> in, std::span<std::byte> out) override {
    const std::size_t size = std::min(in.size(), out.size());
    std::memcpy(out.data(), in.data(), size);
    return {size, size};
  }
  [[nodiscard]] bool complete() const noexcept override { return true; }
};

class Zstd final : public Decoder {
 public:
  Zstd() : stream_(ZSTD_createDStream()) {
    // zstd(1) refuses larger windows as well; one more would let a layer take memory without limit.
    constexpr int kLargestWindow = 27;
    if (stream_ == nullptr) throw Error("decompress zstd").because(ENOMEM);
    (void)ZSTD_DCtx_setParameter(stream_, ZSTD_d_windowLogMax, kLargestWindow);  // within its bounds
  }
  ~Zstd() override { ZSTD_freeDStream(stream_); }
  Zstd(const Zstd&) = delete;
  Zstd& operator=(const Zstd&) = delete;

  Step decode(std::span<const std::byte> in, std::span<std::byte> out) override {
    ZSTD_inBuffer input{in.data(), in.size(), 0};
    ZSTD_outBuffer output{out.data(), out.size(), 0};
    const std::size_t left = ZSTD_decompressStream(stream_, &output, &input);
    if (ZSTD_isError(left) != 0) throw Error("decompress zstd").detail(ZSTD_getErrorName(left));
    if (input.pos != 0 || output.pos != 0) complete_ = left == 0;
    return {input.pos, output.pos};
  }
  [[nodiscard]] bool complete() const noexcept override { return complete_; }

 private:
  ZSTD_DStream* stream_;
  bool complete_ = false;
};

bool starts_with(std::span<const std::byte> head, std::initializer_list<unsigned char> bytes) noexcept {
  return head.size() >= bytes.size() && std::equal(bytes.begin(), bytes.end(), head.begin(),
                                                   [](unsigned char a, std::byte b) { return std::byte{a} == b; });
}

}  // namespace

Compression detect_compression(std::span<const std::byte> head) noexcept {
  if (starts_with(head, {0x1f, 0x8b, 0x08})) return Compression::kGzip;
  if (starts_with(head, {0x28, 0xb5, 0x2f, 0xfd})) return Compression::kZstd;
  // A skippable frame may come first (RFC 8878 3.1.2).
  const bool skippable = head.size() >= 4 && (head[0] & std::byte{0xf0}) == std::byte{0x50} &&
                         starts_with(head.subspan(1), {0x2a, 0x4d, 0x18});
  return skippable ? Compression::kZstd : Compression::kNone;
}

std::unique_ptr<Decoder> make_decoder(Compression compression) {
  switch (compression) {  // intentionally no default
    case Compression::kNone:
      return std::make_unique<Plain>();
    case Compression::kGzip:
      return make_gzip_decoder();
    case Compression::kZstd:
      return std::make_unique<Zstd>();
  }
  return nullptr;
}

}  // namespace wherry::image
