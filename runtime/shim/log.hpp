// SPDX-License-Identifier: Apache-2.0
// What the shim says to nobody in particular: one line each on standard error, which is the bundle's log FIFO, in the
// text layout of containerd's own log. Never blocks: a line that cannot be written is lost.
#pragma once

#include <string>

namespace wherry::shim {

void log_warning(const std::string& message) noexcept;
void log_note(const std::string& message) noexcept;

}  // namespace wherry::shim
