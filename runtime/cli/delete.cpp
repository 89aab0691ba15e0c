// SPDX-License-Identifier: Apache-2.0
#include <regex.h>

#include <memory>

#include "cli/arguments.hpp"
#include "cli/command.hpp"
#include "wherry/error.hpp"

namespace wherry::cli {
namespace {

// Ids that a POSIX extended regular expression matches anywhere.
Words matching_ids(const Settings& settings, const std::string& expression) {
  regex_t compiled;
  if (regcomp(&compiled, expression.c_str(), REG_EXTENDED | REG_NOSUB) != 0)
    throw Error("delete: \"" + expression + "\" is no regular expression");
  const std::unique_ptr<regex_t, decltype(&regfree)> owner(&compiled, regfree);
  Words ids;
  for (const ContainerState& state : list(settings)) {
    if (regexec(&compiled, state.id.c_str(), 0, nullptr, 0) == 0) ids.push_back(state.id);
  }
  return ids;
}

}  // namespace

int delete_command(const Invocation& invocation) {
  bool force = false, regex = false;
  Arguments arguments("delete", "ID", "Remove all that create made.");
  arguments.flag("-f,--force", force, "Kill the container first; no error if there is none");
  arguments.flag("--regex", regex, "ID is a regular expression: delete every container that matches");
  if (!arguments.parse(invocation.words, 1, 1)) return 0;
  const Settings settings = make_settings(invocation.globals);
  for (const std::string& id :
       regex ? matching_ids(settings, arguments.operands()[0]) : arguments.operands()) {
    for (const std::string& warning : remove(settings, id, force)) invocation.log.warning(warning);
  }
  return 0;
}

}  // namespace wherry::cli
