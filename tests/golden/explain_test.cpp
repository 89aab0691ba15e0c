// SPDX-License-Identifier: Apache-2.0
// The plan of every config that engines wrote, and of every example bundle, as `explain` prints it: for root
// on a usual host (tests/golden/explain/NAME.txt), for a user without privileges (NAME.user.txt), and for root with the
// systemd cgroup manager, where the config is one for it (NAME.scope.txt).
//
// WHERRY_UPDATE_GOLDEN=1 unit_tests "[golden]" writes them anew: read the difference before you commit it.
#include "plan/explain.hpp"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>

#include "plan/compile.hpp"
#include "unit/plan/plan_fixtures.hpp"

using namespace wherry;

namespace {

const std::filesystem::path kFolder = WHERRY_SOURCE_DIR "/tests/golden/explain";

bool wants_update() {
  const char* value = std::getenv("WHERRY_UPDATE_GOLDEN");
  return value != nullptr && std::string(value) == "1";
}

// How long a filter is depends on the version of libseccomp.
std::string without_sizes(const std::string& text) {
  static const std::regex kSize("filter=[0-9]+ bytes");
  return std::regex_replace(text, kSize, "filter=N bytes");
}

// The first line that differs, since the whole text fills screens.
std::string difference(const std::string& actual, const std::string& expected) {
  std::istringstream left(actual), right(expected);
  std::string a, b;
  for (int line = 1;; ++line) {
    const bool more_left = static_cast<bool>(std::getline(left, a)),
               more_right = static_cast<bool>(std::getline(right, b));
    if (!more_left && !more_right) return "";
    if (!more_left) a = "(end)";
    if (!more_right) b = "(end)";
    if (a != b) return "line " + std::to_string(line) + "\n  is     " + a + "\n  golden " + b;
  }
}

void compare(const std::string& file, const std::string& text) {
  const std::filesystem::path path = kFolder / file;
  if (wants_update()) std::ofstream(path, std::ios::binary) << text;
  INFO(path.string());
  if (!std::filesystem::exists(path)) {
    FAIL_CHECK("no such golden file");
    return;
  }
  CHECK(difference(text, test::slurp(path)) == "");
}

// The others need root: their plans for a user would show nothing that anybody can run.
bool may_run_unprivileged(const std::string& name, const oci::Spec& spec) {
  return name.starts_with("bundle-") || oci::find_namespace(spec.linux, oci::NamespaceType::kUser) != nullptr;
}

}  // namespace

TEST_CASE("golden: explain of every config", "[golden]") {
  if (wants_update()) std::filesystem::create_directories(kFolder);
  std::set<std::string> expected;
  const auto compare_plan = [&](const std::string& file, const oci::Spec& spec, const plan::Facts& facts) {
    expected.insert(file);
    compare(file, without_sizes(plan::explain_text(plan::compile(spec, facts))));
  };
  for (const auto& [name, spec] : test::all_specs()) {
    compare_plan(name + ".txt", spec, test::root_facts());
    if (name.find("-systemd") != std::string::npos) compare_plan(name + ".scope.txt", spec, test::systemd_facts());
    if (may_run_unprivileged(name, spec)) compare_plan(name + ".user.txt", spec, test::user_facts());
  }
  for (const auto& entry : std::filesystem::directory_iterator(kFolder)) {
    INFO(entry.path().string());
    CHECK(expected.count(entry.path().filename()) == 1);
  }
}
