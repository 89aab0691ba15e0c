// SPDX-License-Identifier: Apache-2.0
#include "shim/bundle.hpp"

#include <algorithm>
#include <cerrno>
#include <string_view>

#include "oci/reader.hpp"
#include "os/digest.hpp"
#include "os/files.hpp"
#include "wherry/error.hpp"

namespace wherry::shim {
namespace {

constexpr std::size_t kLargestConfig = 16U << 20U;
constexpr std::size_t kLongestPath = 4096;
// The first that is there counts.
constexpr const char* kGroups[] = {"io.containerd.runc.v2.group", "io.kubernetes.cri.sandbox-id"};

std::string read_config(const std::string& bundle) {
  auto text = os::read_file(os::kAtFdcwd, (bundle + "/config.json").c_str(), kLargestConfig);
  if (!text) throw Error("read " + bundle + "/config.json").because(text.error());
  return std::move(*text);
}

bool is_systemd_path(std::string_view path) {
  return path.find('/') == std::string_view::npos && std::count(path.begin(), path.end(), ':') == 2;
}

void save(const std::string& bundle, const char* name, const std::string& text) {
  auto dir = os::openat(os::kAtFdcwd, bundle.c_str(), os::kPath | os::kDirectory);
  const auto written = dir ? os::replace_file(dir->get(), name, text, 0600) : os::Status(dir.error());
  if (!written) throw Error("write " + bundle + "/" + name).because(written.error());
}

}  // namespace

std::string state_root(const std::string& root, const std::string& container_namespace) {
  return (root.empty() ? "/run/containerd/wherry" : root) + "/" + container_namespace;
}

void save_root(const std::string& bundle, const std::string& root) { save(bundle, kRootFile, root); }

void save_address(const std::string& bundle, const std::string& address) { save(bundle, kAddressFile, address); }

std::string saved_root(const std::string& bundle, const std::string& container_namespace) {
  auto text = os::read_file(os::kAtFdcwd, (bundle + "/" + kRootFile).c_str(), kLongestPath);
  return text && !text->empty() ? *text : state_root("", container_namespace);
}

bool names_systemd_cgroup(const std::string& bundle) {
  const std::string text = read_config(bundle);
  constexpr std::string_view kKey = "\"cgroupsPath\"";
  // A glance first: a whole config.json is long to read, and for most this is all.
  bool may_be = false;
  for (std::size_t at = text.find(kKey); at != std::string::npos; at = text.find(kKey, at + 1)) {
    const std::size_t begin = std::min(text.find('"', at + kKey.size()), text.size());
    const std::size_t end = std::min(text.find('"', begin + 1), text.size());
    may_be = may_be || is_systemd_path(std::string_view(text).substr(begin, end - begin));
  }
  return may_be && is_systemd_path(oci::read_spec(text).linux.cgroups_path);
}

std::string group_of(const std::string& bundle, const std::string& id) {
  const std::string text = read_config(bundle);
  // Most have none of them, and a whole config.json is long to read.
  for (const char* name : kGroups) {
    if (text.find(name) == std::string::npos) continue;
    const oci::Spec spec = oci::read_spec(text);
    for (const auto& [key, value] : spec.annotations)
      if (key == name && !value.empty()) return value;
  }
  return id;
}

std::string socket_path(const std::string& directory, const std::string& address,
                        const std::string& container_namespace, const std::string& group) {
  return directory + "/" + os::hex(os::digest(address + "/" + container_namespace + "/" + group));
}

}  // namespace wherry::shim
