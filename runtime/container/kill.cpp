// SPDX-License-Identifier: Apache-2.0
#include <csignal>

#include "cgroup/cgroupfs.hpp"
#include "container/saved.hpp"
#include "container/status.hpp"
#include "os/core/calls.hpp"
#include "wherry/wherry.hpp"

namespace wherry {
namespace {

using container::Container;

// Without a pid namespace of its own, pid 1's death takes nobody along.
bool dies_alone(const Container& found) {
  const oci::Spec spec = container::read_saved_spec(found.directory);
  return oci::find_namespace(spec.linux, oci::NamespaceType::kPid) == nullptr;
}

}  // namespace

void kill(const Settings& settings, const std::string& id, int signal, bool all) {
  const Container found = container::load(settings.root, id);
  if (all) {
    if (!found.cgroup) return;
    return signal == SIGKILL ? cgroup::kill(found.cgroup.get()) : cgroup::signal_all(found.cgroup.get(), signal);
  }
  const bool running = container::can_kill(found.status);
  // Those whom pid 1 did not take along when it died can still be killed.
  if (signal == SIGKILL && found.cgroup && dies_alone(found) &&
      (running || !cgroup::processes(found.cgroup.get()).empty()))
    return cgroup::kill(found.cgroup.get());
  if (!running) throw Error("kill container " + id).detail("container not running");
  const auto sent = os::pidfd_send_signal(found.process.get(), signal);
  if (sent) return;
  if (sent.error() == ESRCH) throw Error("kill container " + id).detail("container not running");
  throw Error("kill container " + id).because(sent.error());
}

}  // namespace wherry
