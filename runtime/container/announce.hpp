// SPDX-License-Identifier: Apache-2.0
// What is told to those outside who wait for it: by a socket or a file. Both throw wherry::Error.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

namespace wherry::container {

// Passes a descriptor to whoever listens at an AF_UNIX path (--console-socket, --pidfd-socket, listenerPath), along
// with `data`, at least a byte. `what` names it in errors, `nobody` says what it means that nobody listens; the
// descriptor stays the caller's.
void send_descriptor(const std::string& socket_path, int fd, const std::string& what, std::string_view data,
                     const std::string& nobody = "");
void write_pid_file(const std::string& path, pid_t pid);

}  // namespace wherry::container
