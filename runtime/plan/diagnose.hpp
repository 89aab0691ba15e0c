// SPDX-License-Identifier: Apache-2.0
// From integers to a sentence: what wherry-init says of a failed step becomes an error that names operation, object,
// errno, place in config.json and, where one is known, a remedy.
#pragma once

#include <string>

#include "plan/plan.hpp"
#include "plan/protocol.hpp"
#include "wherry/error.hpp"

namespace wherry::plan {

struct Failure {
  uint32_t step = 0;
  int error = 0;  // errno
  Detail detail = Detail::kNone;
  uint32_t argument = 0;
  bool filtered = false;  // a seccomp filter was on the runtime itself: an outer container's
};

// What an outer container must be given that Wherry works in it.
inline constexpr const char* kLoosen =
    "run the outer one with --privileged, or with --cap-add SYS_ADMIN --cap-add NET_ADMIN --security-opt "
    "seccomp=unconfined";

// `document` is what the plan's origins point into: "config.json" or "process.json".
[[nodiscard]] Error diagnose(const Plan& plan, const Failure& failure, const std::string& document);

// The operation and the object of a step: "mount tmpfs on /dev/shm".
[[nodiscard]] std::string phrase(const Step& step);

}  // namespace wherry::plan
