// SPDX-License-Identifier: Apache-2.0
#include "os/digest.hpp"

#include <catch2/catch.hpp>

using namespace wherry;

// Expected values from another implementation of RFC 7693.
TEST_CASE("digests are those of BLAKE2b", "[os][digest]") {
  CHECK(os::hex(os::digest("abc")) == "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319");
  struct Case {
    std::size_t size;
    const char* expected;
  };
  const Case cases[] = {
      {0, "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8"},
      {1, "03170a2e7597b7b7e3d84c05391d139a62b157e78786d8c082f29dcf4c111314"},
      {127, "f2fe67ff342e21b8f45e8f2e0bcd1d9243245d50ee6c78042e9c491388791c72"},
      {128, "c3582f71ebb2be66fa5dd750f80baae97554f3b015663c8be377cfcb2488c1d1"},
      {129, "f7f3c46ba2564ff4c4c162da1f5b605f9f1c4aa6a20652a9f9a337c1a2f5b9c9"},
      {256, "39a7eb9fedc19aabc83425c6755dd90e6f9d0c804964a1f4aaeea3b9fb599835"},
      {1000, "c636324d47d89f2b2434dc2c994100663fbbaea880ff020fc5de89dd0f77a1ec"},
  };
  std::string bytes;
  for (int i = 0; i < 1024; ++i) bytes += static_cast<char>(i);
  for (const Case& c : cases) CHECK(os::hex(os::digest(std::string_view(bytes).substr(0, c.size))) == c.expected);
}
