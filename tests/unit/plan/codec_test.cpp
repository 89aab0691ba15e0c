// SPDX-License-Identifier: Apache-2.0
#include "plan/codec.hpp"

#include <catch2/catch.hpp>
#include <cstring>
#include <random>

#include "plan/describe.hpp"
#include "plan/diagnose.hpp"
#include "plan/explain.hpp"
#include "plan/wire.hpp"
#include "unit/plan/random_step.hpp"
#include "wherry/error.hpp"

using namespace wherry;
using plan::Plan;
using Bytes = std::vector<unsigned char>;

namespace {

// What decodes can be printed, diagnosed and encoded to the same bytes.
bool survives(const Bytes& bytes) {
  Plan decoded;
  try {
    decoded = plan::decode(bytes);
  } catch (const Error&) {
    return false;
  }
  if (plan::encode(decoded) != bytes) return false;
  (void)plan::explain_text(decoded);
  for (const plan::PlannedStep& planned : decoded.steps) (void)plan::phrase(planned.step);
  return true;
}

bool is_refused(const Bytes& bytes) {
  try {
    (void)plan::decode(bytes);
    return false;
  } catch (const Error&) {
    return true;
  }
}

Bytes one_step(plan::Step step) {
  Plan plan;
  plan.steps.push_back({plan::Lane::kPid1, std::move(step), {}});
  return plan::encode(plan);
}

constexpr std::size_t kFirstField = sizeof(plan::PlanHeader) + sizeof(plan::StepHeader);

}  // namespace

TEST_CASE("codec: every verb survives encode and decode", "[plan]") {
  for (unsigned seed = 0; seed < 50; ++seed) {
    INFO(seed);
    const Plan original = test::random_plan(seed);
    const Plan decoded = plan::decode(plan::encode(original));
    REQUIRE(decoded.steps.size() == original.steps.size());
    for (std::size_t i = 0; i < original.steps.size(); ++i) {
      INFO(plan::verb_of(original.steps[i].step));
      CHECK(decoded.steps[i] == original.steps[i]);
      CHECK(decoded.steps[i].lane == original.steps[i].lane);
    }
    CHECK(decoded.slot_count == original.slot_count);
    CHECK(decoded == original);
  }
}

TEST_CASE("codec: an empty plan", "[plan]") { CHECK(plan::decode(plan::encode(Plan{})) == Plan{}); }

TEST_CASE("codec: each part of a step counts in a comparison", "[plan]") {
  const plan::PlannedStep step{plan::Lane::kPid1, plan::SetHostname<plan::Owned>{"a"}, "/hostname"};
  plan::PlannedStep other = step;
  CHECK(step == other);
  other.origin = "/domainname";
  CHECK_FALSE(step == other);
  other = step;
  other.lane = plan::Lane::kInit;
  CHECK_FALSE(step == other);
  other = step;
  other.step = plan::SetHostname<plan::Owned>{"b"};
  CHECK_FALSE(step == other);
  other.step = plan::SetDomainname<plan::Owned>{"a"};
  CHECK_FALSE(step == other);
}

TEST_CASE("codec: a truncated plan is refused", "[plan]") {
  for (unsigned seed = 0; seed < 3; ++seed) {
    const Bytes whole = plan::encode(test::random_plan(seed, 6));
    std::size_t accepted = 0;
    for (std::size_t size = 0; size < whole.size(); ++size)
      accepted += is_refused(Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size))) ? 0 : 1;
    CHECK(accepted == 0);
  }
}

TEST_CASE("codec: bytes behind the plan are refused", "[plan]") {
  Bytes bytes = plan::encode(test::random_plan(1));
  bytes.push_back(0);
  CHECK(is_refused(bytes));
}

TEST_CASE("codec: flipped bytes are another plan or an error", "[plan]") {
  const Bytes whole = plan::encode(test::random_plan(7, 12));
  std::mt19937 random(4711);
  int decoded = 0, refused = 0;
  for (int round = 0; round < 2000; ++round) {
    Bytes bytes = whole;
    for (auto flips = 1 + random() % 3; flips > 0; --flips)
      bytes[random() % bytes.size()] = static_cast<unsigned char>(random());
    (survives(bytes) ? decoded : refused) += 1;
  }
  CHECK(decoded > 0);
  CHECK(refused > 0);
}

TEST_CASE("codec: a header that encode() does not write is refused", "[plan]") {
  const Bytes whole = one_step(plan::SetHostname<plan::Owned>{"a"});
  const auto with = [&](auto&& change) {
    plan::PlanHeader header;
    std::memcpy(&header, whole.data(), sizeof header);
    change(header);
    Bytes bytes = whole;
    std::memcpy(bytes.data(), &header, sizeof header);
    return bytes;
  };
  CHECK_FALSE(is_refused(with([](plan::PlanHeader&) {})));
  CHECK(is_refused(with([](plan::PlanHeader& header) { header.magic ^= 1; })));
  CHECK(is_refused(with([](plan::PlanHeader& header) { header.version += 1; })));
  CHECK(is_refused(with([](plan::PlanHeader& header) { header.size += 1; })));
  CHECK(is_refused(with([](plan::PlanHeader& header) { header.step_count += 1; })));
  CHECK(is_refused(with([](plan::PlanHeader& header) { header.step_count = ~0U; })));
  CHECK(is_refused(with([](plan::PlanHeader& header) { header.step_count = 0; })));
  CHECK(is_refused(with([](plan::PlanHeader& header) { header.slot_count = 65536; })));
  CHECK(is_refused(with([](plan::PlanHeader& header) { header.reserved = 1; })));
}

TEST_CASE("codec: a step that encode() does not write is refused", "[plan]") {
  const auto with = [](Bytes bytes, std::size_t at, unsigned char value) {
    bytes[at] = value;
    return bytes;
  };
  const Bytes name = one_step(plan::SetHostname<plan::Owned>{"a"});
  constexpr std::size_t kStep = sizeof(plan::PlanHeader);
  CHECK(is_refused(with(name, kStep, 200)));                      // kind
  CHECK(is_refused(with(with(name, kStep, 200), kStep + 1, 1)));  // of the host
  CHECK(is_refused(with(name, kStep + 2, 4)));                    // lane
  CHECK(is_refused(with(name, kStep + 3, 1)));                    // reserved
  CHECK(is_refused(with(name, kStep + 4, 1)));                    // size
  CHECK(is_refused(with(name, kFirstField, 0xff)));               // size of the text
  CHECK(is_refused(with(name, kFirstField + 5, 1)));              // its NUL
  // Values that nothing but their text depends on.
  CHECK(is_refused(with(one_step(plan::RunHook<plan::Owned>{}), kFirstField, 6)));
  CHECK(is_refused(with(one_step(plan::PivotRoot<plan::Owned>{}), kFirstField, 2)));
  const Bytes rules = one_step(plan::AttachDeviceFilter{{plan::DeviceRule{}}});
  CHECK(is_refused(with(rules, kFirstField + 9, 3)));
  CHECK(is_refused(with(rules, kFirstField + 4, 1)));  // size of the list
}
