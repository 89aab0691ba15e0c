// SPDX-License-Identifier: Apache-2.0
#include "container/resctrl.hpp"

#include <algorithm>
#include <map>
#include <vector>

#include "os/files.hpp"
#include "wherry/error.hpp"

namespace wherry::container {
namespace {

constexpr long kResctrlMagic = 0x7655821;  // linux/magic.h RDTGROUP_SUPER_MAGIC
constexpr const char* kUsualPlace = "/sys/fs/resctrl";
constexpr std::size_t kLargestFile = 1U << 20U;

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r";
  const std::size_t first = text.find_first_not_of(kBlank);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

// The parts of `text` between separators, without blanks around them; empty ones are left out.
std::vector<std::string_view> parts(std::string_view text, char separator) {
  std::vector<std::string_view> found;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find(separator, at), text.size());
    if (const std::string_view part = trimmed(text.substr(at, end - at)); !part.empty()) found.push_back(part);
    at = end + 1;
  }
  return found;
}

std::string_view without_zeros(std::string_view number) {
  const std::size_t first = number.find_first_not_of('0');
  return first == std::string_view::npos ? number.substr(0, 1) : number.substr(first);
}

// "L3:0=00ff;1=f" to {"L3:0": "ff", "L3:1": "f"}, line by line.
std::map<std::string, std::string> values_of(std::string_view schemata) {
  std::map<std::string, std::string> values;
  for (const std::string_view line : parts(schemata, '\n')) {
    const std::size_t colon = line.find(':');
    const std::string resource(trimmed(line.substr(0, colon)));
    if (colon == std::string_view::npos) {
      values[resource];  // what the kernel would refuse is in no file of its
      continue;
    }
    for (const std::string_view entry : parts(line.substr(colon + 1), ';')) {
      const std::size_t equals = entry.find('=');
      std::string value;
      if (equals != std::string_view::npos) value = without_zeros(trimmed(entry.substr(equals + 1)));
      std::transform(value.begin(), value.end(), value.begin(),
                     [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
      values[resource + ":" + std::string(without_zeros(trimmed(entry.substr(0, equals))))] = value;
    }
  }
  return values;
}

bool is_resctrl(const std::string& path) {
  os::statfs64 filesystem{};
  return os::statfs(path.c_str(), filesystem) && filesystem.type == kResctrlMagic;
}

// What the kernel has to say of the last write stands in a file of its own.
[[noreturn]] void refuse(const std::string& group, const std::string& what, int error) {
  Error failure = Error(what + " in " + group).because(error);
  for (std::string root = group; root.size() > 1; root.resize(root.rfind('/'))) {
    const auto text = os::read_file(os::kAtFdcwd, (root + "/info/last_cmd_status").c_str(), kLargestFile);
    if (text) throw std::move(failure).detail(text.value().substr(0, text.value().find('\n')));
  }
  throw Error(std::move(failure));
}

// True if it has been made.
bool make_group(const std::string& path) {
  const auto made = os::mkdirat(os::kAtFdcwd, path.c_str(), 0755);
  if (made) return true;
  if (made.error() == EEXIST) return false;
  throw Error("make the resctrl group " + path)
      .because(made.error())
      .remedy(made.error() == ENOSPC ? "no class of service is left: remove a group" : "");
}

void write_schemata(const plan::JoinResctrlGroup& step) {
  std::string text;
  for (const std::string& line : step.schemata) text += line + "\n";
  if (auto written = os::write_existing(os::kAtFdcwd, (step.group + "/schemata").c_str(), text); !written)
    refuse(step.group, "write the schemata", written.error());
}

void compare_schemata(const plan::JoinResctrlGroup& step) {
  const auto text = os::read_file(os::kAtFdcwd, (step.group + "/schemata").c_str(), kLargestFile);
  if (!text) throw Error("read " + step.group + "/schemata").because(text.error());
  for (const std::string& line : step.schemata)
    if (!holds_schemata(text.value(), line))
      throw Error("use the resctrl group " + step.group)
          .detail("it exists, and its schemata are not \"" + line + "\"")
          .remedy("name another closID, or the schemata that are in force");
}

void add_task(const std::string& group, pid_t pid) {
  if (auto written = os::write_existing(os::kAtFdcwd, (group + "/tasks").c_str(), std::to_string(pid)); !written)
    refuse(group, "put the container", written.error());
}

}  // namespace

std::string find_resctrl() {
  if (is_resctrl(kUsualPlace)) return kUsualPlace;
  const auto text = os::read_file(os::kAtFdcwd, "/proc/self/mountinfo", 64U << 20U);
  if (!text) return {};
  for (const std::string_view line : parts(text.value(), '\n')) {
    const std::vector<std::string_view> words = parts(line, ' ');
    const std::size_t type = line.find(" - resctrl ");
    if (type == std::string_view::npos || words.size() < 5) continue;
    if (std::string path(words[4]); is_resctrl(path)) return path;
  }
  return {};
}

bool holds_schemata(std::string_view schemata, std::string_view wanted) {
  const std::map<std::string, std::string> values = values_of(schemata);
  return std::ranges::all_of(values_of(wanted), [&](const auto& entry) {
    const auto found = values.find(entry.first);
    return found != values.end() && found->second == entry.second;
  });
}

void join_resctrl_group(const plan::JoinResctrlGroup& step, pid_t pid) {
  if (step.must_exist) {
    struct statx status {};
    if (auto found = os::statx(os::kAtFdcwd, step.group.c_str(), 0, STATX_TYPE, status); !found)
      throw Error("use the resctrl group " + step.group)
          .because(found.error())
          .detail("a closID without schemata names a group that exists")
          .remedy("make it, or name schemata");
  } else if (make_group(step.group)) {
    if (!step.schemata.empty()) write_schemata(step);
  } else if (!step.schemata.empty()) {
    compare_schemata(step);
  }
  add_task(step.group, pid);
  if (step.monitor.empty()) return;
  (void)make_group(step.monitor);
  add_task(step.monitor, pid);
}

}  // namespace wherry::container
