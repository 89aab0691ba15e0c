// SPDX-License-Identifier: Apache-2.0
// The user of an image, looked up in its own passwd(5) and group(5): hostile files, read whole with a bound. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace wherry::image {

struct Account {
  std::uint32_t uid = 0, gid = 0;
  std::vector<std::uint32_t> additional_gids;  // sorted
};

// `user` is config.md's User: "", "name", "uid", and each with ":group" or ":gid". What consists of digits is a number
// (CVE-2024-40635: in range, or an Error); an unknown name is an Error. conversion.md: additional groups are those
// of a user given by name without a group.
[[nodiscard]] Account find_account(const std::string& user, std::string_view passwd, std::string_view group);

}  // namespace wherry::image
