// SPDX-License-Identifier: Apache-2.0
#include "oci/state.hpp"

#include <catch2/catch.hpp>

using namespace wherry::oci;

namespace {

State example() {
  State state;
  state.oci_version = "1.3.0";
  state.id = "web";
  state.status = "running";
  state.pid = 42;
  state.bundle = "/b";
  state.rootfs = "/b/rootfs";
  state.created = "2026-11-23T07:12:09.5Z";
  state.owner = "root";
  state.annotations = {{"k", "v\"w"}, {"a", ""}};
  return state;
}

}  // namespace

TEST_CASE("hook_state_json: the specification's properties alone", "[oci]") {
  State state = example();
  CHECK(
      hook_state_json(state) ==
      R"({"ociVersion":"1.3.0","id":"web","status":"running","pid":42,"bundle":"/b","annotations":{"k":"v\"w","a":""}})");
  state.pid.reset();
  state.annotations.clear();
  CHECK(hook_state_json(state) == R"({"ociVersion":"1.3.0","id":"web","status":"running","bundle":"/b"})");
}

TEST_CASE("state_json: runc's order and indentation", "[oci]") {
  CHECK(state_json(example()) == R"({
  "ociVersion": "1.3.0",
  "id": "web",
  "pid": 42,
  "status": "running",
  "bundle": "/b",
  "rootfs": "/b/rootfs",
  "created": "2026-11-23T07:12:09.5Z",
  "annotations": {
    "k": "v\"w",
    "a": ""
  },
  "owner": "root"
})");
}

TEST_CASE("state_json: a stopped container has pid 0", "[oci]") {
  State state = example();
  state.pid.reset();
  state.annotations.clear();
  CHECK(state_json_line(state) ==
        R"({"ociVersion":"1.3.0","id":"web","pid":0,"status":"running","bundle":"/b","rootfs":"/b/rootfs",)"
        R"("created":"2026-11-23T07:12:09.5Z","owner":"root"})");
}

TEST_CASE("seccomp_state_json: the process, its metadata and the container", "[oci]") {
  State state = example();
  state.annotations.clear();
  CHECK(seccomp_state_json(state, 77, "m") ==
        R"({"ociVersion":"1.3.0","fds":["seccompFd"],"pid":77,"metadata":"m","state":)"
        R"({"ociVersion":"1.3.0","id":"web","status":"running","pid":42,"bundle":"/b"}})");
}

TEST_CASE("json_quote: escapes", "[oci]") {
  CHECK(json_quote("") == "\"\"");
  CHECK(json_quote("a\"b\\c/") == R"("a\"b\\c/")");
  CHECK(json_quote(std::string_view("\0\b\t\n\f\r\x1b\x1f", 8)) == R"("\u0000\b\t\n\f\r\u001b\u001f")");
  CHECK(json_quote("\x7f") == "\"\x7f\"");
}

TEST_CASE("json_quote: keeps UTF-8 and replaces what is not", "[oci]") {
  const std::string bad = "\xef\xbf\xbd";
  CHECK(json_quote("\xc3\xa4\xe2\x82\xac\xf0\x9f\x9a\xa2") == "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x9a\xa2\"");
  CHECK(json_quote("\xff") == "\"" + bad + "\"");
  CHECK(json_quote("a\xc3") == "\"a" + bad + "\"");
  CHECK(json_quote("\xe2\x82") == "\"" + bad + bad + "\"");
  CHECK(json_quote("\xc0\xaf") == "\"" + bad + bad + "\"");                      // overlong
  CHECK(json_quote("\xed\xa0\x80") == "\"" + bad + bad + bad + "\"");            // surrogate
  CHECK(json_quote("\xf4\x90\x80\x80") == "\"" + bad + bad + bad + bad + "\"");  // above U+10FFFF
}

TEST_CASE("rfc3339_utc", "[oci]") {
  CHECK(rfc3339_utc(0, 0) == "1970-01-01T00:00:00Z");
  CHECK(rfc3339_utc(1709210096, 123456789) == "2024-02-29T12:34:56.123456789Z");
  CHECK(rfc3339_utc(1709210096, 5'000'000) == "2024-02-29T12:34:56.005Z");
  CHECK(rfc3339_utc(-1, 0) == "1969-12-31T23:59:59Z");
}
