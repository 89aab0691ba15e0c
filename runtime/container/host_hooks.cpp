// SPDX-License-Identifier: Apache-2.0
#include "container/host_hooks.hpp"

#include <algorithm>
#include <csignal>

#include "os/files.hpp"
#include "os/spawn.hpp"
#include "plan/diagnose.hpp"
#include "wherry/error.hpp"

namespace wherry::container {
namespace {

// False when time ran out first.
bool wait_for_end(int pidfd, uint32_t timeout_seconds) {
  const int64_t deadline = os::monotonic_ns() + int64_t{timeout_seconds} * 1000000000;
  for (;;) {
    os::pollfd fds{pidfd, os::kPollIn, 0};
    int64_t left_ms = -1;
    if (timeout_seconds != 0) {
      left_ms = (deadline - os::monotonic_ns()) / 1000000;
      if (left_ms <= 0) return false;
    }
    if (os::poll(&fds, 1, static_cast<int>(std::min<int64_t>(left_ms, 3600000))) && fds.revents != 0) return true;
  }
}

void kill_group(const os::Child& child) {
  (void)os::raw_syscall(__NR_kill, -child.pid, SIGKILL);  // ESRCH: the whole group is gone
  (void)os::pidfd_send_signal(child.pidfd.get(), SIGKILL);
}

}  // namespace

void run_hook(const plan::RunHook<plan::Owned>& hook, const std::string& state) {
  const std::string what = plan::phrase(plan::Step(hook));
  auto input = os::sealed_memory("wherry-hook-state", state, false);
  if (!input) throw Error(what).because(input.error());
  // The writer's position is at the end, and the hook inherits it.
  if (auto moved = os::status_of(os::raw_syscall(__NR_lseek, input->get(), 0, 0)); !moved)
    throw Error(what).because(moved.error());
  os::Program program;
  program.path = hook.path;
  program.args = hook.args;
  program.env = hook.env;
  program.standard_input = input->get();
  program.own_group = true;
  auto child = os::spawn(program);
  if (!child) throw Error(what).because(child.error()).detail("it could not be executed");
  const bool ended = wait_for_end(child->pidfd.get(), hook.timeout_seconds);
  if (!ended) kill_group(*child);
  auto exit = os::reap(child->pidfd.get());
  if (!ended)
    throw Error(what).detail("it was killed after its timeout of " + std::to_string(hook.timeout_seconds) + " s");
  if (!exit) throw Error(what).because(exit.error());
  if (exit->signaled) throw Error(what).detail("it was killed by signal " + std::to_string(exit->code));
  if (exit->code != 0) throw Error(what).detail("it exited with status " + std::to_string(exit->code));
}

}  // namespace wherry::container
