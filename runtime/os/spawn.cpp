// SPDX-License-Identifier: Apache-2.0
#include "os/spawn.hpp"

#include <linux/close_range.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>

#include <array>

namespace wherry::os {
namespace {

constexpr long kSignalSetSize = 8;
constexpr int kLastSignal = 64;

// Plain data, made ready by the parent: between the clone and the exec the child shares the parent's memory and may not
// allocate, throw or take a lock.
struct Plan {
  const Program* program;
  char* const* args;
  char* const* env;
  int error;
};

struct KernelSignalAction {  // struct sigaction of the kernel
  void (*handler)(int);
  unsigned long flags;
  void (*restorer)();
  uint64_t mask;
};

void reset_signals() noexcept {
  const KernelSignalAction initial{};  // SIG_DFL
  for (int signal = 1; signal <= kLastSignal; ++signal)
    (void)raw_syscall(__NR_rt_sigaction, signal, address(&initial), 0, kSignalSetSize);  // SIGKILL and SIGSTOP refuse
  const uint64_t none = 0;
  (void)raw_syscall(__NR_rt_sigprocmask, SIG_SETMASK, address(&none), 0, kSignalSetSize);
}

Status arrange_descriptors(const Program& program) noexcept {
  if (auto status = close_range(program.first_closed, ~0U, CLOSE_RANGE_CLOEXEC); !status) return status;
  if (program.standard_input >= 0)
    if (auto status = dup3(program.standard_input, 0, 0); !status) return status;
  if (program.standard_output >= 0)
    if (auto status = dup3(program.standard_output, 1, 0); !status) return status;
  for (const int fd : program.kept)
    if (auto cleared = fcntl(fd, kFSetFd, 0); !cleared) return Status(cleared.error());
  return Status();
}

int become_program(void* argument) noexcept {
  auto& plan = *static_cast<Plan*>(argument);
  const Program& program = *plan.program;
  reset_signals();
  Status status = arrange_descriptors(program);
  if (status && program.own_group) status = status_of(raw_syscall(__NR_setpgid, 0, 0));
  if (status) {
    const bool by_fd = program.executable >= 0;
    status = status_of(raw_syscall(__NR_execveat, by_fd ? program.executable : kAtFdcwd,
                                   address(by_fd ? "" : program.path.c_str()), address(plan.args), address(plan.env),
                                   by_fd ? kAtEmptyPath : 0));
  }
  plan.error = status.error();
  exit_group(127);
}

std::vector<char*> pointers(const std::vector<std::string>& strings) {
  std::vector<char*> result;
  result.reserve(strings.size() + 1);
  for (const std::string& string : strings) result.push_back(const_cast<char*>(string.c_str()));
  result.push_back(nullptr);
  return result;
}

}  // namespace

Result<Child> spawn(const Program& program) {
  const std::vector<char*> args = pointers(program.args);
  const std::vector<char*> env = pointers(program.env);
  Plan plan{&program, args.data(), env.data(), 0};
  alignas(16) std::array<unsigned char, 16384> stack;  // NOLINT: written by the child alone
  int pidfd = -1;
  // No handler of the parent may run on the child's stack.
  const uint64_t all = ~uint64_t{0};
  uint64_t before = 0;
  (void)raw_syscall(__NR_rt_sigprocmask, SIG_SETMASK, address(&all), address(&before), kSignalSetSize);
  const int pid = ::clone(become_program, stack.data() + stack.size(), CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD, &plan, &pidfd);
  const int clone_error = pid < 0 ? errno : 0;
  (void)raw_syscall(__NR_rt_sigprocmask, SIG_SETMASK, address(&before), 0, kSignalSetSize);
  if (clone_error != 0) return Result<Child>::failure(clone_error);
  Child child{pid, Fd(pidfd)};
  if (plan.error != 0) {
    (void)reap(child.pidfd.get());  // its status is the 127 above
    return Result<Child>::failure(plan.error);
  }
  return child;
}

Result<Exit> reap(int pidfd) noexcept {
  siginfo_t info{};
  long result;
  do result = raw_syscall(__NR_waitid, 3 /* P_PIDFD */, pidfd, address(&info), WEXITED | __WALL, 0);
  while (result == -EINTR);
  if (result < 0) return Result<Exit>::failure(static_cast<int>(-result));
  return Exit{info.si_status, info.si_code != CLD_EXITED};
}

}  // namespace wherry::os
