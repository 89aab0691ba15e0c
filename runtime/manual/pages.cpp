// SPDX-License-Identifier: Apache-2.0
#include "manual/manual.hpp"

namespace wherry::manual {
namespace {

using cli::Arguments;

std::string roff(const std::string& text) {
  std::string escaped = replaced(text, {{'\\', "\\e"}, {'-', "\\-"}, {'\'', "\\(aq"}});
  return escaped.rfind('.', 0) == 0 ? "\\&" + escaped : escaped;
}

std::string bold(const std::string& text) { return "\\fB" + roff(text) + "\\fR"; }

std::string option_entry(const Arguments::Entry& option) {
  std::string names;
  if (option.name.short_name != 0) names = bold(std::string("-") + option.name.short_name);
  if (!option.name.long_name.empty())
    names += (names.empty() ? "" : ", ") + bold("--" + std::string(option.name.long_name));
  if (option.name.takes_value) names += " \\fIVALUE\\fR";
  return ".TP\n" + names + "\n" + roff(option.help) + (option.is_list ? " (may be given more than once)" : "") + ".\n";
}

std::string page_head(const std::string& title, const std::string& summary, const std::string& usage) {
  return ".TH " + roff(title) + " 8 \"\" \"Wherry " WHERRY_VERSION "\" \"Containers\"\n.SH NAME\n" + roff(title) +
         " \\- " + roff(summary) + "\n.SH SYNOPSIS\n" + bold(usage.substr(0, usage.find(" ["))) +
         (usage.find(" [") == std::string::npos ? "" : roff(usage.substr(usage.find(" [")))) + "\n";
}

std::string options_section(const Described& command) {
  std::string text = ".SH OPTIONS\n";
  for (const auto& option : command.options) text += option_entry(option);
  return text;
}

}  // namespace

std::string command_page(const Described& command) {
  std::string text = page_head("wherry-" + command.name, command.summary, command.usage);
  text += ".SH DESCRIPTION\n" + roff(command.purpose) + "\n" + options_section(command) + ".SH EXIT STATUS\n";
  if (command.name == "run" || command.name == "exec")
    text += "That of the program, 128 and the signal if a signal ended it; with " + bold("--detach") + " 0.\n";
  else
    text += "0 when it was done.\n";
  return text + "An error gives " + std::to_string(command.failure) +
         " and one line on standard error.\n.SH SEE ALSO\n" + bold("wherry") + "(8)\n";
}

std::string main_page(const Described& globals, const std::vector<Described>& commands) {
  std::string text = page_head("wherry", "run OCI containers", "wherry [OPTIONS] COMMAND [ARGUMENTS]");
  text +=
      ".SH DESCRIPTION\nWherry makes a container of a bundle: a directory that holds config.json (see the OCI runtime "
      "specification) and a root file system. It compiles config.json into a plan, a list of small steps, and then "
      "does "
      "what the plan says. Its command line is that of\n.BR runc (8),\nso that it can take its place under Docker, "
      "containerd and Podman.\n.SH COMMANDS\n";
  for (const Described& command : commands)
    text += ".TP\n" + bold(command.name) + "\n" + roff(command.summary) + "; see " + bold("wherry-" + command.name) +
            "(8).\n";
  text += options_section(globals);
  text +=
      ".SH FILES\n.TP\n\\fI/run/wherry\\fR\nstate of the containers; for other users than root "
      "\\fI$XDG_RUNTIME_DIR/wherry\\fR.\n.SH EXIT STATUS\n0 when it was done, 1 on an error (\\fBexec\\fR: 255), or "
      "the "
      "exit status of the program.\n.SH SEE ALSO\n";
  for (const Described& command : commands)
    text += ".BR wherry\\-" + command.name + " (8)" + (&command == &commands.back() ? "\n" : ",\n");
  return text;
}

}  // namespace wherry::manual
