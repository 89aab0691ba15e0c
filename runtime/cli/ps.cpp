// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "cli/arguments.hpp"
#include "cli/command.hpp"
#include "cli/output.hpp"
#include "cli/process_table.hpp"

namespace wherry::cli {
namespace {

std::string json_array(const std::vector<pid_t>& pids) {
  std::string text;
  for (const pid_t pid : pids) text += (text.empty() ? "" : ",") + std::to_string(pid);
  return "[" + text + "]\n";
}

}  // namespace

int ps_command(const Invocation& invocation) {
  std::string format = "table";
  Arguments arguments("ps", "ID [PS-OPTIONS]", "List the processes of a container as ps(1) shows them [-ef].");
  arguments.text("-f,--format", format, "table or json");
  arguments.stop_at_operand();
  if (!arguments.parse(invocation.words, 1, SIZE_MAX)) return 0;
  const bool json = wants_json(format);
  const Words& operands = arguments.operands();
  const auto pids = processes(make_settings(invocation.globals), operands[0]);
  if (json) return print(json_array(pids)), 0;
  const Words options(operands.begin() + 1, operands.end());
  print(select_processes(read_process_table(options.empty() ? Words{"-ef"} : options), pids));
  return 0;
}

}  // namespace wherry::cli
