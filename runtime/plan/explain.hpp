// SPDX-License-Identifier: Apache-2.0
// The plan for people: two columns, the host's voice and the container's, one line of why per step; or JSON.
#pragma once

#include <string>

#include "plan/plan.hpp"

namespace wherry::plan {

[[nodiscard]] std::string explain_text(const Plan& plan);
// One object: {"steps": [{"lane", "verb", "why", "origin", "fields": {name: text}}], "warnings": []}
[[nodiscard]] std::string explain_json(const Plan& plan);

// What `run --trace` writes: Chrome trace events ("X", microseconds), one row per lane. Durations are laid end to end:
// a time namespace shifts CLOCK_MONOTONIC, so stamps of different lanes cannot be compared.
struct StepTiming {
  uint64_t duration_ns = 0;
  uint32_t rung = 0;
};
[[nodiscard]] std::string trace_json(const Plan& plan, const std::vector<StepTiming>& timings);

}  // namespace wherry::plan
