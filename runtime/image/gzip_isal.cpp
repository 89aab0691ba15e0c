// SPDX-License-Identifier: Apache-2.0
#include <isa-l/igzip_lib.h>

#include "image/gzip.hpp"
#include "wherry/error.hpp"

namespace wherry::image {
namespace {

class Gzip final : public Decoder {
 public:
  Gzip() { restart(); }

  Step decode(std::span<const std::byte> in, std::span<std::byte> out) override {
    Step step;
    if (!members_.inside()) {
      step.consumed = members_.skip_padding(in);
      in = in.subspan(step.consumed);
      if (in.empty()) return step;
      restart();
      members_.begun();
    }
    // The library declares its input as mutable, and does not write to it.
    state_.next_in = const_cast<std::uint8_t*>(reinterpret_cast<const std::uint8_t*>(in.data()));
    state_.avail_in = static_cast<std::uint32_t>(in.size());
    state_.next_out = reinterpret_cast<std::uint8_t*>(out.data());
    state_.avail_out = static_cast<std::uint32_t>(out.size());
    const int result = isal_inflate(&state_);
    if (result < 0 || result == ISAL_NEED_DICT)
      throw Error("decompress gzip")
          .detail(result == ISAL_INCORRECT_CHECKSUM ? "the checksum is wrong" : "the data is corrupt");
    if (state_.block_state == ISAL_BLOCK_FINISH) members_.ended();
    step.consumed += in.size() - state_.avail_in;
    step.produced = out.size() - state_.avail_out;
    return step;
  }
  [[nodiscard]] bool complete() const noexcept override { return members_.complete(); }

 private:
  void restart() {
    isal_inflate_init(&state_);
    state_.crc_flag = ISAL_GZIP;
  }

  inflate_state state_;
  GzipMembers members_;
};

}  // namespace

std::unique_ptr<Decoder> make_gzip_decoder() { return std::make_unique<Gzip>(); }
std::string_view gzip_library() noexcept { return "isa-l"; }

}  // namespace wherry::image
