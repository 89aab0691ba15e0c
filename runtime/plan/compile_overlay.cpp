// SPDX-License-Identifier: Apache-2.0
// An overlay at "/": the root of an image whose layers are shared.
#include <algorithm>

#include "plan/composer.hpp"
#include "wherry/error.hpp"

namespace wherry::plan {
namespace {

// overlayfs(5): a backslash takes the meaning from a colon, mount(8) from a comma.
std::string unescaped(std::string_view text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size()) ++i;
    result += text[i];
  }
  return result;
}

std::vector<std::string> split_lowers(std::string_view text) {
  std::vector<std::string> paths;
  std::size_t from = 0;
  for (std::size_t i = 0; i <= text.size(); ++i) {
    if (i < text.size() && text[i] == '\\') {
      ++i;
      continue;
    }
    if (i < text.size() && text[i] != ':') continue;
    paths.push_back(unescaped(text.substr(from, i - from)));
    from = i + 1;
  }
  return paths;
}

// The longest directory that all paths are below; each path loses it.
std::string split_common(std::vector<std::string>& paths) {
  std::string common = paths.front().substr(0, paths.front().rfind('/'));
  for (const std::string& path : paths)
    while (path.compare(0, common.size() + 1, common + "/") != 0) common.resize(common.rfind('/'));
  for (std::string& path : paths) path.erase(0, common.size() + 1);
  return common.empty() ? "/" : common;
}

[[noreturn]] void refuse(const std::string& origin, const std::string& why, const std::string& remedy) {
  throw Error("mount overlay on /").at(origin).because(EINVAL).detail(why).remedy(remedy);
}

void check(const std::vector<std::string>& paths, const std::string& origin) {
  for (const std::string& path : paths) {
    if (path.empty() || path.front() != '/' || path.back() == '/' || path.find("//") != std::string::npos ||
        (path + "/").find("/../") != std::string::npos || (path + "/").find("/./") != std::string::npos)
      refuse(origin, "\"" + path + "\" is not an absolute path", "write each directory as /a/b");
  }
}

void check_names(const std::vector<std::string>& names, const std::string& origin) {
  constexpr std::size_t kLongest = 200;  // fsconfig(2) takes 255 bytes
  for (const std::string& name : names)
    if (name.size() > kLongest || name.find_first_of(":,\\") != std::string::npos)
      refuse(origin, "the layer \"" + name + "\" has too long a name, or one with a colon, comma or backslash",
             "rename it");
}

}  // namespace

OverlayParts parse_overlay(const std::vector<std::string>& data, const std::string& origin) {
  OverlayParts parts;
  std::vector<std::string> changes(2);
  for (const std::string& option : data) {
    const std::size_t equals = std::min(option.find('='), option.size());
    const std::string key = option.substr(0, equals);
    const std::string value = equals == option.size() ? "" : option.substr(equals + 1);
    if (key == "lowerdir") {
      parts.lowers = split_lowers(value);
    } else if (key == "upperdir") {
      changes[0] = unescaped(value);
    } else if (key == "workdir") {
      changes[1] = unescaped(value);
    } else {
      parts.options.push_back(option);
    }
  }
  if (parts.lowers.empty()) refuse(origin, "there is no lowerdir", "name at least one layer");
  check(parts.lowers, origin);
  parts.directory = split_common(parts.lowers);
  check_names(parts.lowers, origin);
  if (changes[0].empty() != changes[1].empty()) refuse(origin, "upperdir and workdir go together", "name both or none");
  if (changes[0].empty()) return parts;
  check(changes, origin);
  parts.changes = split_common(changes);
  check_names(changes, origin);
  parts.upper = changes[0];
  parts.work = changes[1];
  return parts;
}

}  // namespace wherry::plan
