// SPDX-License-Identifier: Apache-2.0
#include "container/status.hpp"

#include "cgroup/cgroupfs.hpp"
#include "cgroup/systemd.hpp"
#include "container/identity.hpp"
#include "os/core/calls.hpp"
#include "wherry/error.hpp"

namespace wherry::container {
namespace {

// While it is being made its maker holds the lock; otherwise it was cut off half-made.
bool is_in_the_making(Container& container) { return container.record.creating && !container.directory.try_lock(); }

Status status_of(Container& container) {
  if (is_in_the_making(container)) return Status::kCreating;
  if (!container.process || container.record.creating) return Status::kStopped;
  if (container.directory.has(kStartSocket)) return Status::kCreated;
  return container.cgroup && cgroup::is_frozen(container.cgroup.get()) ? Status::kPaused : Status::kRunning;
}

}  // namespace

os::Fd open_cgroup(const oci::Record& record) {
  if (record.cgroup_path.empty()) return {};
  const std::string path = record.cgroup_root + record.cgroup_path;
  auto dir = os::openat(os::kAtFdcwd, path.c_str(), os::kRdOnly | os::kDirectory);
  if (!dir && dir.error() != ENOENT && dir.error() != ENOTDIR)
    throw Error("open the container's cgroup " + path).because(dir.error());
  return dir ? std::move(*dir) : os::Fd{};
}

std::unique_ptr<cgroup::Manager> manager_of(const oci::Record& record) {
  cgroup::Location location{record.cgroup_root, record.cgroup_path, record.cgroup_existing};
  if (record.unit.empty()) return cgroup::cgroupfs_manager(std::move(location));
  return cgroup::systemd_manager({std::move(location), "", record.unit, record.bus, {}}, nullptr);
}

std::optional<oci::Record> try_read_record(const StateDirectory& directory) {
  try {
    return directory.read_record();
  } catch (const Error& error) {
    if (error.number() != 0 && error.number() != ENOENT) throw;
    return std::nullopt;
  }
}

Container load(const std::string& root, const std::string& id) { return load(StateDirectory::open(root, id)); }

Container load(StateDirectory directory) {
  oci::Record record = directory.read_record();
  return load(std::move(directory), std::move(record));
}

Container load(StateDirectory directory, oci::Record record) {
  os::Fd process = open_process(record);
  os::Fd cgroup = open_cgroup(record);
  Container container{std::move(directory), std::move(record), std::move(process), std::move(cgroup), Status::kStopped};
  container.status = status_of(container);
  return container;
}

}  // namespace wherry::container
