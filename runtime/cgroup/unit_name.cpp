// SPDX-License-Identifier: Apache-2.0
#include "cgroup/unit_name.hpp"

#include <algorithm>
#include <vector>

#include "wherry/error.hpp"

namespace wherry::cgroup {
namespace {

constexpr std::string_view kSlice = ".slice";
constexpr std::size_t kLongestUnit = 255;  // systemd.unit(5)
constexpr std::string_view kAlphanumeric = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

bool has_only(std::string_view text, std::string_view others) {
  return std::ranges::all_of(text, [&](char c) {
    return kAlphanumeric.find(c) != std::string_view::npos || others.find(c) != std::string_view::npos;
  });
}

[[noreturn]] void refuse(std::string_view name, const char* rule, const char* remedy) {
  throw Error("name a systemd unit \"" + std::string(name) + "\"").at("/linux/cgroupsPath").detail(rule).remedy(remedy);
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (;;) {
    const std::size_t end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

std::string scope_of(std::string_view prefix, std::string_view name) {
  std::string unit = (prefix.empty() ? "" : std::string(prefix) + "-").append(name).append(".scope");
  if (name.empty()) refuse(unit, "the name is empty", "use slice:prefix:name");
  if (name.size() >= kSlice.size() && name.substr(name.size() - kSlice.size()) == kSlice)
    refuse(name, "a slice holds no processes of its own", "let the name be a scope's");
  if (!has_only(unit, ":-_.\\@")) refuse(unit, "letters, digits and :-_.\\@ are allowed", "choose another name");
  if (unit.size() > kLongestUnit) refuse(unit, "it is longer than 255 characters", "choose a shorter name");
  // systemd would give the cgroup another name than the unit.
  if (unit.front() == '_' || unit.front() == '.') refuse(unit, "it begins with \"_\" or \".\"", "choose another name");
  return unit;
}

}  // namespace

std::string slice_path(std::string_view slice) {
  constexpr const char* kRemedy = "use a name such as system.slice or a-b.slice";
  const std::string_view stem = slice.substr(0, slice.size() - std::min(kSlice.size(), slice.size()));
  if (stem.empty() || slice.substr(stem.size()) != kSlice) refuse(slice, "it is not the name of a slice", kRemedy);
  if (stem == "-") return "";
  if (!has_only(stem, ":-_.\\@") || slice.size() > kLongestUnit)
    refuse(slice, "it is not the name of a slice", kRemedy);
  std::string path, prefix;
  for (const std::string_view part : split(stem, '-')) {
    if (part.empty()) refuse(slice, "a dash stands between a slice and its parent's name", kRemedy);
    prefix += (prefix.empty() ? "" : "-") + std::string(part);
    path.append("/").append(prefix).append(kSlice);
  }
  return path;
}

UnitName unit_name(std::string_view cgroups_path, std::string_view id, const std::string& default_slice) {
  const std::string wanted =
      cgroups_path.empty() ? default_slice + ":wherry:" + std::string(id) : std::string(cgroups_path);
  const std::vector<std::string_view> parts = split(wanted, ':');
  if (parts.size() != 3)
    refuse(cgroups_path, "expected cgroupsPath to be of format \"slice:prefix:name\" for systemd cgroups",
           "correct it, or use --cgroup-manager cgroupfs");
  UnitName name;
  name.slice = parts[0].empty() ? default_slice : std::string(parts[0]);
  name.unit = scope_of(parts[1], parts[2]);
  name.path = slice_path(name.slice) + "/" + name.unit;
  return name;
}

std::string bus_address(std::string_view socket_path) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string address = "unix:path=";
  for (const char c : socket_path) {
    const auto byte = static_cast<unsigned char>(c);
    if (has_only({&c, 1}, "-_/.\\")) {
      address += c;
    } else {
      address.append("%").append(1, kHex[byte >> 4U]).append(1, kHex[byte & 15U]);
    }
  }
  return address;
}

}  // namespace wherry::cgroup
