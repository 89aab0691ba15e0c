// SPDX-License-Identifier: Apache-2.0
#include <zlib.h>

#include "image/gzip.hpp"
#include "wherry/error.hpp"

namespace wherry::image {
namespace {

class Gzip final : public Decoder {
 public:
  Gzip() {
    constexpr int kGzipOnly = 16 + MAX_WBITS;
    if (inflateInit2(&stream_, kGzipOnly) != Z_OK) throw Error("decompress gzip").because(ENOMEM);
  }
  ~Gzip() override { (void)inflateEnd(&stream_); }
  Gzip(const Gzip&) = delete;
  Gzip& operator=(const Gzip&) = delete;

  Step decode(std::span<const std::byte> in, std::span<std::byte> out) override {
    Step step;
    if (!members_.inside()) {
      step.consumed = members_.skip_padding(in);
      in = in.subspan(step.consumed);
      if (in.empty()) return step;
      (void)inflateReset(&stream_);  // the stream is sound
      members_.begun();
    }
    // The library declares its input as mutable, and does not write to it.
    stream_.next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(in.data()));
    stream_.avail_in = static_cast<uInt>(in.size());
    stream_.next_out = reinterpret_cast<Bytef*>(out.data());
    stream_.avail_out = static_cast<uInt>(out.size());
    const int result = inflate(&stream_, Z_NO_FLUSH);
    if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR)
      throw Error("decompress gzip").detail("the data is corrupt");
    if (result == Z_STREAM_END) members_.ended();
    step.consumed += in.size() - stream_.avail_in;
    step.produced = out.size() - stream_.avail_out;
    return step;
  }
  [[nodiscard]] bool complete() const noexcept override { return members_.complete(); }

 private:
  z_stream stream_{};
  GzipMembers members_;
};

}  // namespace

std::unique_ptr<Decoder> make_gzip_decoder() { return std::make_unique<Gzip>(); }
std::string_view gzip_library() noexcept { return "zlib"; }

}  // namespace wherry::image
