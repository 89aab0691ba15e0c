// SPDX-License-Identifier: Apache-2.0
#include "image/tar.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <limits>
#include <map>

#include "wherry/error.hpp"

namespace wherry::image {
namespace {

constexpr std::uint64_t kBlockSize = 512;
constexpr std::uint64_t kLongestName = 4095;            // PATH_MAX without its NUL
constexpr std::uint64_t kLongestExtension = 1U << 20U;  // all PAX headers and GNU long names of an entry
constexpr std::size_t kMostSegments = 1U << 16U;
constexpr std::uint64_t kLargestFile = std::numeric_limits<std::int64_t>::max();
constexpr std::size_t kMostXattrs = 1024;

[[noreturn]] void corrupt(const std::string& why) { throw Error("read the tar archive").detail(why); }

std::uint64_t padding_of(std::uint64_t size) { return (kBlockSize - size % kBlockSize) % kBlockSize; }

// The fields of POSIX.1-1988 ustar, and of old GNU where it differs.
struct Field {
  std::size_t at, size;
};
constexpr Field kName{0, 100}, kMode{100, 8}, kUid{108, 8}, kGid{116, 8}, kSize{124, 12}, kMtime{136, 12},
    kChecksum{148, 8}, kLink{157, 100}, kMagic{257, 6}, kMajor{329, 8}, kMinor{337, 8}, kPrefix{345, 155},
    kGnuSparse{386, 96}, kGnuRealSize{483, 12};
constexpr std::size_t kTypeAt = 156, kGnuExtendedAt = 482, kGnuMoreExtendedAt = 504;

template <std::size_t N>
std::string_view field(const std::array<char, N>& block, Field where) {
  return {block.data() + where.at, where.size};
}

std::string_view until_nul(std::string_view text) { return text.substr(0, text.find('\0')); }

bool all_zero(const std::array<char, 512>& block) {
  return std::ranges::all_of(block, [](char c) { return c == 0; });
}

// The sum of all bytes, the checksum's own taken as spaces; old programs took them as signed.
bool checksum_fits(const std::array<char, 512>& block) {
  const auto wanted = parse_tar_number(field(block, kChecksum));
  std::int64_t as_unsigned = 0, as_signed = 0;
  for (std::size_t i = 0; i < block.size(); ++i) {
    const char byte = i >= kChecksum.at && i < kChecksum.at + kChecksum.size ? ' ' : block[i];
    as_unsigned += static_cast<unsigned char>(byte);
    as_signed += static_cast<signed char>(byte);
  }
  return wanted && (*wanted == as_unsigned || *wanted == as_signed);
}

std::int64_t number(std::string_view text, const char* what, std::int64_t least, std::uint64_t most) {
  const auto value = parse_tar_number(text);
  if (!value) corrupt(std::string("the field ") + what + " is not a number");
  if (*value < least || (*value > 0 && static_cast<std::uint64_t>(*value) > most))
    corrupt(std::string("the field ") + what + " is out of range: " + std::to_string(*value));
  return *value;
}

// Decimal digits and nothing else.
std::optional<std::uint64_t> decimal(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (fault != std::errc{} || end != text.data() + text.size() || text.empty() || value > kLargestFile)
    return std::nullopt;
  return value;
}

std::uint64_t pax_number(const std::string& key, std::string_view text, std::uint64_t most) {
  const auto value = decimal(text);
  if (!value || *value > most) corrupt("the PAX record " + key + " is not a number in its range");
  return *value;
}

void check_text(const std::string& text, const char* what, bool may_be_empty) {
  if (text.empty() && !may_be_empty) corrupt(std::string("an entry has an empty ") + what);
  if (text.size() > kLongestName) corrupt(std::string("an entry has a ") + what + " longer than 4095 bytes");
  if (text.find('\0') != std::string::npos) corrupt(std::string("an entry has a NUL in its ") + what);
}

std::uint64_t check_map(const std::vector<Segment>& map, std::uint64_t size) {
  std::uint64_t at = 0, stored = 0;
  for (const Segment& segment : map) {
    if (segment.offset < at || segment.size > size || segment.offset > size - segment.size)
      corrupt("the map of a sparse file is not in order, or goes beyond the file's end");
    at = segment.offset + segment.size;
    stored += segment.size;
  }
  return stored;
}

std::vector<Segment> pairs_to_map(const std::vector<std::uint64_t>& numbers) {
  if (numbers.size() % 2 != 0) corrupt("the map of a sparse file has an odd number of numbers");
  std::vector<Segment> map;
  for (std::size_t i = 0; i < numbers.size(); i += 2) map.push_back({numbers[i], numbers[i + 1]});
  return map;
}

constexpr std::string_view kXattrPrefix = "SCHILY.xattr.";
constexpr std::string_view kSparsePrefix = "GNU.sparse.";

}  // namespace

std::optional<std::int64_t> parse_tar_number(std::string_view field) noexcept {
  if (!field.empty() && (static_cast<unsigned char>(field[0]) & 0x80U) != 0) {
    const bool negative = (static_cast<unsigned char>(field[0]) & 0x40U) != 0;
    const std::uint64_t sign = negative ? 0xff : 0;
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < field.size(); ++i) {
      const auto bits = static_cast<unsigned char>(field[i]);
      const std::uint64_t byte = i != 0 || negative ? bits : bits & 0x7fU;
      if (i + sizeof value < field.size() && byte != sign) return std::nullopt;  // more than 64 bits
      value = value << 8U | byte;
    }
    const auto result = static_cast<std::int64_t>(value);
    if ((result < 0) != negative) return std::nullopt;
    return result;
  }
  std::size_t at = 0;
  while (at < field.size() && (field[at] == ' ' || field[at] == '\0')) ++at;
  std::uint64_t value = 0;
  for (; at < field.size() && field[at] >= '0' && field[at] <= '7'; ++at) {
    if (value >> 60U != 0) return std::nullopt;
    value = value * 8 + static_cast<std::uint64_t>(field[at] - '0');
  }
  for (; at < field.size(); ++at)
    if (field[at] != ' ' && field[at] != '\0') return std::nullopt;
  return static_cast<std::int64_t>(value);
}

