// SPDX-License-Identifier: Apache-2.0
#include "cli/matching.hpp"

#include <regex.h>

#include <memory>

#include "wherry/error.hpp"

namespace wherry::cli {

void for_each_matching(const Settings& settings, const Invocation& invocation, const std::string& expression,
                       const std::function<void(const std::string& id)>& action) {
  regex_t compiled;
  if (regcomp(&compiled, expression.c_str(), REG_EXTENDED | REG_NOSUB) != 0)
    throw Error("--regex: \"" + expression + "\" is no regular expression");
  const std::unique_ptr<regex_t, decltype(&regfree)> owner(&compiled, regfree);
  unsigned failed = 0;
  for (const ContainerState& state : list(settings)) {
    if (regexec(&compiled, state.id.c_str(), 0, nullptr, 0) != 0) continue;
    try {
      action(state.id);
    } catch (const Error& error) {
      invocation.log.warning(error.message());
      ++failed;
    }
  }
  if (failed != 0)
    throw Error("--regex: " + std::to_string(failed) + (failed == 1 ? " container" : " containers") + " that \"" +
                expression + "\" matches failed");
}

}  // namespace wherry::cli
