// SPDX-License-Identifier: Apache-2.0
// Where an image comes from: a directory, or an uncompressed tar file that is read in place. Names inside are hostile.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "os/core/fd.hpp"

namespace wherry::image {

// A part of an open file. The descriptor belongs to the Source.
struct Blob {
  int fd = -1;
  std::uint64_t offset = 0, size = 0;  // bytes
};

class Source {
 public:
  virtual ~Source() = default;
  [[nodiscard]] virtual bool has(const std::string& name) = 0;
  // Throws Error when there is no such regular file.
  [[nodiscard]] virtual Blob open(const std::string& name) = 0;
  // Whole, for small documents; throws Error for more than `limit` bytes.
  [[nodiscard]] std::string read(const std::string& name, std::size_t limit);
};

// Throws Error for what is neither a directory nor a tar file.
[[nodiscard]] std::unique_ptr<Source> open_source(const std::string& path);

}  // namespace wherry::image
