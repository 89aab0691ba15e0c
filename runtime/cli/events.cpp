// SPDX-License-Identifier: Apache-2.0
#include "cli/arguments.hpp"
#include "cli/command.hpp"
#include "cli/output.hpp"
#include "cli/quantities.hpp"

namespace wherry::cli {

int events_command(const Invocation& invocation) {
  std::string interval = "5s";
  bool stats = false;
  Arguments arguments("events", "ID", "Print what a container uses, and when it runs out of memory, as JSON lines.");
  arguments.text("--interval", interval, "Time between two statistics [5s]");
  arguments.flag("--stats", stats, "Print the statistics once, then exit");
  if (!arguments.parse(invocation.words, 1, 1)) return 0;
  const Settings settings = make_settings(invocation.globals);
  const std::string& id = arguments.operands()[0];
  const auto pause = parse_duration("interval", interval);
  if (stats) return print(stats_event(settings, id) + "\n"), 0;
  watch(settings, id, pause, [](const std::string& line) { print(line + "\n"); });
  return 0;
}

}  // namespace wherry::cli
