// SPDX-License-Identifier: Apache-2.0
// Plan to bytes (wire.hpp) and back, for wherry-init and for the copy in the state directory.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "plan/plan.hpp"

namespace wherry::plan {

// The origins follow behind PlanHeader::size, where init does not look.
[[nodiscard]] std::vector<unsigned char> encode(const Plan& plan);
// Throws wherry::Error for anything that encode() did not write.
[[nodiscard]] Plan decode(std::span<const unsigned char> bytes);

}  // namespace wherry::plan
