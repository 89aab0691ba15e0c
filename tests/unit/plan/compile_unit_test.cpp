// SPDX-License-Identifier: Apache-2.0
#include "plan/compile_unit.hpp"

#include <catch2/catch.hpp>

#include "wherry/error.hpp"

using namespace wherry;
using plan::parse_unit_property;
using plan::PropertyType;
using plan::UnitProperty;

namespace {

void check_number(const char* name, const char* value, PropertyType type, std::uint64_t number) {
  INFO(name << " = " << value);
  CHECK(parse_unit_property(name, value) == UnitProperty{name, type, number, {}});
}

void check_texts(const char* name, const char* value, PropertyType type, std::vector<std::string> texts) {
  INFO(name << " = " << value);
  CHECK(parse_unit_property(name, value) == UnitProperty{name, type, 0, std::move(texts)});
}

}  // namespace

TEST_CASE("annotated properties in GVariant's text format", "[plan][systemd]") {
  check_number("TimeoutStopUSec", "uint64 5000000", PropertyType::kUint64, 5000000);
  check_number("TimeoutStopUSec", "5", PropertyType::kUint64, 5);
  check_number("TimeoutStopUSec", "0xff", PropertyType::kUint64, 255);
  check_number("KillSignal", "37", PropertyType::kInt32, 37);
  check_number("KillSignal", "int32 -1", PropertyType::kInt32, ~std::uint64_t{0});
  check_number("SendSIGHUP", "true", PropertyType::kBool, 1);
  check_number("SendSIGHUP", " false ", PropertyType::kBool, 0);
  check_texts("CollectMode", "'inactive-or-failed'", PropertyType::kText, {"inactive-or-failed"});
  check_texts("Description", R"("it\'s \"a\"\n")", PropertyType::kText, {"it's \"a\"\n"});
  check_texts("After", "['a.service', \"b.service\"]", PropertyType::kTexts, {"a.service", "b.service"});
  check_texts("Before", "@as []", PropertyType::kTexts, {});
}

TEST_CASE("annotated seconds are microseconds", "[plan][systemd]") {
  CHECK(parse_unit_property("TimeoutStopSec", "90") == plan::property("TimeoutStopUSec", std::uint64_t{90000000}));
  CHECK(parse_unit_property("TimeoutStopSec", "1.5") == plan::property("TimeoutStopUSec", std::uint64_t{1500000}));
  CHECK(parse_unit_property("RuntimeMaxSec", "uint64 0") == plan::property("RuntimeMaxUSec", std::uint64_t{0}));
}

TEST_CASE("annotated values that are none", "[plan][systemd]") {
  const std::pair<const char*, const char*> kBad[] = {
      {"TimeoutStopUSec", ""},
      {"TimeoutStopUSec", "-1"},
      {"TimeoutStopUSec", "1 2"},
      {"TimeoutStopUSec", "'1'"},
      {"KillSignal", "99999999999"},
      {"SendSIGHUP", "1"},
      {"CollectMode", "inactive"},
      {"CollectMode", "'inactive"},
      {"CollectMode", "'a' 'b'"},
      {"CollectMode", "'\\"},
      {"CollectMode", "'\\q'"},
      {"After", "'a'"},
      {"After", "['a'"},
      {"After", "['a',]"},
      {"After", "[1]"},
      {"TimeoutStopSec", "18446744073709551615"},
  };
  for (const auto& [name, value] : kBad) {
    INFO(name << " = " << value);
    CHECK_THROWS_AS(parse_unit_property(name, value), Error);
  }
}

TEST_CASE("what an annotation may not set is refused where it stands", "[plan][systemd]") {
  for (const char* name :
       {"SuccessAction", "Wants", "MemoryMax", "Delegate", "Slice", "PIDs", "", "ExecStop", "Sec", "CPUQuotaPerSec"}) {
    INFO(name);
    CHECK_THROWS_AS(parse_unit_property(name, "'x'"), Error);
  }
  try {
    (void)plan::compile_unit_properties({{"a/b", "x"}, {"org.systemd.property.SuccessAction", "'poweroff'"}});
    FAIL("accepted");
  } catch (const Error& error) {
    CHECK(error.pointer() == "/annotations/org.systemd.property.SuccessAction");
  }
  CHECK(plan::compile_unit_properties({{"org.systemd.other", "x"}}).empty());
}
