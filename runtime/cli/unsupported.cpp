// SPDX-License-Identifier: Apache-2.0
// Commands of other runtimes that this version does not have. Even their --help fails: Podman takes a
// successful `checkpoint --help` for support.
#include "cli/command.hpp"
#include "wherry/error.hpp"

namespace wherry::cli {
namespace {

[[noreturn]] void refuse(const char* name) { throw Error(std::string(name) + " is not supported by this version"); }

}  // namespace

int checkpoint_command(const Invocation&) { refuse("checkpoint"); }
int events_command(const Invocation&) { refuse("events"); }
int restore_command(const Invocation&) { refuse("restore"); }
int update_command(const Invocation&) { refuse("update"); }

}  // namespace wherry::cli
