// SPDX-License-Identifier: Apache-2.0
#include "container/facts.hpp"

#include <linux/capability.h>
#include <linux/prctl.h>
#include <unistd.h>

#include <climits>

#include "cgroup/cgroupfs.hpp"
#include "cgroup/location.hpp"
#include "cgroup/unit_name.hpp"
#include "container/resctrl.hpp"
#include "container/store.hpp"
#include "container/systemd_bus.hpp"
#include "os/core/calls.hpp"
#include "os/files.hpp"
#include "plan/compile_limits.hpp"

namespace wherry::container {
namespace {

constexpr unsigned kNewestCapability = CAP_CHECKPOINT_RESTORE;  // 40, of Linux 5.9; no later kernel has more so far

bool knows_capability(unsigned capability) {
  const auto known = os::prctl(PR_CAPBSET_READ, capability);
  if (!known && known.error() != EINVAL) throw Error("read the capability bounding set").because(known.error());
  return static_cast<bool>(known);
}

unsigned last_capability() {
  unsigned last = kNewestCapability;
  while (last > 0 && !knows_capability(last)) --last;
  while (last < 63 && knows_capability(last + 1)) ++last;
  return last;
}

bool holds_sys_admin() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2]{};
  const auto known = os::status_of(os::raw_syscall(__NR_capget, os::address(&header), os::address(data)));
  if (!known) throw Error("read this process's capabilities").because(known.error());
  return (data[0].effective >> CAP_SYS_ADMIN & 1U) != 0;
}

void read_hard_limits(plan::Facts& facts) {
  for (std::size_t resource = 0; resource < facts.hard_limits.size(); ++resource) {
    uint64_t limit[2] = {0, 0};                                                                    // struct rlimit64
    (void)os::raw_syscall(__NR_prlimit64, 0, static_cast<long>(resource), 0, os::address(limit));  // 0 when unknown
    facts.hard_limits[resource] = limit[1];
  }
}

std::string find_rootfs(const std::string& bundle, const std::string& path) {
  std::string rootfs = path.front() == '/' ? path : bundle + "/" + path;
  auto dir = os::openat(os::kAtFdcwd, rootfs.c_str(), os::kPath | os::kDirectory);
  if (!dir)
    throw Error("open the rootfs " + rootfs)
        .at("/root/path")
        .because(dir.error())
        .remedy("root.path must be a directory");
  return rootfs;
}

std::vector<std::string> kernel_mounts(const std::string& rootfs) {
  auto mountinfo = os::read_file(os::kAtFdcwd, "/proc/self/mountinfo", std::size_t{64} << 20U);
  if (!mountinfo) throw Error("read /proc/self/mountinfo").because(mountinfo.error());
  std::vector<std::string> found;
  for (const std::string& path : cgroup::mounts_of_types(mountinfo.value(), {"proc", "sysfs"}))
    if (path.rfind(rootfs + "/", 0) != 0) found.push_back(path);
  return found;
}

bool same_file(const char* a, const char* b) {
  struct statx left {
  }, right{};
  return os::statx(os::kAtFdcwd, a, 0, STATX_INO, left) && os::statx(os::kAtFdcwd, b, 0, STATX_INO, right) &&
         left.stx_ino == right.stx_ino && left.stx_dev_major == right.stx_dev_major &&
         left.stx_dev_minor == right.stx_dev_minor;
}

// A sysctl of the host's own network namespace would change the host.
void refuse_host_sysctls(const oci::Spec& spec) {
  const oci::Namespace* network = oci::find_namespace(spec.linux, oci::NamespaceType::kNetwork);
  if (network == nullptr || network->path.empty()) return;
  for (const auto& [key, value] : spec.linux.sysctl) {
    if (key.rfind("net", 0) == 0 && same_file(network->path.c_str(), "/proc/self/ns/net"))
      throw Error("set the sysctl " + key)
          .at("/linux/sysctl")
          .detail("it is not allowed in the host's network namespace");
  }
}

// Of the nearest directory that exists at or above `path`.
bool may_write_below(std::string path) {
  constexpr int kWriteAndSearch = 3;
  for (;;) {
    // By the real ids, since Wherry is never set-uid: faccessat2(2) came with 5.8.
    const auto allowed =
        os::status_of(os::raw_syscall(__NR_faccessat, os::kAtFdcwd, os::address(path.c_str()), kWriteAndSearch));
    const std::size_t slash = path.rfind('/');
    if (allowed) return true;
    if (allowed.error() == EACCES || allowed.error() == EPERM || allowed.error() == EROFS) return false;
    if (allowed.error() != ENOENT || slash == 0 || slash == std::string::npos)
      throw Error("look at the cgroup " + path).because(allowed.error());
    path.erase(slash);
  }
}

