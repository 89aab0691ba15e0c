// SPDX-License-Identifier: Apache-2.0
// wherry-init reads what the host writes: both walk the same field lists, in two memory models.
#include "plan/wire.hpp"

#include <catch2/catch.hpp>
#include <cstring>
#include <map>

#include "plan/codec.hpp"
#include "unit/plan/random_step.hpp"

using namespace wherry;
using plan::Owned;
using plan::Wired;

namespace {

template <class T>
std::string number(T value) {
  return std::to_string(static_cast<unsigned long long>(value));
}

struct OwnedTexts {
  std::vector<std::string> texts;
  template <class T>
  requires std::is_integral_v<T> || std::is_enum_v<T>
  void operator()(const char*, const T& value) { texts.push_back(number(value)); }
  template <class Tag>
  void operator()(const char*, const plan::Bits<Tag>& value) {
    texts.push_back(number(value.value));
  }
  void operator()(const char*, const std::string& value) { texts.push_back("'" + value + "'"); }
  void operator()(const char*, const Owned::Bytes& value) { texts.emplace_back(value.begin(), value.end()); }
  template <class T>
  void operator()(const char*, const std::vector<T>& list) {
    texts.push_back("list of " + number(list.size()));
    for (const T& element : list) (*this)("", element);
  }
};

struct WiredTexts {
  std::vector<std::string> texts;
  bool complete = true;
  template <class T>
  requires std::is_integral_v<T> || std::is_enum_v<T>
  void operator()(const char*, const T& value) { texts.push_back(number(value)); }
  template <class Tag>
  void operator()(const char*, const plan::Bits<Tag>& value) {
    texts.push_back(number(value.value));
  }
  void operator()(const char*, const plan::TextView& value) {
    complete = complete && value.data[value.size] == 0;
    texts.push_back("'" + std::string(value.data, value.size) + "'");
  }
  void operator()(const char*, const plan::BytesView& value) {
    texts.emplace_back(value.data, value.data + value.size);
  }
  template <class T>
  void operator()(const char*, const plan::ListView<T>& list) {
    texts.push_back("list of " + number(list.count));
    const bool all = plan::for_each(list, [&](const T& element) {
      (*this)("", element);
      return true;
    });
    complete = complete && all;
  }
};

// How init sees the fields of one step, and how the host does.
template <template <class> class Verb>
void compare(const unsigned char* fields, uint32_t size, const plan::Step& step) {
  OwnedTexts owned;
  const auto& original = std::get<Verb<Owned>>(step);
  Verb<Owned>::fields(original, owned);
  Verb<Wired> seen;
  CHECK(plan::decode_step(fields, size, seen));
  WiredTexts wired;
  Verb<Wired>::fields(seen, wired);
  CHECK(wired.complete);
  CHECK(wired.texts == owned.texts);
  // Not one byte less or more.
  if (size > 0) CHECK_FALSE(plan::decode_step(fields, size - 1, seen));
  std::vector<unsigned char> longer(fields, fields + size);
  longer.push_back(0);
  CHECK_FALSE(plan::decode_step(longer.data(), longer.size(), seen));
}

template <template <class> class... Verbs>
void compare_kind(plan::StepList<Verbs...>, uint16_t kind, const unsigned char* fields, uint32_t size,
                  const plan::Step& step) {
  uint16_t candidate = 0;
  (void)((candidate++ == kind && (compare<Verbs>(fields, size, step), true)) || ...);
}

}  // namespace

TEST_CASE("wire: init reads every container verb as the host wrote it", "[plan]") {
  for (unsigned seed = 100; seed < 120; ++seed) {
    const plan::Plan plan = test::random_plan(seed);
    const std::vector<unsigned char> bytes = plan::encode(plan);
    std::size_t at = sizeof(plan::PlanHeader);
    for (std::size_t i = 0; i < plan::AllSteps::kContainerKinds; ++i) {
      INFO(seed << " " << plan::verb_of(plan.steps[i].step));
      plan::StepHeader header;
      REQUIRE(at + sizeof header <= bytes.size());
      std::memcpy(&header, bytes.data() + at, sizeof header);
      CHECK(header.kind == i);
      CHECK(header.lane == plan.steps[i].lane);
      compare_kind(plan::ContainerSteps{}, header.kind, bytes.data() + at + sizeof header, header.size,
                   plan.steps[i].step);
      at += sizeof header + header.size;
    }
  }
}

TEST_CASE("wire: verbs have names of their own", "[plan]") {
  std::map<std::string, std::size_t> names;
  test::RandomFields fill(1);
  for (std::size_t kind = 0; kind < std::variant_size_v<plan::Step>; ++kind) {
    const plan::Step step = test::random_step(kind, fill);
    INFO(plan::verb_of(step));
    CHECK(names.emplace(plan::verb_of(step), kind).second);
    CHECK(std::strlen(plan::why_of(step)) > 0);
  }
}

TEST_CASE("wire: scalars stop at the end", "[plan]") {
  const unsigned char bytes[] = {1, 0, 0, 0, 2};
  plan::WireReader reader(bytes, sizeof bytes);
  CHECK(reader.scalar<uint32_t>() == 1);
  CHECK_FALSE(reader.finished());
  CHECK(reader.scalar<uint16_t>() == 0);
  CHECK_FALSE(reader.ok());
  CHECK(reader.scalar<uint8_t>() == 0);  // nothing is read after a failure
  CHECK_FALSE(reader.finished());
}

TEST_CASE("wire: a text ends in NUL and inside its bounds", "[plan]") {
  const auto read = [](std::vector<unsigned char> bytes) {
    plan::WireReader reader(bytes.data(), bytes.size());
    const plan::BytesView block = reader.block();
    return reader.finished() ? std::string(block.data, block.data + block.size) : std::string("refused");
  };
  CHECK(read({2, 0, 0, 0, 'h', 'i', 0}) == "hi");
  CHECK(read({0, 0, 0, 0, 0}).empty());
  CHECK(read({2, 0, 0, 0, 'h', 'i', '!'}) == "refused");
  CHECK(read({2, 0, 0, 0, 'h', 'i'}) == "refused");
  CHECK(read({3, 0, 0, 0, 'h', 'i', 0}) == "refused");
  CHECK(read({0xff, 0xff, 0xff, 0xff, 'h', 'i', 0}) == "refused");
  CHECK(read({1, 0}) == "refused");
}

TEST_CASE("wire: a list has as many elements as it says", "[plan]") {
  const unsigned char bytes[] = {1, 0, 0, 0, 2, 0, 0, 0};
  const auto visit = [&](uint32_t count, uint32_t size) {
    std::vector<uint32_t> seen;
    const bool complete = plan::for_each(plan::ListView<uint32_t>{bytes, size, count}, [&](uint32_t element) {
      seen.push_back(element);
      return true;
    });
    return std::pair(complete, seen);
  };
  CHECK(visit(2, 8) == std::pair(true, std::vector<uint32_t>{1, 2}));
  CHECK(visit(1, 8) == std::pair(false, std::vector<uint32_t>{1}));
  CHECK(visit(3, 8) == std::pair(false, std::vector<uint32_t>{1, 2}));
  CHECK(visit(2, 7) == std::pair(false, std::vector<uint32_t>{1}));
  CHECK(visit(0, 0).first);
  CHECK(plan::for_each(plan::ListView<uint32_t>{}, [](uint32_t) { return true; }));
  CHECK_FALSE(plan::for_each(plan::ListView<uint32_t>{bytes, 8, 2}, [](uint32_t) { return false; }));
}
