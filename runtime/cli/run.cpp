// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <algorithm>
#include <memory>

#include "cli/command.hpp"
#include "cli/create_options.hpp"
#include "cli/foreground.hpp"
#include "cli/image_program.hpp"
#include "os/files.hpp"
#include "wherry/error.hpp"

namespace wherry::cli {
namespace {

constexpr std::size_t kMostArguments = 4096;

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

// A startContainer hook that failed has said why on the terminal.
Process run_or_pass_on(const Settings& settings, CreateOptions options) {
  std::string last_words;
  options.last_words = &last_words;
  try {
    return run(settings, options);
  } catch (const Error&) {
    (void)os::write_all(STDOUT_FILENO, last_words);  // the error is the news
    throw;
  }
}

bool asks_for_image(const Words& words) {
  return std::ranges::any_of(words,
                             [](const std::string& word) { return word == "--image" || word.starts_with("--image="); });
}

struct ImageOptions {
  std::string reference, profile = "default", layers = "auto", store;
};

void declare_image_options(Arguments& arguments, ImageOptions& image) {
  arguments.text("--image", image.reference,
                 "SOURCE[:NAME] of an image to run: its bundle lives as long as the container");
  arguments.text("--profile", image.profile, "With --image: default, docker, strict or none [default]");
  arguments.text("--layers", image.layers, "With --image: overlay, flat or auto [auto]");
  arguments.text("--store", image.store, "With --image: directory of the layers that bundles share");
}

std::unique_ptr<TemporaryBundle> make_bundle(const Invocation& invocation, const ImageOptions& image,
                                             const CreateOptions& options, bool keep, const Words& arguments) {
  if (options.detach || keep)
    throw Error("run --image").detail("its bundle lives as long as this command").remedy("make one with wherry unpack");
  Words words{"--profile", image.profile, "--layers", image.layers};
  if (!image.store.empty()) words.insert(words.end(), {"--store", image.store});
  if (isatty(0) == 1 && isatty(1) == 1) words.emplace_back("--tty");
  return std::make_unique<TemporaryBundle>(invocation.globals, image.reference, words, options.id, arguments);
}

}  // namespace

int run_command(const Invocation& invocation) {
  CreateOptions options;
  options.detach = false;
  std::string trace;
  bool keep = false, no_subreaper = false;
  ImageOptions image;
  Arguments arguments("run", "ID [ARG...]",
                      "Make and start a container, wait for it and delete it. With --image, ARGs take the place of the "
                      "image's Cmd.");
  declare_create_options(arguments, options);
  declare_image_options(arguments, image);
  arguments.flag("-d,--detach", options.detach, "Do not wait");
  arguments.flag("--keep", keep, "Do not delete");
  arguments.flag("--no-subreaper", no_subreaper, "Accepted; Wherry never is a subreaper");
  arguments.text("--trace", trace, "File for the duration of each step, Chrome trace-event JSON");
  const bool has_image = asks_for_image(invocation.words);
  if (has_image) arguments.stop_at_operand();
  if (!arguments.parse(invocation.words, 1, has_image ? kMostArguments : 1)) return 0;
  options.id = arguments.operands()[0];
  options.trace = !trace.empty();
  take_environment(options);

  const Settings settings = make_settings(invocation.globals, invocation.log);
  std::unique_ptr<TemporaryBundle> bundle;
  if (has_image) {
    bundle =
        make_bundle(invocation, image, options, keep, {arguments.operands().begin() + 1, arguments.operands().end()});
    options.bundle = bundle->path();
  }
  const BlockedSignals blocked(!options.detach);
  Process process = run_or_pass_on(settings, options);
  for (const std::string& warning : process.warnings) invocation.log.warning(warning);
  write_trace(trace, process.trace, invocation.log);
  return options.detach ? 0 : wait_and_remove(settings, options, process, keep, invocation.log);
}

}  // namespace wherry::cli
