// SPDX-License-Identifier: Apache-2.0
#include "cli/arguments.hpp"
#include "cli/command.hpp"

namespace wherry::cli {

int pause_command(const Invocation& invocation) {
  Arguments arguments("pause", "ID", "Freeze all processes of a container.");
  if (!arguments.parse(invocation.words, 1, 1)) return 0;
  pause(make_settings(invocation.globals), arguments.operands()[0]);
  return 0;
}

}  // namespace wherry::cli
