// SPDX-License-Identifier: Apache-2.0
// The loop: walk the plan, execute what is ours, hand over what is the host's.
#pragma once

#include "init/context.hpp"

namespace wherry::init {

// Maps the shared memory object behind context.page_fd and checks the plan's header. 0, or an errno.
int open_plan(Context& context) noexcept;
// From `step` on. Never returns: ends in the user's program, or with the failure told.
[[noreturn]] void play(Context& context, uint32_t step) noexcept;
// One step, decoded and executed.
Outcome perform(uint16_t kind, const unsigned char* fields, uint32_t size, Context& context) noexcept;

}  // namespace wherry::init
