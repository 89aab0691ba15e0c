// SPDX-License-Identifier: Apache-2.0
#include "cli/globals.hpp"

#include <catch2/catch.hpp>

#include "wherry/error.hpp"

using namespace wherry::cli;
using Catch::Matchers::Contains;

namespace {

Globals parsed(const Words& words) {
  Globals globals;
  parse_globals(words, globals);
  return globals;
}

std::string complaint(const Words& words) {
  try {
    (void)make_settings(parsed(words));
  } catch (const wherry::Error& error) {
    return error.message();
  }
  return "";
}

}  // namespace

TEST_CASE("what containerd's shim passes", "[cli]") {
  const Globals globals = parsed({"--root", "/run/x", "--log", "/b/log.json", "--log-format", "json"});
  CHECK(globals.root == "/run/x");
  CHECK(globals.log.file == "/b/log.json");
  CHECK(globals.log.json);
  CHECK(globals.log.least == Level::kInfo);
  CHECK(make_settings(globals).root == "/run/x");
  CHECK(make_settings(globals).cgroup_manager == "cgroupfs");
}

TEST_CASE("what Podman passes", "[cli]") {
  CHECK(parsed({"--log-format=json", "--log=/l", "--log-level=debug"}).log.least == Level::kDebug);
  CHECK(make_settings(parsed({"--cgroup-manager", "disabled"})).cgroup_manager == "disabled");
}

TEST_CASE("two ways to name the systemd cgroup manager", "[cli]") {
  CHECK(make_settings(parsed({"--systemd-cgroup"})).cgroup_manager == "systemd");
  CHECK(make_settings(parsed({"--cgroup-manager=systemd"})).cgroup_manager == "systemd");
  CHECK_THAT(complaint({"--cgroup-manager=frob"}), Contains("frob"));
}

TEST_CASE("wrong words are refused", "[cli]") {
  CHECK_THAT(complaint({"--log-format", "xml"}), Contains("xml"));
  CHECK_THAT(complaint({"--log-level", "loud"}), Contains("loud"));
  CHECK_THAT(complaint({"--log", "journald:x"}), Contains("only files"));
  CHECK_THAT(complaint({"--rootless", "perhaps"}), Contains("perhaps"));
  CHECK_THAT(complaint({"--frob"}), Contains("unknown option --frob"));
}

TEST_CASE("a fault in the options is logged where they say", "[cli]") {
  Globals globals;
  CHECK_THROWS_AS(parse_globals({"--log", "/l", "--log-format", "json", "--frob"}, globals), wherry::Error);
  CHECK(globals.log.file == "/l");
  CHECK(globals.log.json);
}

TEST_CASE("a relative root is made absolute", "[cli]") {
  CHECK(make_settings(parsed({"--root", "x"})).root.front() == '/');
  CHECK_THAT(make_settings(parsed({"--root", "x"})).root, Catch::Matchers::EndsWith("/x"));
}
