// SPDX-License-Identifier: Apache-2.0
#include "image/source.hpp"

#include <unistd.h>

#include <algorithm>
#include <deque>
#include <unordered_map>
#include <utility>
#include <vector>

#include "image/decoder.hpp"
#include "image/paths.hpp"
#include "image/tar.hpp"
#include "os/core/calls.hpp"
#include "os/files.hpp"
#include "wherry/error.hpp"

namespace wherry::image {
namespace {

class Directory final : public Source {
 public:
  Directory(os::Fd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}

  bool has(const std::string& name) override {
    auto file = os::open_regular(fd_.get(), name.c_str(), kInside);
    if (!file && file.error() != ENOENT && file.error() != ENOTDIR && file.error() != EINVAL) fail(name, file.error());
    return static_cast<bool>(file);
  }
  Blob open(const std::string& name) override {
    auto file = os::open_regular(fd_.get(), name.c_str(), kInside);
    struct statx status {};
    if (!file) fail(name, file.error());
    if (auto known = os::statx(file->get(), "", os::kAtEmptyPath, STATX_SIZE, status); !known)
      fail(name, known.error());
    open_.push_back(std::move(*file));
    return {open_.back().get(), 0, status.stx_size};
  }

 private:
  [[noreturn]] void fail(const std::string& name, int error) const {
    throw Error("open " + name + " in " + path_)
        .because(error)
        .detail(error == EINVAL ? "it is not a regular file" : "");
  }

  static constexpr uint64_t kInside = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  os::Fd fd_;
  std::string path_;
  std::deque<os::Fd> open_;
};

class FileBytes final : public ByteSource {
 public:
  FileBytes(int fd, std::uint64_t size) : fd_(fd), size_(size), buffer_(kBufferSize) {}
  std::span<const std::byte> next() override {
    auto size = os::result_of(os::raw_syscall(__NR_pread64, fd_, os::address(buffer_.data()),
                                              static_cast<long>(buffer_.size()), static_cast<long>(offset_)));
    if (!size) throw Error("read the image's tar file").because(size.error());
    offset_ += static_cast<std::uint64_t>(*size);
    return {buffer_.data(), static_cast<std::size_t>(*size)};
  }
  std::uint64_t skip(std::uint64_t size) override {
    const std::uint64_t passed = std::min(size, offset_ < size_ ? size_ - offset_ : 0);
    offset_ += passed;
    return passed;
  }

 private:
  static constexpr std::size_t kBufferSize = 64U << 10U;
  int fd_;
  std::uint64_t size_;
  std::uint64_t offset_ = 0;
  std::vector<std::byte> buffer_;
};

// An index of the archive is made once; blobs are read where they lie.
class TarFile final : public Source {
 public:
  TarFile(os::Fd fd, std::uint64_t size, std::string path) : fd_(std::move(fd)), path_(std::move(path)) { index(size); }

  bool has(const std::string& name) override { return find(name) != nullptr; }
  Blob open(const std::string& name) override {
    const Place* place = find(name);
    if (place == nullptr) throw Error("open " + name + " in " + path_).because(ENOENT);
    return {fd_.get(), place->offset, place->size};
  }

 private:
  struct Place {
    std::uint64_t offset = 0, size = 0;
    std::string link;  // name of another entry
  };

  void index(std::uint64_t size) {
    constexpr std::size_t kMostFiles = 1U << 16U;
    FileBytes bytes(fd_.get(), size);
    TarReader reader(bytes);
    Entry entry;
    while (reader.next(entry)) {
      const auto name = clean_name(entry.name);
      if (!name || name->empty() || entry.type == EntryType::kDirectory) continue;
      if (places_.size() >= kMostFiles) throw Error("read " + path_).detail("it has more than 65536 files");
      Place place;
      if (entry.type == EntryType::kFile) {
        if (entry.sparse) throw Error("read " + *name + " in " + path_).detail("it is a sparse file");
        place = {reader.offset(), entry.size, {}};
      } else if (entry.type == EntryType::kHardLink) {
        place.link = clean_name(entry.link).value_or("");
      } else if (entry.type == EntryType::kSymlink) {  // docker save: a layer that it has written before
        const std::size_t slash = name->rfind('/');
        place.link = join_link(slash == std::string::npos ? "" : name->substr(0, slash), entry.link);
      } else {
        continue;
      }
      places_.insert_or_assign(*name, std::move(place));
    }
  }

  const Place* find(const std::string& name) {
    std::string at = clean_name(name).value_or("");
    for (int links = 0; links < 8; ++links) {
      const auto found = places_.find(at);
      if (found == places_.end()) return nullptr;
      if (found->second.link.empty()) return &found->second;
      at = found->second.link;
    }
    return nullptr;
  }

  os::Fd fd_;
  std::string path_;
  std::unordered_map<std::string, Place> places_;
};

void refuse_compressed(int fd, const std::string& path) {
  std::byte head[4]{};
  const long size = os::raw_syscall(__NR_pread64, fd, os::address(head), sizeof head, 0);
  if (size != sizeof head) throw Error("read " + path).detail("it is too short to be an image");
  if (detect_compression(head) != Compression::kNone)
    throw Error("read " + path)
        .detail("the archive is compressed as a whole")
        .remedy("decompress it first: an image inside it is read in place");
}

}  // namespace

std::string Source::read(const std::string& name, std::size_t limit) {
  const Blob blob = open(name);
  if (blob.size > limit) throw Error("read " + name).because(EFBIG).detail("it is larger than a document may be");
  std::string text(static_cast<std::size_t>(blob.size), '\0');
  std::size_t at = 0;
  while (at < text.size()) {
    const ssize_t size = ::pread(blob.fd, text.data() + at, text.size() - at, static_cast<off_t>(blob.offset + at));
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) throw Error("read " + name).because(size < 0 ? errno : EIO);
    at += static_cast<std::size_t>(size);
  }
  return text;
}

std::unique_ptr<Source> open_source(const std::string& path) {
  auto fd = os::openat(os::kAtFdcwd, path.c_str(), os::kRdOnly | os::kNonBlock | os::kNoCtty);
  if (!fd) throw Error("open the image " + path).because(fd.error());
  struct statx status {};
  if (auto known = os::statx(fd->get(), "", os::kAtEmptyPath, STATX_TYPE | STATX_SIZE, status); !known)
    throw Error("open the image " + path).because(known.error());
  const unsigned type = status.stx_mode & os::kTypeMask;
  if (type == os::kTypeDirectory) return std::make_unique<Directory>(std::move(*fd), path);
  if (type != os::kTypeRegular) throw Error("open the image " + path).detail("it is neither a directory nor a file");
  refuse_compressed(fd->get(), path);
  return std::make_unique<TarFile>(std::move(*fd), status.stx_size, path);
}

}  // namespace wherry::image
