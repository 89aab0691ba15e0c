// SPDX-License-Identifier: Apache-2.0
// A layer as a stream of tar bytes, made by two threads: one reads, hashes what it reads and decompresses; the other
// hashes what comes out. The reader of the stream waits for neither longer than it must, and learns at its end whether
// size and digests were right: nothing taken from a stream may be used before that.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>

#include "image/digest.hpp"
#include "image/source.hpp"
#include "image/tar.hpp"

namespace wherry::image {

struct LayerBlob {
  Blob blob;
  std::optional<Digest> digest;   // of the bytes of the blob
  std::optional<Digest> diff_id;  // of the tar archive inside
};

struct StreamLimits {
  std::uint64_t bytes = 0;  // of the decompressed stream
  std::uint64_t ratio = 0;  // decompressed to compressed; looked at beyond the first 64 MiB
};

class LayerStream final : public ByteSource {
 public:
  // `consumed`, when given, counts the bytes of the blob that were read; it must outlive the stream.
  LayerStream(const LayerBlob& layer, const StreamLimits& limits, std::atomic<std::uint64_t>* consumed = nullptr);
  ~LayerStream() override;  // stops the threads, wherever they are

  // Throws Error for what went wrong in the threads; at the end of the stream, for a wrong size or digest.
  std::span<const std::byte> next() override;
  // Whether the end was reached, and all was right.
  [[nodiscard]] bool verified() const noexcept;
  // Of the tar archive; after the end.
  [[nodiscard]] const Digest& diff_id() const noexcept;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace wherry::image
