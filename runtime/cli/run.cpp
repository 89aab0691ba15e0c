// SPDX-License-Identifier: Apache-2.0
#include "cli/command.hpp"
#include "cli/create_options.hpp"
#include "cli/foreground.hpp"
#include "os/files.hpp"
#include "wherry/error.hpp"

namespace wherry::cli {
namespace {

// The container runs already: what goes wrong here is a warning.
void write_trace(const std::string& file, const std::string& trace, Log& log) {
  if (file.empty()) return;
  const auto out = os::openat(os::kAtFdcwd, file.c_str(), os::kWrOnly | os::kCreat | os::kTrunc | os::kNoCtty, 0644);
  const int fault = out ? os::write_all(out.value().get(), trace).error() : out.error();
  if (fault != 0) log.warning("write trace " + file + ": " + errno_name(fault));
}

int wait_and_remove(const Settings& settings, const CreateOptions& options, Process& process, bool keep, Log& log) {
  const int status = attend(process, options.notify_socket, log);
  if (keep) return status;
  for (const std::string& warning : remove(settings, options.id, true)) log.warning(warning);
  return status;
}

}  // namespace

int run_command(const Invocation& invocation) {
  CreateOptions options;
  options.detach = false;
  std::string trace;
  bool keep = false, no_subreaper = false;
  Arguments arguments("run", "ID", "Make and start a container, wait for it and delete it.");
  declare_create_options(arguments, options);
  arguments.flag("-d,--detach", options.detach, "Do not wait");
  arguments.flag("--keep", keep, "Do not delete");
  arguments.flag("--no-subreaper", no_subreaper, "Accepted; Wherry never is a subreaper");
  arguments.text("--trace", trace, "File for the duration of each step, Chrome trace-event JSON");
  if (!arguments.parse(invocation.words, 1, 1)) return 0;
  options.id = arguments.operands()[0];
  options.trace = !trace.empty();
  take_environment(options);

  const Settings settings = make_settings(invocation.globals);
  const BlockedSignals blocked(!options.detach);
  Process process = run(settings, options);
  for (const std::string& warning : process.warnings) invocation.log.warning(warning);
  write_trace(trace, process.trace, invocation.log);
  return options.detach ? 0 : wait_and_remove(settings, options, process, keep, invocation.log);
}

}  // namespace wherry::cli
