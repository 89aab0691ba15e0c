// SPDX-License-Identifier: Apache-2.0
#include "image/stream.hpp"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "image/decoder.hpp"
#include "os/core/calls.hpp"
#include "wherry/error.hpp"

namespace wherry::image {
namespace {

// Large enough that a hand-over costs nothing, small enough to stay in the second-level cache.
constexpr std::size_t kChunkSize = 256U << 10U;
// How far a stream may run ahead of its reader: chunks in all.
constexpr std::size_t kChunks = 24;
constexpr std::uint64_t kRatioMatters = 64U << 20U;

struct Chunk {
  std::unique_ptr<std::byte[]> data;
  std::size_t size = 0;
};

// Thrown inside a thread whose stream nobody reads any more.
struct Stopped {};

// Chunks in order, for one writer and one reader.
class Queue {
 public:
  void put(Chunk chunk) {
    const std::lock_guard lock(mutex_);
    chunks_.push_back(std::move(chunk));
    changed_.notify_one();
  }
  void close(std::exception_ptr fault = nullptr) {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    fault_ = std::move(fault);
    changed_.notify_one();
  }
  // nullopt at the end; throws the writer's fault, after what it wrote before.
  std::optional<Chunk> take() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return closed_ || !chunks_.empty(); });
    if (chunks_.empty()) {
      if (fault_) std::rethrow_exception(fault_);
      return std::nullopt;
    }
    Chunk chunk = std::move(chunks_.front());
    chunks_.pop_front();
    return chunk;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Chunk> chunks_;
  std::exception_ptr fault_;
  bool closed_ = false;
};

// Empty chunks, made as they are needed; waiting for one is what slows the writer down to the reader's pace.
class Pool {
 public:
  Chunk take() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return stopped_ || !free_.empty() || made_ < kChunks; });
    if (stopped_) throw Stopped();
    if (!free_.empty()) {
      Chunk chunk = std::move(free_.back());
      free_.pop_back();
      chunk.size = 0;
      return chunk;
    }
    ++made_;
    return {std::make_unique_for_overwrite<std::byte[]>(kChunkSize), 0};
  }
  void give(Chunk chunk) {
    const std::lock_guard lock(mutex_);
    free_.push_back(std::move(chunk));
    changed_.notify_one();
  }
  void stop() {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    changed_.notify_one();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Chunk> free_;
  std::size_t made_ = 0;
  bool stopped_ = false;
};

void check_digest(const std::optional<Digest>& wanted, const Digest& found, const char* what) {
  if (wanted && !(*wanted == found))
    throw Error(std::string("verify ") + what).detail("it is " + found.text() + ", and should be " + wanted->text());
}

}  // namespace

struct LayerStream::State {
  State(const LayerBlob& the_layer, const StreamLimits& the_limits, std::atomic<std::uint64_t>* counter)
      : layer(the_layer), limits(the_limits), consumed(counter) {}

  LayerBlob layer;
  StreamLimits limits;
  std::atomic<std::uint64_t>* consumed;
  Pool pool;
  Queue to_hash, to_read;
  Chunk current;
  Digest found;
  bool ended = false;
  std::thread reader, hasher;

  void decompress() {
    const Algorithm algorithm = layer.digest ? layer.digest->algorithm : Algorithm::kSha256;
    Hasher hash(algorithm);
    std::vector<std::byte> in(kChunkSize);
    std::unique_ptr<Decoder> decoder;
    Chunk out = pool.take();  // NOLINT(clang-analyzer-cplusplus.NewDeleteLeaks): a unique_ptr owns it
    std::uint64_t read = 0, produced = 0;
    while (read < layer.blob.size) {
      const std::size_t size = read_part(in, read);
      hash.update(in.data(), size);
      read += size;
      if (consumed != nullptr) *consumed += size;
      std::span<const std::byte> rest(in.data(), size);
      if (!decoder) decoder = make_decoder(detect_compression(rest));
      for (;;) {
        const auto step = decoder->decode(rest, {out.data.get() + out.size, kChunkSize - out.size});
        rest = rest.subspan(step.consumed);
        out.size += step.produced;
        produced += step.produced;
        check_limits(produced, read);
        if (out.size == kChunkSize)
          to_hash.put(std::exchange(out, pool.take()));
        else if (step.consumed == 0 && step.produced == 0)
          break;
      }
      if (!rest.empty()) throw Error("decompress the layer").detail("the data is corrupt");
    }
    if (decoder && !decoder->complete()) throw Error("decompress the layer").detail("it is cut off");
    if (out.size != 0) to_hash.put(std::move(out));
    check_digest(layer.digest, hash.finish(), "the digest of the layer");
  }

