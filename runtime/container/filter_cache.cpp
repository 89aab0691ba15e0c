// SPDX-License-Identifier: Apache-2.0
#include "container/filter_cache.hpp"

#include <dirent.h>
#include <linux/filter.h>
#include <unistd.h>

#include <cstring>
#include <memory>

#include "os/digest.hpp"
#include "os/files.hpp"

namespace wherry::container {
namespace {

constexpr std::uint32_t kMagic = 0x46504257;  // "WBPF"

struct Header {
  std::uint32_t magic = kMagic;
  std::uint32_t flags = 0;
  std::uint32_t notify = 0;
  std::uint32_t size = 0;  // of the program behind this header
  os::Digest digest{};     // of the file's name, this header without a digest, and the program
};

constexpr std::size_t kLargestFile = sizeof(Header) + BPF_MAXINSNS * sizeof(sock_filter);

os::Digest seal_of(const std::string& name, Header header, std::string_view program) {
  header.digest = {};
  std::string text = name;
  text.append(reinterpret_cast<const char*>(&header), sizeof header);
  text.append(program);
  return os::digest(text);
}

bool is_private(int fd, unsigned type) {
  struct statx status {};
  return os::statx(fd, "", os::kAtEmptyPath, STATX_TYPE | STATX_MODE | STATX_UID, status) &&
         (status.stx_mode & os::kTypeMask) == type && (status.stx_mode & 022U) == 0 && status.stx_uid == ::geteuid();
}

// The root may be named by the user: where others can write, they could put a directory of their own in place.
os::Fd open_private_directory(const std::string& root) {
  auto parent = os::openat(os::kAtFdcwd, root.c_str(), os::kPath | os::kDirectory);
  if (!parent || !is_private(parent->get(), os::kTypeDirectory)) return {};
  auto dir = os::openat(parent->get(), kFilterDirectory, os::kRdOnly | os::kDirectory | os::kNoFollow);
  if (!dir && dir.error() == ENOENT) {
    if (!os::mkdirat(parent->get(), kFilterDirectory, 0700)) return {};
    dir = os::openat(parent->get(), kFilterDirectory, os::kRdOnly | os::kDirectory | os::kNoFollow);
  }
  return dir && is_private(dir->get(), os::kTypeDirectory) ? std::move(*dir) : os::Fd{};
}

std::optional<plan::CompiledFilter> find(int dir, const std::string& name) {
  auto file = os::openat(dir, name.c_str(), os::kRdOnly | os::kNoFollow | os::kNonBlock);
  if (!file || !is_private(file->get(), os::kTypeRegular)) return std::nullopt;
  const auto bytes = os::read_all(file->get(), kLargestFile);
  return bytes ? open_filter(name, bytes.value()) : std::nullopt;
}

// The oldest of the files, if there are as many as there may be; what a killed writer left is a file as well.
std::string one_too_many(int dir) {
  auto copy = os::openat(dir, ".", os::kRdOnly | os::kDirectory);
  if (!copy) return {};
  const std::unique_ptr<DIR, int (*)(DIR*)> entries(::fdopendir(copy->get()), ::closedir);
  if (!entries) return {};
  (void)copy->release();  // closedir(3) closes it
  std::string oldest;
  std::int64_t oldest_time = 0;
  std::size_t count = 0;
  while (const dirent* entry = ::readdir(entries.get())) {
    struct statx status {};
    if (entry->d_name[0] == '.' || !os::statx(dir, entry->d_name, os::kAtSymlinkNofollow, STATX_MTIME, status))
      continue;
    ++count;
    if (oldest.empty() || status.stx_mtime.tv_sec < oldest_time) {
      oldest = entry->d_name;
      oldest_time = status.stx_mtime.tv_sec;
    }
  }
  return count < kMostFilters ? std::string() : oldest;
}

// Whatever goes wrong: the next container compiles the filter again.
void keep(int dir, const std::string& name, const plan::CompiledFilter& filter) {
  if (const std::string oldest = one_too_many(dir); !oldest.empty()) (void)os::unlinkat(dir, oldest.c_str(), 0);
  const std::string beside = std::to_string(::getpid()) + ".tmp";  // one writer, one file
  if (os::create_file(dir, beside.c_str(), seal_filter(name, filter), 0600) &&
      os::renameat(dir, beside.c_str(), dir, name.c_str()))
    return;
  (void)os::unlinkat(dir, beside.c_str(), 0);
}

}  // namespace

std::string seal_filter(const std::string& name, const plan::CompiledFilter& filter) {
  const std::string_view program(reinterpret_cast<const char*>(filter.program.data()), filter.program.size());
  Header header;
  header.flags = filter.flags;
  header.notify = filter.notify ? 1 : 0;
  header.size = static_cast<std::uint32_t>(program.size());
  header.digest = seal_of(name, header, program);
  std::string bytes(reinterpret_cast<const char*>(&header), sizeof header);
  return bytes.append(program);
}

std::optional<plan::CompiledFilter> open_filter(const std::string& name, std::string_view bytes) {
  Header header;
  if (bytes.size() < sizeof header) return std::nullopt;
  std::memcpy(&header, bytes.data(), sizeof header);
  const std::string_view program = bytes.substr(sizeof header);
  const bool whole = header.magic == kMagic && header.size == program.size() && header.notify <= 1 &&
                     header.digest == seal_of(name, header, program);
  if (!whole) return std::nullopt;
  return plan::CompiledFilter{{program.begin(), program.end()}, header.flags, header.notify == 1};
}

plan::CompiledFilter cached_filter(const std::string& root, const oci::Seccomp& seccomp) {
  const os::Fd dir = open_private_directory(root);
  if (!dir) return plan::compile_seccomp(seccomp);
  const std::string name = os::hex(os::digest(plan::filter_key(seccomp)));
  if (auto found = find(dir.get(), name)) return std::move(*found);
  plan::CompiledFilter filter = plan::compile_seccomp(seccomp);
  keep(dir.get(), name, filter);
  return filter;
}

}  // namespace wherry::container
