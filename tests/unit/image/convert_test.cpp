// SPDX-License-Identifier: Apache-2.0
#include "image/convert.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <map>

#include "image/json.hpp"
#include "oci/reader.hpp"
#include "oci/validate.hpp"
#include "plan/seccomp.hpp"
#include "wherry/error.hpp"

using namespace wherry;
using namespace wherry::image;

namespace {

Configuration sample() {
  Configuration image;
  image.os = "linux";
  image.architecture = "amd64";
  image.entrypoint = {"/entry"};
  image.command = {"a", "b"};
  image.env = {"A=1", "PATH=/only"};
  return image;
}

oci::Spec converted(const Configuration& image, const ConvertOptions& options = {}, const Account& account = {}) {
  oci::Spec spec = oci::read_spec(convert(image, account, options).json);
  CHECK(oci::validate(spec).empty());
  return spec;
}

using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE("conversion.md: program, environment, directory") {
  const oci::Spec spec = converted(sample());
  CHECK(spec.process->args == Texts{"/entry", "a", "b"});
  CHECK(spec.process->env == Texts{"A=1", "PATH=/only"});
  CHECK(spec.process->cwd == "/");
  CHECK(converted(sample(), {.arguments = {"c"}}).process->args == Texts{"/entry", "c"});
  Configuration image = sample();
  image.env = {"PATHX=1"};
  image.working_directory = "/srv";
  CHECK(converted(image).process->env.at(1).rfind("PATH=", 0) == 0);
  CHECK(converted(image).process->cwd == "/srv");
  image.entrypoint.clear();
  image.command.clear();
  CHECK_THROWS_WITH(convert(image, {}, {}), Catch::Contains("neither Entrypoint nor Cmd"));
}

TEST_CASE("conversion.md: annotations, of which a label of the same name wins") {
  Configuration image = sample();
  image.author = "me";
  image.stop_signal = "SIGINT";
  image.exposed_ports = {"80/tcp", "9/udp"};
  image.labels = {{"org.opencontainers.image.author", "you"}, {"x", "y"}};
  const oci::Spec spec = converted(image);
  const std::map<std::string, std::string> annotations(spec.annotations.begin(), spec.annotations.end());
  CHECK(annotations.at("org.opencontainers.image.author") == "you");
  CHECK(annotations.at("org.opencontainers.image.os") == "linux");
  CHECK(annotations.at("org.opencontainers.image.stopSignal") == "SIGINT");
  CHECK(annotations.at("org.opencontainers.image.exposedPorts") == "80/tcp,9/udp");
  CHECK(annotations.at("x") == "y");
}

TEST_CASE("CVE-2026-53488: labels that runtimes act on are left out, and said to be") {
  Configuration image = sample();
  for (const char* key : {"run.oci.hooks.stderr", "org.criu.config", "org.systemd.property.TimeoutStopUSec",
                          "containerd.io/restart.logpath", "io.kubernetes.cri.sandbox-id", "nerdctl/x", "org.wherry.x"})
    image.labels[key] = "evil";
  const Converted result = convert(image, {}, {});
  CHECK(result.json.find("evil") == std::string::npos);
  CHECK(result.warnings.size() == image.labels.size());
}

TEST_CASE("CVE-2022-23648: volumes stay below the root") {
  Configuration image = sample();
  image.volumes = {"/data"};
  const auto mounts = converted(image).mounts;
  CHECK(mounts.back().destination == "/data");
  CHECK(mounts.back().type == "tmpfs");
  for (const char* volume : {"/../../etc", "data", "/", "/proc/x", "/dev", "/a/../../b", ""}) {
    image.volumes = {volume};
    CHECK_THROWS_AS(convert(image, {}, {}), Error);
  }
}

TEST_CASE("profiles") {
  const auto of = [](Profile profile) { return converted(sample(), {.profile = profile}); };
  CHECK(of(Profile::kDefault).process->capabilities->bounding.size() == 3);
  CHECK(of(Profile::kDefault).process->no_new_privileges);
  CHECK(of(Profile::kDefault).linux.seccomp);
  CHECK_FALSE(of(Profile::kDefault).linux.masked_paths.empty());
  CHECK(of(Profile::kDocker).process->capabilities->bounding.size() == 14);
  CHECK_FALSE(of(Profile::kDocker).process->no_new_privileges);
  CHECK(of(Profile::kStrict).process->capabilities->bounding.empty());
  CHECK(of(Profile::kStrict).root.readonly);
  CHECK_FALSE(of(Profile::kNone).linux.seccomp);
  CHECK(of(Profile::kNone).linux.masked_paths.empty());
  CHECK_THROWS_AS(parse_profile("lax"), Error);
}

TEST_CASE("an overlay is the first mount, at the root") {
  const oci::Spec spec = converted(sample(), {.lowers = {"/s/b:1", "/s/a"}, .upper = "/b/upper", .work = "/b/work"});
  REQUIRE_FALSE(spec.mounts.empty());
  CHECK(spec.mounts[0].destination == "/");
  CHECK(spec.mounts[0].type == "overlay");
  CHECK(spec.mounts[0].options == Texts{"lowerdir=/s/b\\:1:/s/a", "upperdir=/b/upper", "workdir=/b/work", "userxattr"});
}

TEST_CASE("a user namespace comes with its maps, and without a group that it does not have") {
  const oci::Spec spec = converted(sample(), {.rootless = true, .uids = {{0, 1000, 1}}, .gids = {{0, 1000, 1}}});
  REQUIRE(spec.linux.uid_mappings.size() == 1);
  CHECK(spec.linux.uid_mappings[0].host_id == 1000);
  for (const oci::Mount& mount : spec.mounts)
    CHECK(std::find(mount.options.begin(), mount.options.end(), "gid=5") == mount.options.end());
}

TEST_CASE("texts that are not UTF-8 are an error, not a broken config.json") {
  Configuration image = sample();
  image.command = {"\xff"};
  CHECK_THROWS_AS(convert(image, {}, {}), Error);
}