std::optional<std::pair<std::int64_t, std::uint32_t>> parse_pax_time(std::string_view text) noexcept {
  const bool negative = !text.empty() && text[0] == '-';
  if (negative) text.remove_prefix(1);
  const std::string_view whole = text.substr(0, text.find('.'));
  const auto seconds = decimal(whole);
  if (!seconds || *seconds > (std::uint64_t{1} << 55U)) return std::nullopt;
  std::uint32_t nanoseconds = 0;
  std::uint32_t unit = 100000000;
  if (whole.size() != text.size()) {
    for (const char c : text.substr(whole.size() + 1)) {
      if (c < '0' || c > '9') return std::nullopt;
      nanoseconds += static_cast<std::uint32_t>(c - '0') * unit;
      unit /= 10;
    }
  }
  auto value = static_cast<std::int64_t>(*seconds);
  if (!negative) return std::pair{value, nanoseconds};
  value = -value;
  if (nanoseconds == 0) return std::pair{value, nanoseconds};
  return std::pair{value - 1, 1000000000 - nanoseconds};
}

// What came before an entry's own header and stands above it.
struct TarReader::Extended {
  std::map<std::string, std::string, std::less<>> records;
  std::vector<std::uint64_t> map;  // PAX 0.0: one record for each number
  std::optional<std::string> long_name, long_link;
  std::uint64_t size = 0;  // bytes of all of them

  [[nodiscard]] const std::string* find(std::string_view key) const {
    const auto found = records.find(key);
    return found == records.end() ? nullptr : &found->second;
  }
};

bool TarReader::refill() {
  if (rest_.empty()) rest_ = source_.next();
  return !rest_.empty();
}

void TarReader::read_exactly(char* to, std::size_t size) {
  while (size > 0) {
    if (!refill()) corrupt("it ends in the middle of an entry");
    const std::size_t part = std::min(size, rest_.size());
    std::memcpy(to, rest_.data(), part);
    rest_ = rest_.subspan(part);
    offset_ += part;
    to += part;
    size -= part;
  }
}

