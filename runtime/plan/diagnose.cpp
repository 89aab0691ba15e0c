// SPDX-License-Identifier: Apache-2.0
#include "plan/diagnose.hpp"

#include <linux/sched.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <span>
#include <utility>

#include "plan/describe.hpp"

namespace wherry::plan {
namespace {

std::string quoted(const std::string& text) { return "\"" + text + "\""; }

std::string phrase_of(const Mount<Owned>& s) { return "mount " + s.type + " on " + s.target; }
std::string phrase_of(const MountOverlay<Owned>& s) { return "mount the layers of " + s.directory + " on /"; }
std::string phrase_of(const Bind<Owned>& s) { return "bind " + s.source + " on " + s.target; }
std::string phrase_of(const OpenTree<Owned>& s) { return "open " + s.path; }
std::string phrase_of(const OpenFilesystem<Owned>& s) { return "mount " + s.type; }
std::string phrase_of(const MakeDevice<Owned>& s) { return "make the device " + s.path; }
std::string phrase_of(const OpenDevice<Owned>& s) { return "open the device " + s.path; }
std::string phrase_of(const OpenNamespace<Owned>& s) {
  return "open the " + name_of_namespaces(s.types.value) + " namespace " + s.path;
}
std::string phrase_of(const EnterNamespace<Owned>& s) {
  return "join the namespaces " + name_of_namespaces(s.types.value);
}
std::string phrase_of(const CreateUserNamespace<Owned>&) { return "create a user namespace"; }
std::string phrase_of(const CreateNamespaces<Owned>& s) {
  return "create the namespaces " + name_of_namespaces(s.types.value);
}
std::string phrase_of(const CreateTimeNamespace<Owned>&) { return "create a time namespace"; }
std::string phrase_of(const SpawnPid1<Owned>& s) {
  return s.fresh.value == 0 ? "start the process" : "create the namespaces " + name_of_namespaces(s.fresh.value);
}
std::string phrase_of(const MountRoot<Owned>& s) { return "mount the rootfs " + s.path; }
std::string phrase_of(const ChangeRoot<Owned>& s) { return "change the root to " + s.path; }
std::string phrase_of(const CreateDevice<Owned>& s) { return "create the device " + s.path; }
std::string phrase_of(const BindDevice<Owned>& s) { return "bind the device " + s.path; }
std::string phrase_of(const CreateSymlink<Owned>& s) { return "create the link " + s.path; }
std::string phrase_of(const OpenConsole<Owned>&) { return "open a terminal"; }
std::string phrase_of(const SetSysctl<Owned>& s) { return "set the sysctl " + s.path + " to " + quoted(s.value); }
std::string phrase_of(const MakeReadonly<Owned>& s) { return "make " + s.path + " read-only"; }
std::string phrase_of(const MaskPath<Owned>& s) { return "mask " + s.path; }
std::string phrase_of(const SetCpuAffinity<Owned>&) { return "set the CPU affinity"; }
std::string phrase_of(const OpenNetworkSocket<Owned>&) { return "open a netlink socket"; }
std::string phrase_of(const RunHook<Owned>& s) {
  return std::string("error running ") + name_of(s.kind) + " hook #" + std::to_string(s.index) + ": " + s.path;
}
std::string phrase_of(const SetHostname<Owned>& s) { return "set the hostname to " + quoted(s.name); }
std::string phrase_of(const SetDomainname<Owned>& s) { return "set the domain name to " + quoted(s.name); }
std::string phrase_of(const SetOomScoreAdj<Owned>& s) { return "set oom_score_adj to " + std::to_string(s.value); }
std::string phrase_of(const ChangeDirectory<Owned>& s) { return "enter the directory " + s.path; }
std::string phrase_of(const SetProcessLabel<Owned>& s) { return "set the label " + quoted(s.label); }
std::string phrase_of(const SetCredentials<Owned>& s) {
  return "become user " + std::to_string(s.uid) + " and group " + std::to_string(s.gid);
}
std::string phrase_of(const FindExecutable<Owned>& s) { return "exec: " + quoted(s.name); }
std::string phrase_of(const Exec<Owned>& s) { return "exec " + (s.args.empty() ? "" : s.args.front()); }
std::string phrase_of(const LoadSeccomp<Owned>&) { return "load the seccomp filter"; }
std::string phrase_of(const LoadSeccompWithListener<Owned>&) { return "load the seccomp filter"; }

template <class S>
std::string phrase_of(const S& step) {
  std::string text = S::kName;
  for (char& c : text)
    if (c == '-') c = ' ';
  for (const auto& [name, value] : described_fields(Step(step)))
    text.append(" ").append(name).append("=").append(value);
  return text;
}

// Details that say the same whatever the step.
const char* text_of(Detail detail) {
  switch (detail) {  // intentionally no default
    case Detail::kNotProcfs:
      return "/proc of the host is no procfs";
    case Detail::kWrongNamespaceType:
      return "it is no namespace of that type";
    case Detail::kMountAttach:
      return "the mount could not be attached";
    case Detail::kMountAttributes:
      return "its flags could not be set";
    case Detail::kMountSource:
      return "the source could not be opened";
    case Detail::kMountTarget:
      return "the target in the rootfs could not be made";
    case Detail::kTargetIsLink:
      return "it must be mounted on ordinary directory, and a symbolic link is there";
    case Detail::kWrongDevice:
      return "another kind of file stands there";
    case Detail::kRoot:
      return "the rootfs could not be opened";
    case Detail::kHookSpawn:
      return "it could not be executed";
    case Detail::kHookTimeout:
      return "it was killed after its timeout";
    case Detail::kGroups:
      return "the additional groups could not be set";
    case Detail::kTooLarge:
      return "it is too large";
    case Detail::kConsolePeer:
      return "there is no devpts at /dev/pts";
    case Detail::kConsoleLink:
      return "/dev/console in the rootfs is a symbolic link";
    case Detail::kPlan:
      return "the plan is damaged";
    case Detail::kHostGone:
      return "the runtime ended before it was done";
    case Detail::kLabel:
      return "the SELinux label was refused";
    case Detail::kIdMapping:
      return "its ids could not be mapped";
    case Detail::kListener:
      return "the listener could not be handed over";
    case Detail::kLoopback:
      return "the loopback device could not be brought up";
    case Detail::kCapabilityUnknown:
      return "a capability could not be raised";
    case Detail::kNone:
    case Detail::kMountOption:
    case Detail::kMountOptionUnknown:
    case Detail::kMountCreate:
    case Detail::kHookExit:
    case Detail::kHookSignal:
    case Detail::kNotFound:
    case Detail::kNotExecutable:
    case Detail::kUser:
      return "";
  }
  return "";
}

template <class Mounted>
std::string option_text(const Mounted& mount, const Failure& failure) {
  if (failure.argument >= mount.options.size()) return "an option was refused";
  const std::string& option = mount.options[failure.argument];
  if (failure.detail == Detail::kMountOptionUnknown && option.rfind("context=", 0) == 0)
    return "the SELinux label " + quoted(option.substr(8)) + " was refused: SELinux is not active";
  if (failure.detail == Detail::kMountOptionUnknown)
    return "unknown " + mount.type + " option " + quoted(option.substr(0, option.find('=')));
  if (failure.error != EINVAL) return "the option " + quoted(option) + " was refused";
  return "bad value of the " + mount.type + " option " + quoted(option);
}

// A file system of the old mount API (devpts in Linux 6.1) says no more than that it refuses them all.
std::string options_text(const Mount<Owned>& mount) {
  std::string list;
  for (const std::string& option : mount.options) list += (list.empty() ? "" : ",") + option;
  return list.empty() ? "" : "among its options is a bad one, or a bad value: " + quoted(list);
}

bool is_id(const std::string& option) { return option.rfind("uid=", 0) == 0 || option.rfind("gid=", 0) == 0; }

std::string detail_text(const Step& step, const Failure& failure) {
  if (failure.detail == Detail::kMountOption || failure.detail == Detail::kMountOptionUnknown)
    if (const auto* mount = std::get_if<Mount<Owned>>(&step)) return option_text(*mount, failure);
  if (failure.detail == Detail::kMountOption || failure.detail == Detail::kMountOptionUnknown)
    if (const auto* opened = std::get_if<OpenFilesystem<Owned>>(&step)) return option_text(*opened, failure);
  if (failure.detail == Detail::kMountCreate && failure.error == EINVAL)
    if (const auto* mount = std::get_if<Mount<Owned>>(&step)) return options_text(*mount);
  if (failure.detail == Detail::kMountCreate && failure.error == ENODEV)
    return "the kernel does not know this file system";
  if (failure.detail == Detail::kHookExit) return "it exited with status " + std::to_string(failure.argument);
  if (failure.detail == Detail::kHookSignal && failure.argument == SIGSYS)
    return "it was killed by SIGSYS, bad system call: the seccomp filter forbids what it does";
  if (failure.detail == Detail::kHookSignal) return "it was killed by signal " + std::to_string(failure.argument);
  return text_of(failure.detail);
}

struct Remedy {
  std::size_t step;  // index in Step
  int error;         // 0: any
  Detail detail;     // kNone: any
  const char* text;
};

// has_locked_children() in the kernel's fs/namespace.c
constexpr const char* kLockedBelow =
    "what is mounted below it may not be left away in a user namespace: use rbind in place of bind";

template <class S>
std::size_t index_of_step() {
  return Step(std::in_place_type<S>).index();
}

// What the kernel lets a user namespace mount, and when: mount_namespaces(7), user_namespaces(7).
std::string mount_remedy(const Mount<Owned>& mount, const Failure& failure) {
  if (failure.detail == Detail::kMountCreate && failure.error == EPERM && mount.type == "proc")
    return "parts of /proc are masked here, which a user namespace may not uncover: run the outer container with "
           "--security-opt systempaths=unconfined (Podman: unmask=ALL), or take over its pid namespace";
  if (failure.detail == Detail::kMountCreate && failure.error == EPERM)
    return "a user namespace may not mount it: bind what the host has mounted";
  const bool one = failure.detail == Detail::kMountOption && failure.argument < mount.options.size();
  const bool id = one ? is_id(mount.options[failure.argument])
                      : failure.detail == Detail::kMountCreate && std::ranges::any_of(mount.options, is_id);
  return id && failure.error == EINVAL ? "in a user namespace the id must be mapped, or the option left away" : "";
}

// sched_setattr(2): EPERM
std::string scheduler_remedy(const SetScheduler<Owned>& scheduler, const Failure& failure) {
  if (failure.error != EPERM) return "";
  if (scheduler.policy != SCHED_DEADLINE) return "it needs CAP_SYS_NICE";
  return "this process scheduler can't be used together with AllowedCPUs (linux.resources.cpu.cpus), and needs "
         "CAP_SYS_NICE";
}

std::span<const Remedy> remedies() {
  static const Remedy kRemedies[] = {
      {index_of_step<CreateUserNamespace<Owned>>(), EPERM, Detail::kNone,
       "allow user namespaces: sysctl kernel.unprivileged_userns_clone=1, "
       "kernel.apparmor_restrict_unprivileged_userns=0"},
      {index_of_step<CreateUserNamespace<Owned>>(), ENOSPC, Detail::kNone, "raise the sysctl user.max_user_namespaces"},
      {index_of_step<CreateUserNamespace<Owned>>(), EINVAL, Detail::kNone, "use a kernel with CONFIG_USER_NS"},
      {index_of_step<CreateNamespaces<Owned>>(), ENOSPC, Detail::kNone, "raise the sysctls user.max_*_namespaces"},
      {index_of_step<CreateNamespaces<Owned>>(), EPERM, Detail::kNone,
       "run as root, or give the container a user namespace"},
      {index_of_step<SpawnPid1<Owned>>(), ENOSPC, Detail::kNone, "raise the sysctls user.max_*_namespaces"},
      {index_of_step<SpawnPid1<Owned>>(), EAGAIN, Detail::kNone, "raise pids.max of the cgroup or RLIMIT_NPROC"},
      {index_of_step<SpawnPid1<Owned>>(), EPERM, Detail::kNone, "run as root, or give the container a user namespace"},
      {index_of_step<SpawnPid1<Owned>>(), EOPNOTSUPP, Detail::kNone,
       "a threaded or domain-invalid cgroup takes no process: name another linux.cgroupsPath"},
      {index_of_step<SpawnPid1<Owned>>(), EBUSY, Detail::kNone,
       "a cgroup that delegates controllers takes no process: name another linux.cgroupsPath"},
      {index_of_step<CreateDevice<Owned>>(), EPERM, Detail::kNone,
       "in a container, run the outer one with --cap-add MKNOD and with this device"},
      {index_of_step<BringUpLoopback<Owned>>(), EPERM, Detail::kNone,
       "it needs CAP_NET_ADMIN: in a container, run the outer one with --cap-add NET_ADMIN, or leave away the network "
       "namespace"},
      {index_of_step<SpawnPid1<Owned>>(), EACCES, Detail::kNone,
       "start wherry in the part of the cgroup hierarchy that is delegated to this user: nothing may move there from "
       "outside"},
      {index_of_step<CreateTimeNamespace<Owned>>(), EACCES, Detail::kNone,
       "an ordinary user sets clocks in a new user namespace only: leave away its path"},
      {index_of_step<EnterNamespace<Owned>>(), EPERM, Detail::kNone,
       "it belongs to another user namespace: join that one as well"},
      {index_of_step<OpenTree<Owned>>(), EINVAL, Detail::kMountSource, kLockedBelow},
      {index_of_step<Bind<Owned>>(), EINVAL, Detail::kMountSource, kLockedBelow},
      {index_of_step<Bind<Owned>>(), EPERM, Detail::kMountAttributes,
       "the host's mount has flags that a user namespace may not take away: leave away rw, suid, dev, exec and the "
       "options of access times"},
      {index_of_step<SetCredentials<Owned>>(), EPERM, Detail::kGroups,
       "setgroups(2) is denied where an ordinary user mapped its own gid alone: map more by newgidmap, or remove "
       "process.user.additionalGids"},
      {index_of_step<PivotRoot<Owned>>(), EPERM, Detail::kNone, "use --no-pivot"},
      {index_of_step<PivotRoot<Owned>>(), EINVAL, Detail::kNone, "on an initramfs use --no-pivot"},
      {index_of_step<MountRoot<Owned>>(), ENOENT, Detail::kNone, "make the rootfs, or correct root.path"},
      {index_of_step<SetOomScoreAdj<Owned>>(), EACCES, Detail::kNone, "lowering it needs CAP_SYS_RESOURCE"},
      {index_of_step<SetRlimit<Owned>>(), EPERM, Detail::kNone, "raising a hard limit needs CAP_SYS_RESOURCE"},
      {index_of_step<JoinSessionKeyring<Owned>>(), EDQUOT, Detail::kNone,
       "raise kernel.keys.maxkeys, or use --no-new-keyring"},
      {index_of_step<JoinSessionKeyring<Owned>>(), 0, Detail::kNone, "use --no-new-keyring"},
      {index_of_step<SetCredentials<Owned>>(), EINVAL, Detail::kNone,
       "map the id in linux.uidMappings and linux.gidMappings"},
      {index_of_step<SetProcessLabel<Owned>>(), ENOENT, Detail::kNone,
       "the security module is not active or does not know the profile"},
      {index_of_step<SetProcessLabel<Owned>>(), EINVAL, Detail::kNone,
       "the security module is not active or does not know the profile"},
      {index_of_step<SetCpuAffinity<Owned>>(), EINVAL, Detail::kNone, "name processors that this host has"},
      {index_of_step<SetSysctl<Owned>>(), ENOENT, Detail::kNone, "this kernel does not have it"},
      {index_of_step<OpenConsole<Owned>>(), 0, Detail::kConsolePeer, "mount devpts on /dev/pts"},
      {index_of_step<ChangeDirectory<Owned>>(), ELOOP, Detail::kNone,
       "process.cwd must not lead through /proc/self/fd"},
  };
  return kRemedies;
}

std::string table_remedy(const Step& step, const Failure& failure) {
  for (const Remedy& row : remedies()) {
    const bool fits = row.step == step.index() && (row.error == 0 || row.error == failure.error) &&
                      (row.detail == Detail::kNone || row.detail == failure.detail);
    if (fits) return row.text;
  }
  switch (failure.detail) {
    case Detail::kTargetIsLink:
      return "make it a directory";
    case Detail::kMountSource:
      return failure.error == ENOENT ? "create the source" : "";
    case Detail::kIdMapping:
      return failure.error == EINVAL
                 ? "this kernel cannot map the ids of this file system: remove idmap and the mappings, or give an "
                   "image a flat root (wherry unpack --layers flat)"
                 : "";
    default:
      return "";
  }
}

std::string remedy_text(const Step& step, const Failure& failure) {
  const auto* mount = std::get_if<Mount<Owned>>(&step);
  std::string text = mount != nullptr ? mount_remedy(*mount, failure) : "";
  if (const auto* scheduler = std::get_if<SetScheduler<Owned>>(&step)) text = scheduler_remedy(*scheduler, failure);
  if (text.empty()) text = table_remedy(step, failure);
  // Of ENOSYS the error itself says that a filter may be the cause.
  if (!failure.filtered || failure.error != EPERM) return text;
  return (text.empty() ? "" : text + "; or ") + "a seccomp filter is on wherry: in a container, " + kLoosen;
}

// The sentences that engines look for: about the user's own command, and nothing else.
Error program_error(const Step& step, const Failure& failure, const std::string& document, const std::string& origin) {
  const auto* search = std::get_if<FindExecutable<Owned>>(&step);
  const bool by_name = search != nullptr && search->name.find('/') == std::string::npos;
  std::string text;
  if (failure.error == ENOENT || failure.error == ENOTDIR) {
    text = by_name ? "executable file not found in $PATH" : "no such file or directory";
    if (search == nullptr) text += " (its interpreter)";
  } else if (failure.error == EACCES || failure.error == EPERM) {
    text = "permission denied";
  } else if (failure.error == ENOEXEC) {
    text = "exec format error";
  } else {
    return Error(phrase(step)).in(document, origin).because(failure.error);
  }
  return Error(phrase(step) + ": " + text).in(document, origin);
}

bool is_about_the_program(const Step& step) {
  return std::holds_alternative<FindExecutable<Owned>>(step) || std::holds_alternative<Exec<Owned>>(step);
}

}  // namespace

std::string phrase(const Step& step) {
  return std::visit([](const auto& value) { return phrase_of(value); }, step);
}

Error diagnose(const Plan& plan, const Failure& failure, const std::string& document) {
  if (failure.step >= plan.steps.size())
    return Error("set up the container").because(failure.error).detail(text_of(failure.detail));
  const PlannedStep& planned = plan.steps[failure.step];
  if (failure.detail == Detail::kNotProcfs)
    return Error("open /proc").because(failure.error).detail(text_of(failure.detail)).remedy("mount proc on /proc");
  if (is_about_the_program(planned.step) && failure.detail != Detail::kPlan)
    return program_error(planned.step, failure, document, planned.origin);
  const bool is_hook_result = failure.detail == Detail::kHookExit || failure.detail == Detail::kHookSignal ||
                              failure.detail == Detail::kHookTimeout;
  Error error(phrase(planned.step));
  if (!planned.origin.empty()) error = Error(phrase(planned.step)).in(document, planned.origin);
  if (!is_hook_result) (void)std::move(error).because(failure.error);  // in place: assigned to itself it would be empty
  // NOLINTNEXTLINE(bugprone-use-after-move)
  return std::move(error).detail(detail_text(planned.step, failure)).remedy(remedy_text(planned.step, failure));
}

}  // namespace wherry::plan
