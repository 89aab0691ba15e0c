// SPDX-License-Identifier: Apache-2.0
// What create and run have in common.
#pragma once

#include "cli/arguments.hpp"
#include "wherry/wherry.hpp"

namespace wherry::cli {

void declare_create_options(Arguments& arguments, CreateOptions& options);

// $NOTIFY_SOCKET, or "".
[[nodiscard]] std::string notify_socket();

// What the caller passes by its environment: sd_listen_fds(3) and sd_notify(3).
void take_environment(CreateOptions& options);

}  // namespace wherry::cli
