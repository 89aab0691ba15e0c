// SPDX-License-Identifier: Apache-2.0
// The verbs of a shim's command line. They throw Error; what they return is for standard output.
#pragma once

#include <map>
#include <string>

#include "shim/arguments.hpp"

namespace wherry::shim {

// What comes from outside besides the command line.
struct Surroundings {
  std::string standard_input;
  std::string ttrpc_address;     // $TTRPC_ADDRESS
  bool core_scheduling = false;  // $SCHED_CORE
  bool answer_in_json = false;   // $WHERRY_SHIM_BOOTSTRAP=json
};

// Finds or starts the shim of the bundle's group, and says where it listens.
[[nodiscard]] std::string start(const Arguments& arguments, const Surroundings& surroundings);
// Takes away what a container has left behind whose shim is gone, or nothing. Returns a DeleteResponse.
[[nodiscard]] std::string remove_left_over(const Arguments& arguments);
// A RuntimeInfo.
[[nodiscard]] std::string information(const Surroundings& surroundings);
// The shim itself, on the listening socket that is descriptor 3. The process ends when it is told to shut down.
void serve(const Arguments& arguments, const Surroundings& surroundings);

}  // namespace wherry::shim
