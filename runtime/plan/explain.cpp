// SPDX-License-Identifier: Apache-2.0
#include "plan/explain.hpp"

#include <cstdio>

#include "oci/state.hpp"
#include "plan/describe.hpp"

namespace wherry::plan {
namespace {

constexpr std::size_t kColumn = 48;  // where the container's voice begins

std::string title(const PlannedStep& planned) {
  std::string text = verb_of(planned.step);
  if (planned.lane == Lane::kBeside) return text + " (meanwhile)";
  return planned.lane == Lane::kInit ? text + " (init)" : text;
}

// A line of `text` that starts in the given column.
void add_line(std::string& out, std::size_t indent, const std::string& text) {
  out.append(indent, ' ').append(text).append("\n");
}

void add_step(std::string& out, const PlannedStep& planned) {
  const bool host = planned.lane == Lane::kHost || planned.lane == Lane::kBeside;
  const std::size_t indent = host ? 0 : kColumn;
  add_line(out, indent, title(planned));
  add_line(out, indent + 4,
           std::string("# ") + why_of(planned.step) + (planned.origin.empty() ? "" : " [" + planned.origin + "]"));
  for (const auto& [name, value] : described_fields(planned.step))
    add_line(out, indent + 4, std::string(name).append("=").append(value));
}

void add_member(std::string& out, const char* name, std::string_view value) {
  out.append("\"").append(name).append("\":");
  oci::append_json_quoted(out, value);
}

void add_json_step(std::string& out, const PlannedStep& planned) {
  out += "{";
  add_member(out, "lane", name_of(planned.lane));
  out += ",";
  add_member(out, "verb", verb_of(planned.step));
  out += ",";
  add_member(out, "why", why_of(planned.step));
  out += ",";
  add_member(out, "origin", planned.origin);
  out += ",\"fields\":{";
  bool first = true;
  for (const auto& [name, value] : described_fields(planned.step)) {
    if (!first) out += ",";
    first = false;
    add_member(out, name.c_str(), value);
  }
  out += "}}";
}

std::string microseconds(uint64_t nanoseconds) {
  char text[32];
  (void)std::snprintf(text, sizeof text, "%llu.%03llu", static_cast<unsigned long long>(nanoseconds / 1000),
                      static_cast<unsigned long long>(nanoseconds % 1000));
  return text;
}

}  // namespace

std::string explain_text(const Plan& plan) {
  std::string out = "host";
  out.append(kColumn - out.size(), ' ').append("container\n");
  for (const PlannedStep& planned : plan.steps) add_step(out, planned);
  for (const std::string& warning : plan.warnings) out.append("warning: ").append(warning).append("\n");
  return out;
}

std::string explain_json(const Plan& plan) {
  std::string out = "{\"steps\":[";
  for (std::size_t i = 0; i < plan.steps.size(); ++i) {
    out += i == 0 ? "\n" : ",\n";
    add_json_step(out, plan.steps[i]);
  }
  out += "\n],\"warnings\":[";
  for (std::size_t i = 0; i < plan.warnings.size(); ++i) {
    if (i != 0) out += ",";
    oci::append_json_quoted(out, plan.warnings[i]);
  }
  return out + "]}\n";
}

std::string trace_json(const Plan& plan, const std::vector<StepTiming>& timings) {
  std::string out = "[";
  uint64_t clock = 0;
  for (std::size_t i = 0; i < plan.steps.size() && i < timings.size(); ++i) {
    const PlannedStep& planned = plan.steps[i];
    out += i == 0 ? "\n{" : ",\n{";
    add_member(out, "name", verb_of(planned.step));
    out += ",\"ph\":\"X\",\"pid\":1,\"tid\":" + std::to_string(static_cast<int>(planned.lane));
    out += ",\"ts\":" + microseconds(clock) + ",\"dur\":" + microseconds(timings[i].duration_ns) + ",\"args\":{";
    add_member(out, "lane", name_of(planned.lane));
    out += ",\"rung\":" + std::to_string(timings[i].rung) + ",";
    add_member(out, "origin", planned.origin);
    for (const auto& [name, value] : described_fields(planned.step)) {
      out += ",";
      add_member(out, name.c_str(), value);
    }
    out += "}}";
    clock += timings[i].duration_ns;
  }
  return out + "\n]\n";
}

}  // namespace wherry::plan
