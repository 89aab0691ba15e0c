// SPDX-License-Identifier: Apache-2.0
#include "image/digest.hpp"

#include <catch2/catch.hpp>

#include "wherry/error.hpp"

using namespace wherry;
using namespace wherry::image;

TEST_CASE("digests of a known text") {
  CHECK(digest_of(Algorithm::kSha256, "abc").text() ==
        "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(digest_of(Algorithm::kSha512, "abc").text() ==
        "sha512:"
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643c"
        "e80e2a9ac94fa54ca49f");
}

TEST_CASE("a digest is a path only when it is exactly a digest") {
  const std::string hex(64, 'a');
  CHECK(parse_digest("sha256:" + hex).path() == "blobs/sha256/" + hex);
  for (const std::string& text :
       {"sha256:" + hex + "a", "sha256:" + std::string(63, 'a'), "sha256:" + std::string(64, 'A'),
        "sha256:../" + hex.substr(3), "md5:" + hex, "sha512:" + hex, std::string("sha256:"), std::string(), hex})
    CHECK_THROWS_AS(parse_digest(text), Error);
}

TEST_CASE("a chainID names a layer together with what is below it") {
  const Digest a = digest_of(Algorithm::kSha256, "a"), b = digest_of(Algorithm::kSha256, "b");
  CHECK(chain_id("", a) == a);
  CHECK(chain_id(a.text(), b) == digest_of(Algorithm::kSha256, a.text() + " " + b.text()));
}
