// SPDX-License-Identifier: Apache-2.0
#include "manual/manual.hpp"

namespace wherry::manual {
namespace {

using cli::Arguments;

bool takes_container(const Described& command) {
  return command.usage.find(" ID") != std::string::npos && command.name != "create" && command.name != "run";
}

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

std::string fish_text(const std::string& text) { return "'" + replaced(text, {{'\'', "\\'"}, {'\\', "\\\\"}}) + "'"; }

std::string fish_option(const std::string& condition, const Arguments::Entry& option) {
  std::string line = "complete -c wherry -n " + fish_text(condition);
  if (option.name.short_name != 0) line += std::string(" -s ") + option.name.short_name;
  if (!option.name.long_name.empty()) line += " -l " + std::string(option.name.long_name);
  return line + (option.name.takes_value ? " -r -F" : " -f") + " -d " + fish_text(option.help) + "\n";
}

}  // namespace

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

}  // namespace wherry::manual
