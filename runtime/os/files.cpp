// SPDX-License-Identifier: Apache-2.0
#include "os/files.hpp"

namespace wherry::os {

Result<std::string> read_all(int fd, std::size_t limit) {
  std::string text(4096, '\0');
  std::size_t size = 0;
  for (;;) {
    auto got = read(fd, text.data() + size, text.size() - size);
    if (!got) return Result<std::string>::failure(got.error());
    if (*got == 0) break;
    size += static_cast<std::size_t>(*got);
    if (size > limit) return Result<std::string>::failure(EFBIG);
    if (size == text.size()) text.resize(size * 4);
  }
  text.resize(size);
  return text;
}

Result<std::string> read_file(int dir, const char* path, std::size_t limit) {
  auto fd = openat(dir, path, kRdOnly | kNoCtty);
  return fd ? read_all(fd->get(), limit) : Result<std::string>::failure(fd.error());
}

Result<Fd> open_regular(int dir, const char* path, uint64_t resolve) {
  auto place = openat2(dir, path, kPath, resolve);
  if (!place) return place;
  struct statx status {};
  if (auto known = statx(place->get(), "", kAtEmptyPath, STATX_TYPE, status); !known)
    return Result<Fd>::failure(known.error());
  if ((status.stx_mode & kTypeMask) != kTypeRegular) return Result<Fd>::failure(EINVAL);
  return openat(kAtFdcwd, ("/proc/self/fd/" + std::to_string(place->get())).c_str(), kRdOnly | kNoCtty);
}

Status write_all(int fd, std::string_view data) noexcept {
  while (!data.empty()) {
    auto written = write(fd, data.data(), data.size());
    if (!written) return Status(written.error());
    if (*written == 0) return Status(EIO);
    data.remove_prefix(static_cast<std::size_t>(*written));
  }
  return Status();
}

Status create_file(int dir, const char* name, std::string_view data, unsigned mode) noexcept {
  auto fd = openat(dir, name, kWrOnly | kCreat | kExcl | kNoFollow, mode);
  return fd ? write_all(fd->get(), data) : Status(fd.error());
}

Status replace_file(int dir, const std::string& name, std::string_view data, unsigned mode) {
  const std::string beside = name + ".tmp";
  auto fd = openat(dir, beside.c_str(), kWrOnly | kCreat | kTrunc | kNoFollow, mode);
  if (!fd) return Status(fd.error());
  if (auto status = write_all(fd->get(), data); !status) return status;
  return renameat(dir, beside.c_str(), dir, name.c_str());
}

Status make_directories(const std::string& path, unsigned parents, unsigned mode) {
  for (std::size_t at = path.find('/', 1);; at = path.find('/', at + 1)) {
    const bool last = at == std::string::npos;
    const Status made = mkdirat(kAtFdcwd, path.substr(0, at).c_str(), last ? mode : parents);
    if (!made && made.error() != EEXIST) return made;
    if (last) return {};
  }
}

Status write_existing(int dir, const char* path, std::string_view data) noexcept {
  auto fd = openat(dir, path, kWrOnly | kNoCtty);
  if (!fd) return Status(fd.error());
  auto written = write(fd->get(), data.data(), data.size());
  if (!written) return Status(written.error());
  return static_cast<std::size_t>(*written) == data.size() ? Status() : Status(EIO);
}

// memfd_create(2): kernels before 6.3 know neither flag, and make every memfd executable.
Result<Fd> make_memory(const char* name, unsigned flags) noexcept {
  auto fd = memfd_create(name, flags);
  return !fd && fd.error() == EINVAL ? memfd_create(name, flags & ~(kMfdExec | kMfdNoexecSeal))
                                     : static_cast<Result<Fd>&&>(fd);
}

Result<Fd> sealed_memory(const char* name, std::string_view data, bool executable) noexcept {
  auto fd = make_memory(name, kMfdAllowSealing | (executable ? kMfdExec : kMfdNoexecSeal));
  if (!fd) return fd;
  if (auto status = write_all(fd->get(), data); !status) return Result<Fd>::failure(status.error());
  auto sealed = fcntl(fd->get(), kFAddSeals, kSealSeal | kSealShrink | kSealGrow | kSealWrite);
  return sealed ? static_cast<Result<Fd>&&>(fd) : Result<Fd>::failure(sealed.error());
}

}  // namespace wherry::os
