// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "cli/command.hpp"

namespace wherry::cli {
namespace {

// Without a purpose: not shown by help.
constexpr Command kCommands[] = {
    {"create", "make a container; its program waits for start", create_command},
    {"start", "start the program of a created container", start_command},
    {"run", "create, start, wait, delete", run_command},
    {"exec", "run another program in a container", exec_command, 255},
    {"kill", "send a signal", kill_command},
    {"delete", "remove all that create made", delete_command},
    {"state", "print the state of a container", state_command},
    {"list", "list containers", list_command},
    {"ps", "list the processes of a container", ps_command},
    {"update", "change the limits of a container", update_command},
    {"events", "print what a container uses, as it goes on", events_command},
    {"pause", "freeze a container", pause_command},
    {"resume", "thaw a container", resume_command},
    {"spec", "write a default config.json", spec_command},
    {"unpack", "make a bundle of an OCI image", unpack_command},
    {"images", "list the images whose layers are in the store", images_command},
    {"prune", "remove layers from the store that no bundle uses", prune_command},
    {"explain", "print the plan of a bundle, without running it", explain_command},
    {"features", "print what this runtime supports", features_command},
    {"doctor", "tell what this host can do for containers", doctor_command},
    {"help", "print this text, or that of a command", help_command},
    {"checkpoint", "", checkpoint_command},
    {"restore", "", restore_command},
};

}  // namespace

std::span<const Command> commands() { return kCommands; }

const Command* find_command(std::string_view name) {
  const auto* const found = std::ranges::find(kCommands, name, &Command::name);
  return found == std::end(kCommands) ? nullptr : found;
}

}  // namespace wherry::cli
