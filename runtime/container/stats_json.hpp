// SPDX-License-Identifier: Apache-2.0
// The statistics of a cgroup in the layout of runc's `events` (its types/events.go), which go-runc and scripts read.
#pragma once

#include <string>

#include "cgroup/stats.hpp"

namespace wherry::container {

// The object on one line. What runc leaves out when it is zero is left out; unlimited is 2^64 - 1, for pids 0.
[[nodiscard]] std::string stats_json(const cgroup::Stats& stats);

}  // namespace wherry::container
