// SPDX-License-Identifier: Apache-2.0
#include "plan/codec.hpp"

#include <algorithm>
#include <cstring>

#include "plan/field_codec.hpp"
#include "wherry/error.hpp"

namespace wherry::plan {
namespace {

uint16_t kind_of(const Step& step) {
  const std::size_t index = step.index();
  const bool container = index < AllSteps::kContainerKinds;
  return static_cast<uint16_t>(container ? index : index - AllSteps::kContainerKinds + kFirstHostKind);
}

void encode_step(const PlannedStep& planned, FieldWriter& write) {
  write("", kind_of(planned.step));
  write("", planned.lane);
  write("", uint8_t{0});
  const std::size_t at = write.reserve_size();
  std::visit([&](const auto& step) { std::decay_t<decltype(step)>::fields(step, write); }, planned.step);
  write.fill_size(at);
}

[[noreturn]] void malformed() {
  throw Error("read the saved plan").detail("it is damaged").remedy("delete the container with --force");
}

template <std::size_t Index = 0>
Step decode_kind(std::size_t index, WireReader& wire) {
  if constexpr (Index < std::variant_size_v<Step>) {
    if (index != Index) return decode_kind<Index + 1>(index, wire);
    std::variant_alternative_t<Index, Step> step;
    FieldReader read(wire);
    decltype(step)::fields(step, read);
    return step;
  } else {
    malformed();
  }
}

PlannedStep decode_step(WireReader& wire) {
  const auto header = wire.scalar<StepHeader>();
  const unsigned char* fields = wire.take(header.size);
  if (fields == nullptr || header.lane > Lane::kBeside) malformed();
  const std::size_t index =
      header.kind < kFirstHostKind ? header.kind : header.kind - kFirstHostKind + AllSteps::kContainerKinds;
  if (header.kind < kFirstHostKind && index >= AllSteps::kContainerKinds) malformed();
  WireReader inner(fields, header.size);
  PlannedStep planned{header.lane, decode_kind(index, inner), {}};
  if (!inner.finished()) malformed();
  return planned;
}

}  // namespace

std::vector<unsigned char> encode(const Plan& plan) {
  std::vector<unsigned char> out(sizeof(PlanHeader));
  out.reserve(8192);
  FieldWriter write(out);
  for (const PlannedStep& planned : plan.steps) encode_step(planned, write);
  PlanHeader header;
  header.size = static_cast<uint32_t>(out.size());
  header.step_count = static_cast<uint32_t>(plan.steps.size());
  header.slot_count = plan.slot_count;
  std::memcpy(out.data(), &header, sizeof header);
  for (const PlannedStep& planned : plan.steps) write("", planned.origin);
  return out;
}

Plan decode(std::span<const unsigned char> bytes) {
  WireReader wire(bytes.data(), bytes.size());
  const auto header = wire.scalar<PlanHeader>();
  if (!wire.ok() || header.magic != kPlanMagic || header.version != kPlanVersion || header.slot_count > 0xffff)
    malformed();
  Plan plan;
  plan.slot_count = static_cast<Slot>(header.slot_count);
  for (uint32_t i = 0; i < header.step_count; ++i) plan.steps.push_back(decode_step(wire));
  FieldReader read(wire);
  for (PlannedStep& planned : plan.steps) read("", planned.origin);
  if (!wire.finished() || !std::ranges::equal(encode(plan), bytes))
    malformed();  // sizes and flags that nothing above reads
  return plan;
}

bool operator==(const PlannedStep& a, const PlannedStep& b) {
  if (a.origin != b.origin) return false;
  std::vector<unsigned char> left, right;
  FieldWriter write_left(left), write_right(right);
  encode_step(a, write_left);
  encode_step(b, write_right);
  return left == right;
}

const char* verb_of(const Step& step) {
  return std::visit([](const auto& value) { return std::decay_t<decltype(value)>::kName; }, step);
}

const char* why_of(const Step& step) {
  return std::visit([](const auto& value) { return std::decay_t<decltype(value)>::kWhy; }, step);
}

}  // namespace wherry::plan