// Whoever may make no cgroup, and asks neither for a limit nor for a place, does without: as runc has it.
bool asks_for_cgroup(const oci::Spec& spec) {
  if (!spec.linux.cgroups_path.empty()) return true;
  return spec.linux.resources && cgroup::restricts(plan::compile_limits(*spec.linux.resources));
}

void find_cgroup(plan::Facts& facts, const oci::Spec& spec, const std::string& id) {
  const bool has_rights = facts.privileged && !facts.in_user_namespace;
  const bool optional = !has_rights && !asks_for_cgroup(spec);
  try {
    facts.cgroup_mount = cgroup::find_mount();
    facts.cgroup_path = cgroup::resolve(spec.linux.cgroups_path, id);
  } catch (const Error&) {
    if (!optional) throw;
  }
  if (!optional || (!facts.cgroup_path.empty() && may_write_below(facts.cgroup_mount + facts.cgroup_path))) return;
  facts.cgroup_manager = plan::CgroupManager::kDisabled;
  facts.cgroup_path.clear();
}

void find_scope(const Settings& settings, const CreateOptions& options, const oci::Spec& spec, plan::Facts& facts) {
  facts.cgroup_manager = plan::CgroupManager::kSystemd;
  facts.cgroup_mount = cgroup::find_mount();
  facts.bus = systemd_bus(settings);
  const cgroup::UnitName name =
      cgroup::unit_name(spec.linux.cgroups_path, options.id, facts.bus.empty() ? "system.slice" : "user.slice");
  facts.slice = name.slice;
  facts.unit = name.unit;
  facts.cgroup_path = systemd_root(facts.bus) + name.path;
}

}  // namespace

// Its inode number is fixed in the kernel (PROC_USER_INIT_INO).
bool in_user_namespace() {
  constexpr std::uint64_t kInitialUserNamespace = 0xEFFFFFFD;
  struct statx status {};
  const auto found = os::statx(os::kAtFdcwd, "/proc/self/ns/user", 0, STATX_INO, status);
  // A kernel without user namespaces has no such file.
  if (!found && found.error() != ENOENT) throw Error("look at /proc/self/ns/user").because(found.error());
  return found && status.stx_ino != kInitialUserNamespace;
}

std::string absolute_path(const std::string& path) {
  if (!path.empty() && path.front() == '/') return path;
  char buffer[PATH_MAX];
  if (::getcwd(buffer, sizeof buffer) == nullptr) throw Error("find the current directory").because(errno);
  return path.empty() || path == "." ? buffer : std::string(buffer) + "/" + path;
}

plan::Facts host_facts(const oci::Spec& spec) {
  plan::Facts facts;
  facts.privileged = ::geteuid() == 0 && holds_sys_admin();
  facts.in_user_namespace = in_user_namespace();
  facts.last_capability = last_capability();
  struct statx status {};
  facts.has_kcore = static_cast<bool>(os::statx(os::kAtFdcwd, "/proc/kcore", 0, STATX_TYPE, status));
  if (oci::find_namespace(spec.linux, oci::NamespaceType::kUser) != nullptr) read_hard_limits(facts);
  return facts;
}

plan::Facts collect_facts(const Settings& settings, const CreateOptions& options, const oci::Spec& spec) {
  plan::Facts facts = host_facts(spec);
  facts.id = options.id;
  facts.bundle = absolute_path(options.bundle);
  facts.rootfs = find_rootfs(facts.bundle, spec.root.path);
  if (settings.cgroup_manager == "disabled") {
    facts.cgroup_manager = plan::CgroupManager::kDisabled;
    facts.cgroup_mount = "/sys/fs/cgroup";
  } else if (settings.cgroup_manager == "systemd") {
    find_scope(settings, options, spec, facts);
  } else {
    find_cgroup(facts, spec, options.id);
  }
  if (spec.linux.intel_rdt) facts.resctrl_mount = find_resctrl();
  facts.no_pivot = options.no_pivot;
  if (options.no_pivot) facts.kernel_mounts = kernel_mounts(facts.rootfs);
  facts.no_new_keyring = options.no_new_keyring;
  facts.keeps_terminal = !options.detach && options.console_socket.empty() && options.raw_console;
  if (!options.notify_socket.empty())
    facts.notify_socket = absolute_path(settings.root) + "/" + options.id + "/" + kNotifyDirectory;
  facts.listen_fds = options.listen_fds;
  facts.preserve_fds = options.preserve_fds + options.listen_fds;
  refuse_host_sysctls(spec);
  return facts;
}

}  // namespace wherry::container
