// SPDX-License-Identifier: Apache-2.0
#include "cli/arguments.hpp"
#include "cli/command.hpp"
#include "cli/output.hpp"

namespace wherry::cli {

// Exit code 1 if something is missing.
int doctor_command(const Invocation& invocation) {
  Arguments arguments("doctor", "", "Tell what this host can do for containers, and what to do about the rest.");
  if (!arguments.parse(invocation.words, 0, 0)) return 0;
  bool well = true;
  std::string text;
  for (const Finding& finding : examine_host(make_settings(invocation.globals))) {
    well = well && finding.ok;
    text += (finding.ok ? "ok       " : "missing  ") + finding.name + ": " + finding.detail;
    if (!finding.remedy.empty()) text += "; " + finding.remedy;
    text += "\n";
  }
  print(text);
  return well ? 0 : 1;
}

}  // namespace wherry::cli
