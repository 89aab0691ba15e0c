// SPDX-License-Identifier: Apache-2.0
// The words of a command line, sorted into options and the rest. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace wherry::cli {

using Words = std::vector<std::string>;

// The parts of each text between separators; empty ones are left out.
[[nodiscard]] Words split(const Words& texts, char separator);

struct OptionName {
  std::string_view long_name;  // without dashes
  char short_name = 0;         // 0: none
  bool takes_value = false;
};

struct SortedWords {
  Words options;   // "--name", "value", "-n", "value", "--flag", "--flag=false"
  Words operands;  // all else
};

// Long options are taken with one dash, too ("-bundle"), as engines write them; the value may follow "=" or
// be the next word, whatever it looks like. "--" ends the options. With `stop_at_operand` so does the first
// operand: the rest belongs to somebody else (exec, ps), but for one "--" right behind it. Unknown options
// stay in `options`.
[[nodiscard]] SortedWords sort_words(const Words& words, const std::vector<OptionName>& known, bool stop_at_operand);

struct CommandLine {
  Words globals;        // options before the command
  std::string command;  // "" when there is none
  Words rest;
};

// `globals`: the global options.
[[nodiscard]] CommandLine split_command_line(const Words& words, const std::vector<OptionName>& globals);

}  // namespace wherry::cli
