// SPDX-License-Identifier: Apache-2.0
// Small files, whole. Hosted.
#pragma once

#include <string>
#include <string_view>

#include "os/core/calls.hpp"

namespace wherry::os {

// At most `limit` bytes; a longer file is EFBIG.
Result<std::string> read_all(int fd, std::size_t limit);
Result<std::string> read_file(int dir, const char* path, std::size_t limit);

// For reading, only if it is a regular file: EINVAL for all else, which is not even opened, since that alone acts on
// some devices. `resolve` is openat2(2)'s. Needs procfs.
Result<Fd> open_regular(int dir, const char* path, uint64_t resolve);

Status write_all(int fd, std::string_view data) noexcept;
// Makes a new file; EEXIST when there is one.
Status create_file(int dir, const char* name, std::string_view data, unsigned mode) noexcept;
// Whoever reads sees the old content or the new one: written beside as "<name>.tmp", then renamed.
Status replace_file(int dir, const std::string& name, std::string_view data, unsigned mode);
// mkdir -p: a parent that is missing gets the mode `parents`, the last one `mode`; what is there stays as it is.
Status make_directories(const std::string& path, unsigned parents, unsigned mode);
// For files of procfs, sysfs and cgroupfs: one write(2), no creation.
Status write_existing(int dir, const char* path, std::string_view data) noexcept;

// An unnamed file; `flags` are memfd_create(2)'s.
Result<Fd> make_memory(const char* name, unsigned flags) noexcept;

// An unnamed file that is complete and can never change: for state documents and programs.
Result<Fd> sealed_memory(const char* name, std::string_view data, bool executable) noexcept;

}  // namespace wherry::os
