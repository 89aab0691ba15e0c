// SPDX-License-Identifier: Apache-2.0
// The plan as it stands in the state directory and as wherry-init gets it: any bytes are a plan or an Error,
// a plan has one encoding and can be shown, and init's reader stays inside it.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "plan/codec.hpp"
#include "plan/diagnose.hpp"
#include "plan/explain.hpp"
#include "plan/wire.hpp"
#include "wherry/error.hpp"

namespace {

using namespace wherry::plan;

// Touches every byte of a field, as a system call would.
struct Touch {
  unsigned sum = 0;
  template <class T>
  void operator()(const char*, const T&) {}
  void operator()(const char*, const TextView& text) {
    for (std::uint32_t i = 0; i <= text.size; ++i) sum += static_cast<unsigned char>(text.data[i]);
    if (text.data[text.size] != 0) __builtin_trap();
  }
  void operator()(const char*, const BytesView& bytes) {
    for (std::uint32_t i = 0; i < bytes.size; ++i) sum += bytes.data[i];
  }
  template <class T>
  void operator()(const char*, const ListView<T>& list) {
    std::uint32_t seen = 0;
    const bool complete = for_each(list, [&](const T& element) {
      (*this)("", element);
      return ++seen <= list.count;
    });
    if (complete && seen != list.count) __builtin_trap();
  }
};

template <template <class> class Verb>
void read_step(const unsigned char* fields, std::uint32_t size) {
  Verb<Wired> step;
  if (!decode_step(fields, size, step)) return;
  Touch touch;
  Verb<Wired>::fields(step, touch);
  // NOLINTNEXTLINE: the sum must be computed
  [[maybe_unused]] volatile unsigned sink = touch.sum;
}

template <template <class> class... Verbs>
void read_kind(StepList<Verbs...>, std::uint16_t kind, const unsigned char* fields, std::uint32_t size) {
  std::uint16_t candidate = 0;
  (void)((candidate++ == kind && (read_step<Verbs>(fields, size), true)) || ...);
}

void read_as_init(std::span<const unsigned char> bytes) {
  WireReader reader(bytes.data(), bytes.size());
  (void)reader.scalar<PlanHeader>();
  while (reader.ok()) {
    const auto header = reader.scalar<StepHeader>();
    const unsigned char* fields = reader.take(header.size);
    if (fields != nullptr) read_kind(ContainerSteps{}, header.kind, fields, header.size);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::span bytes(data, size);
  read_as_init(bytes);
  try {
    const Plan plan = decode(bytes);
    if (!std::ranges::equal(encode(plan), bytes)) __builtin_trap();
    (void)explain_text(plan);
    (void)explain_json(plan);
    for (const PlannedStep& planned : plan.steps) (void)phrase(planned.step);
  } catch (const wherry::Error&) {  // the other allowed outcome
  }
  return 0;
}
