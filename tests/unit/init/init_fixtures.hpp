// SPDX-License-Identifier: Apache-2.0
// A rootfs in a temporary directory, steps as init receives them, and children to execute them in.
#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "init/context.hpp"
#include "init/player.hpp"
#include "plan/codec.hpp"
#include "unit/temporary_directory.hpp"

namespace wherry::test {

// Too large for a stack that is instrumented.
inline std::unique_ptr<init::Context> make_context() { return std::make_unique<init::Context>(); }

struct WireStep {
  uint16_t kind = 0;
  std::vector<unsigned char> fields;
};

// The first step of a plan, as init finds it.
inline WireStep on_the_wire(plan::Step step) {
  plan::Plan plan;
  plan.steps.push_back({plan::Lane::kPid1, std::move(step), {}});
  const std::vector<unsigned char> bytes = plan::encode(plan);
  plan::StepHeader header;
  std::memcpy(&header, bytes.data() + sizeof(plan::PlanHeader), sizeof header);
  const auto fields = bytes.begin() + sizeof(plan::PlanHeader) + sizeof header;
  return {header.kind, {fields, fields + static_cast<std::ptrdiff_t>(header.size)}};
}

inline init::Outcome perform(plan::Step step, init::Context& context) {
  const WireStep wire = on_the_wire(std::move(step));
  return init::perform(wire.kind, wire.fields.data(), static_cast<uint32_t>(wire.fields.size()), context);
}

// What a forked child says when it has done `work`: steps change the process that executes them.
template <class Work>
int in_child(Work&& work) {
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) ::_exit(work());
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace wherry::test
