// SPDX-License-Identifier: Apache-2.0
#include "cli/arguments.hpp"
#include "cli/command.hpp"

namespace wherry::cli {

int resume_command(const Invocation& invocation) {
  Arguments arguments("resume", "ID", "Thaw all processes of a paused container.");
  if (!arguments.parse(invocation.words, 1, 1)) return 0;
  resume(make_settings(invocation.globals), arguments.operands()[0]);
  return 0;
}

}  // namespace wherry::cli
