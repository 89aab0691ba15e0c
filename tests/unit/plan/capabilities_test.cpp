// SPDX-License-Identifier: Apache-2.0
#include "plan/capabilities.hpp"

#include <algorithm>
#include <catch2/catch.hpp>

using namespace wherry::plan;
using Names = std::vector<std::string>;

namespace {
constexpr unsigned kLast = 40;  // CAP_CHECKPOINT_RESTORE, Linux 5.9
}

TEST_CASE("names become bits", "[plan]") {
  Names unknown;
  CHECK(capability_mask({}, kLast, unknown) == 0);
  CHECK(capability_mask({"CAP_CHOWN", "CAP_SYS_ADMIN", "CAP_CHOWN"}, kLast, unknown) ==
        (1ULL | std::uint64_t{1} << 21U));
  CHECK(capability_mask({"CAP_CHECKPOINT_RESTORE"}, kLast, unknown) == std::uint64_t{1} << 40U);
  CHECK(unknown.empty());
}

TEST_CASE("unknown names are collected once and give no bit", "[plan]") {
  Names unknown;
  CHECK(capability_mask({"CAP_FLY", "CHOWN", "cap_chown", "CAP_chown", "0", "CAP_0", "", "CAP_", "CAP_KILL", "CAP_FLY"},
                        kLast, unknown) == std::uint64_t{1} << 5U);
  CHECK(unknown == Names{"CAP_FLY", "CHOWN", "cap_chown", "CAP_chown", "0", "CAP_0", "", "CAP_"});
}

TEST_CASE("a capability that the kernel does not have is unknown", "[plan]") {
  Names unknown;
  CHECK(capability_mask({"CAP_BPF", "CAP_CHOWN"}, 37, unknown) == 1);
  CHECK(unknown == Names{"CAP_BPF"});
}

TEST_CASE("bits become names again", "[plan]") {
  const Names names = capability_names(kLast);
  CHECK(names.size() == 41);
  CHECK(names.front() == "CAP_CHOWN");
  CHECK(names.back() == "CAP_CHECKPOINT_RESTORE");
  CHECK(capability_names(0) == Names{"CAP_CHOWN"});
  CHECK(capability_names(1000).size() >= 41);
  Names unknown;
  const std::uint64_t mask = capability_mask(names, kLast, unknown);
  CHECK(mask == (std::uint64_t{1} << 41U) - 1);
  CHECK(capability_names_of(mask) == names);
  CHECK(capability_names_of(std::uint64_t{1} << 63U) == Names{"CAP_63"});
}
