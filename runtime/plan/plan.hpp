// SPDX-License-Identifier: Apache-2.0
// The plan: a value, an ordered list of steps for two voices. No descriptor, no pointer, no clock, no environment.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "plan/host_step.hpp"
#include "plan/step.hpp"

namespace wherry::plan {

// The memory model of the host.
struct Owned {
  using Text = std::string;
  using Bytes = std::vector<unsigned char>;
  template <class T>
  using List = std::vector<T>;
};

template <class List, class... Host>
struct StepVariant;
template <template <class> class... Steps, class... Host>
struct StepVariant<StepList<Steps...>, Host...> {
  using type = std::variant<Steps<Owned>..., Host...>;
  static constexpr std::size_t kContainerKinds = sizeof...(Steps);
};
using AllSteps =
    StepVariant<ContainerSteps, CreateCgroup, SetLimits, DelegateCgroup, AttachDeviceFilter, MapIds, CreateIdMapping,
                MapTree, MoveNetDevice, JoinResctrlGroup, ProvideHookState, HandOverListener, StartScope>;
using Step = AllSteps::type;

struct PlannedStep {
  Lane lane = Lane::kHost;
  Step step;
  std::string origin;  // JSON pointer into config.json (process.json for exec); empty: the runtime's own doing
};
[[nodiscard]] bool operator==(const PlannedStep& a, const PlannedStep& b);

struct Plan {
  std::vector<PlannedStep> steps;
  Slot slot_count = slot::kFirstFree;
  std::vector<std::string> warnings;  // of the compilation: what the specification wants said, not refused
  bool operator==(const Plan&) const = default;
};

// Index of the step of that kind, or none.
template <class Wanted>
[[nodiscard]] std::optional<uint32_t> index_of(const Plan& plan) {
  for (uint32_t i = 0; i < plan.steps.size(); ++i)
    if (std::holds_alternative<Wanted>(plan.steps[i].step)) return i;
  return std::nullopt;
}

[[nodiscard]] const char* verb_of(const Step& step);
[[nodiscard]] const char* why_of(const Step& step);

}  // namespace wherry::plan
