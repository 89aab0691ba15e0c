// SPDX-License-Identifier: Apache-2.0
// Directories as they lie on the disk.
#include "image/tree.hpp"

namespace wherry::image {
namespace {

struct DirectoryEntry {  // struct linux_dirent64
  uint64_t inode;
  int64_t offset;
  uint16_t size;
  uint8_t type;
  char name[];
};

constexpr int kRemoveDirectory = 0x200;  // AT_REMOVEDIR

}  // namespace

os::Result<std::vector<std::string>> names_in(int directory, const char* path) {
  using Names = os::Result<std::vector<std::string>>;
  auto fd = os::openat(directory, path, os::kRdOnly | os::kDirectory | os::kNoFollow);
  if (!fd) return Names::failure(fd.error());
  std::vector<std::string> names;
  alignas(DirectoryEntry) char buffer[16384];
  for (;;) {
    auto size = os::result_of(os::raw_syscall(__NR_getdents64, fd->get(), os::address(buffer), sizeof buffer));
    if (!size) return Names::failure(size.error());
    if (*size == 0) return names;
    for (long at = 0; at < *size;) {
      const auto* entry = reinterpret_cast<const DirectoryEntry*>(buffer + at);
      at += entry->size;
      const std::string_view name(entry->name);
      if (name != "." && name != "..") names.emplace_back(name);
    }
  }
}

os::Status remove_tree(int directory, const char* name) {
  os::Status gone = os::unlinkat(directory, name, 0);
  if (gone || gone.error() == ENOENT) return os::Status();
  if (gone.error() != EISDIR && gone.error() != EPERM) return gone;
  gone = os::unlinkat(directory, name, kRemoveDirectory);
  if (gone || gone.error() == ENOENT) return os::Status();
  if (gone.error() == EACCES || gone.error() == ENOTEMPTY) {
    auto fd = os::openat2(directory, name, os::kPath | os::kDirectory | os::kNoFollow,
                          RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV);
    if (!fd) return os::Status(fd.error());
    (void)os::fchmodat(fd->get(), ".", 0700);  // else its owner could not empty it; what is not ours fails below
    auto names = names_in(fd->get(), ".");
    if (!names) return os::Status(names.error());
    for (const std::string& child : *names)
      if (auto status = remove_tree(fd->get(), child.c_str()); !status) return status;
    gone = os::unlinkat(directory, name, kRemoveDirectory);
  }
  return gone.error() == ENOENT ? os::Status() : gone;
}

}  // namespace wherry::image
