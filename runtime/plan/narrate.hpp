// SPDX-License-Identifier: Apache-2.0
// A plan that is being played, for the debug log: what was done, by whom, and how long it took.
#pragma once

#include <string>
#include <vector>

#include "plan/explain.hpp"

namespace wherry::plan {

// One line for a step that was done; a second one about the flags of a filter.
//   pid1: mount proc on /proc [/mounts/0] (0.041 ms)
[[nodiscard]] std::vector<std::string> narrate(const PlannedStep& planned, const StepTiming& timing);

// The great moments, in which runc's log says the same words: scripts look for them.
[[nodiscard]] std::string narrate_setup(int init, std::size_t step_count);  // wherry-init has its plan
[[nodiscard]] std::string narrate_pid1(int pid);                            // the process has been made
[[nodiscard]] std::string narrate_waiting();                                // create is done
[[nodiscard]] std::string narrate_exec(const Plan& plan);                   // the program runs

}  // namespace wherry::plan
