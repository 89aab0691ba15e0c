// SPDX-License-Identifier: Apache-2.0
// Directories as they lie on the disk.
#include "image/tree.hpp"

namespace wherry::image {
namespace {

constexpr int kRemoveDirectory = 0x200;  // AT_REMOVEDIR
constexpr int kNoReplace = 1;            // RENAME_NOREPLACE

// Empties a directory with few descriptors and little stack, however deep it is: a container can make a tree that no
// path reaches. What lies too deep is moved up, for the next round.
class Emptying {
 public:
  explicit Emptying(int top) noexcept : top_(top) {}

  os::Status round() {
    moved_ = false;
    return empty(top_, 0);
  }
  [[nodiscard]] bool moved() const noexcept { return moved_; }

 private:
  static constexpr int kDeepest = 200;

  os::Status empty(int directory, int depth) {
    auto names = names_in(directory, ".");
    if (!names) return os::Status(names.error());
    for (const std::string& name : *names)
      if (auto gone = remove(directory, name.c_str(), depth); !gone) return gone;
    return {};
  }

  os::Status remove(int directory, const char* name, int depth);

  os::Status move_up(int directory, const char* name) {
    for (;;) {
      const std::string there = ".deep." + std::to_string(next_++);
      const os::Status moved = os::status_of(
          os::raw_syscall(__NR_renameat2, directory, os::address(name), top_, os::address(there.c_str()), kNoReplace));
      moved_ = moved_ || moved;
      if (moved || moved.error() != EEXIST) return moved;
    }
  }

  int top_;
  std::uint64_t next_ = 0;
  bool moved_ = false;
};

// nullopt: it is a directory that is not empty, or not to be read; else what came of it.
std::optional<os::Status> remove_at_once(int directory, const char* name) {
  os::Status gone = os::unlinkat(directory, name, 0);
  if (gone.error() == EISDIR || gone.error() == EPERM) {
    gone = os::unlinkat(directory, name, kRemoveDirectory);
    if (gone.error() == ENOTEMPTY || gone.error() == EACCES) return std::nullopt;
  }
  return gone.error() == ENOENT ? os::Status() : gone;
}

os::Result<os::Fd> open_to_empty(int directory, const char* name) {
  auto fd = os::openat2(directory, name, os::kPath | os::kDirectory | os::kNoFollow,
                        RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV);
  // Else its owner could not empty it; what is not ours fails where it is emptied.
  if (fd) (void)os::fchmodat(fd->get(), ".", 0700);
  return fd;
}

os::Status Emptying::remove(int directory, const char* name, int depth) {
  if (const auto gone = remove_at_once(directory, name)) return *gone;
  auto fd = open_to_empty(directory, name);
  if (!fd) return os::Status(fd.error());
  if (depth == kDeepest) return move_up(directory, name);
  if (auto emptied = empty(fd->get(), depth + 1); !emptied) return emptied;
  return os::unlinkat(directory, name, kRemoveDirectory);
}

}  // namespace

os::Result<std::vector<std::string>> names_in(int directory, const char* path) {
  using Names = os::Result<std::vector<std::string>>;
  auto fd = os::openat(directory, path, os::kRdOnly | os::kDirectory | os::kNoFollow);
  if (!fd) return Names::failure(fd.error());
  std::vector<std::string> names;
  alignas(os::DirectoryEntry) char buffer[16384];
  for (;;) {
    auto size = os::result_of(os::raw_syscall(__NR_getdents64, fd->get(), os::address(buffer), sizeof buffer));
    if (!size) return Names::failure(size.error());
    if (*size == 0) return names;
    for (long at = 0; at < *size;) {
      const auto* entry = reinterpret_cast<const os::DirectoryEntry*>(buffer + at);
      at += entry->size;  // NOLINT(clang-analyzer-core.uninitialized.Assign): getdents64(2) wrote it
      const std::string_view name(entry->name);
      if (name != "." && name != "..") names.emplace_back(name);
    }
  }
}

os::Status remove_tree(int directory, const char* name) {
  if (const auto gone = remove_at_once(directory, name)) return *gone;
  auto fd = open_to_empty(directory, name);
  if (!fd) return os::Status(fd.error());
  Emptying emptying(fd->get());
  do {
    if (auto emptied = emptying.round(); !emptied) return emptied;
  } while (emptying.moved());
  return os::unlinkat(directory, name, kRemoveDirectory);
}

}  // namespace wherry::image
