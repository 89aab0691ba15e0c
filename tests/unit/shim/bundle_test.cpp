// SPDX-License-Identifier: Apache-2.0
#include "shim/bundle.hpp"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "wherry/error.hpp"

using namespace wherry::shim;

namespace {

struct Directory {
  std::string path = "/tmp/wherry-bundle-XXXXXX";
  Directory() { REQUIRE(::mkdtemp(path.data()) != nullptr); }
  ~Directory() { std::filesystem::remove_all(path); }
  void config(const std::string& annotations) const {
    std::ofstream(path + "/config.json") << R"({"ociVersion":"1.0.2","root":{"path":"rootfs"},"annotations":{)"
                                         << annotations << "}}";
  }
};

}  // namespace

TEST_CASE("bundle: containers of a pod are one group", "[shim]") {
  const Directory bundle;
  CHECK_THROWS_AS(group_of(bundle.path, "c1"), wherry::Error);
  bundle.config("");
  CHECK(group_of(bundle.path, "c1") == "c1");
  bundle.config(R"("io.kubernetes.cri.sandbox-id":"pod")");
  CHECK(group_of(bundle.path, "c1") == "pod");
  bundle.config(R"("io.kubernetes.cri.sandbox-id":"pod","io.containerd.runc.v2.group":"g")");
  CHECK(group_of(bundle.path, "c1") == "g");
  bundle.config(R"("other":"io.kubernetes.cri.sandbox-id")");
  CHECK(group_of(bundle.path, "c1") == "c1");
}

TEST_CASE("bundle: a cgroup of systemd's is known by its path", "[shim]") {
  const Directory bundle;
  const auto with_path = [&bundle](const std::string& path) {
    std::ofstream(bundle.path + "/config.json")
        << R"({"ociVersion":"1.0.2","root":{"path":"rootfs"},"annotations":{"cgroupsPath":"a:b:c"},"linux":{"cgroupsPath" : ")"
        << path << "\"}}";
    return names_systemd_cgroup(bundle.path);
  };
  CHECK(with_path("kubepods-burstable.slice:cri-containerd:abc"));
  CHECK(with_path("::abc"));
  CHECK_FALSE(with_path("/kubepods/abc"));
  CHECK_FALSE(with_path("/odd:name:here"));
  CHECK_FALSE(with_path(""));
  CHECK_THROWS_AS(names_systemd_cgroup(bundle.path + "/none"), wherry::Error);
}

TEST_CASE("bundle: the state's place survives the shim", "[shim]") {
  const Directory bundle;
  CHECK(saved_root(bundle.path, "k8s.io") == "/run/containerd/wherry/k8s.io");
  save_root(bundle.path, state_root("/elsewhere", "k8s.io"));
  CHECK(saved_root(bundle.path, "k8s.io") == "/elsewhere/k8s.io");
}

TEST_CASE("bundle: socket paths differ and fit", "[shim]") {
  const std::string path = socket_path("/run/containerd/s", "/a", "default", std::string(200, 'x'));
  CHECK(path.size() < 106);
  CHECK(path != socket_path("/run/containerd/s", "/a", "other", std::string(200, 'x')));
  CHECK(path == socket_path("/run/containerd/s", "/a", "default", std::string(200, 'x')));
}
