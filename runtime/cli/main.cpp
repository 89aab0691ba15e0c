// SPDX-License-Identifier: Apache-2.0
// The way from main to a container is short: only the named command's options are built, nothing is logged,
// and no static destructor runs at the end.
#include <fcntl.h>
#include <sys/auxv.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <exception>

#include "cli/command.hpp"
#include "cli/output.hpp"
#include "cli/version.hpp"
#include "wherry/wherry.hpp"

namespace wherry::cli {
namespace {

// An inherited SIG_IGN would make the kernel discard the exit codes of children.
void reset_child_signal() {
  struct sigaction action = {};
  action.sa_handler = SIG_DFL;
  (void)sigaction(SIGCHLD, &action, nullptr);  // cannot fail for this signal
}

// Else a descriptor of ours would become the container's standard stream.
void open_standard_streams() {
  for (int number = 0; number <= 2; ++number) {
    if (fcntl(number, F_GETFD) >= 0 || errno != EBADF) continue;
    if (open("/dev/null", O_RDWR) != number) throw Error("open /dev/null for a closed standard stream").because(errno);
  }
}

int dispatch(const Words& words, Log& log, int& failure) {
  CommandLine line = split_command_line(words, global_options());
  const Command* command = find_command(line.command);
  if (command != nullptr) failure = command->failure;
  Globals globals;
  try {
    parse_globals(line.globals, globals);
  } catch (const Error&) {
    log.configure(globals.log);
    throw;
  }
  log.configure(globals.log);
  if (globals.version) return print(version_text()), 0;
  if (line.command.empty()) return help_command({globals, {}, log});
  if (command == nullptr && !line.rest.empty() && (line.rest[0] == "-h" || line.rest[0] == "--help"))
    throw Error("No help topic for '" + line.command + "'");
  if (command == nullptr) throw Error("no command \"" + line.command + "\"; see wherry --help");
  if (globals.help) return help_command({globals, {line.command}, log});
  log.debug("wherry " WHERRY_VERSION ": " + line.command);
  return command->run({globals, line.rest, log});
}

int run_program(const Words& words) {
  Log log;
  int failure = 1;
  try {
    reset_child_signal();
    open_standard_streams();
    return dispatch(words, log, failure);
  } catch (const Error& error) {
    log.error(describe(error));
    return failure != 1 ? failure : error.code();
  } catch (const std::exception& error) {
    log.error(error.what());
    return failure;
  }
}

}  // namespace
}  // namespace wherry::cli

int main(int count, char** words) {
  if (getauxval(AT_SECURE) != 0) {
    static constexpr char kText[] = "wherry must not be setuid or setgid, nor carry file capabilities\n";
    (void)!write(2, kText, sizeof kText - 1);  // nothing is left to do if this fails
    return 1;
  }
  _exit(wherry::cli::run_program(wherry::cli::Words(words + (count > 0 ? 1 : 0), words + count)));
}
