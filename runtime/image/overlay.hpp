// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace wherry::image {

// Whether this user can mount overlayfs with its changes on the file system of `store`, which is made where it is
// missing. Tries it; without privileges it enters a mount namespace of its own for that, and stays there.
[[nodiscard]] bool overlay_works(const std::string& store);

}  // namespace wherry::image
