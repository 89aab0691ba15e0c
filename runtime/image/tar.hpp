// SPDX-License-Identifier: Apache-2.0
// A strict reader of tar streams: ustar, PAX (POSIX.1-2001), GNU long names and base-256 numbers, sparse files of old
// GNU and of PAX formats 0.0, 0.1 and 1.0. Its input is hostile: every number is checked, every list has a limit, and
// what it does not know is an error.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace wherry::image {

class ByteSource {
 public:
  virtual ~ByteSource() = default;
  // The next bytes of the stream, good until the next call; empty at its end.
  virtual std::span<const std::byte> next() = 0;
  // Passes over at most `size` bytes without reading them; how many is the result.
  virtual std::uint64_t skip([[maybe_unused]] std::uint64_t size) { return 0; }
};

enum class EntryType : std::uint8_t { kFile, kHardLink, kSymlink, kChar, kBlock, kDirectory, kFifo };

// A part of a sparse file that is stored.
struct Segment {
  std::uint64_t offset = 0, size = 0;  // bytes in the file
  bool operator==(const Segment&) const = default;
};

struct Entry {
  std::string name;  // as in the archive, never empty, no NUL
  std::string link;  // target of a link
  EntryType type = EntryType::kFile;
  std::uint32_t mode = 0;  // 07777
  std::uint32_t uid = 0, gid = 0;
  std::int64_t mtime = 0;  // seconds since 1970
  std::uint32_t mtime_ns = 0;
  std::uint64_t size = 0;    // of the file, holes included
  std::uint64_t stored = 0;  // bytes of it in the archive
  std::uint32_t major = 0, minor = 0;
  std::vector<std::pair<std::string, std::string>> xattrs;  // sorted by name
  std::optional<std::vector<Segment>> sparse;               // in order, not overlapping; sums up to `stored`
};

class TarReader {
 public:
  explicit TarReader(ByteSource& source) : source_(source) {}

  // The next entry; false at the end of the archive. Skips what was not read of the one before. Throws Error.
  bool next(Entry& entry);
  // The next part of the entry's stored bytes, at most `most` of them, good until the next call of anything; empty at
  // their end.
  std::span<const std::byte> data(std::uint64_t most);
  // Reads the stream to its very end, behind the archive's: digests count those bytes, too.
  void drain();
  // Where in the stream the next byte to be read is.
  [[nodiscard]] std::uint64_t offset() const noexcept { return offset_; }

 private:
  using Block = std::array<char, 512>;
  struct Extended;

  bool read_block(Block& block);
  void read_exactly(char* to, std::size_t size);
  void skip(std::uint64_t size);
  bool refill();
  std::string read_text(std::uint64_t size, Extended& extended);
  void read_pax(std::uint64_t size, Extended& extended);
  static void read_names(const Block& block, const Extended& extended, Entry& entry);
  static void read_status(const Block& block, const Extended& extended, Entry& entry);
  void read_entry(const Block& block, Extended& extended, Entry& entry);
  void read_sparse(const Block& block, Extended& extended, Entry& entry);
  std::vector<Segment> read_old_gnu_map(const Block& block);
  std::vector<Segment> read_leading_map(std::uint64_t& left);

  ByteSource& source_;
  std::span<const std::byte> rest_;
  std::uint64_t offset_ = 0;
  std::uint64_t left_ = 0;     // of the entry's stored bytes
  std::uint64_t padding_ = 0;  // behind them, up to a block
  bool ended_ = false;
};

// --- exposed for their tests ---

// A number field: octal digits between spaces and NULs, or base 256 when the first bit is set. nullopt: not a number.
[[nodiscard]] std::optional<std::int64_t> parse_tar_number(std::string_view field) noexcept;

// "1350244992.023960108" to seconds and nanoseconds. nullopt: not a time.
[[nodiscard]] std::optional<std::pair<std::int64_t, std::uint32_t>> parse_pax_time(std::string_view text) noexcept;

}  // namespace wherry::image
