// SPDX-License-Identifier: Apache-2.0
// The config.json and process.json files that containerd, CRI, Docker and Podman really wrote.
#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "oci/reader.hpp"
#include "oci/validate.hpp"

namespace {

std::string slurp(const std::filesystem::path& path) {
  std::ifstream file(path);
  REQUIRE(file);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<std::filesystem::path> json_files(const char* folder) {
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(std::filesystem::path(WHERRY_SOURCE_DIR) / folder)) {
    if (entry.path().extension() == ".json") paths.push_back(entry.path());
  }
  std::ranges::sort(paths);
  return paths;
}

}  // namespace

TEST_CASE("engines' configs read and validate without fault", "[oci]") {
  const auto paths = json_files("tests/golden/configs");
  CHECK(paths.size() >= 39);
  for (const auto& path : paths) {
    INFO(path);
    const wherry::oci::Spec spec = wherry::oci::read_spec(slurp(path));
    for (const auto& fault : validate(spec)) FAIL_CHECK(fault.pointer << ": " << fault.message);
    CHECK(spec.process.has_value());
    CHECK(!spec.mounts.empty());
  }
}

TEST_CASE("engines' exec processes read and validate without fault", "[oci]") {
  const auto paths = json_files("tests/golden/process");
  CHECK(paths.size() >= 9);
  for (const auto& path : paths) {
    INFO(path);
    for (const auto& fault : validate_process(wherry::oci::read_process(slurp(path)))) {
      FAIL_CHECK(fault.pointer << ": " << fault.message);
    }
  }
}

TEST_CASE("Docker's config in detail", "[oci]") {
  using namespace wherry::oci;
  const Spec spec = read_spec(slurp(WHERRY_SOURCE_DIR "/tests/golden/configs/docker-28.5.2.config.json"));
  CHECK(spec.linux.namespaces.size() == 6);
  CHECK(find_namespace(spec.linux, NamespaceType::kUser) == nullptr);
  REQUIRE(spec.linux.seccomp);
  CHECK(spec.linux.seccomp->default_action == SeccompAction::kErrno);
  CHECK(spec.linux.seccomp->default_errno_ret == 1U);
  CHECK(spec.linux.seccomp->architectures == std::vector{SeccompArch::kX86_64, SeccompArch::kX86, SeccompArch::kX32});
  CHECK(spec.linux.resources->devices.size() > 1);
  CHECK(spec.linux.sysctl.front().first == "net.ipv4.ip_unprivileged_port_start");
}
