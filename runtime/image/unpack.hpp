// SPDX-License-Identifier: Apache-2.0
// From an image to a bundle.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "image/convert.hpp"
#include "image/image.hpp"
#include "image/tree.hpp"

namespace wherry::image {

enum class LayerMode : std::uint8_t { kFlat, kOverlay };

struct UnpackOptions {
  std::string source, bundle;
  Choice choice;
  LayerMode mode = LayerMode::kFlat;
  std::string store;  // of layers, for kOverlay
  ConvertOptions convert;
  TreeOptions tree;  // its maps are for kFlat
};

// What is seen while it goes on. Called by the thread that called unpack(), often; an exception ends the unpacking and
// leaves nothing behind.
class Watcher {
 public:
  virtual ~Watcher() = default;
  // Compressed bytes of all layers, and how many layers are done.
  virtual void progress(std::uint64_t bytes, std::uint64_t of_bytes, std::size_t layers, std::size_t of_layers) = 0;
  virtual void layer(const std::string& name, std::uint64_t size, bool reused) = 0;
};

struct Unpacked {
  std::string reference, manifest, architecture;
  std::size_t layers = 0, reused = 0;
  std::uint64_t bytes = 0, entries = 0;  // of what was written
  std::vector<std::string> warnings;
};

// The bundle appears by one rename when it is complete. Throws Error and leaves nothing behind. The process's umask
// must be 0.
Unpacked unpack(const UnpackOptions& options, Watcher& watcher);

}  // namespace wherry::image
