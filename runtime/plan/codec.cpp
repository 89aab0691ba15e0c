// SPDX-License-Identifier: Apache-2.0
#include "plan/codec.hpp"

#include <algorithm>
#include <cstring>
#include <type_traits>

#include "plan/wire.hpp"
#include "wherry/error.hpp"

namespace wherry::plan {
namespace {

template <class T>
concept HasFields = std::is_class_v<T> && requires(T& value) {
  T::fields(value, [](const char*, auto&) {});
};

template <class T>
struct IsBits : std::false_type {};
template <class Tag>
struct IsBits<Bits<Tag>> : std::true_type {};

class Writer {
 public:
  explicit Writer(std::vector<unsigned char>& out) : out_(out) {}

  template <class T>
  requires std::is_arithmetic_v<T> || std::is_enum_v<T>
  void operator()(const char*, const T& value) { raw(&value, sizeof value); }
  template <class Tag>
  void operator()(const char*, const Bits<Tag>& value) {
    raw(&value.value, sizeof value.value);
  }
  void operator()(const char*, const std::string& value) { block(value.data(), value.size()); }
  void operator()(const char*, const Owned::Bytes& value) { block(value.data(), value.size()); }
  template <class T>
  void operator()(const char*, const std::optional<T>& value) {
    (*this)("", value.has_value());
    if (value) (*this)("", *value);
  }
  template <class T>
  void operator()(const char*, const std::vector<T>& list) {
    (*this)("", static_cast<uint32_t>(list.size()));
    const std::size_t at = reserve_size();
    for (const T& element : list) (*this)("", element);
    fill_size(at);
  }
  template <HasFields T>
  void operator()(const char*, const T& value) {
    T::fields(value, *this);
  }

  std::size_t reserve_size() {
    const std::size_t at = out_.size();
    out_.resize(at + sizeof(uint32_t));
    return at;
  }
  void fill_size(std::size_t at) {
    const auto size = static_cast<uint32_t>(out_.size() - at - sizeof(uint32_t));
    std::memcpy(out_.data() + at, &size, sizeof size);
  }

 private:
  void raw(const void* data, std::size_t size) {
    const auto* bytes = static_cast<const unsigned char*>(data);
    out_.insert(out_.end(), bytes, bytes + size);
  }
  void block(const void* data, std::size_t size) {
    (*this)("", static_cast<uint32_t>(size));
    if (size != 0) raw(data, size);
    out_.push_back(0);
  }

  std::vector<unsigned char>& out_;
};

class Reader {
 public:
  explicit Reader(WireReader& wire) : wire_(wire) {}

  template <class T>
  requires(std::is_arithmetic_v<T> && !std::is_same_v<T, bool>) || IsBits<T>::value void operator()(const char*,
                                                                                                    T& value) {
    read_field(wire_, value);
  }
  // Each enum that a field has names its last value: others index tables of names.
  void operator()(const char*, HookKind& value) { ranged(value, HookKind::kPoststop); }
  void operator()(const char*, DeviceType& value) { ranged(value, DeviceType::kBlock); }
  void operator()(const char*, bool& value) { read_field(wire_, value); }
  void operator()(const char*, std::string& value) {
    const BytesView bytes = wire_.block();
    if (wire_.ok()) value.assign(reinterpret_cast<const char*>(bytes.data), bytes.size);
  }
  void operator()(const char*, Owned::Bytes& value) {
    const BytesView bytes = wire_.block();
    if (wire_.ok()) value.assign(bytes.data, bytes.data + bytes.size);
  }
  template <class T>
  void operator()(const char*, std::optional<T>& value) {
    if (wire_.scalar<uint8_t>() != 0) (*this)("", value.emplace());
  }
  template <class T>
  void operator()(const char*, std::vector<T>& list) {
    const auto count = wire_.scalar<uint32_t>();
    (void)wire_.scalar<uint32_t>();  // the size is for readers that skip
    for (uint32_t i = 0; i < count && wire_.ok(); ++i) (*this)("", list.emplace_back());
  }
  template <HasFields T>
  requires(!IsBits<T>::value) void operator()(const char*, T& value) { T::fields(value, *this); }

 private:
  template <class T>
  void ranged(T& value, T last) {
    read_field(wire_, value);
    if (value > last) (void)wire_.fail();
  }

  WireReader& wire_;
};

uint16_t kind_of(const Step& step) {
  const std::size_t index = step.index();
  const bool container = index < AllSteps::kContainerKinds;
  return static_cast<uint16_t>(container ? index : index - AllSteps::kContainerKinds + kFirstHostKind);
}

void encode_step(const PlannedStep& planned, Writer& write) {
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
    Reader read(wire);
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
  Writer write(out);
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
  Reader read(wire);
  for (PlannedStep& planned : plan.steps) read("", planned.origin);
  if (!wire.finished() || !std::ranges::equal(encode(plan), bytes))
    malformed();  // sizes and flags that nothing above reads
  return plan;
}

bool operator==(const PlannedStep& a, const PlannedStep& b) {
  if (a.origin != b.origin) return false;
  std::vector<unsigned char> left, right;
  Writer write_left(left), write_right(right);
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
