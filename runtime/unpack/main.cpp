// SPDX-License-Identifier: Apache-2.0
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "cli/globals.hpp"
#include "cli/output.hpp"
#include "unpack/commands.hpp"
#include "wherry/error.hpp"

namespace wherry::unpacking {
namespace {

struct Command {
  std::string_view name;
  int (*run)(const Invocation&);
};
constexpr Command kCommands[] = {
    {"unpack", unpack_command},
    {"images", images_command},
    {"prune", prune_command},
    {"discard", discard_command},
};

int dispatch(const cli::Words& words, cli::Log& log) {
  const cli::CommandLine line = cli::split_command_line(words, cli::global_options());
  if (line.command == "map-ids") return map_ids(line.rest);
  cli::Globals globals;
  cli::parse_globals(line.globals, globals);
  log.configure(globals.log);
  const auto* command = std::ranges::find(kCommands, line.command, &Command::name);
  if (command == std::end(kCommands))
    throw Error("wherry-unpack is started by wherry").remedy("run wherry unpack --help");
  const bool help = std::ranges::find(line.rest, "--help") != line.rest.end();
  const Identity identity = help ? Identity{} : enter_user_namespace("/proc/self/exe");
  ::umask(0);  // modes are the image's
  return command->run({line.rest, log, identity});
}

int run_program(const cli::Words& words) {
  cli::Log log;
  try {
    return dispatch(words, log);
  } catch (const Error& error) {
    log.error(error.message());
    return error.code();
  } catch (const std::exception& error) {
    log.error(error.what());
    return 1;
  }
}

}  // namespace
}  // namespace wherry::unpacking

int main(int count, char** words) {
  if (getauxval(AT_SECURE) != 0) {
    static constexpr char kText[] = "wherry-unpack must not be setuid or setgid, nor carry file capabilities\n";
    (void)!write(2, kText, sizeof kText - 1);  // nothing is left to do if this fails
    return 1;
  }
  _exit(wherry::unpacking::run_program(wherry::cli::Words(words + (count > 0 ? 1 : 0), words + count)));
}
