// SPDX-License-Identifier: Apache-2.0
#include "container/users.hpp"

#include <catch2/catch.hpp>

using wherry::container::user_name;

TEST_CASE("users: a name, or the digits", "[container]") {
  CHECK(user_name("0") == "root");
  CHECK(user_name("3999999999") == "3999999999");
  CHECK(user_name("x") == "x");
  // The digits are compared as text: no other spelling is a uid.
  CHECK(user_name("00") == "00");
  CHECK(user_name(" 0") == " 0");
}
