// SPDX-License-Identifier: Apache-2.0
#include "init/text.hpp"

#include <catch2/catch.hpp>
#include <cstdint>
#include <limits>
#include <string>

using namespace wherry::init;

namespace {

TextView view(const char* text) { return {text, length(text)}; }

std::string number(int64_t value) {
  Line<32> line;
  line.add(value);
  return line.data();
}

}  // namespace

TEST_CASE("text: equal compares all of both", "[init]") {
  CHECK(equal(view("/proc"), "/proc"));
  CHECK_FALSE(equal(view("/proc/"), "/proc"));
  CHECK_FALSE(equal(view("/pro"), "/proc"));
  CHECK(equal(TextView{}, ""));
  CHECK(equal(TextView{"a\0b", 3}, TextView{"a\0b", 3}));
  CHECK_FALSE(equal(TextView{"a\0b", 3}, TextView{"a\0c", 3}));
}

TEST_CASE("text: find stops at the end", "[init]") {
  CHECK(find(view("a:b:c"), ':') == 1);
  CHECK(find(view("a:b:c"), ':', 2) == 3);
  CHECK(find(view("a:b:c"), ':', 4) == 5);
  CHECK(find(view("abc"), ':', 3) == 3);
  CHECK(find(TextView{}, ':') == 0);
  CHECK(find({"a:b", 1}, ':') == 1);  // what lies behind the view is not looked at
}

TEST_CASE("text: a line remembers what did not fit", "[init]") {
  Line<8> line;
  CHECK(line.add("abc").add("def").fits());
  CHECK(std::string(line.data()) == "abcdef");
  CHECK(line.add("g").fits());
  CHECK(line.size() == 7);
  CHECK(line.add("").fits());
  CHECK_FALSE(line.add("h").fits());
  CHECK(std::string(line.data()) == "abcdefg");
  CHECK_FALSE(line.add("").fits());
  line.clear();
  CHECK(line.fits());
  CHECK(line.size() == 0);
  CHECK_FALSE(line.add("12345678").fits());
  CHECK(std::string(line.data()).empty());
  CHECK(line.add("1").size() == 1);  // it still takes what fits, and still says that something did not
  CHECK_FALSE(line.fits());
}

TEST_CASE("text: a view longer than any line", "[init]") {
  Line<8> line;
  line.add("abc");
  CHECK_FALSE(line.add(TextView{"x", 0xffffffffU}).fits());
  CHECK(std::string(line.data()) == "abc");
}

TEST_CASE("text: numbers", "[init]") {
  CHECK(number(0) == "0");
  CHECK(number(7) == "7");
  CHECK(number(-10) == "-10");
  CHECK(number(4294967295) == "4294967295");
  CHECK(number(std::numeric_limits<int64_t>::max()) == "9223372036854775807");
  CHECK(number(std::numeric_limits<int64_t>::min()) == "-9223372036854775808");
}
