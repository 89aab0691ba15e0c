// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace wherry::cli {

// Docker, containerd and Podman parse the first line and "key: value" of the others.
[[nodiscard]] std::string version_text();

}  // namespace wherry::cli
