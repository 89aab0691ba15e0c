// SPDX-License-Identifier: Apache-2.0
#include "cli/words.hpp"

#include <algorithm>

namespace wherry::cli {
namespace {

using Known = std::vector<OptionName>;

bool is_option(std::string_view word) { return word.size() > 1 && word[0] == '-'; }

const OptionName* find_long(const Known& known, std::string_view name) {
  const auto found = std::ranges::find(known, name, &OptionName::long_name);
  return found == known.end() ? nullptr : &*found;
}

const OptionName* find_short(const Known& known, char name) {
  const auto found = std::ranges::find(known, name, &OptionName::short_name);
  return found == known.end() ? nullptr : &*found;
}

// Of a group such as "-dt" or "-ufoo": the option in it that takes a value, and whether that is still to
// come.
bool group_wants_value(const Known& known, std::string_view group) {
  for (std::size_t i = 0; i < group.size(); ++i) {
    const OptionName* option = find_short(known, group[i]);
    if (option == nullptr) return false;
    if (option->takes_value) return i + 1 == group.size();
  }
  return false;
}

// Appends the option in its plain spelling; true when its value is the next word.
bool take_option(const Known& known, const std::string& word, Words& options) {
  const std::string_view name = std::string_view(word).substr(word[1] == '-' ? 2 : 1);
  const std::size_t equals = name.find('=');
  const OptionName* option = find_long(known, name.substr(0, equals));
  if (option == nullptr || option->long_name.empty()) {
    options.push_back(word);
    return word[1] != '-' && group_wants_value(known, name);
  }
  if (equals == std::string_view::npos || !option->takes_value) {
    options.push_back("--" + std::string(name));
    return option->takes_value;
  }
  options.push_back("--" + std::string(name.substr(0, equals)));
  options.emplace_back(name.substr(equals + 1));
  return false;
}

}  // namespace

Words split(const Words& texts, char separator) {
  Words parts;
  for (std::string_view text : texts) {
    while (!text.empty()) {
      const std::size_t size = std::min(text.find(separator), text.size());
      if (size > 0) parts.emplace_back(text.substr(0, size));
      text.remove_prefix(std::min(size + 1, text.size()));
    }
  }
  return parts;
}

SortedWords sort_words(const Words& words, const Known& known, bool stop_at_operand) {
  SortedWords sorted;
  auto word = words.begin();
  for (; word != words.end() && *word != "--"; ++word) {
    if (!is_option(*word)) {
      sorted.operands.push_back(*word);
      if (!stop_at_operand) continue;
      ++word;
      break;
    }
    if (take_option(known, *word, sorted.options) && word + 1 != words.end()) sorted.options.push_back(*++word);
  }
  if (word != words.end() && *word == "--") ++word;
  sorted.operands.insert(sorted.operands.end(), word, words.end());
  return sorted;
}

CommandLine split_command_line(const Words& words, const Known& globals) {
  CommandLine line;
  Words ignored;
  auto word = words.begin();
  for (; word != words.end() && *word != "--" && is_option(*word); ++word) {
    if (take_option(globals, *word, ignored) && word + 1 != words.end()) ++word;
  }
  line.globals.assign(words.begin(), word);
  if (word != words.end() && *word == "--") ++word;
  if (word == words.end()) return line;
  line.command = *word;
  line.rest.assign(word + 1, words.end());
  return line;
}

}  // namespace wherry::cli
