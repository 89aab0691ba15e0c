// SPDX-License-Identifier: Apache-2.0
#include "plan/narrate.hpp"

#include <cstdio>

#include "plan/describe.hpp"
#include "plan/diagnose.hpp"

namespace wherry::plan {
namespace {

std::string milliseconds(uint64_t nanoseconds) {
  char text[32];
  (void)std::snprintf(text, sizeof text, "%.3f ms", static_cast<double>(nanoseconds) / 1e6);
  return text;
}

// As taskset(1) prints it: the highest processor first.
std::string hexadecimal(const std::vector<uint64_t>& mask) {
  std::string text = "0x";
  char word[24];
  for (std::size_t i = mask.size(); i-- > 0;) {
    const bool first = text.size() == 2;
    if (first && mask[i] == 0 && i != 0) continue;
    (void)std::snprintf(word, sizeof word, first ? "%llx" : "%016llx", static_cast<unsigned long long>(mask[i]));
    text += word;
  }
  return text;
}

std::string sentence(const Step& step) {
  const auto* affinity = std::get_if<SetCpuAffinity<Owned>>(&step);
  if (affinity == nullptr) return phrase(step);
  return phrase(step) + ": affinity: " + (affinity->cpus.empty() ? "all" : hexadecimal(affinity->cpus));
}

const uint32_t* filter_flags(const Step& step) {
  if (const auto* load = std::get_if<LoadSeccomp<Owned>>(&step)) return &load->flags;
  if (const auto* load = std::get_if<LoadSeccompWithListener<Owned>>(&step)) return &load->flags;
  return nullptr;
}

}  // namespace

std::vector<std::string> narrate(const PlannedStep& planned, const StepTiming& timing) {
  std::string line = std::string(name_of(planned.lane)) + ": " + sentence(planned.step);
  if (!planned.origin.empty()) line += " [" + planned.origin + "]";
  std::string measured = timing.duration_ns == 0 ? "" : milliseconds(timing.duration_ns);
  if (timing.rung != 0) measured += (measured.empty() ? "way " : ", way ") + std::to_string(timing.rung + 1);
  if (!measured.empty()) line += " (" + measured + ")";
  std::vector<std::string> lines{std::move(line)};
  if (const uint32_t* flags = filter_flags(planned.step))
    lines.push_back("seccomp filter flags: " + std::to_string(*flags));
  return lines;
}

std::string narrate_setup(int init, std::size_t step_count) {
  return "nsexec container setup: wherry-init, process " + std::to_string(init) + ", has a plan of " +
         std::to_string(step_count) + " steps";
}

std::string narrate_pid1(int pid) { return "child process in init(): " + std::to_string(pid); }

std::string narrate_waiting() { return "init: closing the pipe to signal completion: it waits for start"; }

std::string narrate_exec(const Plan& plan) {
  const auto index = index_of<Exec<Owned>>(plan);
  const std::string what = index ? phrase(plan.steps[*index].step) : "exec";
  const bool joins = !index_of<AwaitStart<Owned>>(plan);
  return joins ? "setns_init: about to " + what : "init: closing the pipe to signal completion: " + what;
}

}  // namespace wherry::plan
