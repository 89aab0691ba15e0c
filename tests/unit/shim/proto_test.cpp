// SPDX-License-Identifier: Apache-2.0
#include "shim/proto.hpp"

#include <catch2/catch.hpp>

#include "shim/messages.hpp"

using namespace wherry::shim;

namespace {

std::string bytes(std::initializer_list<int> values) {
  std::string out;
  for (const int value : values) out.push_back(static_cast<char>(value));
  return out;
}

}  // namespace

TEST_CASE("proto: defaults are not sent", "[shim]") {
  CHECK(encode(StateResponse{}).empty());
  CHECK(encode(DeleteResponse{0, 0, Timestamp{}}) == bytes({0x1a, 0}));  // a message that is there is sent
}

TEST_CASE("proto: bytes on the wire", "[shim]") {
  // What containerd's own shim answered to its delete verb: pid 15701, status 137, and a time.
  CHECK(encode(DeleteResponse{15701, 137, Timestamp{1, 0}}) ==
        bytes({0x08, 0xd5, 0x7a, 0x10, 0x89, 0x01, 0x1a, 0x02, 0x08, 0x01}));
  CHECK(encode(BootstrapParams{"a", "", -4, "", "", "", "", {}, ""}) ==
        bytes({0x0a, 1, 'a', 0x18, 0xfc, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1}));
}

TEST_CASE("proto: every kind of field there and back", "[shim]") {
  CreateTaskRequest request;
  request.id = "c1";
  request.rootfs = {{"overlay", "overlay", "", {"lowerdir=/a:/b", "ro"}}, {"bind", "/x", "t", {}}};
  request.terminal = true;
  request.options = Any{"containerd.runc.v1.Options", encode(RuncOptions{true, false, "", 7, 8, "", "/root", true})};
  CreateTaskRequest read;
  REQUIRE(decode(encode(request), read));
  CHECK(encode(read) == encode(request));
  CHECK(read.rootfs.at(0).options.at(1) == "ro");
  RuncOptions options;
  REQUIRE(decode(read.options->value, options));
  CHECK((options.io_gid == 8 && options.systemd_cgroup && options.root == "/root"));
  PsiData pressure;
  REQUIRE(decode(encode(PsiData{1.5, 0, 0.25, ~0ULL}), pressure));
  CHECK((pressure.avg10 == 1.5 && pressure.avg60 == 0 && pressure.avg300 == 0.25 && pressure.total == ~0ULL));
}

TEST_CASE("proto: unknown fields are skipped, the last value counts", "[shim]") {
  KillRequest request;
  REQUIRE(decode(bytes({0x78, 5, 0x0a, 1, 'a', 0x0a, 1, 'b', 0x18, 9, 0x7a, 2, 1, 2, 0x7d, 1, 2, 3, 4}), request));
  CHECK((request.id == "b" && request.signal == 9));
}

TEST_CASE("proto: what is no message is refused", "[shim]") {
  KillRequest request;
  const std::string wrong[] = {
      bytes({0x0a}),          // no length
      bytes({0x0a, 5, 'a'}),  // shorter than it says
      bytes({0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f}),
      bytes({0x08, 1}),     // field 1 is a string
      bytes({0x1a, 1, 1}),  // field 3 is a number
      bytes({0x00, 1}),     // there is no field 0
      bytes({0x18, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}),
      bytes({0x0b}),  // groups are no part of proto3
  };
  for (const std::string& text : wrong) CHECK_FALSE(decode(text, request));
}

TEST_CASE("proto: a repeated field is bounded", "[shim]") {
  std::string many;
  for (std::size_t i = 0; i < kMostElements + 1; ++i) many += bytes({0x1a, 0});
  CreateTaskRequest request;
  CHECK_FALSE(decode(many, request));
  many.resize(2 * kMostElements);
  CHECK(decode(many, request = {}));
}
