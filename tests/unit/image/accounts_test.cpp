// SPDX-License-Identifier: Apache-2.0
#include "image/accounts.hpp"

#include <catch2/catch.hpp>

#include "wherry/error.hpp"

using namespace wherry;
using namespace wherry::image;

namespace {

constexpr const char* kPasswd =
    "root:x:0:0:root:/root:/bin/sh\n"
    "broken\n"
    "wide:x:4294967296:0::/:\n"
    "plus:x:+5:5::/:\n"
    "me:x:1000:1001:Me:/home/me:/bin/sh\n"
    "4242:x:7:7::/:\n";
constexpr const char* kGroup = "root:x:0:\nme:x:1001:\nvideo:x:44:you,me\naudio:x:29:me\nmine:x:1001:me\nbad:x:-1:me\n";

using Ids = std::vector<std::uint32_t>;

}  // namespace

TEST_CASE("users by name and by number") {
  CHECK(find_account("", kPasswd, kGroup).uid == 0);
  const Account me = find_account("me", kPasswd, kGroup);
  CHECK(me.uid == 1000);
  CHECK(me.gid == 1001);
  CHECK(me.additional_gids == Ids{29, 44});
  const Account numeric = find_account("1000", kPasswd, kGroup);
  CHECK(numeric.uid == 1000);
  CHECK(numeric.gid == 1001);
  CHECK(numeric.additional_gids.empty());
  CHECK(find_account("5555", kPasswd, kGroup).gid == 0);
}

TEST_CASE("a group that is given stands alone") {
  const Account both = find_account("me:video", kPasswd, kGroup);
  CHECK(both.gid == 44);
  CHECK(both.additional_gids.empty());
  CHECK(find_account("me:7", kPasswd, kGroup).gid == 7);
  CHECK(find_account("9:9", "", "").gid == 9);
}

TEST_CASE("CVE-2024-40635: what is made of digits is a number in range, or an error; never a name") {
  CHECK(find_account("4242", kPasswd, kGroup).uid == 4242);
  CHECK(find_account("00", kPasswd, kGroup).uid == 0);
  CHECK(find_account("2147483648:0", kPasswd, kGroup).uid == 2147483648U);
  for (const char* user :
       {"4294967296", "4294967295", "18446744073709551616", "0:4294967296", "99999999999999999999:0"})
    CHECK_THROWS_AS(find_account(user, kPasswd, kGroup), Error);
}

TEST_CASE("what is neither a number nor a known name is an error") {
  for (const char* user :
       {"+1", "-1", "1e3", " 0", "0x0", "nobody", "me:nogroup", ":", "me:", ":0", "wide", "plus", "broken"})
    CHECK_THROWS_AS(find_account(user, kPasswd, kGroup), Error);
  CHECK_THROWS_AS(find_account(std::string(513, 'a'), kPasswd, kGroup), Error);
}
