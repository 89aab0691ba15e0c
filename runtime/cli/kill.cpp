// SPDX-License-Identifier: Apache-2.0
#include "cli/arguments.hpp"
#include "cli/command.hpp"
#include "cli/matching.hpp"
#include "cli/signals.hpp"
#include "wherry/error.hpp"

namespace wherry::cli {

int kill_command(const Invocation& invocation) {
  bool all = false, regex = false;
  Arguments arguments("kill", "ID [SIGNAL]", "Send a signal, TERM if none is named, to a container's process.");
  arguments.flag("-a,--all", all, "To every process of the container");
  arguments.flag("--regex", regex, "ID is a regular expression: to every container that matches");
  if (!arguments.parse(invocation.words, 1, 2)) return 0;
  const Words& operands = arguments.operands();
  const std::string name = operands.size() == 2 ? operands[1] : "TERM";
  const auto signal = parse_signal(name);
  if (!signal) throw Error("kill: unknown signal \"" + name + "\"");
  const Settings settings = make_settings(invocation.globals);
  const auto kill_one = [&](const std::string& id) { kill(settings, id, *signal, all); };
  regex ? for_each_matching(settings, invocation, operands[0], kill_one) : kill_one(operands[0]);
  return 0;
}

}  // namespace wherry::cli
