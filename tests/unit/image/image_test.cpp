// SPDX-License-Identifier: Apache-2.0
#include "image/image.hpp"

#include <catch2/catch.hpp>

#include "wherry/error.hpp"

using namespace wherry;
using namespace wherry::image;

TEST_CASE("platforms") {
  const Platform full = parse_platform("linux/arm/v7");
  CHECK(full.os == "linux");
  CHECK(full.architecture == "arm");
  CHECK(full.variant == "v7");
  CHECK(parse_platform("arm64").architecture == "arm64");
  for (const char* text : {"", "/", "linux/", "a/b/c/d", "linux//v8"}) CHECK_THROWS_AS(parse_platform(text), Error);
}

TEST_CASE("configurations are typed, and null is absent") {
  const Configuration image = parse_configuration(R"({"os":"linux","config":{"Env":null,"Cmd":["a"],"Labels":{"k":"v"},
      "Volumes":{"/b":{},"/a":{}}},"rootfs":{"type":"layers","diff_ids":[]}})");
  CHECK(image.env.empty());
  CHECK(image.command == std::vector<std::string>{"a"});
  CHECK(image.labels.at("k") == "v");
  CHECK(image.volumes == std::vector<std::string>{"/a", "/b"});
}

TEST_CASE("wrong configurations are errors") {
  const std::string deep = std::string(100, '[') + std::string(100, ']');
  for (const std::string& text :
       {std::string(), std::string("{"), std::string("1"), std::string("{}"), deep, "{\"a\":" + deep + "}",
        std::string(R"({"rootfs":{"type":"tar"}})"), std::string(R"({"rootfs":{"type":"layers","diff_ids":["x"]}})"),
        std::string(R"({"config":{"Env":"A=1"},"rootfs":{"type":"layers"}})"),
        std::string(R"({"config":{"Cmd":[1]},"rootfs":{"type":"layers"}})"),
        std::string(R"({"config":{"Cmd":["a\u0000b"]},"rootfs":{"type":"layers"}})"),
        std::string(R"({"config":{"Labels":{"a":1}},"rootfs":{"type":"layers"}})")})
    CHECK_THROWS_AS(parse_configuration(text), Error);
}
