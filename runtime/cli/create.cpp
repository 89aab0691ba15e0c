// SPDX-License-Identifier: Apache-2.0
#include "cli/command.hpp"
#include "cli/create_options.hpp"

namespace wherry::cli {

int create_command(const Invocation& invocation) {
  CreateOptions options;
  bool no_subreaper = false;
  Arguments arguments("create", "ID", "Make a container; its program waits for start.");
  declare_create_options(arguments, options);
  arguments.flag("--no-subreaper", no_subreaper, "Accepted; Wherry never is a subreaper");
  if (!arguments.parse(invocation.words, 1, 1)) return 0;
  options.id = arguments.operands()[0];
  take_environment(options);
  const Process process =
      create(make_settings(invocation.globals, invocation.log), options);  // whoever asked waits for it
  for (const std::string& warning : process.warnings) invocation.log.warning(warning);
  return 0;
}

}  // namespace wherry::cli
