// SPDX-License-Identifier: Apache-2.0
#include "cli/process_table.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <optional>

#include "cli/arguments.hpp"
#include "os/files.hpp"
#include "os/spawn.hpp"
#include "wherry/error.hpp"

namespace wherry::cli {
namespace {

constexpr std::size_t kTableLimit = 64U << 20U;

std::string find_ps() {
  const char* path = std::getenv("PATH");
  for (const std::string& directory : split({path == nullptr ? "/usr/bin:/bin" : path}, ':')) {
    std::string file = directory + "/ps";
    if (access(file.c_str(), X_OK) == 0) return file;
  }
  throw Error("find the program ps").detail("there is none in PATH").remedy("install procps or use --format json");
}

std::optional<std::string_view> column(std::string_view line, std::size_t index) {
  for (std::size_t end = 0;;) {
    const std::size_t begin = line.find_first_not_of(" \t", end);
    if (begin == std::string_view::npos) return std::nullopt;
    end = std::min(line.find_first_of(" \t", begin), line.size());
    if (index-- == 0) return line.substr(begin, end - begin);
  }
}

std::size_t pid_column(std::string_view heading) {
  for (std::size_t i = 0;; ++i) {
    const auto name = column(heading, i);
    if (!name) throw Error("ps").detail("its output has no column PID").remedy("choose other ps options");
    if (*name == "PID") return i;
  }
}

}  // namespace

std::string read_process_table(const Words& options) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) throw Error("pipe2").because(errno);
  const os::Fd reader(ends[0]);
  os::Fd writer(ends[1]);
  os::Program program;
  program.path = find_ps();
  program.args = {"ps"};
  program.args.insert(program.args.end(), options.begin(), options.end());
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) program.env.emplace_back(*entry);
  program.standard_output = writer.get();
  const auto child = os::spawn(program);
  if (!child) throw Error("run " + program.path).because(child.error());
  writer.reset();
  const auto table = os::read_all(reader.get(), kTableLimit);
  const auto status = os::reap(child.value().pidfd.get());
  if (!table) throw Error("read the output of ps").because(table.error());
  if (!status || status.value().status() != 0) throw Error("ps").detail("failed").remedy("check the ps options");
  return table.value();
}

std::string select_processes(std::string_view table, const std::vector<pid_t>& pids) {
  std::string selected;
  std::optional<std::size_t> index;
  while (!table.empty()) {
    const std::size_t size = std::min(table.find('\n'), table.size());
    const std::string_view line = table.substr(0, size);
    table.remove_prefix(std::min(size + 1, table.size()));
    const bool heading = !index;
    if (heading) index = pid_column(line);
    const auto pid = column(line, *index);
    const auto is_it = [&](pid_t wanted) { return pid && *pid == std::to_string(wanted); };
    if (heading || std::ranges::any_of(pids, is_it)) selected.append(line).append("\n");
  }
  return selected;
}

}  // namespace wherry::cli
