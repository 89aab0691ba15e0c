// SPDX-License-Identifier: Apache-2.0
#include "cli/image_program.hpp"

#include <sys/file.h>
#include <unistd.h>

#include <climits>
#include <utility>
#include <vector>

#include "os/files.hpp"
#include "os/spawn.hpp"
#include "wherry/error.hpp"

namespace wherry::cli {
namespace {

bool exists(const std::string& path) {
  struct statx status {};
  const int error = os::statx(os::kAtFdcwd, path.c_str(), 0, STATX_TYPE, status).error();
  if (error == ENOENT || error == ENOTDIR || error == ENAMETOOLONG) return false;
  if (error != 0) throw Error("look up " + path).because(error);
  return true;
}

// Beside this program as it was installed or built, then where the build was told to install it.
std::string find_program() {
  char buffer[PATH_MAX];
  const auto size = os::readlinkat(os::kAtFdcwd, "/proc/self/exe", buffer, sizeof buffer);
  const std::string self = size ? std::string(buffer, static_cast<std::size_t>(size.value())) : "";
  const std::string here = self.substr(0, self.rfind('/') == std::string::npos ? 0 : self.rfind('/'));
  for (const std::string& path : {here + "/../libexec/wherry/wherry-unpack", here + "/../unpack/wherry-unpack",
                                  std::string(WHERRY_LIBEXECDIR "/wherry-unpack")})
    if (exists(path)) return path;
  throw Error("find wherry-unpack")
      .detail("it is neither in ../libexec/wherry nor in " WHERRY_LIBEXECDIR)
      .remedy("install it");
}

Words arguments(const Globals& globals, const std::string& command, const Words& words) {
  Words args{"wherry-unpack"};
  if (!globals.log.file.empty()) args.insert(args.end(), {"--log", globals.log.file});
  if (globals.log.json) args.insert(args.end(), {"--log-format", "json"});
  if (globals.log.least == Level::kDebug) args.emplace_back("--debug");
  args.push_back(command);
  args.insert(args.end(), words.begin(), words.end());
  return args;
}

}  // namespace

void become_image_program(const Globals& globals, const std::string& command, const Words& words) {
  const std::string path = find_program();
  Words args = arguments(globals, command, words);
  std::vector<char*> pointers;
  for (std::string& arg : args) pointers.push_back(arg.data());
  pointers.push_back(nullptr);
  (void)::execve(path.c_str(), pointers.data(), environ);
  throw Error("start " + path).because(errno);
}

namespace {

// Runs it to its end: its exit code, or 128 + signal.
int run_image_program(const Globals& globals, const std::string& command, const Words& words, int output) {
  os::Program program;
  program.path = find_program();
  program.args = arguments(globals, command, words);
  program.standard_output = output;
  for (char** at = environ; *at != nullptr; ++at) program.env.emplace_back(*at);
  const auto child = os::spawn(program);
  if (!child) throw Error("start " + program.path).because(child.error());
  const auto exit = os::reap(child.value().pidfd.get());
  if (!exit) throw Error("wait for " + program.path).because(exit.error());
  return exit.value().status();
}

// Both halves may have colons: the source is the shortest one that exists.
void split_reference(const std::string& text, std::string& source, std::string& name) {
  source = text;
  for (std::size_t at = text.find(':'); !exists(source) && at != std::string::npos; at = text.find(':', at + 1)) {
    if (!exists(text.substr(0, at))) continue;
    source = text.substr(0, at);
    name = text.substr(at + 1);
  }
}

}  // namespace

TemporaryBundle::TemporaryBundle(const Globals& globals, const std::string& reference, Words options,
                                 const std::string& id, const Words& arguments)
    : globals_(globals) {
  std::string source, name;
  split_reference(reference, source, name);
  options.emplace_back("--temporary");
  if (!name.empty()) options.insert(options.end(), {"--image", name});
  options.insert(options.end(), {source, id});
  options.insert(options.end(), arguments.begin(), arguments.end());
  auto output = os::make_memory("wherry-unpack", 0);
  if (!output) throw Error("make a memory file").because(output.error());
  if (const int code = run_image_program(globals_, "unpack", options, output->get()); code != 0)
    throw Error("unpack " + reference).detail("wherry-unpack ended with " + std::to_string(code)).exit_code(code);
  char text[PATH_MAX];
  const long size = os::raw_syscall(__NR_pread64, output->get(), os::address(text), sizeof text, 0);
  if (size > 1) path_.assign(text, static_cast<std::size_t>(size) - 1);  // without the newline
  auto bundle = os::openat(os::kAtFdcwd, path_.c_str(), os::kRdOnly | os::kDirectory);
  if (!bundle) throw Error("open the bundle " + path_).because(bundle.error());
  lock_ = std::move(*bundle);
  if (::flock(lock_.get(), LOCK_SH | LOCK_NB) != 0) throw Error("lock the bundle " + path_).because(errno);
}

TemporaryBundle::~TemporaryBundle() {
  lock_.reset();
  try {
    (void)run_image_program(globals_, "discard", {path_}, -1);  // it says itself what it could not do
  } catch (const Error&) {
    // `wherry prune` finds it.
  }
}

}  // namespace wherry::cli
