// SPDX-License-Identifier: Apache-2.0
#include "cli/arguments.hpp"

#include <algorithm>
#include <charconv>

#include "cli/cli11.hpp"
#include "cli/output.hpp"
#include "wherry/error.hpp"

namespace wherry::cli {
namespace {

constexpr auto kTakeLast = CLI::MultiOptionPolicy::TakeLast;

// What CLI11 says when it is handed an option it does not know is about its own notion of operands.
[[noreturn]] void complain(const std::string& command, const CLI::ParseError& error, const Words& unknown) {
  const std::string prefix = command.empty() ? "" : command + ": ";
  if (!unknown.empty()) throw Error(prefix + "unknown option " + unknown.front());
  const std::string text = error.what();
  if (error.get_exit_code() == static_cast<int>(CLI::ExitCodes::ArgumentMismatch))
    throw Error(prefix + text.substr(0, text.find(':')) + " needs a value");
  throw Error(prefix + text);
}

}  // namespace

std::uint32_t parse_number(const char* what, const std::string& text) {
  std::uint32_t value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, fault] = std::from_chars(text.data(), end, value);
  if (fault != std::errc() || stop != end) throw Error(std::string(what) + ": \"" + text + "\" is no number");
  return value;
}

Arguments::Arguments(const char* command, const char* operands, const char* purpose)
    : command_(command), app_(std::make_unique<CLI::App>(purpose)) {
  usage_ = "wherry " + (command_.empty() ? "" : command_ + " ") + "[OPTIONS]" + (*operands == 0 ? "" : " ") + operands;
  app_->set_help_flag();  // ours is a plain flag: CLI11's own one builds an error with the whole text in it
  known_.reserve(16);
}

Arguments::~Arguments() = default;

void Arguments::remember(const char* names, bool takes_value) {
  OptionName option{.long_name = {}, .short_name = 0, .takes_value = takes_value};
  std::string_view text = names;
  if (text.size() >= 2 && text[1] != '-') {
    option.short_name = text[1];
    text.remove_prefix(std::min<std::size_t>(text.size(), 3));
  }
  if (text.size() > 2) option.long_name = text.substr(2);
  known_.push_back(option);
}

void Arguments::text(const char* names, std::string& value, const char* help) {
  remember(names, true);
  app_->add_option(
          names, [&value](const CLI::results_t& found) { return value = found[0], true; }, help)
      ->type_name("VALUE")
      ->multi_option_policy(kTakeLast);
}

void Arguments::text(const char* names, std::optional<std::string>& value, const char* help) {
  remember(names, true);
  app_->add_option(
          names, [&value](const CLI::results_t& found) { return value = found[0], true; }, help)
      ->type_name("VALUE")
      ->multi_option_policy(kTakeLast);
}

void Arguments::number(const char* names, std::uint32_t& value, const char* help) {
  remember(names, true);
  const auto assign = [&value, names](const CLI::results_t& found) {
    return value = parse_number(names, found[0]), true;
  };
  app_->add_option(names, assign, help)->type_name("VALUE")->multi_option_policy(kTakeLast);
}

void Arguments::flag(const char* names, bool& value, const char* help) {
  remember(names, false);
  app_->add_flag(names, value, help)->multi_option_policy(kTakeLast);
}

void Arguments::list(const char* names, std::vector<std::string>& values, const char* help) {
  remember(names, true);
  app_->add_option(
          names, [&values](const CLI::results_t& found) { return values = found, true; }, help)
      ->type_name("VALUE")
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

void Arguments::check_count(std::size_t least, std::size_t most) const {
  if (operands_.size() >= least && operands_.size() <= most) return;
  throw Error("\"" + command_ + "\" requires " +
              (least == most              ? "exactly "
               : operands_.size() < least ? "at least "
                                          : "at most ") +
              std::to_string(operands_.size() < least ? least : most) + " argument(s)")
      .detail("usage: " + usage_);
}

void Arguments::parse_options(const Words& words) {
  SortedWords sorted = sort_words(words, known_, stop_at_operand_);
  operands_ = std::move(sorted.operands);
  std::ranges::reverse(sorted.options);
  try {
    if (!sorted.options.empty()) app_->parse(std::move(sorted.options));
  } catch (const CLI::ParseError& error) {
    complain(command_, error, app_->remaining());
  }
}

bool Arguments::parse(const Words& words, std::size_t least, std::size_t most) {
  bool wants_help = false;
  flag("-h,--help", wants_help, "Print this text");
  parse_options(words);
  if (wants_help) {
    print(help());
    return false;
  }
  check_count(least, most);
  return true;
}

std::string Arguments::help() const {
  std::string text = app_->help("", CLI::AppFormatMode::Normal);
  const std::size_t usage = text.find("Usage:");
  if (usage == std::string::npos) return text;
  return text.replace(usage, text.find('\n', usage) - usage, "Usage: " + usage_);
}

}  // namespace wherry::cli
