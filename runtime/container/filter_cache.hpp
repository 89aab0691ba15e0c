// SPDX-License-Identifier: Apache-2.0
// Compiled seccomp filters, kept below Settings::root. To compile Docker's profile takes 40 times as long as to load
// it.
//
// A file is named after the digest of plan::filter_key() and holds a digest of that name and its content. It is used
// only from a directory that belongs to the caller's own user and that nobody else can write to; so is the file. What
// does not fit is no entry: the filter is compiled, and the file replaced. Nothing here fails a container.
#pragma once

#include <optional>
#include <string>

#include "oci/spec.hpp"
#include "plan/seccomp.hpp"

namespace wherry::container {

inline constexpr const char* kFilterDirectory = ".seccomp@cache";  // "@": never a container id
inline constexpr std::size_t kMostFilters = 64;

// From the cache, or compiled and put there. Throws Error for a profile that cannot be compiled.
[[nodiscard]] plan::CompiledFilter cached_filter(const std::string& root, const oci::Seccomp& seccomp);

// The file format, for tests. Bytes that seal_filter() did not make for `name` are nothing.
[[nodiscard]] std::string seal_filter(const std::string& name, const plan::CompiledFilter& filter);
[[nodiscard]] std::optional<plan::CompiledFilter> open_filter(const std::string& name, std::string_view bytes);

}  // namespace wherry::container