  std::size_t read_part(std::vector<std::byte>& in, std::uint64_t at) const {
    const std::uint64_t size = std::min<std::uint64_t>(in.size(), layer.blob.size - at);
    auto got = os::result_of(os::raw_syscall(__NR_pread64, layer.blob.fd, os::address(in.data()),
                                             static_cast<long>(size), static_cast<long>(layer.blob.offset + at)));
    while (!got && got.error() == EINTR)
      got = os::result_of(os::raw_syscall(__NR_pread64, layer.blob.fd, os::address(in.data()), static_cast<long>(size),
                                          static_cast<long>(layer.blob.offset + at)));
    if (!got || *got == 0) throw Error("read the layer").because(got ? EIO : got.error());
    return static_cast<std::size_t>(*got);
  }

  void check_limits(std::uint64_t produced, std::uint64_t read) const {
    if (limits.bytes != 0 && produced > limits.bytes)
      throw Error("decompress the layer")
          .because(EFBIG)
          .detail("it grows beyond " + std::to_string(limits.bytes) + " bytes")
          .remedy("raise --max-bytes if it is to be trusted");
    if (limits.ratio != 0 && produced > kRatioMatters && produced / limits.ratio > read)
      throw Error("decompress the layer")
          .because(EFBIG)
          .detail("it grows more than " + std::to_string(limits.ratio) + " times")
          .remedy("raise --max-ratio if it is to be trusted");
  }

  void hash_what_comes() {
    Hasher hash(layer.diff_id ? layer.diff_id->algorithm : Algorithm::kSha256);
    while (auto chunk = to_hash.take()) {
      hash.update(chunk->data.get(), chunk->size);
      to_read.put(std::move(*chunk));
    }
    found = hash.finish();
    check_digest(layer.diff_id, found, "the diffID of the layer");
  }

  template <class Work>
  static void guarded(Queue& queue, Work&& work) {
    try {
      work();
      queue.close();
    } catch (const Stopped&) {
      queue.close();
    } catch (...) {
      queue.close(std::current_exception());
    }
  }
};

LayerStream::LayerStream(const LayerBlob& layer, const StreamLimits& limits, std::atomic<std::uint64_t>* consumed)
    : state_(std::make_unique<State>(layer, limits, consumed)) {
  State* state = state_.get();
  state->reader = std::thread([state] { State::guarded(state->to_hash, [state] { state->decompress(); }); });
  try {
    state->hasher = std::thread([state] { State::guarded(state->to_read, [state] { state->hash_what_comes(); }); });
  } catch (...) {  // no thread to be had
    state->pool.stop();
    state->reader.join();
    throw;
  }
}

LayerStream::~LayerStream() {
  state_->pool.stop();
  state_->reader.join();
  state_->hasher.join();
}

std::span<const std::byte> LayerStream::next() {
  State& state = *state_;
  if (state.ended) return {};
  if (state.current.data) state.pool.give(std::move(state.current));
  auto chunk = state.to_read.take();
  state.ended = !chunk;
  if (!chunk) return {};
  state.current = std::move(*chunk);
  return {state.current.data.get(), state.current.size};
}

bool LayerStream::verified() const noexcept { return state_->ended; }
const Digest& LayerStream::diff_id() const noexcept { return state_->found; }

}  // namespace wherry::image
