// SPDX-License-Identifier: Apache-2.0
#include "container/facts.hpp"

#include <linux/capability.h>
#include <linux/prctl.h>
#include <unistd.h>

#include <climits>

#include "cgroup/location.hpp"
#include "container/resctrl.hpp"
#include "container/store.hpp"
#include "os/core/calls.hpp"

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
  const std::string rootfs = path.front() == '/' ? path : bundle + "/" + path;
  auto dir = os::openat(os::kAtFdcwd, rootfs.c_str(), os::kPath | os::kDirectory);
  if (!dir)
    throw Error("open the rootfs " + rootfs)
        .at("/root/path")
        .because(dir.error())
        .remedy("root.path must be a directory");
  return rootfs;
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

}  // namespace

std::string absolute_path(const std::string& path) {
  if (!path.empty() && path.front() == '/') return path;
  char buffer[PATH_MAX];
  if (::getcwd(buffer, sizeof buffer) == nullptr) throw Error("find the current directory").because(errno);
  return path.empty() || path == "." ? buffer : std::string(buffer) + "/" + path;
}

plan::Facts host_facts(const oci::Spec& spec) {
  plan::Facts facts;
  facts.privileged = ::geteuid() == 0 && holds_sys_admin();
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
  if (settings.cgroup_manager == "systemd")
    throw Error("the systemd cgroup manager is not supported by this version").remedy("use --cgroup-manager cgroupfs");
  if (settings.cgroup_manager == "disabled") {
    facts.cgroup_manager = plan::CgroupManager::kDisabled;
    facts.cgroup_mount = "/sys/fs/cgroup";
  } else {
    facts.cgroup_mount = cgroup::find_mount();
    facts.cgroup_path = cgroup::resolve(spec.linux.cgroups_path, options.id);
  }
  if (spec.linux.intel_rdt) facts.resctrl_mount = find_resctrl();
  facts.no_pivot = options.no_pivot;
  facts.no_new_keyring = options.no_new_keyring;
  facts.keeps_terminal = !options.detach && options.console_socket.empty();
  if (!options.notify_socket.empty())
    facts.notify_socket = absolute_path(settings.root) + "/" + options.id + "/" + kNotifyDirectory;
  facts.listen_fds = options.listen_fds;
  facts.preserve_fds = options.preserve_fds + options.listen_fds;
  refuse_host_sysctls(spec);
  return facts;
}

}  // namespace wherry::container
