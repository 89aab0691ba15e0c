// SPDX-License-Identifier: Apache-2.0
// wherry-unpack: what `wherry unpack`, `images`, `prune` and `run --image` start. A program of its own, so that its
// libraries are no part of the one that starts containers.
#pragma once

#include "cli/log.hpp"
#include "cli/words.hpp"
#include "unpack/user_namespace.hpp"

namespace wherry::unpacking {

struct Invocation {
  const cli::Words& words;  // behind the command
  cli::Log& log;
  const Identity& identity;
};

int unpack_command(const Invocation& invocation);
int images_command(const Invocation& invocation);
int prune_command(const Invocation& invocation);
// Not for people: removes the bundle that `run --image` had made.
int discard_command(const Invocation& invocation);

// --store, or the default for this user.
[[nodiscard]] std::string store_path(const std::string& given, const Identity& identity);

}  // namespace wherry::unpacking
