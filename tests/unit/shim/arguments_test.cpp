// SPDX-License-Identifier: Apache-2.0
#include "shim/arguments.hpp"

#include <catch2/catch.hpp>

#include "wherry/error.hpp"

using namespace wherry::shim;

TEST_CASE("arguments: as containerd gives them", "[shim]") {
  const Arguments read =
      parse_arguments({"-namespace", "default", "-address", "/run/containerd/containerd.sock", "-publish-binary",
                       "/usr/bin/containerd", "-id", "t1", "-debug", "-bundle", "/b", "delete"});
  CHECK((read.container_namespace == "default" && read.id == "t1" && read.bundle == "/b" && read.verb == "delete"));
  CHECK((read.address == "/run/containerd/containerd.sock" && read.debug && !read.info));
}

TEST_CASE("arguments: Go's spellings", "[shim]") {
  const Arguments read = parse_arguments({"--namespace=n", "-id=a=b", "-debug=false", "--info"});
  CHECK((read.container_namespace == "n" && read.id == "a=b" && !read.debug && read.info && read.verb.empty()));
  CHECK(parse_arguments({"start", "-id", "x"}).id.empty());  // behind the verb nothing is a flag
  CHECK_THROWS_AS(parse_arguments({"-what"}), wherry::Error);
  CHECK_THROWS_AS(parse_arguments({"-id"}), wherry::Error);
}
