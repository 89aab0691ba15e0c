// SPDX-License-Identifier: Apache-2.0
// Names of archive entries as relative paths. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace wherry::image {

// image-spec layer.md: "./a", "/a" and "a" are the same. "" is the root. nullopt: ".." would leave the root, or a
// component is longer than NAME_MAX.
[[nodiscard]] std::optional<std::string> clean_name(std::string_view name);

// The path that the target of a symbolic link in directory `directory` (clean) means inside the root: as in a chroot,
// ".." stops there.
[[nodiscard]] std::string join_link(std::string_view directory, std::string_view target);

// Directory and last component of a clean path: {"usr/bin", "env"}, {"", "etc"}.
struct Split {
  std::string directory, name;
};
[[nodiscard]] Split split_path(const std::string& path);
// The other way round.
[[nodiscard]] std::string join(const std::string& directory, const std::string& name);

// Takes the first component from a path of any kind; what is between two slashes is "".
[[nodiscard]] std::string pop_component(std::string& path);

}  // namespace wherry::image
