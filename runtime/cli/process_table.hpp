// SPDX-License-Identifier: Apache-2.0
// The output of ps(1), reduced to some processes.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

#include "cli/words.hpp"

namespace wherry::cli {

// Runs ps with these options; throws Error if it cannot or if ps fails.
[[nodiscard]] std::string read_process_table(const Words& options);

// The heading and the lines whose PID column is among `pids`; throws Error if there is no such column.
[[nodiscard]] std::string select_processes(std::string_view table, const std::vector<pid_t>& pids);

}  // namespace wherry::cli
