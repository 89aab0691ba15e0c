// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cgroup/stats.hpp"
#include "shim/messages.hpp"

namespace wherry::shim {

// io.containerd.cgroups.v2.Metrics. "max" in a file of limits is 2^64-1.
[[nodiscard]] Metrics metrics_of(const cgroup::Stats& stats);

}  // namespace wherry::shim
