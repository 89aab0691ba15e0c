// SPDX-License-Identifier: Apache-2.0
// A tar stream of a hostile image, in parts of any size: it is read to its end or refused, and what is read keeps the
// promises of tar.hpp.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "image/tar.hpp"
#include "wherry/error.hpp"

namespace {

using namespace wherry::image;

class Parts final : public ByteSource {
 public:
  Parts(const std::uint8_t* data, std::size_t size, std::size_t step)
      : rest_(std::as_bytes(std::span(data, size))), step_(step) {}
  std::span<const std::byte> next() override {
    const auto part = rest_.first(std::min(step_, rest_.size()));
    rest_ = rest_.subspan(part.size());
    return part;
  }

 private:
  std::span<const std::byte> rest_;
  std::size_t step_;
};

void require(bool condition) {
  if (!condition) std::abort();
}

void check(const Entry& entry, TarReader& reader) {
  require(!entry.name.empty() && entry.name.size() < 4096 && entry.name.find('\0') == std::string::npos);
  require(entry.link.size() < 4096 && (entry.mode & ~07777U) == 0 && entry.mtime_ns < 1000000000);
  std::uint64_t stored = 0, at = 0;
  if (entry.sparse) {
    for (const Segment& segment : *entry.sparse) {
      require(segment.offset >= at && segment.offset + segment.size <= entry.size);
      at = segment.offset + segment.size;
      stored += segment.size;
    }
    require(stored == entry.stored);
  }
  std::uint64_t read = 0;
  for (auto part = reader.data(700); !part.empty(); part = reader.data(700)) read += part.size();
  require(read == entry.stored);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  Parts parts(data + 1, size - 1, 1 + std::size_t{data[0]} * 4);
  TarReader reader(parts);
  try {
    Entry entry;
    while (reader.next(entry)) check(entry, reader);
    reader.drain();
    require(reader.offset() == size - 1);
  } catch (const wherry::Error&) {
    // refused
  }
  return 0;
}
