// SPDX-License-Identifier: Apache-2.0
// The state document: what hooks read on stdin and what the `state` command prints (runtime.md "State").
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "oci/spec.hpp"

namespace wherry::oci {

struct State {
  std::string oci_version;
  std::string id;
  std::string status;        // creating, created, running, stopped, or our own "paused"
  std::optional<pid_t> pid;  // of the container's process in the runtime's pid namespace; absent when stopped
  std::string bundle;        // absolute
  StringMap annotations;
  // Not of the specification, but what runc's `state` shows and scripts read:
  std::string rootfs;   // absolute
  std::string created;  // RFC 3339, UTC
  std::string owner;    // user name, or the uid in digits
  bool operator==(const State&) const = default;
};

// For hooks and seccomp agents: the specification's properties on one line; pid is left out when absent.
[[nodiscard]] std::string hook_state_json(const State& state);

// For the `state` command: runc's properties in runc's order, indented by two spaces, no newline at the end;
// pid is 0 when absent and annotations are left out when empty.
[[nodiscard]] std::string state_json(const State& state);

// The same on one line, an element of `list --format json`.
[[nodiscard]] std::string state_json_line(const State& state);

// config-linux.md "The Container Process State": what a seccomp agent gets with the listener's fd. `pid` is
// the process whose filter it is (not the init for exec).
[[nodiscard]] std::string seccomp_state_json(const State& state, pid_t pid, std::string_view metadata);

// A JSON string literal, quotes included. Bytes that are not UTF-8 become U+FFFD, one for each byte.
[[nodiscard]] std::string json_quote(std::string_view text);

// json_quote, appended to `out` without a temporary.
void append_json_quoted(std::string& out, std::string_view text);

// CLOCK_REALTIME as Go prints it: "2026-11-23T07:12:09.5Z", no trailing zeros in the fraction.
[[nodiscard]] std::string rfc3339_utc(std::int64_t seconds, std::uint32_t nanoseconds);

}  // namespace wherry::oci
