// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "cli/arguments.hpp"
#include "cli/command.hpp"
#include "os/files.hpp"
#include "wherry/error.hpp"

namespace wherry::cli {

int spec_command(const Invocation& invocation) {
  std::string bundle = ".", file = "config.json";
  bool rootless = false;
  Arguments arguments("spec", "", "Write a default config.json into a bundle.");
  arguments.text("-b,--bundle", bundle, "Directory of the bundle [.]");
  arguments.text("-f,--file", file, "Its name in the bundle [config.json]");
  arguments.flag("--rootless", rootless, "For a user without privileges");
  if (!arguments.parse(invocation.words, 0, 0)) return 0;
  const auto dir = os::openat(AT_FDCWD, bundle.c_str(), O_RDONLY | O_DIRECTORY);
  if (!dir) throw Error("open bundle " + bundle).because(dir.error());
  const std::string json = default_config(rootless, geteuid(), getegid()) + "\n";
  const auto written = os::create_file(dir.value().get(), file.c_str(), json, 0666);
  if (written.error() == EEXIST) throw Error("file " + file + " exists. Remove it first");
  if (!written) throw Error("write " + bundle + "/" + file).because(written.error());
  return 0;
}

}  // namespace wherry::cli
