// SPDX-License-Identifier: Apache-2.0
// state, list, ps: what can be seen of containers.
#include <dirent.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <memory>
#include <string_view>

#include "cgroup/cgroupfs.hpp"
#include "container/facts.hpp"
#include "container/status.hpp"
#include "container/users.hpp"
#include "oci/state.hpp"
#include "os/core/calls.hpp"
#include "wherry/wherry.hpp"

namespace wherry {
namespace {

using container::Container;

ContainerState describe(const Container& found) {
  const oci::Record& record = found.record;
  ContainerState state;
  state.oci_version = record.oci_version;
  state.id = record.id;
  state.status = name_of(found.status);
  state.pid = found.process ? record.pid : 0;
  state.bundle = record.bundle;
  state.rootfs = record.rootfs;
  state.created = record.created;
  state.owner = container::user_name(record.owner);
  state.annotations = record.annotations;
  return state;
}

oci::State document(const ContainerState& state) {
  oci::State result;
  result.oci_version = state.oci_version;
  result.id = state.id;
  result.status = state.status;
  if (state.pid != 0) result.pid = state.pid;
  result.bundle = state.bundle;
  result.annotations = state.annotations;
  result.rootfs = state.rootfs;
  result.created = state.created;
  result.owner = state.owner;
  return result;
}

std::uint64_t pid_namespace_of(const std::string& process) {
  struct statx status {};
  const std::string path = "/proc/" + process + "/ns/pid";
  return os::statx(os::kAtFdcwd, path.c_str(), 0, STATX_INO, status) ? status.stx_ino : 0;
}

// Without a cgroup: whose pid namespace is that of pid 1. In the caller's own only pid 1 is known to be the
// container's.
std::vector<pid_t> processes_beside(pid_t pid1) {
  const std::uint64_t wanted = pid_namespace_of(std::to_string(pid1));
  if (wanted == 0 || wanted == pid_namespace_of("self")) return {pid1};
  std::vector<pid_t> pids;
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir("/proc"), ::closedir);
  while (const dirent* entry = directory ? ::readdir(directory.get()) : nullptr) {
    const std::string_view name = entry->d_name;
    pid_t pid = 0;
    const auto parsed = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (parsed.ptr == name.data() + name.size() && pid_namespace_of(entry->d_name) == wanted) pids.push_back(pid);
  }
  std::sort(pids.begin(), pids.end());
  return pids;
}

}  // namespace

// Root of a user namespace may be an ordinary user in disguise, whose /run is not its own; a login as root in such a
// container has USER=root.
std::string default_root(const std::string& runtime_dir, const std::string& user_name) {
  if (runtime_dir.empty()) return "/run/wherry";
  const bool is_root = ::geteuid() == 0 && (user_name == "root" || !container::in_user_namespace());
  return is_root ? "/run/wherry" : runtime_dir + "/wherry";
}

ContainerState state(const Settings& settings, const std::string& id) {
  return describe(container::load(settings.root, id));
}

std::vector<ContainerState> list(const Settings& settings) {
  std::vector<ContainerState> states;
  for (const std::string& id : container::list_ids(settings.root)) {
    auto directory = container::StateDirectory::find(settings.root, id);
    auto record = directory ? container::try_read_record(*directory) : std::nullopt;
    if (record) {
      states.push_back(describe(container::load(std::move(*directory), std::move(*record))));
      continue;
    }
    // Deleted meanwhile, or cut off while its record was first written: shown, so that it can be deleted.
    ContainerState damaged;
    damaged.id = id;
    damaged.status = name_of(container::Status::kStopped);
    states.push_back(std::move(damaged));
  }
  return states;
}

std::string state_json(const ContainerState& state) { return oci::state_json(document(state)); }

std::string list_json(const std::vector<ContainerState>& states) {
  std::string out = "[";
  for (const ContainerState& state : states)
    out.append(out.size() == 1 ? "" : ",").append(oci::state_json_line(document(state)));
  return states.empty() ? "null" : out + "]";
}

os::Fd open_cgroup(const Settings& settings, const std::string& id) {
  return std::move(container::load(settings.root, id).cgroup);
}

std::vector<pid_t> processes(const Settings& settings, const std::string& id) {
  const Container found = container::load(settings.root, id);
  if (found.cgroup) return cgroup::processes(found.cgroup.get());
  if (found.process) return processes_beside(found.record.pid);
  return {};
}

}  // namespace wherry
