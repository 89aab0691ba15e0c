// SPDX-License-Identifier: Apache-2.0
// The options before the command.
#pragma once

#include <functional>
#include <string>

#include "cli/arguments.hpp"
#include "cli/log.hpp"
#include "cli/words.hpp"
#include "wherry/wherry.hpp"

namespace wherry::cli {

struct Globals {
  std::string root, cgroup_manager = "cgroupfs";
  LogOptions log;
  bool systemd_cgroup = false, version = false, help = false;
};

[[nodiscard]] const std::vector<OptionName>& global_options();

// An earlier option's effect on the log stands even if a later one is in error.
void parse_globals(const Words& words, Globals& globals);

// Their declarations.
void read_global_arguments(const std::function<void(const Arguments&)>& reader);

// The text of `wherry --help` about them.
[[nodiscard]] std::string global_help();

// Throws Error for a cgroup manager that there is none of.
[[nodiscard]] Settings make_settings(const Globals& globals);
// For commands that play a plan: with --debug each step of it is logged.
[[nodiscard]] Settings make_settings(const Globals& globals, Log& log);

}  // namespace wherry::cli