void TarReader::skip(std::uint64_t size) {
  while (size > 0) {
    if (rest_.empty()) {
      const std::uint64_t passed = source_.skip(size);
      offset_ += passed;
      size -= passed;
      if (size == 0) return;
    }
    if (!refill()) corrupt("it ends in the middle of an entry");
    const auto part = static_cast<std::size_t>(std::min<std::uint64_t>(size, rest_.size()));
    rest_ = rest_.subspan(part);
    offset_ += part;
    size -= part;
  }
}

bool TarReader::read_block(Block& block) {
  if (!refill()) return false;
  read_exactly(block.data(), block.size());
  return true;
}

std::span<const std::byte> TarReader::data(std::uint64_t most) {
  if (left_ == 0 || most == 0) return {};
  if (!refill()) corrupt("it ends in the middle of an entry");
  const auto part = rest_.first(static_cast<std::size_t>(std::min<std::uint64_t>({left_, most, rest_.size()})));
  rest_ = rest_.subspan(part.size());
  offset_ += part.size();
  left_ -= part.size();
  return part;
}

void TarReader::drain() {
  while (refill()) {
    offset_ += rest_.size();
    rest_ = {};
  }
}

std::string TarReader::read_text(std::uint64_t size, Extended& extended) {
  if (size > kLongestExtension - extended.size) corrupt("the extended headers of an entry are larger than 1 MiB");
  extended.size += size;
  std::string text(static_cast<std::size_t>(size), '\0');
  read_exactly(text.data(), text.size());
  skip(padding_of(size));
  return text;
}

// "LENGTH KEY=VALUE\n", where LENGTH counts itself and the newline.
void TarReader::read_pax(std::uint64_t size, Extended& extended) {
  const std::string text = read_text(size, extended);
  std::string_view rest = text;
  while (!rest.empty()) {
    const std::size_t space = rest.find(' ');
    const auto length = decimal(rest.substr(0, std::min(space, rest.size())));
    if (!length || space == std::string_view::npos || *length > rest.size() || *length < space + 3 ||
        rest[*length - 1] != '\n')
      corrupt("a PAX record has a wrong length");
    const std::string_view record = rest.substr(space + 1, *length - space - 2);
    rest.remove_prefix(*length);
    const std::size_t equals = record.find('=');
    if (equals == 0 || equals == std::string_view::npos) corrupt("a PAX record has no key");
    const std::string key(record.substr(0, equals));
    const std::string_view value = record.substr(equals + 1);
    if (key == "GNU.sparse.offset" || key == "GNU.sparse.numbytes") {
      if (extended.map.size() >= 2 * kMostSegments) corrupt("a sparse file has too many parts");
      if ((extended.map.size() % 2 == 0) != (key == "GNU.sparse.offset"))
        corrupt("the map of a sparse file is mixed up");
      extended.map.push_back(pax_number(key, value, kLargestFile));
      continue;
    }
    if (extended.records.size() > kMostXattrs) corrupt("an entry has too many PAX records");
    extended.records.insert_or_assign(key, std::string(value));  // of two the last counts
  }
}

bool TarReader::next(Entry& entry) {
  skip(left_);
  skip(padding_);
  left_ = padding_ = 0;
  Extended extended;
  Block block;
  for (;;) {
    if (ended_ || !read_block(block)) {
      if (!extended.records.empty() || extended.long_name || extended.long_link)
        corrupt("it ends behind an extended header");
      ended_ = true;
      return false;
    }
    if (all_zero(block)) {
      ended_ = true;  // POSIX wants two such blocks; one is enough to know
      continue;
    }
    if (!checksum_fits(block)) corrupt("a header has a wrong checksum");
    const auto size = static_cast<std::uint64_t>(number(field(block, kSize), "size", 0, kLargestFile));
    switch (block[kTypeAt]) {
      case 'x':
      case 'X':
        read_pax(size, extended);
        break;
      case 'g': {
        Extended ignored;  // of git archive and the like: for readers, not for entries
        read_pax(size, ignored);
        break;
      }
      case 'L':
        extended.long_name = until_nul(read_text(size, extended));
        break;
      case 'K':
        extended.long_link = until_nul(read_text(size, extended));
        break;
      default:
        read_entry(block, extended, entry);
        return true;
    }
  }
}

