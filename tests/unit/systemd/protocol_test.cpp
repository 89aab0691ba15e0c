// SPDX-License-Identifier: Apache-2.0
#include "systemd/protocol.hpp"

#include <catch2/catch.hpp>

using namespace wherry;
using namespace wherry::systemd;

namespace {

using Bytes = std::vector<unsigned char>;

Request example() {
  Request request;
  request.operation = Operation::kSet;
  request.bus = "unix:path=/run/user/1000/bus";
  request.unit = "wherry-a.scope";
  request.pid = 42;
  request.properties = {
      plan::property("Delegate", true),
      plan::property("MemoryMax", plan::kInfinity),
      {"After", plan::PropertyType::kTexts, 0, {"a.service", ""}},
      {"AllowedCPUs", plan::PropertyType::kIdSet, 0, {"0-3"}, true},
  };
  return request;
}

}  // namespace

TEST_CASE("protocol: what is said is heard", "[systemd]") {
  CHECK(decode_request(encode(example())) == example());
  CHECK(decode_request(encode(Request{})) == Request{});
  const Reply reply{17, "org.freedesktop.systemd1.UnitExists", "Unit a.scope already exists."};
  CHECK(decode_reply(encode(reply)) == reply);
}

TEST_CASE("protocol: a message that is cut off or longer is none", "[systemd]") {
  Bytes bytes = encode(example());
  for (std::size_t size = 0; size < bytes.size(); ++size) CHECK_FALSE(decode_request({bytes.data(), size}));
  bytes.push_back(0);
  CHECK_FALSE(decode_request(bytes));
}

TEST_CASE("protocol: values outside of their range are no message", "[systemd]") {
  Bytes other_version = encode(example());
  ++other_version[0];
  CHECK_FALSE(decode_request(other_version));
  Bytes operation = encode(example());
  operation[4] = static_cast<unsigned char>(Operation::kAttach) + 1;
  CHECK_FALSE(decode_request(operation));
  Request type = example();
  type.properties[0].type = static_cast<plan::PropertyType>(7);
  CHECK_FALSE(decode_request(encode(type)));
}

TEST_CASE("protocol: a message is no larger than its buffer", "[systemd]") {
  Request large = example();
  large.unit = std::string(kMaxMessage, 'x');
  CHECK_FALSE(decode_request(encode(large)));
}

TEST_CASE("protocol: a list of ids is a bit mask", "[systemd]") {
  CHECK(id_mask("0") == Bytes{1});
  CHECK(id_mask("0-3,8") == Bytes{15, 1});
  CHECK(id_mask("17") == Bytes{0, 0, 2});
  CHECK(id_mask("") == Bytes{});
  CHECK(id_mask("8191")->size() == 1024);
  for (const char* bad : {"8192", "a", "1-", "-1", "3-1", "0,", ",0", "0 1", "0-3:1/2", "99999999999", "0-8192"}) {
    INFO(bad);
    CHECK_FALSE(id_mask(bad));
  }
}
