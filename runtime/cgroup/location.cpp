// SPDX-License-Identifier: Apache-2.0
#include "cgroup/location.hpp"

#include <algorithm>
#include <vector>

#include "cgroup/file.hpp"
#include "wherry/error.hpp"

namespace wherry::cgroup {
namespace {

constexpr const char* kUsualMounts[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};

// mountinfo writes space, tab, newline and backslash as three octal digits (proc_pid_mountinfo(5)).
std::string unescape(std::string_view text) {
  const auto octal = [](char c) { return c >= '0' && c <= '7'; };
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && text.size() - i > 3 && octal(text[i + 1]) && octal(text[i + 2]) && octal(text[i + 3])) {
      result += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0'));
      i += 3;
    } else {
      result += text[i];
    }
  }
  return result;
}

std::string read_proc(const char* path) {
  auto text = read_file(os::kAtFdcwd, path);
  if (!text) throw Error(std::string("read ") + path).because(text.error()).remedy("mount /proc");
  return std::move(*text);
}

[[noreturn]] void refuse(std::string_view cgroups_path, const char* rule, const char* remedy) {
  throw Error("cgroup \"" + std::string(cgroups_path) + "\"").at("/linux/cgroupsPath").detail(rule).remedy(remedy);
}

bool is_systemd_form(std::string_view path) {
  return path.find('/') == std::string_view::npos && std::count(path.begin(), path.end(), ':') == 2;
}

std::string joined(const std::vector<std::string>& parts) {
  std::string path;
  for (const std::string& part : parts) path += "/" + part;
  return path;
}

}  // namespace

namespace {

struct MountLine {
  std::string_view type, root, target;  // the last two escaped
};

MountLine parse_line(std::string_view line) {
  const auto separator = line.find(" - ");
  if (separator == std::string_view::npos) return {};
  std::string_view source = line.substr(separator + 3);
  MountLine parsed;
  parsed.type = next_word(source);
  for (int skipped = 0; skipped < 3; ++skipped) next_word(line);
  parsed.root = next_word(line);
  parsed.target = next_word(line);
  return parsed;
}

}  // namespace

std::string parse_mount(std::string_view mountinfo) {
  while (!mountinfo.empty()) {
    const MountLine line = parse_line(next_line(mountinfo));
    if (line.type == "cgroup2") return unescape(line.target);
  }
  return {};
}

std::vector<std::string> mounts_of_types(std::string_view mountinfo, const std::vector<std::string_view>& types) {
  std::vector<std::string> targets;
  while (!mountinfo.empty()) {
    const MountLine line = parse_line(next_line(mountinfo));
    if (line.root == "/" && std::find(types.begin(), types.end(), line.type) != types.end())
      targets.push_back(unescape(line.target));
  }
  return targets;
}

std::string parse_own_cgroup(std::string_view cgroup) {
  constexpr std::string_view kUnified = "0::";
  while (!cgroup.empty()) {
    const std::string_view line = next_line(cgroup);
    if (line.substr(0, kUnified.size()) == kUnified) return std::string(line.substr(kUnified.size()));
  }
  return {};
}

std::string resolve_from(std::string_view own, std::string_view cgroups_path, std::string_view id) {
  if (is_systemd_form(cgroups_path))
    refuse(cgroups_path, "slice:prefix:name is a path for the systemd manager", "use --systemd-cgroup");
  std::vector<std::string> parts;
  const std::string_view wanted = cgroups_path.empty() ? id : cgroups_path;
  if (cgroups_path.empty() || cgroups_path.front() != '/') {
    parts = components(own);
    if (!parts.empty()) parts.pop_back();
  }
  for (std::string& part : components(wanted)) parts.push_back(std::move(part));
  // Also the caller's own cgroup may begin with "..": the mount shows another cgroup namespace than /proc.
  if (std::find(parts.begin(), parts.end(), "..") != parts.end())
    refuse(cgroups_path, "\"..\" leads out of the hierarchy", "use an absolute path without it");
  if (parts.empty() || wanted.find('\0') != std::string_view::npos)
    refuse(cgroups_path, "is the root of the hierarchy", "name a cgroup below it");
  return joined(parts);
}

std::string find_mount() {
  for (const char* path : kUsualMounts) {
    os::statfs64 status{};
    const os::Status found = os::statfs(path, status);
    if (found && status.type == os::kCgroup2SuperMagic) return path;
    if (!found && found.error() != ENOENT && found.error() != ENOTDIR && found.error() != EACCES)
      throw Error(std::string("look at ") + path).because(found.error());
  }
  std::string path = parse_mount(read_proc("/proc/self/mountinfo"));
  if (path.empty())
    throw Error("find the cgroup v2 hierarchy")
        .detail("no cgroup2 is mounted")
        .remedy(
            "mount it with `mount -t cgroup2 cgroup2 /sys/fs/cgroup`, or boot with "
            "systemd.unified_cgroup_hierarchy=1");
  return path;
}

std::string own_cgroup() {
  std::string path = parse_own_cgroup(read_proc("/proc/self/cgroup"));
  if (path.empty()) throw Error("find the caller's own cgroup").detail("/proc/self/cgroup has no line for cgroup v2");
  return path;
}

std::string default_path(std::string_view id) { return resolve("", id); }

std::string resolve(std::string_view cgroups_path, std::string_view id) {
  const bool absolute = !cgroups_path.empty() && cgroups_path.front() == '/';
  return resolve_from(absolute ? std::string() : own_cgroup(), cgroups_path, id);
}

}  // namespace wherry::cgroup
