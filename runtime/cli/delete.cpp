// SPDX-License-Identifier: Apache-2.0
#include "cli/arguments.hpp"
#include "cli/command.hpp"
#include "cli/matching.hpp"

namespace wherry::cli {

int delete_command(const Invocation& invocation) {
  bool force = false, regex = false;
  Arguments arguments("delete", "ID", "Remove all that create made.");
  arguments.flag("-f,--force", force, "Kill the container first; no error if there is none");
  arguments.flag("--regex", regex, "ID is a regular expression: delete every container that matches");
  if (!arguments.parse(invocation.words, 1, 1)) return 0;
  const Settings settings = make_settings(invocation.globals);
  const auto delete_one = [&](const std::string& id) {
    for (const std::string& warning : remove(settings, id, force)) invocation.log.warning(warning);
  };
  const std::string& wanted = arguments.operands()[0];
  regex ? for_each_matching(settings, invocation, wanted, delete_one) : delete_one(wanted);
  return 0;
}

}  // namespace wherry::cli
