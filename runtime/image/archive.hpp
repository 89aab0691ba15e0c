// SPDX-License-Identifier: Apache-2.0
// A bundle as one tar file: config.json and rootfs/, compressed or not.
#pragma once

#include "image/unpack.hpp"

namespace wherry::image {

// Whether it is a tar file, compressed or not, whose first entry is rootfs, but for config.json.
[[nodiscard]] bool is_bundle_archive(const std::string& path, const Limits& limits);

// Into the directory `bundle`. config.json is validated; whoever runs the bundle trusts it. Throws Error.
[[nodiscard]] Unpacked unpack_bundle_archive(const UnpackOptions& options, int bundle, Watcher& watcher);

}  // namespace wherry::image
