// SPDX-License-Identifier: Apache-2.0
#include "cli/globals.hpp"

#include <unistd.h>

#include <climits>
#include <cstdlib>

#include "cli/arguments.hpp"
#include "wherry/error.hpp"

namespace wherry::cli {
namespace {

struct Raw {
  std::string log, log_format = "text", log_level, rootless = "auto";
  bool debug = false;
};

void declare(Arguments& arguments, Globals& globals, Raw& raw) {
  arguments.text("--root", globals.root, "Directory of the containers' state [/run/wherry]");
  arguments.text("--log", raw.log, "Log file [standard error]");
  arguments.text("--log-format", raw.log_format, "text or json");
  arguments.text("--log-level", raw.log_level, "debug, info, warning or error");
  arguments.flag("--debug", raw.debug, "Log each step: same as --log-level debug");
  arguments.text("--cgroup-manager", globals.cgroup_manager, "cgroupfs or disabled");
  arguments.flag("--systemd-cgroup", globals.systemd_cgroup, "Let systemd manage cgroups");
  arguments.text("--rootless", raw.rootless, "true, false or auto; accepted, since nothing depends on it");
  arguments.flag("-v,--version", globals.version, "Print versions");
}

std::string absolute(const std::string& path) {
  if (path.empty() || path[0] == '/') return path;
  char here[PATH_MAX];
  if (getcwd(here, sizeof here) == nullptr) throw Error("--root " + path).detail("the working directory is gone");
  return std::string(here) + "/" + path;
}

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::string log_file(const std::string& text) {
  if (text.starts_with("journald:") || text.starts_with("syslog:"))
    throw Error("--log " + text).detail("only files are supported");
  return text.starts_with("file:") ? text.substr(5) : text;
}

void set_log(const Raw& raw, LogOptions& log) {
  log.json = raw.log_format == "json";
  log.file = log_file(raw.log);
}

}  // namespace

const std::vector<OptionName>& global_options() {
  static const std::vector<OptionName> options{
      {"root", 0, true},       {"log", 0, true},
      {"log-format", 0, true}, {"log-level", 0, true},
      {"debug", 0, false},     {"cgroup-manager", 0, true},
      {"rootless", 0, true},   {"systemd-cgroup", 0, false},
      {"version", 'v', false}, {"help", 'h', false},
  };
  return options;
}

void parse_globals(const Words& words, Globals& globals) {
  if (words.empty()) return;
  Raw raw;
  Arguments arguments("", "COMMAND", "");
  declare(arguments, globals, raw);
  arguments.flag("-h,--help", globals.help, "");
  try {
    arguments.parse_options(words);
  } catch (const Error&) {
    set_log(raw, globals.log);
    throw;
  }
  set_log(raw, globals.log);
  if (!globals.log.json && raw.log_format != "text")
    throw Error("--log-format " + raw.log_format).detail("is neither text nor json");
  if (!raw.log_level.empty()) globals.log.least = parse_level(raw.log_level);
  if (raw.debug) globals.log.least = Level::kDebug;
  if (raw.rootless != "true" && raw.rootless != "false" && raw.rootless != "auto")
    throw Error("--rootless " + raw.rootless).detail("is none of true, false, auto");
}

void read_global_arguments(const std::function<void(const Arguments&)>& reader) {
  Globals globals;
  Raw raw;
  Arguments arguments("", "COMMAND", "");
  declare(arguments, globals, raw);
  reader(arguments);
}

std::string global_help() {
  std::string text;
  read_global_arguments([&](const Arguments& arguments) { text = arguments.help(); });
  return text;
}

Settings make_settings(const Globals& globals) {
  const std::string manager = globals.systemd_cgroup ? "systemd" : globals.cgroup_manager;
  if (manager != "cgroupfs" && manager != "disabled" && manager != "systemd")
    throw Error("--cgroup-manager " + manager).detail("is none of cgroupfs, systemd, disabled");
  const std::string runtime_dir = variable("XDG_RUNTIME_DIR");
  return {.root = globals.root.empty() ? default_root(runtime_dir, variable("USER")) : absolute(globals.root),
          .cgroup_manager = manager,
          .runtime_dir = runtime_dir,
          .session_bus = variable("DBUS_SESSION_BUS_ADDRESS"),
          .tell = {}};
}

Settings make_settings(const Globals& globals, Log& log) {
  Settings settings = make_settings(globals);
  if (globals.log.least == Level::kDebug) settings.tell = [&log](const std::string& line) { log.debug(line); };
  return settings;
}

}  // namespace wherry::cli
