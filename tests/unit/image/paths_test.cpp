// SPDX-License-Identifier: Apache-2.0
#include "image/paths.hpp"

#include <catch2/catch.hpp>

using namespace wherry::image;

TEST_CASE("names of entries are relative to the root, however they are written") {
  CHECK(clean_name("./a//b/.") == "a/b");
  CHECK(clean_name("/a/b/") == "a/b");
  CHECK(clean_name("a/../b") == "b");
  CHECK(clean_name(".") == "");
  CHECK(clean_name("/") == "");
}

TEST_CASE("a name that leaves the root is none") {
  CHECK_FALSE(clean_name(".."));
  CHECK_FALSE(clean_name("a/../../b"));
  CHECK_FALSE(clean_name("/../etc/passwd"));
  CHECK_FALSE(clean_name(std::string(256, 'a')));
  CHECK(clean_name("..a/...") == "..a/...");
}

TEST_CASE("the target of a link stops at the root") {
  CHECK(join_link("usr/lib", "../bin/x") == "usr/bin/x");
  CHECK(join_link("usr", "../../../etc") == "etc");
  CHECK(join_link("usr/lib", "/bin") == "bin");
}
