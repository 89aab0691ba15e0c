// SPDX-License-Identifier: Apache-2.0
// How far the unpacking is: a bar on a terminal, a line for each layer otherwise.
#pragma once

#include <cstdint>
#include <string>

#include "image/unpack.hpp"

namespace wherry::unpacking {

enum class Show : std::uint8_t { kBar, kLines, kNothing };

// "1.5 GB", in powers of 1000.
[[nodiscard]] std::string human_size(std::uint64_t bytes);

// "layer 2/5 [=====>    ]  61.2/203.4 MB  310 MB/s", cut to `columns`. Exposed for its test.
[[nodiscard]] std::string bar(std::size_t layer, std::size_t layers, std::uint64_t bytes, std::uint64_t of_bytes,
                              std::uint64_t elapsed_ms, unsigned columns);

class Progress final : public image::Watcher {
 public:
  explicit Progress(Show show);
  ~Progress() override;
  void progress(std::uint64_t bytes, std::uint64_t of_bytes, std::size_t layers, std::size_t of_layers) override;
  void layer(const std::string& name, std::uint64_t size, bool reused) override;
  [[nodiscard]] std::uint64_t elapsed_ms() const noexcept;

 private:
  void clear() noexcept;

  Show show_;
  std::int64_t begun_, drawn_ = 0;
  bool visible_ = false;
};

// Of SIGINT, SIGTERM and SIGHUP, which end the unpacking in order. 0: none came.
void catch_signals();
[[nodiscard]] int caught_signal() noexcept;

}  // namespace wherry::unpacking
