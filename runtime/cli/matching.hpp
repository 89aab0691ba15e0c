// SPDX-License-Identifier: Apache-2.0
// crun's --regex: one command for every container that matches.
#pragma once

#include <functional>
#include <string>

#include "cli/command.hpp"
#include "wherry/wherry.hpp"

namespace wherry::cli {

// Calls `action` for every id that the POSIX extended regular expression matches anywhere, in the order of
// the ids. One that fails is a warning and does not keep the others waiting; throws at the end if any has
// failed. No match is no error.
void for_each_matching(const Settings& settings, const Invocation& invocation, const std::string& expression,
                       const std::function<void(const std::string& id)>& action);

}  // namespace wherry::cli
