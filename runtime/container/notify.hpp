// SPDX-License-Identifier: Apache-2.0
// sd_notify(3) of a container: it speaks to a socket of its own in the state directory, and only that it is
// ready is passed on to the caller's $NOTIFY_SOCKET, as runc does it. What it sends is not trusted.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

#include "container/store.hpp"
#include "os/core/fd.hpp"

namespace wherry::container {

// kNotifyDirectory, mode 0755: the plan binds it on /run/notify, whether a socket is in it already or not.
void make_notify_directory(const StateDirectory& directory);

// Binds the socket in it, mode 0777, or another one in its place. Empty when there is no such directory: the
// container was made without.
[[nodiscard]] os::Fd bind_notify_socket(const StateDirectory& directory);

// True if one of the lines is READY=1 and nothing else.
[[nodiscard]] bool says_ready(std::string_view datagram) noexcept;

// Throws Error if nobody listens at $NOTIFY_SOCKET: a path, or "@name" in the abstract namespace of unix(7).
void check_notify_socket(const std::string& notify_socket);

// Returns once `notify_socket` has been told that `pid`, which is the container's, is ready, and has taken
// note of it (sd_notify_barrier(3)), or the container has ended.
void wait_until_ready(int socket, int pidfd, pid_t pid, const std::string& notify_socket);

}  // namespace wherry::container
