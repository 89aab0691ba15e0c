// SPDX-License-Identifier: Apache-2.0
#include "cgroup/cgroupfs.hpp"
#include "container/status.hpp"
#include "wherry/wherry.hpp"

namespace wherry {
namespace {

const container::Container& need_cgroup(const container::Container& found, const char* operation) {
  if (!found.cgroup) throw Error(std::string(operation) + " container " + found.record.id).detail("it has no cgroup");
  return found;
}

}  // namespace

void pause(const Settings& settings, const std::string& id) {
  const container::Container found = container::load(settings.root, id);
  if (!container::can_pause(found.status))
    throw Error("pause container " + id).detail(std::string("container not running: it is ") + name_of(found.status));
  const int cgroup = need_cgroup(found, "pause").cgroup.get();
  try {
    cgroup::freeze(cgroup);
  } catch (const Error&) {
    cgroup::thaw(cgroup);  // all or nothing
    throw;
  }
}

void resume(const Settings& settings, const std::string& id) {
  const container::Container found = container::load(settings.root, id);
  if (!container::can_resume(found.status))
    throw Error("resume container " + id).detail(std::string("container not paused: it is ") + name_of(found.status));
  cgroup::thaw(need_cgroup(found, "resume").cgroup.get());
}

}  // namespace wherry
