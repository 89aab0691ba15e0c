// SPDX-License-Identifier: Apache-2.0
#include <zlib.h>

#include "image/gzip.hpp"
#include "wherry/error.hpp"

namespace wherry::image {
namespace {

class Zlib final : public Gzip {
 public:
  Zlib() {
    constexpr int kGzipOnly = 16 + MAX_WBITS;
    if (inflateInit2(&stream_, kGzipOnly) != Z_OK) throw Error("decompress gzip").because(ENOMEM);
  }
  ~Zlib() override { (void)inflateEnd(&stream_); }
  Zlib(const Zlib&) = delete;
  Zlib& operator=(const Zlib&) = delete;

 private:
  void restart() noexcept override { (void)inflateReset(&stream_); }  // the stream is sound

  bool inflate_member(std::span<const std::byte> in, std::span<std::byte> out, Step& step) override {
    stream_.next_in = mutable_bytes(in);
    stream_.avail_in = static_cast<uInt>(in.size());
    stream_.next_out = reinterpret_cast<Bytef*>(out.data());
    stream_.avail_out = static_cast<uInt>(out.size());
    const int result = inflate(&stream_, Z_NO_FLUSH);
    if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR)
      throw Error("decompress gzip").detail("the data is corrupt");
    step = {in.size() - stream_.avail_in, out.size() - stream_.avail_out};
    return result == Z_STREAM_END;
  }

  z_stream stream_{};
};

}  // namespace

std::unique_ptr<Decoder> make_gzip_decoder() { return std::make_unique<Zlib>(); }
std::string_view gzip_library() noexcept { return "zlib"; }

}  // namespace wherry::image
