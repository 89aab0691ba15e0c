// SPDX-License-Identifier: Apache-2.0
#include <isa-l/igzip_lib.h>

#include "image/gzip.hpp"
#include "wherry/error.hpp"

namespace wherry::image {
namespace {

class IsaL final : public Gzip {
  void restart() noexcept override {
    isal_inflate_init(&state_);
    state_.crc_flag = ISAL_GZIP;
  }

  bool inflate_member(std::span<const std::byte> in, std::span<std::byte> out, Step& step) override {
    state_.next_in = mutable_bytes(in);
    state_.avail_in = static_cast<std::uint32_t>(in.size());
    state_.next_out = reinterpret_cast<std::uint8_t*>(out.data());
    state_.avail_out = static_cast<std::uint32_t>(out.size());
    const int result = isal_inflate(&state_);
    if (result < 0 || result == ISAL_NEED_DICT)
      throw Error("decompress gzip")
          .detail(result == ISAL_INCORRECT_CHECKSUM ? "the checksum is wrong" : "the data is corrupt");
    step = {in.size() - state_.avail_in, out.size() - state_.avail_out};
    return state_.block_state == ISAL_BLOCK_FINISH;
  }

  inflate_state state_;
};

}  // namespace

std::unique_ptr<Decoder> make_gzip_decoder() { return std::make_unique<IsaL>(); }
std::string_view gzip_library() noexcept { return "isa-l"; }

}  // namespace wherry::image
