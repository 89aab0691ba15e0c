// SPDX-License-Identifier: Apache-2.0
// image-spec conversion.md: an image's configuration becomes a config.json.
#pragma once

#include <string>
#include <vector>

#include "image/accounts.hpp"
#include "image/image.hpp"
#include "image/profile.hpp"
#include "image/tree.hpp"

namespace wherry::image {

struct ConvertOptions {
  Profile profile = Profile::kDefault;
  bool rootless = false;  // for a user without privileges: no network namespace, no resources
  bool terminal = false;
  std::vector<IdRange> uids{}, gids{};   // of the user namespace; empty: none
  std::vector<std::string> arguments{};  // in place of the image's Cmd
  // overlay: the layers' directories, the topmost first, and where changes go; empty: a flat rootfs
  std::vector<std::string> lowers{};
  std::string upper{}, work{};
};

struct Converted {
  std::string json;                   // config.json
  std::vector<std::string> warnings;  // what of the image was left out
};

// Throws Error for an image that names no program, or whose configuration cannot be what it says.
[[nodiscard]] Converted convert(const Configuration& image, const Account& account, const ConvertOptions& options);

// Whether a runtime or an engine acts on this annotation: a label of that name must not become one.
[[nodiscard]] bool is_obeyed_annotation(std::string_view key);

}  // namespace wherry::image
