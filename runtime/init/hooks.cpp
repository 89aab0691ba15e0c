// SPDX-License-Identifier: Apache-2.0
// createContainer and startContainer hooks run inside the container's namespaces, as children of pid 1.
#include <linux/close_range.h>

#include "init/execute.hpp"
#include "init/pointers.hpp"

namespace wherry::init {
namespace {

struct Child {
  Fd pidfd;
  int pid = 0;
};

// Only 0, 1, 2 and its own environment reach a hook (CVE-2025-23266). What fails before its exec goes to `report`.
[[noreturn]] void become_hook(const plan::RunHook<Wired>& step, const Context& context, int report) noexcept {
  const int state = slot_fd(context, plan::slot::kHookState);
  const char* home = step.with_home && context.home[0] != 0 ? context.home : nullptr;
  PointerArray args, env;
  int error = args.fill(step.args).error();
  if (error == 0) error = env.fill(step.env, home).error();
  if (error == 0) error = os::status_of(os::raw_syscall(__NR_lseek, state, 0, 0)).error();
  if (error == 0) error = os::dup3(state, 0, 0).error();
  if (error == 0) error = os::close_range(3, ~0U, CLOSE_RANGE_CLOEXEC).error();
  // A group of its own, so that a timeout ends the hook's children as well.
  if (error == 0) error = os::status_of(os::raw_syscall(__NR_setpgid, 0, 0)).error();
  if (error == 0)
    error = os::status_of(os::raw_syscall(__NR_execve, os::address(step.path.data), os::address(args.data()),
                                          os::address(env.data())))
                .error();
  (void)os::write(report, &error, sizeof error);
  os::exit_group(127);
}

os::Result<Child> spawn(const plan::RunHook<Wired>& step, const Context& context, int report) noexcept {
  int pidfd = -1;
  // A startContainer hook is made below the filter, and filters refuse clone3(2), whose flags they cannot see.
  const long pid = os::raw_syscall(__NR_clone, CLONE_PIDFD | 17 /* SIGCHLD */, 0, os::address(&pidfd), 0, 0);
  if (pid < 0) return os::Result<Child>::failure(static_cast<int>(-pid));
  if (pid == 0) become_hook(step, context, report);
  return Child{Fd(pidfd), static_cast<int>(pid)};
}

// Until the hook has ended, its time is over, or the host is gone.
Outcome wait_for(const Child& child, uint32_t timeout_seconds, int channel) noexcept {
  const int64_t deadline = os::monotonic_ns() + int64_t{timeout_seconds} * 1000000000;
  for (;;) {
    os::pollfd fds[2] = {{child.pidfd.get(), os::kPollIn, 0}, {channel, 0, 0}};
    int64_t left = -1;
    if (timeout_seconds != 0) {
      left = (deadline - os::monotonic_ns()) / 1000000;
      if (left <= 0) return failed(ETIMEDOUT, Detail::kHookTimeout, timeout_seconds);
      if (left > 3600000) left = 3600000;
    }
    auto ready = os::poll(fds, 2, static_cast<int>(left));
    if (!ready && ready.error() != EINTR) return outcome_of(ready);
    if (ready && fds[0].revents != 0) return done();
    if (ready && fds[1].revents != 0) return failed(EPIPE, Detail::kHostGone);
  }
}

Outcome reap(const Child& child, int report) noexcept {
  int status = 0;
  long reaped;
  do reaped = os::raw_syscall(__NR_wait4, child.pid, os::address(&status), 0, 0);
  while (reaped == -EINTR);
  int error = 0;
  if (auto got = os::read(report, &error, sizeof error); got && *got == sizeof error)
    return failed(error, Detail::kHookSpawn);
  const int signal = status & 0x7f;
  if (signal != 0) return failed(ECANCELED, Detail::kHookSignal, static_cast<uint32_t>(signal));
  const int code = (status >> 8) & 0xff;
  return code == 0 ? done() : failed(ECANCELED, Detail::kHookExit, static_cast<uint32_t>(code));
}

}  // namespace

Outcome execute(const plan::RunHook<Wired>& step, Context& context) noexcept {
  if (context.page->listener > 0) {  // its helper left no zombie behind, and a hook would leave no status
    (void)os::raw_syscall(__NR_wait4, -1, 0, 0, 0);  // ECHILD: it is gone
    if (auto status = set_child_flags(0); !status) return outcome_of(status);
  }
  int report[2] = {-1, -1};
  if (auto made = os::status_of(os::raw_syscall(__NR_pipe2, os::address(report), os::kCloexec)); !made)
    return outcome_of(made);
  const Fd reader(report[0]);
  Fd writer(report[1]);
  auto child = spawn(step, context, writer.get());
  if (!child) return failed(child.error(), Detail::kHookSpawn);
  writer.reset();
  const Outcome waited = wait_for(*child, step.timeout_seconds, context.channel.get());
  if (waited.error != 0) {
    (void)os::raw_syscall(__NR_kill, -child->pid, 9);  // ESRCH: it has ended meanwhile
    (void)os::pidfd_send_signal(child->pidfd.get(), 9);
    (void)os::raw_syscall(__NR_wait4, child->pid, 0, 0, 0);  // it was killed; its status says nothing new
    return waited;
  }
  return reap(*child, reader.get());
}

}  // namespace wherry::init
