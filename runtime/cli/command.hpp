// SPDX-License-Identifier: Apache-2.0
// One row per command, one file per command.
#pragma once

#include <span>
#include <string_view>

#include "cli/globals.hpp"

namespace wherry::cli {

struct Invocation {
  const Globals& globals;
  const Words& words;  // behind the command
  Log& log;
};

struct Command {
  std::string_view name;
  std::string_view purpose;
  int (*run)(const Invocation&);  // the exit code; throws Error
  int failure = 1;                // exit code when it throws
};

[[nodiscard]] std::span<const Command> commands();
[[nodiscard]] const Command* find_command(std::string_view name);

int checkpoint_command(const Invocation& invocation);
int create_command(const Invocation& invocation);
int delete_command(const Invocation& invocation);
int doctor_command(const Invocation& invocation);
int events_command(const Invocation& invocation);
int exec_command(const Invocation& invocation);
int explain_command(const Invocation& invocation);
int features_command(const Invocation& invocation);
int help_command(const Invocation& invocation);
int images_command(const Invocation& invocation);
int kill_command(const Invocation& invocation);
int list_command(const Invocation& invocation);
int pause_command(const Invocation& invocation);
int prune_command(const Invocation& invocation);
int ps_command(const Invocation& invocation);
int restore_command(const Invocation& invocation);
int resume_command(const Invocation& invocation);
int run_command(const Invocation& invocation);
int spec_command(const Invocation& invocation);
int start_command(const Invocation& invocation);
int state_command(const Invocation& invocation);
int unpack_command(const Invocation& invocation);
int update_command(const Invocation& invocation);

}  // namespace wherry::cli
