// SPDX-License-Identifier: Apache-2.0
// tests/golden/broken/config.json: {"base": a good config, "cases": [{name, how to break it, expect}]}, where
// `expect` is the whole message that a user sees. How to break it:
//   "raw"     this text instead of the base
//   "patch"   an RFC 7386 merge patch
//   "set"     {"JSON pointer": value, ...}
//   "remove"  ["JSON pointer", ...]
#include <catch2/catch.hpp>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "oci/reader.hpp"
#include "oci/validate.hpp"

namespace {

using nlohmann::ordered_json;
using wherry::oci::FaultsError;

ordered_json load() {
  std::ifstream file(WHERRY_SOURCE_DIR "/tests/golden/broken/config.json");
  REQUIRE(file);
  return ordered_json::parse(file);
}

std::string break_it(ordered_json config, const ordered_json& how) {
  if (how.contains("raw")) return how["raw"].get<std::string>();
  if (how.contains("patch")) config.merge_patch(how["patch"]);
  const ordered_json set = how.value("set", ordered_json::object());
  for (const auto& [pointer, value] : set.items()) {
    config[ordered_json::json_pointer(pointer)] = value;
  }
  const ordered_json remove = how.value("remove", ordered_json::array());
  for (const auto& pointer : remove) {
    const ordered_json::json_pointer place(pointer.get<std::string>());
    config[place.parent_pointer()].erase(place.back());
  }
  return config.dump();
}

std::string message_for(const std::string& text) {
  try {
    const auto faults = validate(wherry::oci::read_spec(text));
    return faults.empty() ? "no fault" : FaultsError("config.json", faults).message();
  } catch (const FaultsError& error) {
    return error.message();
  }
}

}  // namespace

TEST_CASE("broken configs: the base is good", "[oci]") { CHECK(message_for(load()["base"].dump()) == "no fault"); }

TEST_CASE("broken configs: each message is exact", "[oci]") {
  const ordered_json golden = load();
  REQUIRE(golden["cases"].size() >= 60);
  for (const auto& broken : golden["cases"]) {
    INFO(broken["name"].get<std::string>());
    CHECK(message_for(break_it(golden["base"], broken)) == broken["expect"].get<std::string>());
  }
}
