// SPDX-License-Identifier: Apache-2.0
// What the commands declare, and the texts that are made of it.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "cli/arguments.hpp"

namespace wherry::manual {

struct Described {
  std::string name;     // "" for the global options
  std::string summary;  // one line
  std::string purpose;  // a sentence
  std::string usage;
  std::vector<cli::Arguments::Entry> options;
  int failure = 1;
};

// man(7)
[[nodiscard]] std::string main_page(const Described& globals, const std::vector<Described>& commands);
[[nodiscard]] std::string command_page(const Described& command);

[[nodiscard]] std::string bash_completion(const Described& globals, const std::vector<Described>& commands);
[[nodiscard]] std::string zsh_completion(const Described& globals, const std::vector<Described>& commands);
[[nodiscard]] std::string fish_completion(const Described& globals, const std::vector<Described>& commands);

// Each character that is the first of a pair becomes the second.
[[nodiscard]] inline std::string replaced(const std::string& text,
                                          const std::vector<std::pair<char, std::string>>& by) {
  std::string result;
  for (const char c : text) {
    std::string piece(1, c);
    for (const auto& [from, to] : by)
      if (c == from) piece = to;
    result += piece;
  }
  return result;
}

}  // namespace wherry::manual
