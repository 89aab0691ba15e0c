// SPDX-License-Identifier: Apache-2.0
// usage: wherry-manual DIRECTORY
// Writes the man pages and the completions of bash, zsh and fish into DIRECTORY. It asks each command for its
// declarations, so that what these say is what the command takes. Runs at build time.
#include <sys/stat.h>

#include <cerrno>
#include <cstdio>
#include <exception>
#include <fstream>
#include <string>
#include <vector>

#include "cli/arguments.hpp"
#include "cli/command.hpp"
#include "unpack/commands.hpp"
#include "wherry/error.hpp"

namespace wherry::manual {
namespace {

using cli::Arguments;
using cli::Command;
using cli::commands;
using cli::Globals;
using cli::Log;
using cli::Words;

struct Described {
  std::string name;     // "" for the global options
  std::string summary;  // one line
  std::string purpose;  // a sentence
  std::string usage;
  std::vector<Arguments::Entry> options;
  int failure = 1;
};

Described describe(const Arguments& arguments) {
  return {{}, {}, arguments.purpose(), arguments.usage(), arguments.entries(), 1};
}

Described describe_globals() {
  Described globals;
  cli::read_global_arguments([&](const Arguments& arguments) { globals = describe(arguments); });
  globals.options.push_back({{"help", 'h', false}, "Print this text", false});
  return globals;
}

// Those of wherry-unpack, behind the commands of the same names.
struct ImageCommand {
  std::string_view name;
  int (*run)(const unpacking::Invocation&);
};
constexpr ImageCommand kImageCommands[] = {
    {"unpack", unpacking::unpack_command},
    {"images", unpacking::images_command},
    {"prune", unpacking::prune_command},
};

void call(const Command& command) {
  const Words none;
  Log log;
  for (const ImageCommand& image : kImageCommands) {
    if (image.name != command.name) continue;
    (void)image.run({none, log, unpacking::Identity{}});
    return;
  }
  const Globals globals{};
  (void)command.run({globals, none, log});
}

std::vector<Described> describe_commands() {
  std::vector<Described> all;
  Described current;
  Arguments::describe_to([&](const Arguments& arguments) { current = describe(arguments); });
  for (const Command& command : commands()) {
    if (command.purpose.empty() || command.name == "help") continue;
    call(command);
    current.name = command.name;
    current.summary = command.purpose;
    current.failure = command.failure;
    all.push_back(current);
  }
  return all;
}

bool takes_container(const Described& command) {
  return command.usage.find(" ID") != std::string::npos && command.name != "create" && command.name != "run";
}

std::string replaced(std::string text, const std::vector<std::pair<char, std::string>>& by) {
  std::string result;
  for (const char c : text) {
    std::string piece(1, c);
    for (const auto& [from, to] : by)
      if (c == from) piece = to;
    result += piece;
  }
  return result;
}

void write(const std::string& path, const std::string& text) {
  std::ofstream file(path);
  file << text;
  file.close();
  if (!file) throw Error("write " + path);
}

// --- man pages, man(7) ---

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

// --- completions ---

std::string option_words(const Described& command, bool with_value_only) {
  std::string words;
  const auto add = [&](const std::string& word) { words += (words.empty() ? "" : " ") + word; };
  for (const auto& option : command.options) {
    if (with_value_only && !option.name.takes_value) continue;
    if (option.name.short_name != 0) add(std::string("-") + option.name.short_name);
    if (!option.name.long_name.empty()) add("--" + std::string(option.name.long_name));
  }
  return words;
}

std::string bash_case(const std::string& patterns, const std::string& value) {
  return "    " + patterns + ") echo \"" + value + "\" ;;\n";
}

std::string bash_completion(const Described& globals, const std::vector<Described>& commands) {
  std::string names, options, values, with_id;
  for (const Described& command : commands) {
    names += (names.empty() ? "" : " ") + command.name;
    options += bash_case(command.name, option_words(command, false));
    values += bash_case(command.name, option_words(command, true));
    if (takes_container(command)) with_id += (with_id.empty() ? "" : "|") + command.name;
  }
  options += bash_case("*", option_words(globals, false));
  values += bash_case("*", option_words(globals, true));
  std::string text = "# bash completion for wherry\n_wherry_options() {\n  case $1 in\n" + options +
                     "  esac\n}\n_wherry_valued() {\n  case $1 in\n" + values + "  esac\n}\n";
  text += "_wherry_commands='" + names + "'\n";
  text += R"END(_wherry() {
  local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} command= i
  local -a root=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    case ${COMP_WORDS[i]} in
      --root) root=(--root "${COMP_WORDS[i + 1]}"); ((i++)) ;;
      -*) [[ " $(_wherry_valued "$command") " != *" ${COMP_WORDS[i]} "* ]] || ((i++)) ;;
      *) [ -n "$command" ] || command=${COMP_WORDS[i]} ;;
    esac
  done
  if [[ " $(_wherry_valued "$command") " == *" $previous "* ]]; then
    mapfile -t COMPREPLY < <(compgen -f -- "$word")
  elif [[ $word == -* ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$(_wherry_options "$command")" -- "$word")
  elif [ -z "$command" ]; then
    mapfile -t COMPREPLY < <(compgen -W "$_wherry_commands help" -- "$word")
  else
    case $command in
      )END";
  text += with_id;
  text += R"END() mapfile -t COMPREPLY < <(compgen -W "$(wherry "${root[@]}" list -q 2>/dev/null)" -- "$word") ;;
      help) mapfile -t COMPREPLY < <(compgen -W "$_wherry_commands" -- "$word") ;;
      *) mapfile -t COMPREPLY < <(compgen -f -- "$word") ;;
    esac
  fi
}
complete -o filenames -F _wherry wherry
)END";
  return text;
}

