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