namespace {

std::optional<EntryType> type_of(char flag) {
  constexpr std::pair<char, EntryType> kTypes[] = {
      {'0', EntryType::kFile},      {'\0', EntryType::kFile},   {'7', EntryType::kFile}, {'S', EntryType::kFile},
      {'1', EntryType::kHardLink},  {'2', EntryType::kSymlink}, {'3', EntryType::kChar}, {'4', EntryType::kBlock},
      {'5', EntryType::kDirectory}, {'6', EntryType::kFifo},
  };
  const auto* found = std::ranges::find(kTypes, flag, &std::pair<char, EntryType>::first);
  if (found == std::end(kTypes)) return std::nullopt;
  return found->second;
}

}  // namespace

void TarReader::read_names(const Block& block, const Extended& extended, Entry& entry) {
  const bool posix = field(block, kMagic) == std::string_view("ustar\0", 6);
  entry.name = until_nul(field(block, kName));
  if (const std::string_view prefix = until_nul(field(block, kPrefix)); posix && !prefix.empty())
    entry.name = std::string(prefix) + "/" + entry.name;
  entry.link = until_nul(field(block, kLink));
  if (extended.long_name) entry.name = *extended.long_name;
  if (extended.long_link) entry.link = *extended.long_link;
  if (const auto* path = extended.find("path")) entry.name = *path;
  if (const auto* path = extended.find("linkpath")) entry.link = *path;
  if (const auto* path = extended.find("GNU.sparse.name")) entry.name = *path;
  check_text(entry.name, "name", false);
  const bool is_link = entry.type == EntryType::kHardLink || entry.type == EntryType::kSymlink;
  check_text(entry.link, "link target", !is_link);
  if (!is_link) entry.link.clear();
}

void TarReader::read_status(const Block& block, const Extended& extended, Entry& entry) {
  constexpr std::uint64_t kLargestId = 0xfffffffe;  // the last is chown(2)'s "leave it"
  const auto id = [&](const char* key, Field where) {
    if (const auto* text = extended.find(key)) return static_cast<std::uint32_t>(pax_number(key, *text, kLargestId));
    return static_cast<std::uint32_t>(number(field(block, where), key, 0, kLargestId));
  };
  entry.mode = static_cast<std::uint32_t>(number(field(block, kMode), "mode", 0, kLargestFile)) & 07777U;
  entry.uid = id("uid", kUid);
  entry.gid = id("gid", kGid);
  if (const auto* text = extended.find("mtime")) {
    const auto time = parse_pax_time(*text);
    if (!time) corrupt("the PAX record mtime is not a time");
    std::tie(entry.mtime, entry.mtime_ns) = *time;
  } else {
    entry.mtime = number(field(block, kMtime), "mtime", std::numeric_limits<std::int64_t>::min(), kLargestFile);
  }
  if (entry.type == EntryType::kChar || entry.type == EntryType::kBlock) {
    entry.major = static_cast<std::uint32_t>(number(field(block, kMajor), "major", 0, 0xfff));
    entry.minor = static_cast<std::uint32_t>(number(field(block, kMinor), "minor", 0, 0xfffff));
  }
}

void TarReader::read_entry(const Block& block, Extended& extended, Entry& entry) {
  entry = {};
  const char flag = block[kTypeAt];
  const auto type = type_of(flag);
  if (!type) corrupt("an entry has the unknown type " + std::to_string(static_cast<unsigned char>(flag)));
  entry.type = *type;
  read_names(block, extended, entry);
  read_status(block, extended, entry);
  for (const auto& [key, value] : extended.records) {
    if (key.rfind(kXattrPrefix, 0) != 0) continue;
    entry.xattrs.emplace_back(key.substr(kXattrPrefix.size()), value);
    check_text(entry.xattrs.back().first, "name of an extended attribute", false);
  }

  // Before POSIX a directory was a file with a slash behind its name.
  if (flag == '\0' && entry.name.back() == '/') entry.type = EntryType::kDirectory;
  entry.stored = static_cast<std::uint64_t>(number(field(block, kSize), "size", 0, kLargestFile));
  if (const auto* text = extended.find("size")) entry.stored = pax_number("size", *text, kLargestFile);
  left_ = entry.stored;
  padding_ = padding_of(left_);
  entry.size = entry.stored;
  if (entry.type == EntryType::kFile) {
    read_sparse(block, extended, entry);
  } else {
    // Old programs give links the size of their target, which is not stored (POSIX: size 0 is to be assumed); PAX may
    // store it with the link, and no image does.
    if (entry.type != EntryType::kHardLink) left_ = padding_ = 0;
    if (entry.type == EntryType::kHardLink && left_ != 0 && extended.find("size") == nullptr) left_ = padding_ = 0;
    if (left_ != 0) corrupt("a link carries data");
    entry.size = entry.stored = 0;
  }
}

