// SPDX-License-Identifier: Apache-2.0
// What create and run share.
#pragma once

#include "container/launch.hpp"
#include "container/store.hpp"
#include "oci/record.hpp"
#include "wherry/wherry.hpp"

namespace wherry::container {

// config.json, read and validated.
struct Bundle {
  std::string text;
  oci::Spec spec;
};
[[nodiscard]] Bundle read_bundle(const CreateOptions& options);

// Passes a descriptor to whoever listens at an AF_UNIX path (--console-socket, --pidfd-socket).
void send_descriptor(const std::string& socket_path, int fd, const std::string& what);
void write_pid_file(const std::string& path, pid_t pid);

}  // namespace wherry::container
