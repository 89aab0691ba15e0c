// SPDX-License-Identifier: Apache-2.0
// How much an image's program may do: capabilities, seccomp, masked paths.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

namespace wherry::image {

enum class Profile : std::uint8_t {
  kDefault,  // three capabilities, no new privileges, seccomp
  kDocker,   // fourteen capabilities, new privileges by set-user-ID programs, seccomp: what Docker gives
  kStrict,   // no capability, no new privileges, narrower seccomp, read-only root
  kNone,     // Docker's capabilities, and neither seccomp nor masked paths
};

// Throws Error for a name that is none of default, docker, strict, none.
[[nodiscard]] Profile parse_profile(const std::string& name);

// Puts the profile into a config.json that has process and linux.
void apply_profile(Profile profile, nlohmann::ordered_json& config);

}  // namespace wherry::image
