// SPDX-License-Identifier: Apache-2.0
// The options and operands of one command: declared, parsed, explained. CLI11 stays behind this header.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/words.hpp"

namespace CLI {  // NOLINT(readability-identifier-naming)
class App;
}

namespace wherry::cli {

class Arguments {
 public:
  // `operands` is for the usage line: "ID [SIGNAL]".
  Arguments(const char* command, const char* operands, const char* purpose);
  ~Arguments();
  Arguments(const Arguments&) = delete;
  Arguments& operator=(const Arguments&) = delete;

  // `names`: "-b,--bundle". The variables must outlive parse(); the last of several values counts.
  void text(const char* names, std::string& value, const char* help);
  void text(const char* names, std::optional<std::string>& value, const char* help);
  void number(const char* names, std::uint32_t& value, const char* help);
  void flag(const char* names, bool& value, const char* help);
  void list(const char* names, std::vector<std::string>& values, const char* help);
  // Everything behind the first operand belongs to it, options too.
  void stop_at_operand() noexcept { stop_at_operand_ = true; }

  // False: help was asked for, and printed. Throws Error for what does not fit the declarations.
  [[nodiscard]] bool parse(const Words& words, std::size_t least, std::size_t most);
  // Neither declares --help nor counts operands.
  void parse_options(const Words& words);
  [[nodiscard]] const Words& operands() const noexcept { return operands_; }
  [[nodiscard]] std::string help() const;

  // What was declared, for man pages and completions.
  struct Entry {
    OptionName name;
    const char* help;
    bool is_list;
  };
  [[nodiscard]] std::vector<Entry> entries() const;
  [[nodiscard]] const std::string& usage() const noexcept { return usage_; }
  [[nodiscard]] const char* purpose() const noexcept { return purpose_; }
  // From now on parse() hands the declarations to `reader`, does nothing else and returns false.
  static void describe_to(std::function<void(const Arguments&)> reader);

 private:
  // The parser's own declaration of an option is made when it is needed: for help, and for what is not plain.
  struct Option {
    const char* names;
    const char* help;
    std::function<void(const std::string&)> assign;  // one value; "" for a flag
    bool is_list;
  };

  void declare(const char* names, const char* help, bool takes_value, bool is_list,
               std::function<void(const std::string&)> assign);
  [[nodiscard]] bool assign_plain(const Words& words) const;
  [[nodiscard]] std::unique_ptr<CLI::App> make_parser() const;
  void check_count(std::size_t least, std::size_t most) const;

  std::string command_, usage_;
  const char* purpose_;
  std::vector<OptionName> known_;
  std::vector<Option> options_;  // in the order of known_
  Words operands_;
  bool stop_at_operand_ = false;
};

// A decimal number and nothing else; throws Error that names `what`.
[[nodiscard]] std::uint32_t parse_number(const char* what, const std::string& text);

}  // namespace wherry::cli
