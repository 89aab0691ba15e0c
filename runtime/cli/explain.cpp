// SPDX-License-Identifier: Apache-2.0
#include "cli/arguments.hpp"
#include "cli/command.hpp"
#include "cli/output.hpp"
#include "wherry/error.hpp"

namespace wherry::cli {

int explain_command(const Invocation& invocation) {
  CreateOptions options;
  options.id = "explained";
  options.bundle = ".";
  std::string format = "text";
  Arguments arguments("explain", "[BUNDLE]", "Print what run would do with a bundle, without doing it.");
  arguments.text("-b,--bundle", options.bundle, "Directory of the bundle [.]");
  arguments.text("--config", options.config_name, "Name of the configuration in the bundle [config.json]");
  arguments.text("--id", options.id, "Id of the container [explained]");
  arguments.text("-f,--format", format, "text or json");
  if (!arguments.parse(invocation.words, 0, 1)) return 0;
  if (!arguments.operands().empty()) options.bundle = arguments.operands()[0];
  if (format != "text" && format != "json") throw Error("--format " + format).detail("is neither text nor json");
  const Explanation explanation = explain(make_settings(invocation.globals), options);
  const std::string& text = format == "json" ? explanation.json : explanation.text;
  print(text.ends_with('\n') ? text : text + "\n");
  return 0;
}

}  // namespace wherry::cli
