// SPDX-License-Identifier: Apache-2.0
// What create has saved for the later commands.
#pragma once

#include <string>

#include "container/store.hpp"
#include "oci/spec.hpp"
#include "oci/state.hpp"
#include "plan/plan.hpp"

namespace wherry::container {

[[nodiscard]] oci::Spec read_saved_spec(const StateDirectory& directory);
[[nodiscard]] plan::Plan read_saved_plan(const StateDirectory& directory);

// The state document that hooks get.
[[nodiscard]] oci::State hook_state(const oci::Record& record, const std::string& status);

}  // namespace wherry::container
