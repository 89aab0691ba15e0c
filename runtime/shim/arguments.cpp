// SPDX-License-Identifier: Apache-2.0
#include "shim/arguments.hpp"

#include <algorithm>
#include <iterator>

#include "wherry/error.hpp"

namespace wherry::shim {
namespace {

struct TextFlag {
  const char* name;
  std::string Arguments::*value;  // nullptr: taken and not used
};
constexpr TextFlag kTextFlags[] = {
    {"namespace", &Arguments::container_namespace},
    {"id", &Arguments::id},
    {"address", &Arguments::address},
    {"bundle", &Arguments::bundle},
    {"publish-binary", nullptr},
    {"socket", nullptr},
    {"debug-socket", nullptr},
};
struct Switch {
  const char* name;
  bool Arguments::*value;
};
constexpr Switch kSwitches[] = {{"debug", &Arguments::debug},
                                {"info", &Arguments::info},
                                {"v", &Arguments::version},
                                {"version", &Arguments::version}};

bool set_switch(Arguments& arguments, const std::string& name, bool has_value, const std::string& value) {
  const auto* const known = std::ranges::find(kSwitches, name, &Switch::name);
  if (known == std::end(kSwitches)) return false;
  arguments.*known->value = !has_value || value == "true" || value == "1";
  return true;
}

const TextFlag& text_flag(const std::string& name) {
  for (const TextFlag& known : kTextFlags)
    if (name == known.name) return known;
  throw Error("read the command line").detail("there is no flag -" + name);
}

}  // namespace

Arguments parse_arguments(const std::vector<std::string>& words) {
  Arguments arguments;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    if (word.size() < 2 || word[0] != '-') {
      arguments.verb = word;
      break;  // Go's flag package ends at the first word that is none
    }
    const std::size_t begin = word[1] == '-' ? 2 : 1, equal = word.find('=');
    const bool has_value = equal != std::string::npos;
    const std::string name = word.substr(begin, has_value ? equal - begin : std::string::npos);
    const std::string value = has_value ? word.substr(equal + 1) : "";
    if (set_switch(arguments, name, has_value, value)) continue;
    const TextFlag& flag = text_flag(name);
    if (!has_value && ++i == words.size()) throw Error("read the command line").detail("-" + name + " needs a value");
    if (flag.value != nullptr) arguments.*flag.value = has_value ? value : words[i];
  }
  return arguments;
}

}  // namespace wherry::shim
