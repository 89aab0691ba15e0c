// SPDX-License-Identifier: Apache-2.0
// What a tree may cost. What it becomes is tested with whole images: tests/integration/test_unpack.py.
#include "image/tree.hpp"

#include <catch2/catch.hpp>

#include "os/core/calls.hpp"
#include "unit/image/tar_builder.hpp"
#include "unit/temporary_directory.hpp"
#include "wherry/error.hpp"

using namespace wherry;
using namespace wherry::image;

namespace {

std::string why(const Limits& limits, const std::string& archive) {
  const test::TemporaryDirectory place;
  auto root = os::openat(os::kAtFdcwd, place.path().c_str(), os::kRdOnly | os::kDirectory);
  REQUIRE(root);
  TreeOptions options;
  options.own = false;
  options.limits = limits;
  try {
    Tree tree(std::move(*root), options);
    test::TextSource source(archive);
    TarReader reader(source);
    tree.apply(reader);
    tree.finish();
  } catch (const Error& error) {
    return error.message();
  }
  return {};
}

}  // namespace

TEST_CASE("directories that no entry names count as entries") {
  Limits limits;
  limits.entries = 8;
  CHECK(why(limits, test::entry({.name = "a/b/c/d/e/f/g"})).empty());
  CHECK(why(limits, test::entry({.name = "a/b/c/d/e/f/g/h/i"})).find("more than 8 entries") != std::string::npos);
}

TEST_CASE("what is remembered of paths has a limit") {
  Limits limits;
  limits.names = 1000;
  CHECK(why(limits, test::entry({.name = "a/b/c"})).empty());
  CHECK(why(limits, test::entry({.name = "a/b/c/d/e/f/g/h/i"})).find("too many long paths") != std::string::npos);
}
