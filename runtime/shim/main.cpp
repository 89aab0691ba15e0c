// SPDX-License-Identifier: Apache-2.0
// containerd-shim-wherry-v2: what containerd starts for a container or a pod, and what stays beside it.
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "os/files.hpp"
#include "shim/commands.hpp"
#include "wherry/error.hpp"

namespace {

using namespace wherry::shim;

constexpr std::size_t kLargestInput = 4U << 20U;

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

// Options, if there are any. Not from a terminal: a person who tries this out is not to wait for nothing.
std::string standard_input() {
  if (::isatty(STDIN_FILENO) != 0) return {};
  auto text = wherry::os::read_all(STDIN_FILENO, kLargestInput);
  return text ? std::move(*text) : std::string();
}

void print(const std::string& text) { (void)wherry::os::write_all(STDOUT_FILENO, text); }

int run(const Arguments& arguments) {
  Surroundings surroundings{
      {}, variable("TTRPC_ADDRESS"), !variable("SCHED_CORE").empty(), variable("WHERRY_SHIM_BOOTSTRAP") == "json"};
  if (arguments.version) return print("containerd-shim-wherry-v2 " WHERRY_VERSION "\n"), 0;
  if (arguments.info || arguments.verb == "start") surroundings.standard_input = standard_input();
  if (arguments.info)
    print(information(surroundings));
  else if (arguments.verb == "start")
    print(start(arguments, surroundings));
  else if (arguments.verb == "delete")
    print(remove_left_over(arguments));
  else if (arguments.verb.empty())
    serve(arguments, surroundings);
  else
    throw wherry::Error("read the command line").detail("there is no verb " + arguments.verb);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(parse_arguments(std::vector<std::string>(argv + 1, argv + argc)));
  } catch (const std::exception& error) {
    (void)std::fprintf(stderr, "containerd-shim-wherry-v2: %s\n", error.what());
    return 1;
  }
}
