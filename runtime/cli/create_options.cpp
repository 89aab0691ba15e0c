// SPDX-License-Identifier: Apache-2.0
#include "cli/create_options.hpp"

#include <unistd.h>

#include <cstdlib>

namespace wherry::cli {

void declare_create_options(Arguments& arguments, CreateOptions& options) {
  options.bundle = std::string(".");  // GCC 12 warns of the assignment of a literal
  arguments.text("-b,--bundle", options.bundle, "Directory of the bundle [.]");
  arguments.text("-f,--config", options.config_name, "Name of the configuration in the bundle [config.json]");
  arguments.text("--console-socket", options.console_socket, "AF_UNIX socket that gets the terminal's master");
  arguments.text("--pidfd-socket", options.pidfd_socket, "AF_UNIX socket that gets a pidfd of the process");
  arguments.text("--pid-file", options.pid_file, "File to write the process id to");
  arguments.flag("--no-pivot", options.no_pivot, "Move the root instead of pivot_root: for a rootfs on initramfs");
  arguments.flag("--no-new-keyring", options.no_new_keyring, "Keep the caller's session keyring");
  arguments.number("--preserve-fds", options.preserve_fds, "Pass N more descriptors, from 3 on");
}

std::string notify_socket() {
  const char* path = std::getenv("NOTIFY_SOCKET");
  return path == nullptr ? "" : path;
}

void take_environment(CreateOptions& options) {
  options.notify_socket = notify_socket();
  const char* count = std::getenv("LISTEN_FDS");
  const char* pid = std::getenv("LISTEN_PID");
  if (count == nullptr || pid == nullptr || pid != std::to_string(getpid())) return;
  options.listen_fds = parse_number("LISTEN_FDS", count);
}

}  // namespace wherry::cli
