// SPDX-License-Identifier: Apache-2.0
// What this host can do for containers. Every answer comes from trying, none from a version number: an outer
// container's filter or a distribution's patch makes versions lie.
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <linux/time_types.h>

#include <algorithm>
#include <climits>

#include "cgroup/devices.hpp"
#include "cgroup/location.hpp"
#include "os/files.hpp"
#include "os/spawn.hpp"
#include "wherry/wherry.hpp"

namespace wherry {
namespace {

constexpr std::size_t kSmallFile = 1U << 20U;
constexpr std::uint64_t kClonePidfd = CLONE_PIDFD;

Finding good(std::string name, std::string detail) { return {std::move(name), true, std::move(detail), ""}; }
Finding bad(std::string name, std::string detail, std::string remedy) {
  return {std::move(name), false, std::move(detail), std::move(remedy)};
}

// The first line; empty if it cannot be read.
std::string first_line(const char* path) {
  const auto text = os::read_file(os::kAtFdcwd, path, kSmallFile);
  return text ? text.value().substr(0, text.value().find('\n')) : "";
}

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  while (!text.empty()) {
    const std::size_t size = std::min(text.find_first_of(" \t\n"), text.size());
    if (size > 0) words.emplace_back(text.substr(0, size));
    text.remove_prefix(std::min(size + 1, text.size()));
  }
  return words;
}

std::string join(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : " ") + word;
  return text;
}

bool contains(const std::vector<std::string>& words, std::string_view word) {
  return std::ranges::find(words, word) != words.end();
}

bool has_capability(unsigned number) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2]{};
  if (os::raw_syscall(__NR_capget, os::address(&header), os::address(data)) != 0) return false;
  return (data[number / 32].effective >> (number % 32) & 1U) != 0;
}

// --- system calls --------------------------------------------------------------------------------

// CLONE_INTO_CGROUP with a descriptor that is none: a kernel that knows the flag says so.
int try_clone_into_cgroup() {
  clone_args args{};
  args.flags = os::kCloneIntoCgroup;
  args.cgroup = INT_MAX;
  const long result = os::raw_syscall(__NR_clone3, os::address(&args), sizeof args);
  if (result == 0) os::exit_group(0);
  return result == -EBADF ? 0 : static_cast<int>(-result);
}

int try_openat2() { return os::openat2(os::kAtFdcwd, "/", os::kPath, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS).error(); }
int try_open_tree() { return os::open_tree(os::kAtFdcwd, "/", 0).error(); }
int try_fsopen() { return os::fsopen("tmpfs").error(); }

int try_move_mount() {
  const int fault = os::move_mount(-1, "x", -1, "x", 0).error();
  return fault == EBADF || fault == ENOENT ? 0 : fault;
}

// mount_setattr(2): a size of 0 is refused before anything else is looked at.
int try_mount_setattr() {
  const long result = os::raw_syscall(__NR_mount_setattr, -1, os::address(""), 0, 0, 0);
  return result == -EINVAL ? 0 : static_cast<int>(-result);
}

int try_pidfd() {
  const auto self = os::pidfd_open(static_cast<int>(os::getpid()));
  return self ? os::pidfd_send_signal(self.value().get(), 0).error() : self.error();
}

int try_close_range() { return os::close_range(INT_MAX, INT_MAX, 0).error(); }

// vm.memfd_noexec=2 refuses to make the file, a noexec mount or a security module to run it.
int try_memfd_exec() {
  const auto file = os::sealed_memory("wherry-doctor", "x", true);
  if (!file) return file.error();
  constexpr int kExecute = 1;
  return os::faccessat2(file.value().get(), "", kExecute, os::kAtEmptyPath | os::kAtEaccess).error();
}

struct Call {
  const char* name;
  int (*attempt)();  // errno, 0 when it works
  bool needs_admin;  // EPERM is the right answer without CAP_SYS_ADMIN
  const char* remedy;
};

constexpr const char* kNewerKernel =
    "Linux 5.14 or newer is needed; in a container, its seccomp filter may forbid the call";
