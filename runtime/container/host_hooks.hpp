// SPDX-License-Identifier: Apache-2.0
// Hooks of the runtime's namespaces: prestart, createRuntime, poststart, poststop.
#pragma once

#include <string>

#include "plan/plan.hpp"

namespace wherry::container {

// Runs the hook with `state` on its standard input and only its own environment (CVE-2025-23266). A hook that is over
// its timeout is killed with its process group. Throws Error for anything but exit status 0.
void run_hook(const plan::RunHook<plan::Owned>& hook, const std::string& state);

}  // namespace wherry::container
