// SPDX-License-Identifier: Apache-2.0
#include "container/id_maps.hpp"

#include <catch2/catch.hpp>

using namespace wherry::container;

TEST_CASE("id maps: one line per range, as user_namespaces(7) wants them", "[container]") {
  CHECK(map_text({}).empty());
  CHECK(map_text({{0, 1000, 1}}) == "0 1000 1\n");
  CHECK(map_text({{0, 1000, 1}, {1, 100000, 65536}}) == "0 1000 1\n1 100000 65536\n");
  CHECK(map_text({{4294967294U, 4294967294U, 4294967295U}}) == "4294967294 4294967294 4294967295\n");
}
