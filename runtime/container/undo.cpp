// SPDX-License-Identifier: Apache-2.0
#include "container/undo.hpp"

#include <csignal>

#include "cgroup/cgroupfs.hpp"
#include "cgroup/systemd.hpp"
#include "container/host_hooks.hpp"
#include "container/identity.hpp"
#include "container/saved.hpp"
#include "container/status.hpp"
#include "os/core/calls.hpp"
#include "plan/compile.hpp"
#include "wherry/error.hpp"

namespace wherry::container {
namespace {

constexpr int kDeathTimeoutMs = 10000;

void wait_for_death(int pidfd) {
  os::pollfd fds{pidfd, os::kPollIn, 0};
  const int64_t deadline = os::monotonic_ns() + int64_t{kDeathTimeoutMs} * 1000000;
  while (os::monotonic_ns() < deadline) {
    const auto ready = os::poll(&fds, 1, static_cast<int>((deadline - os::monotonic_ns()) / 1000000) + 1);
    if (ready && fds.revents != 0) return;
  }
  throw Error("kill the container's init")
      .because(ETIMEDOUT)
      .detail("it does not end")
      .remedy("see its state in /proc");
}

void end_processes(const oci::Record& record, const os::Fd& process, const os::Fd& cgroup) {
  // The usual end: everything in it has ended already.
  if (!process && cgroup && manager_of(record)->try_remove()) return;
  if (cgroup) cgroup::kill(cgroup.get());
  if (process) {
    (void)os::pidfd_send_signal(process.get(), SIGKILL);  // ESRCH: it has just ended
    wait_for_death(process.get());
  }
  // A unit may be left for a moment when its cgroup is gone already; one of another boot is another's.
  if (cgroup || (!record.unit.empty() && record.boot_id == boot_id())) manager_of(record)->remove();
}

// systemd may have made the scope although its answer never came. If init had ended by then, the scope is empty from
// its birth, which systemd does not notice. One with a process in it is another's.
void stop_pending_scope(const oci::Record& record) {
  if (record.pending_unit.empty() || record.boot_id != boot_id()) return;
  const std::string path = record.cgroup_root + record.pending_path;
  auto dir = os::openat(os::kAtFdcwd, path.c_str(), os::kRdOnly | os::kDirectory);
  if (!dir && (dir.error() == ENOENT || dir.error() == ENOTDIR)) return;
  if (!dir) throw Error("look at the cgroup " + path).because(dir.error());
  if (!cgroup::is_populated(dir->get())) cgroup::Systemd(record.bus).stop(record.pending_unit);
}

// All that was mounted for the container without a mount namespace lies below this one. A boot ends mounts.
void unmount_root(const oci::Record& record) {
  constexpr int kNoFollow = 8;  // UMOUNT_NOFOLLOW
  if (record.covered_mount == 0 || record.boot_id != boot_id()) return;
  const std::uint64_t top = mount_id(record.rootfs);
  if (top == 0 || top == record.covered_mount) return;
  if (auto gone = os::umount2(record.rootfs.c_str(), os::kMntDetach | kNoFollow); !gone)
    throw Error("unmount " + record.rootfs).because(gone.error());
}

// A group goes with its monitoring groups; tasks that are left fall back to the default group.
void remove_resctrl(const oci::Record& record) {
  constexpr int kRemoveDirectory = 0x200;  // AT_REMOVEDIR
  for (const std::string& path : {record.resctrl_monitor, record.resctrl_group}) {
    if (path.empty()) continue;
    const auto removed = os::unlinkat(os::kAtFdcwd, path.c_str(), kRemoveDirectory);
    if (!removed && removed.error() != ENOENT) throw Error("remove the resctrl group " + path).because(removed.error());
  }
}

}  // namespace

std::uint64_t mount_id(const std::string& path) {
  struct statx status {};
  const auto found = os::statx(os::kAtFdcwd, path.c_str(), 0, STATX_MNT_ID, status);
  if (!found && found.error() != ENOENT) throw Error("look up the mount of " + path).because(found.error());
  return found ? status.stx_mnt_id : 0;
}

void undo(const oci::Record& record) { undo(record, open_process(record), open_cgroup(record)); }

void undo(const oci::Record& record, const os::Fd& process, const os::Fd& cgroup) {
  end_processes(record, process, cgroup);
  stop_pending_scope(record);
  unmount_root(record);
  remove_resctrl(record);
}

std::vector<std::string> run_poststop_hooks(const StateDirectory& directory, const oci::Record& record) {
  std::vector<std::string> warnings;
  if (!record.poststop_hooks) return warnings;
  const oci::Spec spec = read_saved_spec(directory);
  const std::string state = oci::hook_state_json(hook_state(record, "stopped"));
  for (std::size_t i = 0; i < spec.hooks.poststop.size(); ++i) {
    try {
      run_hook(plan::hook_step(spec.hooks.poststop[i], plan::HookKind::kPoststop, i), state);
    } catch (Error& error) {
      warnings.push_back(std::move(error).at("/hooks/poststop/" + std::to_string(i)).message());
    }
  }
  return warnings;
}

}  // namespace wherry::container
