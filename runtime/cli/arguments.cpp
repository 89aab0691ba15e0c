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

// Set by a program that describes the command line instead of obeying it.
std::function<void(const Arguments&)>* description_reader = nullptr;

}  // namespace

void Arguments::describe_to(std::function<void(const Arguments&)> reader) {
  static std::function<void(const Arguments&)> kept;
  kept = std::move(reader);
  description_reader = &kept;
}

std::vector<Arguments::Entry> Arguments::entries() const {
  std::vector<Entry> all;
  for (std::size_t i = 0; i < options_.size(); ++i) all.push_back({known_[i], options_[i].help, options_[i].is_list});
  return all;
}

std::uint32_t parse_number(const char* what, const std::string& text) {
  std::uint32_t value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, fault] = std::from_chars(text.data(), end, value);
  if (fault != std::errc() || stop != end) throw Error(std::string(what) + ": \"" + text + "\" is no number");
  return value;
}

Arguments::Arguments(const char* command, const char* operands, const char* purpose)
    : command_(command), purpose_(purpose) {
  usage_ = "wherry " + (command_.empty() ? "" : command_ + " ") + "[OPTIONS]" + (*operands == 0 ? "" : " ") + operands;
  known_.reserve(24);
  options_.reserve(24);
}

Arguments::~Arguments() = default;

void Arguments::declare(const char* names, const char* help, bool takes_value, bool is_list,
                        std::function<void(const std::string&)> assign) {
  OptionName option{.long_name = {}, .short_name = 0, .takes_value = takes_value};
  std::string_view text = names;
  if (text.size() >= 2 && text[1] != '-') {
    option.short_name = text[1];
    text.remove_prefix(std::min<std::size_t>(text.size(), 3));
  }
  if (text.size() > 2) option.long_name = text.substr(2);
  known_.push_back(option);
  options_.push_back({names, help, std::move(assign), is_list});
}

void Arguments::text(const char* names, std::string& value, const char* help) {
  declare(names, help, true, false, [&value](const std::string& found) { value = found; });
}

void Arguments::text(const char* names, std::optional<std::string>& value, const char* help) {
  declare(names, help, true, false, [&value](const std::string& found) { value = found; });
}

void Arguments::number(const char* names, std::uint32_t& value, const char* help) {
  declare(names, help, true, false, [&value, names](const std::string& found) { value = parse_number(names, found); });
}

void Arguments::flag(const char* names, bool& value, const char* help) {
  declare(names, help, false, false, [&value](const std::string& found) { value = found.empty() || found == "true"; });
}

void Arguments::list(const char* names, std::vector<std::string>& values, const char* help) {
  declare(names, help, true, true, [&values](const std::string& found) { values.push_back(found); });
}

// What engines and people write nearly always: whole names, each with its value. False, and nothing assigned, for
// anything else.
bool Arguments::assign_plain(const Words& words) const {
  std::vector<std::pair<const Option*, const std::string*>> found;
  static const std::string kNothing;
  for (auto word = words.begin(); word != words.end(); ++word) {
    const auto named = std::ranges::find_if(known_, [&](const OptionName& name) {
      return (word->size() > 2 && word->starts_with("--") && word->substr(2) == name.long_name) ||
             (word->size() == 2 && (*word)[1] == name.short_name);
    });
    if (named == known_.end()) return false;
    const Option& option = options_[static_cast<std::size_t>(named - known_.begin())];
    if (named->takes_value && ++word == words.end()) return false;
    found.emplace_back(&option, named->takes_value ? &*word : &kNothing);
  }
  for (const auto& [option, value] : found) option->assign(*value);
  return true;
}

std::unique_ptr<CLI::App> Arguments::make_parser() const {
  auto parser = std::make_unique<CLI::App>(purpose_);
  parser->set_help_flag();  // ours is a plain flag: CLI11's own one builds an error with the whole text in it
  for (std::size_t i = 0; i < options_.size(); ++i) {
    const Option& option = options_[i];
    const auto assign = [&option](const CLI::results_t& found) {
      for (const std::string& value : found) option.assign(value);
      return true;
    };
    if (known_[i].takes_value) {
      parser->add_option(option.names, assign, option.help)
          ->type_name("VALUE")
          ->multi_option_policy(option.is_list ? CLI::MultiOptionPolicy::TakeAll : kTakeLast);
    } else {
      parser->add_flag_function(
          option.names, [&option](std::int64_t count) { option.assign(count > 0 ? "true" : "false"); }, option.help);
    }
  }
  return parser;
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
  if (assign_plain(sorted.options)) return;
  const auto parser = make_parser();
  std::ranges::reverse(sorted.options);
  try {
    parser->parse(std::move(sorted.options));
  } catch (const CLI::ParseError& error) {
    complain(command_, error, parser->remaining());
  }
}

bool Arguments::parse(const Words& words, std::size_t least, std::size_t most) {
  bool wants_help = false;
  flag("-h,--help", wants_help, "Print this text");
  if (description_reader != nullptr) {
    (*description_reader)(*this);
    return false;
  }
  parse_options(words);
  if (wants_help) {
    print(help());
    return false;
  }
  check_count(least, most);
  return true;
}

std::string Arguments::help() const {
  std::string text = make_parser()->help("", CLI::AppFormatMode::Normal);
  const std::size_t usage = text.find("Usage:");
  if (usage == std::string::npos) return text;
  return text.replace(usage, text.find('\n', usage) - usage, "Usage: " + usage_);
}

}  // namespace wherry::cli