constexpr const char* kMemfd = "set sysctl vm.memfd_noexec to 0 or 1, or install libexec/wherry/wherry-init";

constexpr Call kCalls[] = {
    {"clone3 into a cgroup", try_clone_into_cgroup, false, kNewerKernel},
    {"openat2", try_openat2, false, kNewerKernel},
    {"open_tree", try_open_tree, false, kNewerKernel},
    {"move_mount", try_move_mount, true, kNewerKernel},
    {"fsopen", try_fsopen, true, kNewerKernel},
    {"mount_setattr", try_mount_setattr, false, kNewerKernel},
    {"pidfd_open", try_pidfd, false, kNewerKernel},
    {"close_range", try_close_range, false, kNewerKernel},
    {"exec from memory", try_memfd_exec, false, kMemfd},
};

Finding examine(const Call& call) {
  const int fault = call.attempt();
  if (fault == 0) return good(call.name, "works");
  if (fault == EPERM && call.needs_admin && !has_capability(CAP_SYS_ADMIN))
    return good(call.name, "there; this user may call it in a user namespace only");
  return bad(call.name, errno_name(fault), call.remedy);
}

// OPEN_TREE_NAMESPACE came with Linux 7.0. The mount namespace it makes goes with the descriptor.
Finding examine_open_tree_namespace() {
  constexpr unsigned kOpenTreeNamespace = 2;
  const char* name = "open_tree into a namespace";
  const int fault = os::open_tree(os::kAtFdcwd, "/", kOpenTreeNamespace).error();
  return good(name, fault == 0 ? "works" : errno_name(fault) + ", optional: without it the mount namespace is copied");
}

// --- namespaces ----------------------------------------------------------------------------------

// A child that ends at once. Nothing but one system call runs in it, so it needs no memory of its own.
int try_namespace(std::uint64_t flags) {
  int number = -1;
  clone_args args{};
  args.flags = flags | kClonePidfd;
  args.pidfd = static_cast<std::uint64_t>(os::address(&number));
  const long result = os::raw_syscall(__NR_clone3, os::address(&args), sizeof args);
  if (result == 0) os::exit_group(0);
  if (result < 0) return static_cast<int>(-result);
  const os::Fd child(number);
  return os::reap(child.get()).error();
}

struct NamespaceRow {
  const char* name;
  std::uint64_t flag;
};

constexpr NamespaceRow kNamespaces[] = {
    {"mount", CLONE_NEWNS},    {"uts", CLONE_NEWUTS},       {"ipc", CLONE_NEWIPC},       {"pid", CLONE_NEWPID},
    {"network", CLONE_NEWNET}, {"cgroup", CLONE_NEWCGROUP}, {"time", os::kCloneNewTime},
};

// Together with a user namespace for who may not make them alone.
Finding examine_namespaces() {
  const std::uint64_t user = has_capability(CAP_SYS_ADMIN) ? 0 : CLONE_NEWUSER;
  std::string there, missing;
  for (const NamespaceRow& row : kNamespaces) {
    const int fault = try_namespace(row.flag | user);
    std::string& list = fault == 0 ? there : missing;
    list += (list.empty() ? "" : " ") + std::string(row.name) + (fault == 0 ? "" : " (" + errno_name(fault) + ")");
  }
  if (missing.empty()) return good("namespaces", there);
  return bad("namespaces", "without " + missing, "use a kernel that has them, and check sysctl user.max_*_namespaces");
}

