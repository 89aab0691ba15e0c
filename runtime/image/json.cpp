// SPDX-License-Identifier: Apache-2.0
#include "image/json.hpp"

#include "wherry/error.hpp"

namespace wherry::image {
namespace {

[[noreturn]] void wrong(const char* name, const char* wanted) {
  throw Error(std::string("read the property ") + name).detail(std::string("it must be ") + wanted);
}

std::string checked(const Json& value, const char* name) {
  if (!value.is_string()) wrong(name, "a string");
  auto text = value.get<std::string>();
  if (text.find('\0') != std::string::npos) wrong(name, "a string without NUL");
  return text;
}

}  // namespace

Json parse_json(const std::string& text, const std::string& document) {
  constexpr int kDeepest = 64;
  bool deep = false;
  const auto watch = [&](int depth, Json::parse_event_t, Json&) {
    if (depth > kDeepest) deep = true;
    return !deep;
  };
  Json json = Json::parse(text, watch, false);
  if (deep) throw Error("read " + document).detail("it is nested too deep");
  if (json.is_discarded() || (!json.is_object() && !json.is_array()))
    throw Error("read " + document).detail("it is no JSON object");
  return json;
}

const Json& member(const Json& object, const char* name) {
  static const Json kNull;
  if (!object.is_object()) return kNull;
  const auto found = object.find(name);
  return found == object.end() ? kNull : *found;
}

std::string text_of(const Json& object, const char* name) {
  const Json& value = member(object, name);
  return value.is_null() ? std::string() : checked(value, name);
}

std::vector<std::string> texts_of(const Json& object, const char* name) {
  const Json& value = member(object, name);
  std::vector<std::string> texts;
  if (value.is_null()) return texts;
  if (!value.is_array()) wrong(name, "a list of strings");
  for (const Json& text : value) texts.push_back(checked(text, name));
  return texts;
}

std::uint64_t number_of(const Json& object, const char* name) {
  const Json& value = member(object, name);
  if (!value.is_number_unsigned()) wrong(name, "a number that is not negative");
  return value.get<std::uint64_t>();
}

std::vector<std::string> keys_of(const Json& object, const char* name) {
  const Json& value = member(object, name);
  std::vector<std::string> keys;
  if (value.is_null()) return keys;
  if (!value.is_object()) wrong(name, "an object");
  for (const auto& [key, ignored] : value.items()) keys.push_back(checked(key, name));
  return keys;
}

std::map<std::string, std::string> map_of(const Json& object, const char* name) {
  const Json& value = member(object, name);
  std::map<std::string, std::string> map;
  if (value.is_null()) return map;
  if (!value.is_object()) wrong(name, "an object of strings");
  for (const auto& [key, text] : value.items()) map.emplace(checked(key, name), checked(text, name));
  return map;
}

}  // namespace wherry::image
