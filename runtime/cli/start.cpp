// SPDX-License-Identifier: Apache-2.0
#include "cli/arguments.hpp"
#include "cli/command.hpp"
#include "cli/create_options.hpp"

namespace wherry::cli {

int start_command(const Invocation& invocation) {
  Arguments arguments("start", "ID", "Start the program of a created container.");
  if (!arguments.parse(invocation.words, 1, 1)) return 0;
  start(make_settings(invocation.globals, invocation.log), arguments.operands()[0], notify_socket());
  return 0;
}

}  // namespace wherry::cli