Finding examine_user_namespace() {
  const char* name = "user namespaces";
  const int fault = try_namespace(CLONE_NEWUSER);
  const std::string most = first_line("/proc/sys/user/max_user_namespaces");
  if (fault != 0 && most == "0") return bad(name, errno_name(fault), "set sysctl user.max_user_namespaces");
  if (first_line("/proc/sys/kernel/unprivileged_userns_clone") == "0")
    return bad(name, "for root only", "set sysctl kernel.unprivileged_userns_clone to 1");
  if (first_line("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == "1")
    return bad(name, "AppArmor takes their capabilities from programs without a profile",
               "give wherry a profile with the rule userns, or set sysctl "
               "kernel.apparmor_restrict_unprivileged_userns to 0");
  if (fault != 0) return bad(name, errno_name(fault), "use a kernel with CONFIG_USER_NS");
  return good(name, "work, at most " + most);
}

// --- cgroups -------------------------------------------------------------------------------------

constexpr const char* kCgroupRemedy =
    "mount cgroup2, or boot with systemd.unified_cgroup_hierarchy=1 so that it has all controllers";

Finding examine_cgroup_mount(std::string& mount) {
  try {
    mount = cgroup::find_mount();
    return good("cgroup v2", "at " + mount);
  } catch (const Error& error) {
    return bad("cgroup v2", error.message(), kCgroupRemedy);
  }
}

// The hierarchy of cgroup v1 that holds `controller`, or "".
bool bound_to_v1(const std::string& table, std::string_view controller) {
  for (std::size_t at = 0; at < table.size();) {
    const std::size_t end = std::min(table.find('\n', at), table.size());
    const auto words = words_of(std::string_view(table).substr(at, end - at));
    if (words.size() > 1 && words[0] == controller) return words[1] != "0";
    at = end + 1;
  }
  return false;
}

Finding examine_controllers(const std::string& mount) {
  const auto there = words_of(first_line((mount + "/cgroup.controllers").c_str()));
  const auto table = os::read_file(os::kAtFdcwd, "/proc/cgroups", kSmallFile);
  std::string missing;
  for (const char* name : {"cpu", "cpuset", "io", "memory", "pids", "hugetlb", "rdma"}) {
    if (contains(there, name)) continue;
    const bool v1 = table && bound_to_v1(table.value(), std::string_view(name) == "io" ? "blkio" : name);
    missing += (missing.empty() ? "" : " ") + std::string(name) + (v1 ? " (bound to cgroup v1)" : "");
  }
  const std::string list = there.empty() ? "none" : join(there);
  if (missing.empty()) return good("cgroup controllers", list);
  return bad("cgroup controllers", list + "; without " + missing,
             "containers with limits of these are refused; boot with systemd.unified_cgroup_hierarchy=1 or "
             "cgroup_no_v1=all");
}

// A cgroup for a moment, to see its files. The root of the hierarchy has no cgroup.kill.
Finding examine_cgroup_kill(const std::string& mount) {
  const char* name = "cgroup.kill";
  const auto parent = os::openat(os::kAtFdcwd, (mount + cgroup::own_cgroup()).c_str(), os::kRdOnly | os::kDirectory);
  if (!parent) return bad(name, "open the own cgroup: " + errno_name(parent.error()), kCgroupRemedy);
  const std::string child = "wherry-doctor-" + std::to_string(os::getpid());
  const int made = os::mkdirat(parent.value().get(), child.c_str(), 0755).error();
  if (made != 0)
    return bad(name, "make a cgroup: " + errno_name(made),
               "run as root, or in a cgroup that is delegated to this user");
  const int fault = os::faccessat2(parent.value().get(), (child + "/cgroup.kill").c_str(), 0, 0).error();
  constexpr int kRemoveDirectory = 0x200;  // AT_REMOVEDIR
  (void)os::unlinkat(parent.value().get(), child.c_str(),
                     kRemoveDirectory);  // empty, nobody else knows its name
  return fault == 0 ? good(name, "there") : bad(name, errno_name(fault), kNewerKernel);
}

Finding examine_device_rules() {
  const char* name = "device rules (BPF)";
  try {
    const os::Fd program = cgroup::load_device_program({plan::DeviceRule{}});
    return good(name, "the kernel takes them");
  } catch (const Error& error) {
    return bad(name, error.message(), error.message().find(';') == std::string::npos ? "run as root" : "");
  }
}

// --- security ------------------------------------------------------------------------------------

struct ActionRow {
  const char* name;
  std::uint32_t value;
};

constexpr ActionRow kActions[] = {
    {"kill_process", SECCOMP_RET_KILL_PROCESS},
    {"kill_thread", SECCOMP_RET_KILL_THREAD},
    {"trap", SECCOMP_RET_TRAP},
    {"errno", SECCOMP_RET_ERRNO},
    {"user_notif", SECCOMP_RET_USER_NOTIF},
    {"trace", SECCOMP_RET_TRACE},
    {"log", SECCOMP_RET_LOG},
    {"allow", SECCOMP_RET_ALLOW},
};

Finding examine_seccomp() {
  std::vector<std::string> there, missing;
  for (const ActionRow& row : kActions) {
    std::uint32_t action = row.value;
    const long result = os::raw_syscall(__NR_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, os::address(&action));
    (result == 0 ? there : missing).emplace_back(row.name);
  }
  if (missing.empty()) return good("seccomp actions", join(there));
  return bad("seccomp actions", "without " + join(missing), "use a kernel with CONFIG_SECCOMP_FILTER");
}

Finding examine_security_modules() {
  const std::string modules = first_line("/sys/kernel/security/lsm");
  return good("security modules", modules.empty() ? "unknown: /sys/kernel/security/lsm cannot be read" : modules);
}

// user_namespaces(7): a user namespace may mount procfs only where nothing of the host's procfs is covered.
Finding examine_proc() {
  const char* name = "procfs";
  const auto table = os::read_file(os::kAtFdcwd, "/proc/self/mountinfo", 16 * kSmallFile);
  if (!table) return bad(name, errno_name(table.error()), "mount proc on /proc");
  std::vector<std::string> covers;
  std::string_view text = table.value();
  while (!text.empty()) {
    const std::size_t size = std::min(text.find('\n'), text.size());
    const auto words = words_of(text.substr(0, size));
    text.remove_prefix(std::min(size + 1, text.size()));
    // The kernel keeps this directory empty for the mount that belongs there.
    if (words.size() > 4 && words[4].starts_with("/proc/") && words[4] != "/proc/sys/fs/binfmt_misc")
      covers.push_back(words[4]);
  }
  if (covers.empty()) return good(name, "fully visible");
  return bad(name, "covered: " + join(covers), "containers in user namespaces cannot mount proc; unmount these");
}

// --- places --------------------------------------------------------------------------------------

Finding examine_root(const Settings& settings) {
  std::string place = settings.root;
  int fault = ENOENT;
  constexpr int kWriteAndSearch = 3;
  while (!place.empty() && fault == ENOENT) {
    fault = os::faccessat2(os::kAtFdcwd, place.c_str(), kWriteAndSearch, os::kAtEaccess).error();
    if (fault == ENOENT) place = place == "/" ? "" : place.substr(0, std::max<std::size_t>(place.rfind('/'), 1));
  }
  if (fault == 0) return good("state directory", settings.root);
  return bad("state directory", settings.root + ": " + errno_name(fault), "choose a writable one with --root");
}

}  // namespace

std::string describe(const Error& error) {
  std::string missing;
  for (const Call& call : kCalls) {
    if (error.number() != ENOSYS || call.attempt() != ENOSYS) continue;
    missing += (missing.empty() ? "; not there: " : ", ") + std::string(call.name);
  }
  return error.message() + missing;
}

std::vector<Finding> examine_host(const Settings& settings) {
  std::vector<Finding> findings;
  for (const Call& call : kCalls) findings.push_back(examine(call));
  findings.push_back(examine_open_tree_namespace());
  findings.push_back(examine_namespaces());
  findings.push_back(examine_user_namespace());
  std::string mount;
  findings.push_back(examine_cgroup_mount(mount));
  if (!mount.empty()) {
    findings.push_back(examine_controllers(mount));
    findings.push_back(examine_cgroup_kill(mount));
  }
  findings.push_back(examine_device_rules());
  findings.push_back(examine_seccomp());
  findings.push_back(examine_security_modules());
  findings.push_back(examine_proc());
  findings.push_back(examine_root(settings));
  return findings;
}

}  // namespace wherry
