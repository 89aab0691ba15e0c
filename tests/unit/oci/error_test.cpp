// SPDX-License-Identifier: Apache-2.0
#include "wherry/error.hpp"

#include <catch2/catch.hpp>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

using wherry::errno_name;
using wherry::Error;

TEST_CASE("errno_name: names, aliases and unknown numbers", "[oci]") {
  CHECK(errno_name(ENOENT) == "ENOENT");
  CHECK(errno_name(EPERM) == "EPERM");
  CHECK(errno_name(EWOULDBLOCK) == "EAGAIN");
  CHECK(errno_name(ENOTSUP) == "EOPNOTSUPP");
  CHECK(errno_name(EHWPOISON) == "EHWPOISON");
  CHECK(errno_name(524) == "ENOTSUPP");
  CHECK(errno_name(4711) == "E4711");
}

TEST_CASE("errno_name: knows every number that the C library has a text for", "[oci]") {
  for (int number = 1; number <= 133; ++number) {
    INFO(number);
    const bool known = std::string(std::strerror(number)).find("Unknown error") == std::string::npos;
    CHECK(known == (errno_name(number) != "E" + std::to_string(number)));
  }
}

TEST_CASE("Error: each part is left out when absent", "[oci]") {
  CHECK(Error("mount tmpfs").message() == "mount tmpfs");
  CHECK(Error("mount tmpfs").because(EINVAL).message() == "mount tmpfs: EINVAL");
  CHECK(Error("mount tmpfs").at("/mounts/3").message() == "config.json /mounts/3: mount tmpfs");
  CHECK(Error("parse").in("process.json", "").message() == "process.json: parse");
  CHECK(Error("parse").in("process.json", "/args").message() == "process.json /args: parse");
  CHECK(Error("mount").detail("why").message() == "mount: why");
  CHECK(Error("mount").remedy("remove it").message() == "mount; remove it");
}

TEST_CASE("Error: all parts in their order, whatever the order of the calls", "[oci]") {
  const Error error = Error("mount tmpfs on /dev/shm")
                          .remedy("remove it")
                          .detail("unknown option \"sise\"")
                          .because(EINVAL)
                          .exit_code(125)
                          .at("/mounts/3");
  CHECK(std::string(error.what()) ==
        "config.json /mounts/3: mount tmpfs on /dev/shm: EINVAL: unknown option \"sise\"; remove it");
  CHECK(error.pointer() == "/mounts/3");
  CHECK(error.number() == EINVAL);
  CHECK(error.code() == 125);
  CHECK(Error("x").code() == 1);
}
