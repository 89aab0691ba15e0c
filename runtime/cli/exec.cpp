// SPDX-License-Identifier: Apache-2.0
#include "cli/arguments.hpp"
#include "cli/command.hpp"
#include "cli/foreground.hpp"
#include "wherry/error.hpp"

namespace wherry::cli {
namespace {

void declare(Arguments& arguments, ExecOptions& options, Words& gids) {
  arguments.text("-p,--process", options.process_file, "File with a process object of config.json");
  arguments.text("--cwd", options.cwd, "Working directory");
  arguments.list("-e,--env", options.env, "NAME=VALUE, added");
  arguments.flag("-t,--tty", options.terminal, "Allocate a terminal");
  arguments.text("-u,--user", options.user, "UID[:GID]");
  arguments.list("-g,--additional-gids", gids, "Additional group ids");
  arguments.list("-c,--cap", options.capabilities, "Capability, added");
  arguments.text("--apparmor", options.apparmor, "AppArmor profile");
  arguments.text("--process-label", options.process_label, "SELinux label");
  arguments.flag("--no-new-privs", options.no_new_privileges, "Set no_new_privs");
  arguments.flag("--ignore-paused", options.ignore_paused, "Do not fail if the container is paused");
  arguments.text("--cgroup", options.cgroup, "Sub-cgroup of the container's");
  arguments.flag("-d,--detach", options.detach, "Do not wait");
  arguments.text("--pid-file", options.pid_file, "File to write the process id to");
  arguments.text("--console-socket", options.console_socket, "AF_UNIX socket that gets the terminal's master");
  arguments.text("--pidfd-socket", options.pidfd_socket, "AF_UNIX socket that gets a pidfd of the process");
  arguments.number("--preserve-fds", options.preserve_fds, "Pass N more descriptors, from 3 on");
}

}  // namespace

int exec_command(const Invocation& invocation) {
  ExecOptions options;
  Words gids;
  Arguments arguments("exec", "ID COMMAND [ARGS]", "Run another program in a container.");
  declare(arguments, options, gids);
  arguments.stop_at_operand();
  if (!arguments.parse(invocation.words, 1, SIZE_MAX)) return 0;
  const Words& operands = arguments.operands();
  options.id = operands[0];
  options.args.assign(operands.begin() + 1, operands.end());
  if (options.args.empty() && options.process_file.empty()) throw Error("exec: neither a command nor --process");
  for (const std::string& gid : split(gids, ','))
    options.additional_gids.push_back(parse_number("--additional-gids", gid));

  const Settings settings = make_settings(invocation.globals, invocation.log);
  const BlockedSignals blocked(!options.detach);
  Process process = exec(settings, options);
  for (const std::string& warning : process.warnings) invocation.log.warning(warning);
  return options.detach ? 0 : attend(process, "", invocation.log);
}

}  // namespace wherry::cli
