// SPDX-License-Identifier: Apache-2.0
// usage: wherry-manual DIRECTORY
// Writes the man pages and the completions of bash, zsh and fish into DIRECTORY. It asks each command for its
// declarations, so that what these say is what the command takes. Runs at build time.
#include <sys/stat.h>

#include <cerrno>
#include <cstdio>
#include <exception>
#include <fstream>
#include <string>
#include <vector>

#include "cli/arguments.hpp"
#include "cli/command.hpp"
#include "manual/manual.hpp"
#include "unpack/commands.hpp"
#include "wherry/error.hpp"

namespace wherry::manual {
namespace {

using cli::Arguments;
using cli::Command;
using cli::commands;
using cli::Globals;
using cli::Log;
using cli::Words;

Described describe(const Arguments& arguments) {
  return {{}, {}, arguments.purpose(), arguments.usage(), arguments.entries(), 1};
}

Described describe_globals() {
  Described globals;
  cli::read_global_arguments([&](const Arguments& arguments) { globals = describe(arguments); });
  globals.options.push_back({{"help", 'h', false}, "Print this text", false});
  return globals;
}

// Those of wherry-unpack, behind the commands of the same names.
struct ImageCommand {
  std::string_view name;
  int (*run)(const unpacking::Invocation&);
};
constexpr ImageCommand kImageCommands[] = {
    {"unpack", unpacking::unpack_command},
    {"images", unpacking::images_command},
    {"prune", unpacking::prune_command},
};

void call(const Command& command) {
  const Words none;
  Log log;
  for (const ImageCommand& image : kImageCommands) {
    if (image.name != command.name) continue;
    (void)image.run({none, log, unpacking::Identity{}});
    return;
  }
  const Globals globals{};
  (void)command.run({globals, none, log});
}

std::vector<Described> describe_commands() {
  std::vector<Described> all;
  Described current;
  Arguments::describe_to([&](const Arguments& arguments) { current = describe(arguments); });
  for (const Command& command : commands()) {
    if (command.purpose.empty() || command.name == "help") continue;
    call(command);
    current.name = command.name;
    current.summary = command.purpose;
    current.failure = command.failure;
    all.push_back(current);
  }
  return all;
}

void write(const std::string& path, const std::string& text) {
  std::ofstream file(path);
  file << text;
  file.close();
  if (!file) throw Error("write " + path);
}

void write_all(const std::string& directory) {
  const Described globals = describe_globals();
  const std::vector<Described> commands = describe_commands();
  if (mkdir(directory.c_str(), 0755) != 0 && errno != EEXIST) throw Error("make " + directory).because(errno);
  write(directory + "/wherry.8", main_page(globals, commands));
  for (const Described& command : commands) write(directory + "/wherry-" + command.name + ".8", command_page(command));
  write(directory + "/wherry.bash", bash_completion(globals, commands));
  write(directory + "/_wherry", zsh_completion(globals, commands));
  write(directory + "/wherry.fish", fish_completion(globals, commands));
}

}  // namespace
}  // namespace wherry::manual

int main(int count, char** words) {
  try {
    if (count != 2) throw wherry::Error("usage: wherry-manual DIRECTORY");
    wherry::manual::write_all(words[1]);
  } catch (const std::exception& error) {
    (void)std::fprintf(stderr, "wherry-manual: %s\n", error.what());
    return 1;
  }
  return 0;
}