std::string zsh_text(const std::string& text) {
  return replaced(text, {{'\'', "'\\''"}, {'[', "\\["}, {']', "\\]"}, {':', "\\:"}});
}

std::string zsh_option(const Arguments::Entry& option) {
  const std::string tail = "[" + zsh_text(option.help) + "]" + (option.name.takes_value ? ":value:_files" : "") + "'";
  const std::string star = option.is_list ? "*" : "";
  const std::string long_name = "--" + std::string(option.name.long_name);
  if (option.name.short_name == 0) return "'" + star + long_name + tail;
  const std::string short_name = std::string("-") + option.name.short_name;
  if (option.name.long_name.empty()) return "'" + star + short_name + tail;
  const std::string exclusive = option.is_list ? "'*'" : "'(" + short_name + " " + long_name + ")'";
  return exclusive + "{" + short_name + "," + long_name + "}'" + tail;
}

std::string zsh_arguments(const Described& command) {
  std::string text;
  for (const auto& option : command.options) text += " \\\n        " + zsh_option(option);
  return text;
}

std::string zsh_completion(const Described& globals, const std::vector<Described>& commands) {
  std::string list, cases;
  for (const Described& command : commands) {
    list += "    '" + command.name + ":" + zsh_text(command.summary) + "'\n";
    cases += "      " + command.name + ") _arguments" + zsh_arguments(command) +
             (takes_container(command) ? " \\\n        '1:container:_wherry_containers' '*:argument:_files' ;;\n"
                                       : " \\\n        '*:argument:_files' ;;\n");
  }
  return "#compdef wherry\n_wherry_containers() {\n  local -a ids\n  ids=(${(f)\"$(_call_program containers wherry "
         "list -q "
         "2>/dev/null)\"})\n  _describe container ids\n}\n_wherry() {\n  local state line\n  local -a commands\n  "
         "commands=(\n" +
         list + "  )\n  _arguments -C" + zsh_arguments(globals) +
         " \\\n        '1:command:->command' '*::argument:->arguments'\n  case $state in\n"
         "    command) _describe command commands ;;\n    arguments) case $words[1] in\n" +
         cases + "    esac ;;\n  esac\n}\n_wherry \"$@\"\n";
}

std::string fish_text(const std::string& text) { return "'" + replaced(text, {{'\'', "\\'"}, {'\\', "\\\\"}}) + "'"; }

std::string fish_option(const std::string& condition, const Arguments::Entry& option) {
  std::string line = "complete -c wherry -n " + fish_text(condition);
  if (option.name.short_name != 0) line += std::string(" -s ") + option.name.short_name;
  if (!option.name.long_name.empty()) line += " -l " + std::string(option.name.long_name);
  return line + (option.name.takes_value ? " -r -F" : " -f") + " -d " + fish_text(option.help) + "\n";
}

std::string fish_completion(const Described& globals, const std::vector<Described>& commands) {
  std::string text = "# fish completion for wherry\n";
  for (const auto& option : globals.options) text += fish_option("__fish_use_subcommand", option);
  for (const Described& command : commands) {
    const std::string inside = "__fish_seen_subcommand_from " + command.name;
    text += "complete -c wherry -n __fish_use_subcommand -f -a " + command.name + " -d " + fish_text(command.summary) +
            "\n";
    for (const auto& option : command.options) text += fish_option(inside, option);
    if (takes_container(command))
      text += "complete -c wherry -n " + fish_text(inside) + " -f -a '(wherry list -q 2>/dev/null)'\n";
  }
  return text;
}

void write_all(const std::string& directory) {
  const Described globals = describe_globals();
  const std::vector<Described> commands = describe_commands();
  if (mkdir(directory.c_str(), 0755) != 0 && errno != EEXIST) throw Error("make " + directory).because(errno);
  write(directory + "/wherry.8", main_page(globals, commands));
  for (const Described& command : commands) write(directory + "/wherry-" + command.name + ".8", command_page(command));
  write(directory + "/wherry.bash", bash_completion(globals, commands));
  write(directory + "/_wherry", zsh_completion(globals, commands));
  write(directory + "/wherry.fish", fish_completion(globals, commands));
}

}  // namespace
}  // namespace wherry::manual

int main(int count, char** words) {
  try {
    if (count != 2) throw wherry::Error("usage: wherry-manual DIRECTORY");
    wherry::manual::write_all(words[1]);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "wherry-manual: %s\n", error.what());
    return 1;
  }
  return 0;
}
