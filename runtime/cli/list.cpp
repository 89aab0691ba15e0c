// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <cerrno>

#include "cli/arguments.hpp"
#include "cli/command.hpp"
#include "cli/output.hpp"
#include "wherry/error.hpp"

namespace wherry::cli {
namespace {

std::string ids(const std::vector<ContainerState>& states) {
  std::string text;
  for (const ContainerState& state : states) text += state.id + "\n";
  return text;
}

std::string table(const std::vector<ContainerState>& states) {
  std::vector<Words> rows{{"ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"}};
  for (const ContainerState& state : states)
    rows.push_back({state.id, std::to_string(state.pid), state.status, state.bundle, state.created, state.owner});
  return format_table(rows);
}

}  // namespace

int list_command(const Invocation& invocation) {
  std::string format = "table";
  bool quiet = false;
  Arguments arguments("list", "", "List the containers below --root.");
  arguments.text("-f,--format", format, "table or json");
  arguments.flag("-q,--quiet", quiet, "Ids only");
  if (!arguments.parse(invocation.words, 0, 0)) return 0;
  const bool json = wants_json(format);
  if (const std::string& root = invocation.globals.root; !root.empty() && access(root.c_str(), F_OK) != 0)
    throw Error("list the containers below --root " + root).because(errno);
  const auto states = list(make_settings(invocation.globals));
  print(quiet ? ids(states) : json ? list_json(states) + "\n" : table(states));
  return 0;
}

}  // namespace wherry::cli
