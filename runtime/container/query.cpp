// SPDX-License-Identifier: Apache-2.0
// state, list, ps: what can be seen of containers.
#include <unistd.h>

#include "cgroup/cgroupfs.hpp"
#include "container/status.hpp"
#include "container/users.hpp"
#include "oci/state.hpp"
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

}  // namespace

std::string default_root(const std::string& runtime_dir) {
  if (::geteuid() == 0 || runtime_dir.empty()) return "/run/wherry";
  return runtime_dir + "/wherry";
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

std::vector<pid_t> processes(const Settings& settings, const std::string& id) {
  const Container found = container::load(settings.root, id);
  if (found.cgroup) return cgroup::processes(found.cgroup.get());
  if (found.process) return {found.record.pid};
  return {};
}

}  // namespace wherry
