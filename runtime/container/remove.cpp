// SPDX-License-Identifier: Apache-2.0
// delete: the end of a container's life, from whatever state.
#include <csignal>
#include <optional>

#include "cgroup/cgroupfs.hpp"
#include "container/identity.hpp"
#include "container/status.hpp"
#include "container/undo.hpp"
#include "os/core/calls.hpp"
#include "wherry/wherry.hpp"

namespace wherry {
namespace {

using container::StateDirectory;

// Whoever holds the lock waits for this container: its death ends that wait.
void kill_behind_the_lock(const StateDirectory& directory) {
  try {
    const oci::Record record = directory.read_record();
    if (const os::Fd cgroup = container::open_cgroup(record)) cgroup::kill(cgroup.get());
    if (const os::Fd process = container::open_process(record)) (void)os::pidfd_send_signal(process.get(), SIGKILL);
  } catch (const Error&) {
    // No record yet: nothing was made yet.
  }
}

void lock(StateDirectory& directory, bool force) {
  if (directory.try_lock()) return;
  if (force) kill_behind_the_lock(directory);
  directory.lock();
}

// A record that cannot be read was cut off while it was first written: that is before anything else was made.
std::optional<container::Container> load_readable(StateDirectory& directory) {
  auto record = container::try_read_record(directory);
  if (!record) return std::nullopt;
  return container::load(std::move(directory), std::move(*record));
}

}  // namespace

std::vector<std::string> remove(const Settings& settings, const std::string& id, bool force) {
  container::check_id(id);
  std::optional<StateDirectory> directory =
      force ? StateDirectory::find(settings.root, id) : StateDirectory::open(settings.root, id);
  if (!directory) return {};
  lock(*directory, force);
  auto found = load_readable(*directory);
  if (!found) {
    directory->remove();
    return {};
  }
  if (!force && !container::can_delete(found->status))
    throw Error("cannot delete container " + id + " that is not stopped: " + container::name_of(found->status))
        .remedy("kill it first, or use --force");
  container::undo(found->record, found->process, found->cgroup);
  std::vector<std::string> warnings;
  try {
    warnings = container::run_poststop_hooks(found->directory, found->record);
  } catch (const Error& error) {
    warnings.push_back("config.json /hooks/poststop: none was run: " + error.message());  // they are unknown
  }
  found->directory.remove();
  return warnings;
}

}  // namespace wherry
