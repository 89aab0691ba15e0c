// SPDX-License-Identifier: Apache-2.0
// Starts wherry-init in the host's namespaces. The runtime's own binary is never reachable from inside a container.
#pragma once

#include "os/spawn.hpp"

namespace wherry::container {

// `channel` and `page` keep their numbers in the child; of the rest it gets 0, 1, 2 and the fds below 3 + preserve_fds.
[[nodiscard]] os::Child spawn_init(int channel, int page, unsigned preserve_fds);

}  // namespace wherry::container
