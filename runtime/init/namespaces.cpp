// SPDX-License-Identifier: Apache-2.0
// From the host's namespaces into the container's.
#include <linux/keyctl.h>
#include <linux/nsfs.h>
#include <linux/prctl.h>

#include "init/channel.hpp"
#include "init/execute.hpp"
#include "init/text.hpp"

namespace wherry::init {
namespace {

os::Status write_all(int fd, const char* data, uint32_t size) noexcept {
  auto written = os::write(fd, data, size);
  if (!written) return os::Status(written.error());
  return static_cast<uint32_t>(*written) == size ? os::Status() : os::Status(EIO);
}

os::Status write_to_proc(const Context& context, const char* path, const char* data, uint32_t size) noexcept {
  auto file = os::openat(context.proc.get(), path, os::kWrOnly | os::kNoFollow);
  return file ? write_all(file->get(), data, size) : os::Status(file.error());
}

os::Result<Fd> make_procfs() noexcept {
  auto filesystem = os::fsopen("proc");
  if (!filesystem) return filesystem;
  if (auto made = os::fsconfig(filesystem->get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0); !made)
    return os::Result<Fd>::failure(made.error());
  return os::fsmount(filesystem->get(), MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
}

}  // namespace

Outcome execute(const plan::SetOomScoreAdj<Wired>& step, Context& context) noexcept {
  Line<16> text;
  text.add(static_cast<int64_t>(step.value));
  return outcome_of(write_to_proc(context, "self/oom_score_adj", text.data(), text.size()));
}

Outcome execute(const plan::HideFromTracers<Wired>&, Context&) noexcept {
  return outcome_of(os::prctl(PR_SET_DUMPABLE, 0));
}

Outcome execute(const plan::OpenNamespace<Wired>& step, Context& context) noexcept {
  // O_NONBLOCK: a FIFO at that path must not stop the set-up.
  auto fd = os::openat(os::kAtFdcwd, step.path.data, os::kRdOnly | os::kNonBlock | os::kNoCtty);
  if (!fd) return failed(fd.error());
  os::statfs64 filesystem{};
  if (auto found = os::fstatfs(fd->get(), filesystem); !found) return outcome_of(found);
  auto type =
      filesystem.type == os::kNsfsMagic ? os::ioctl(fd->get(), NS_GET_NSTYPE) : os::Result<long>::failure(EINVAL);
  if (!type) return failed(type.error(), Detail::kWrongNamespaceType);
  if (static_cast<uint64_t>(*type) != step.types.value) return failed(EINVAL, Detail::kWrongNamespaceType);
  if (step.slot >= kMaxPlanSlots) return failed(EINVAL, Detail::kPlan);
  context.slots[step.slot] = static_cast<Fd&&>(*fd);
  return done();
}

Outcome execute(const plan::EnterNamespace<Wired>& step, Context& context) noexcept {
  return outcome_of(os::setns(slot_fd(context, step.slot), static_cast<int>(step.types.value)));
}

Outcome execute(const plan::CreateUserNamespace<Wired>&, Context& context) noexcept {
  if (auto status = os::unshare(CLONE_NEWUSER); !status) return outcome_of(status);
  auto fd = os::openat(context.proc.get(), "self/ns/user", os::kRdOnly);
  if (!fd) return outcome_of(fd);
  return outcome_of(produce(context, plan::slot::kUserNamespace, fd->get()));
}

Outcome execute(const plan::CreateTimeNamespace<Wired>& step, Context& context) noexcept {
  if (auto status = os::unshare(os::kCloneNewTime); !status) return outcome_of(status);
  Line<128> text;
  text.add("monotonic ").add(step.monotonic_seconds).add(" ").add(int64_t{step.monotonic_nanoseconds});
  text.add("\nboottime ").add(step.boottime_seconds).add(" ").add(int64_t{step.boottime_nanoseconds}).add("\n");
  return outcome_of(write_to_proc(context, "self/timens_offsets", text.data(), text.size()));
}

Outcome execute(const plan::CreateNamespaces<Wired>& step, Context& context) noexcept {
  if (context.made_ahead != step.types.value) return outcome_of(os::unshare(step.types.value));
  return context.ahead_error == 0 ? done(1) : failed(context.ahead_error);
}

Outcome execute(const plan::OpenNetworkSocket<Wired>&, Context& context) noexcept {
  auto socket = os::socket(16 /* AF_NETLINK */, 3 /* SOCK_RAW */);
  return socket ? outcome_of(produce(context, plan::slot::kNetwork, socket->get())) : outcome_of(socket);
}

Outcome execute(const plan::AwaitSlot<Wired>& step, Context& context) noexcept {
  while (slot_fd(context, step.slot) < 0) {
    if (auto go = receive_go(context); !go) return failed(go.error(), Detail::kHostGone);
  }
  return done();
}

Outcome execute(const plan::SpawnPid1<Wired>& step, Context& context) noexcept {
  int pidfd = -1;
  clone_args arguments{};
  // With CLONE_PARENT the kernel takes no exit signal: the child's parent was chosen by someone else.
  arguments.flags = step.fresh.value | CLONE_PARENT | CLONE_PIDFD;
  arguments.pidfd = static_cast<uint64_t>(os::address(&pidfd));
  if (step.cgroup != plan::slot::kNone) {
    arguments.flags |= os::kCloneIntoCgroup;
    arguments.cgroup = static_cast<uint64_t>(slot_fd(context, step.cgroup));
  }
  const long child = os::raw_syscall(__NR_clone3, os::address(&arguments), sizeof arguments);
  if (child < 0) return failed(static_cast<int>(-child));
  if (child == 0) {
    context.lane = plan::Lane::kPid1;
    (void)os::raw_syscall(__NR_umask, 0);  // the modes of the steps are exact; SetUmask comes later
    return done();
  }
  const Fd owned(pidfd);
  context.spawned = true;
  return outcome_of(produce(context, plan::slot::kPid1, pidfd, static_cast<int>(child)));
}

Outcome execute(const plan::BecomeRoot<Wired>&, Context&) noexcept {
  if (auto status = os::status_of(os::raw_syscall(__NR_setresgid, 0, 0, 0)); !status) return outcome_of(status);
  return outcome_of(os::status_of(os::raw_syscall(__NR_setresuid, 0, 0, 0)));
}

Outcome execute(const plan::StartSession<Wired>&, Context&) noexcept {
  return outcome_of(os::status_of(os::raw_syscall(__NR_setsid)));
}

Outcome execute(const plan::JoinSessionKeyring<Wired>& step, Context&) noexcept {
  const long joined = os::raw_syscall(__NR_keyctl, KEYCTL_JOIN_SESSION_KEYRING, os::address(step.name.data));
  if (joined < 0) return joined == -ENOSYS ? done(1) : failed(static_cast<int>(-joined));
  // security/keys/process_keys.c: what a new session keyring has (KEY_POS_ALL, KEY_USR_VIEW, READ and LINK), and
  // KEY_USR_SEARCH. EACCES: an exec has found the container's, which is another user's.
  const auto changed = os::status_of(os::raw_syscall(__NR_keyctl, KEYCTL_SETPERM, joined, 0x3f1b0000));
  return changed || changed.error() == EACCES ? done() : outcome_of(changed);
}

Outcome execute(const plan::BringUpLoopback<Wired>&, Context&) noexcept {
  struct {
    char name[16];
    short flags;
    char rest[22];
  } request{"lo", 1 /* IFF_UP */, {}};  // struct ifreq of <linux/if.h>, which needs libc
  auto socket = os::socket(2 /* AF_INET */, os::kSockDgram);
  // A kernel without IPv4 has AF_INET6 alone.
  if (!socket) socket = os::socket(10, os::kSockDgram);
  if (!socket) return failed(socket.error(), Detail::kLoopback);
  return outcome_of(os::ioctl(socket->get(), 0x8914 /* SIOCSIFFLAGS */, &request), Detail::kLoopback);
}

Outcome execute(const plan::SetHostname<Wired>& step, Context&) noexcept {
  return outcome_of(os::status_of(os::raw_syscall(__NR_sethostname, os::address(step.name.data), step.name.size)));
}

Outcome execute(const plan::SetDomainname<Wired>& step, Context&) noexcept {
  return outcome_of(os::status_of(os::raw_syscall(__NR_setdomainname, os::address(step.name.data), step.name.size)));
}

Outcome execute(const plan::SetSysctl<Wired>& step, Context& context) noexcept {
  auto directory = os::openat(context.proc.get(), "sys", os::kPath | os::kDirectory | os::kNoFollow);
  if (!directory) return outcome_of(directory);
  constexpr uint64_t kResolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
  uint32_t rung = 0;
  auto file = os::openat2(directory->get(), step.path.data, os::kWrOnly, kResolve);
  if (!file && file.error() == EROFS) {
    // An outer container shows /proc/sys read-only. A procfs of our own, attached nowhere, has the same files.
    auto proc = make_procfs();
    if (!proc) return failed(EROFS);
    directory = os::openat(proc->get(), "sys", os::kPath | os::kDirectory | os::kNoFollow);
    if (!directory) return outcome_of(directory);
    file = os::openat2(directory->get(), step.path.data, os::kWrOnly, kResolve);
    rung = 1;
  }
  if (!file) return outcome_of(file);
  Outcome outcome = outcome_of(write_all(file->get(), step.value.data, step.value.size));
  outcome.rung = rung;
  return outcome;
}

}  // namespace wherry::init
