// SPDX-License-Identifier: Apache-2.0
#include "cli/arguments.hpp"
#include "cli/command.hpp"
#include "cli/output.hpp"

namespace wherry::cli {

int features_command(const Invocation& invocation) {
  Arguments arguments("features", "", "Print what this runtime supports, as features.md of the specification says.");
  if (!arguments.parse(invocation.words, 0, 0)) return 0;
  print(features_json() + "\n");
  return 0;
}

}  // namespace wherry::cli
