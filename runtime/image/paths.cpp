// SPDX-License-Identifier: Apache-2.0
#include "image/paths.hpp"

#include <algorithm>

namespace wherry::image {
namespace {

constexpr std::size_t kLongestComponent = 255;  // NAME_MAX

template <class F>
bool for_each_component(std::string_view path, F&& use) {
  while (!path.empty()) {
    const std::string_view component = path.substr(0, path.find('/'));
    path.remove_prefix(std::min(path.size(), component.size() + 1));
    if (component.empty() || component == ".") continue;
    if (!use(component)) return false;
  }
  return true;
}

void append(std::string& path, std::string_view component) {
  if (!path.empty()) path += '/';
  path += component;
}

}  // namespace

std::optional<std::string> clean_name(std::string_view name) {
  std::string path;
  const bool good = for_each_component(name, [&](std::string_view component) {
    if (component.size() > kLongestComponent) return false;
    if (component == "..") {
      if (path.empty()) return false;
      path.resize(path.rfind('/') == std::string::npos ? 0 : path.rfind('/'));
      return true;
    }
    append(path, component);
    return true;
  });
  if (!good) return std::nullopt;
  return path;
}

std::string join_link(std::string_view directory, std::string_view target) {
  std::string path(target.substr(0, 1) == "/" ? "" : directory);
  (void)for_each_component(target, [&](std::string_view component) {
    if (component == "..") {
      path.resize(path.rfind('/') == std::string::npos ? 0 : path.rfind('/'));
    } else {
      append(path, component);
    }
    return true;
  });
  return path;
}

Split split_path(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return {"", path};
  return {path.substr(0, slash), path.substr(slash + 1)};
}

std::string join(const std::string& directory, const std::string& name) {
  return directory.empty() ? name : directory + "/" + name;
}

std::string pop_component(std::string& path) {
  const std::size_t slash = path.find('/');
  std::string component = path.substr(0, slash);
  path.erase(0, slash == std::string::npos ? slash : slash + 1);
  return component;
}

}  // namespace wherry::image
