// SPDX-License-Identifier: Apache-2.0
#include "cli/arguments.hpp"
#include "cli/command.hpp"
#include "cli/output.hpp"

namespace wherry::cli {

int state_command(const Invocation& invocation) {
  Arguments arguments("state", "ID", "Print the state of a container.");
  if (!arguments.parse(invocation.words, 1, 1)) return 0;
  print(state_json(state(make_settings(invocation.globals), arguments.operands()[0])) + "\n");
  return 0;
}

}  // namespace wherry::cli
