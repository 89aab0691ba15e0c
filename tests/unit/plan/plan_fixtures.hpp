// SPDX-License-Identifier: Apache-2.0
// Configs and hosts for the tests of compile() and explain: what engines really wrote, the example bundles,
// and two invented hosts.
#pragma once

#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "oci/reader.hpp"
#include "plan/facts.hpp"

namespace wherry::test {

struct NamedSpec {
  std::string name;
  oci::Spec spec;
};

inline std::string slurp(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  REQUIRE(file);
  return {std::istreambuf_iterator<char>(file), {}};
}

inline void replace_all(std::string& text, const std::string& from, const std::string& to) {
  for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
}

inline std::vector<NamedSpec> sorted(std::vector<NamedSpec> specs) {
  std::ranges::sort(specs, {}, &NamedSpec::name);
  return specs;
}

// tests/golden/configs/NAME.config.json
inline std::vector<NamedSpec> engine_specs() {
  constexpr std::string_view kSuffix = ".config.json";
  std::vector<NamedSpec> specs;
  for (const auto& entry : std::filesystem::directory_iterator(WHERRY_SOURCE_DIR "/tests/golden/configs")) {
    const std::string file = entry.path().filename();
    if (file.ends_with(kSuffix))
      specs.push_back({file.substr(0, file.size() - kSuffix.size()), oci::read_spec(slurp(entry.path()))});
  }
  return sorted(std::move(specs));
}

// bundles/NAME/config.json and bundles/NAME/NAME/config.json, with what their scripts fill in.
inline std::vector<NamedSpec> bundle_specs() {
  const std::filesystem::path root = WHERRY_SOURCE_DIR "/bundles";
  std::vector<NamedSpec> specs;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) {
    if (entry.path().filename() != "config.json") continue;
    std::string text = slurp(entry.path());
    replace_all(text, "@BUNDLE@", "/bundle");
    replace_all(text, "@PID@", "4711");
    std::string name = entry.path().parent_path().lexically_relative(root);
    replace_all(name, "/", "-");
    specs.push_back({"bundle-" + name, oci::read_spec(text)});
  }
  return sorted(std::move(specs));
}

inline std::vector<NamedSpec> all_specs() {
  std::vector<NamedSpec> specs = engine_specs();
  for (NamedSpec& bundle : bundle_specs()) specs.push_back(std::move(bundle));
  return specs;
}

inline plan::Facts root_facts() {
  plan::Facts facts;
  facts.hard_limits.fill(1048576);
  facts.id = "golden";
  facts.bundle = "/bundle";
  facts.rootfs = "/bundle/rootfs";
  facts.cgroup_path = "/golden";
  return facts;
}

inline plan::Facts systemd_facts() {
  plan::Facts facts = root_facts();
  facts.cgroup_manager = plan::CgroupManager::kSystemd;
  facts.slice = "system.slice";
  facts.unit = "docker-abc.scope";
  facts.cgroup_path = "/system.slice/docker-abc.scope";
  return facts;
}

inline plan::Facts user_facts() {
  plan::Facts facts = root_facts();
  facts.privileged = false;
  facts.cgroup_path = "/user.slice/golden";
  return facts;
}

}  // namespace wherry::test