void TarReader::read_sparse(const Block& block, Extended& extended, Entry& entry) {
  if (block[kTypeAt] == 'S') {
    entry.size = static_cast<std::uint64_t>(number(field(block, kGnuRealSize), "real size", 0, kLargestFile));
    entry.sparse = read_old_gnu_map(block);
  } else {
    const auto* size = extended.find("GNU.sparse.realsize");
    if (size == nullptr) size = extended.find("GNU.sparse.size");
    if (size == nullptr) {
      if (!extended.map.empty()) corrupt("a sparse file has no size");
      return;
    }
    entry.size = pax_number(std::string(kSparsePrefix) + "realsize", *size, kLargestFile);
    if (const auto* text = extended.find("GNU.sparse.map")) {
      std::vector<std::uint64_t> numbers;
      for (std::string_view rest = *text; !rest.empty();) {
        const std::string_view part = rest.substr(0, rest.find(','));
        if (numbers.size() >= 2 * kMostSegments) corrupt("a sparse file has too many parts");
        numbers.push_back(pax_number("GNU.sparse.map", part, kLargestFile));
        rest.remove_prefix(std::min(rest.size(), part.size() + 1));
      }
      entry.sparse = pairs_to_map(numbers);
    } else if (const auto* major = extended.find("GNU.sparse.major"); major != nullptr && *major == "1") {
      entry.sparse = read_leading_map(left_);
    } else {
      entry.sparse = pairs_to_map(extended.map);
    }
  }
  if (check_map(*entry.sparse, entry.size) != left_) corrupt("the map of a sparse file does not fit its data");
  entry.stored = left_;
}

// Four pairs in the header, and blocks of 21 pairs behind it while the last says so.
std::vector<Segment> TarReader::read_old_gnu_map(const Block& block) {
  std::vector<Segment> map;
  const auto add_pairs = [&](std::string_view text) {
    for (; text.size() >= 24; text.remove_prefix(24)) {
      if (text[0] == 0 && text[12] == 0) return;
      if (map.size() >= kMostSegments) corrupt("a sparse file has too many parts");
      map.push_back({static_cast<std::uint64_t>(number(text.substr(0, 12), "sparse offset", 0, kLargestFile)),
                     static_cast<std::uint64_t>(number(text.substr(12, 12), "sparse size", 0, kLargestFile))});
    }
  };
  add_pairs(field(block, kGnuSparse));
  bool more = block[kGnuExtendedAt] != 0;
  while (more) {
    Block extension;
    read_exactly(extension.data(), extension.size());
    add_pairs(field(extension, {0, kGnuMoreExtendedAt}));
    more = extension[kGnuMoreExtendedAt] != 0;
    if (map.size() >= kMostSegments) corrupt("a sparse file has too many parts");
  }
  return map;
}

// PAX 1.0: lines of decimal numbers in front of the data, padded to a block: how many pairs, then the pairs.
std::vector<Segment> TarReader::read_leading_map(std::uint64_t& left) {
  Block block;
  std::size_t at = block.size();
  const auto line = [&] {
    std::string text;
    for (;;) {
      if (at == block.size()) {
        if (left < kBlockSize) corrupt("the map of a sparse file is longer than its data");
        read_exactly(block.data(), block.size());
        left -= kBlockSize;
        at = 0;
      }
      const char c = block[at++];
      if (c == '\n') break;
      text += c;
      if (text.size() > 20) corrupt("the map of a sparse file is not made of numbers");
    }
    return pax_number("sparse map", text, kLargestFile);
  };
  const std::uint64_t count = line();
  if (count > kMostSegments) corrupt("a sparse file has too many parts");
  std::vector<std::uint64_t> numbers;
  for (std::uint64_t i = 0; i < 2 * count; ++i) numbers.push_back(line());
  return pairs_to_map(numbers);
}

}  // namespace wherry::image
