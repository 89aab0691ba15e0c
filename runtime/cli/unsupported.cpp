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
int restore_command(const Invocation&) { refuse("restore"); }

}  // namespace wherry::cli
