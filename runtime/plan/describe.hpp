// SPDX-License-Identifier: Apache-2.0
// Steps for people: what a step's fields say, by name. Shared by explain, trace and error messages.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "plan/plan.hpp"

namespace wherry::plan {

// Name and text of each field that is not at its default, in the order of the field list.
[[nodiscard]] std::vector<std::pair<std::string, std::string>> described_fields(const Step& step);

[[nodiscard]] const char* name_of(Lane lane);                  // "host", "init", "pid1", "beside"
[[nodiscard]] const char* name_of(HookKind kind);              // "createRuntime"
[[nodiscard]] std::string name_of_slot(Slot slot);             // "cgroup", "#17"
[[nodiscard]] std::string name_of_namespaces(uint64_t flags);  // "pid,mount"

}  // namespace wherry::plan
