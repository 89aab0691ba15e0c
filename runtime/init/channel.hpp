// SPDX-License-Identifier: Apache-2.0
// Init's end of plan/protocol.hpp.
#pragma once

#include "init/context.hpp"

namespace wherry::init {

// Sends Reached{step} and waits for Go. Returns the step to go on with; EPIPE when the host is gone.
os::Result<uint32_t> hand_over(Context& context, uint32_t step) noexcept;
// Waits for Go and binds its slots.
os::Result<uint32_t> receive_go(Context& context) noexcept;
os::Status produce(Context& context, Slot slot, int fd, int pid = 0) noexcept;
os::Status send_reached(Context& context, uint32_t step, Slot slot = plan::slot::kNone, int fd = -1) noexcept;
// Writes the status page first: the message may never leave.
[[noreturn]] void fail(Context& context, const Outcome& outcome) noexcept;

}  // namespace wherry::init
