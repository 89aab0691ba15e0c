// SPDX-License-Identifier: Apache-2.0
#include "cli/command.hpp"
#include "cli/output.hpp"
#include "wherry/error.hpp"

namespace wherry::cli {
namespace {

std::string overview() {
  std::string text =
      "Wherry runs OCI containers: config.json is compiled into a plan, and the plan is run.\n\nCommands:\n";
  for (const Command& command : commands()) {
    if (command.purpose.empty()) continue;
    text += "  " + std::string(command.name) + std::string(12 - command.name.size(), ' ') +
            std::string(command.purpose) + "\n";
  }
  return text + "\n" + global_help();
}

}  // namespace

int help_command(const Invocation& invocation) {
  if (invocation.words.empty()) return print(overview()), 0;
  const Command* command = find_command(invocation.words[0]);
  if (command == nullptr) throw Error("help: no command \"" + invocation.words[0] + "\"");
  if (command->run == help_command) return print(overview()), 0;
  return command->run({.globals = invocation.globals, .words = {"--help"}, .log = invocation.log});
}

}  // namespace wherry::cli
