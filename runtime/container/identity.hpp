// SPDX-License-Identifier: Apache-2.0
// Which process a record means: a pid alone may have been given to another process, or belong to another boot.
#pragma once

#include <string>

#include "oci/record.hpp"
#include "os/core/fd.hpp"

namespace wherry::container {

// All of these throw Error where the kernel does not answer.
[[nodiscard]] std::string boot_id();

// Fills pid, pidfd_inode or pid_start_time for the process behind `pidfd`.
void identify(oci::Record& record, pid_t pid, int pidfd);

// A pidfd of the container's process while it runs (zombies do not), else an empty one.
[[nodiscard]] os::Fd open_process(const oci::Record& record);

// Field 22 of /proc/PID/stat; 0 when there is no such process. Exposed for its test.
[[nodiscard]] std::uint64_t parse_start_time(std::string_view stat);

}  // namespace wherry::container
