// SPDX-License-Identifier: Apache-2.0
#include "os/spawn.hpp"

#include <linux/close_range.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>

#include <array>
#include <utility>

#include "os/files.hpp"

namespace wherry::os {
namespace {

constexpr long kSignalSetSize = 8;
constexpr int kLastSignal = 64;

struct KernelSignalAction {  // struct sigaction of the kernel
  void (*handler)(int);
  unsigned long flags;
  void (*restorer)();
  uint64_t mask;
};

Status reset_signals() noexcept {
  const KernelSignalAction initial{};  // SIG_DFL
  for (int signal = 1; signal <= kLastSignal; ++signal) {
    if (signal == SIGKILL || signal == SIGSTOP) continue;
    auto status = status_of(raw_syscall(__NR_rt_sigaction, signal, address(&initial), 0, kSignalSetSize));
    if (!status) return status;
  }
  const uint64_t none = 0;
  return status_of(raw_syscall(__NR_rt_sigprocmask, SIG_SETMASK, address(&none), 0, kSignalSetSize));
}

Status arrange_descriptors(const Program& program) noexcept {
  if (auto status = close_range(program.first_closed, ~0U, CLOSE_RANGE_CLOEXEC); !status) return status;
  if (program.standard_input > 0)
    if (auto status = dup3(program.standard_input, 0, 0); !status) return status;
  if (program.standard_output >= 0 && program.standard_output != 1)
    if (auto status = dup3(program.standard_output, 1, 0); !status) return status;
  if (program.standard_error >= 0 && program.standard_error != 2)
    if (auto status = dup3(program.standard_error, 2, 0); !status) return status;
  int number = 3;
  for (const int fd : program.passed)
    if (auto status = dup3(fd, number++, 0); !status) return status;
  for (const int fd : program.kept)
    if (auto cleared = fcntl(fd, kFSetFd, 0); !cleared) return Status(cleared.error());
  return Status();
}

int exec_program(const Program& program, char* const* args, char* const* env) noexcept {
  Status status = reset_signals();
  if (status) status = arrange_descriptors(program);
  if (status && program.own_group) status = status_of(raw_syscall(__NR_setpgid, 0, 0));
  if (!status) return status.error();
  Result<Fd> image;
  if (!program.image.empty()) image = sealed_memory("wherry-init", program.image, true);
  if (!image) return image.error();
  const int executable = *image ? image->get() : program.executable;
  const bool by_fd = executable >= 0;
  return status_of(raw_syscall(__NR_execveat, by_fd ? executable : kAtFdcwd, address(by_fd ? "" : program.path.c_str()),
                               address(args), address(env), by_fd ? kAtEmptyPath : 0))
      .error();
}

std::vector<char*> pointers(const std::vector<std::string>& strings) {
  std::vector<char*> result;
  result.reserve(strings.size() + 1);
  for (const std::string& string : strings) result.push_back(const_cast<char*>(string.c_str()));
  result.push_back(nullptr);
  return result;
}

}  // namespace

// Made ready by the parent: between the clone and the exec the child shares the parent's memory and may not allocate,
// throw or take a lock.
struct Spawning::Shared {
  explicit Shared(Program the_program)
      : program(std::move(the_program)), args(pointers(program.args)), env(pointers(program.env)) {}

  static int run(void* argument) noexcept {
    auto& shared = *static_cast<Shared*>(argument);
    shared.error = exec_program(shared.program, shared.args.data(), shared.env.data());
    exit_group(127);
  }

  // CLONE_CHILD_CLEARTID: the kernel clears the word and wakes its waiters when the child leaves this memory.
  void wait() noexcept {
    for (uint32_t seen; (seen = __atomic_load_n(&busy, __ATOMIC_ACQUIRE)) != 0;)
      (void)raw_syscall(__NR_futex, address(&busy), 0 /* FUTEX_WAIT */, seen, 0);  // EAGAIN, EINTR: look again
  }

  Program program;
  std::vector<char*> args, env;
  uint32_t busy = 0;
  int error = 0;
  int clone_error = 0;
  Child child;
  alignas(16) std::array<unsigned char, 16384> stack;
};

Spawning::Spawning(Program program) : shared_(new Shared(std::move(program))) {
  Shared& shared = *shared_;
  int pidfd = -1;
  // No handler of the parent may run on the child's stack.
  const uint64_t all = ~uint64_t{0};
  uint64_t before = 0;
  (void)raw_syscall(__NR_rt_sigprocmask, SIG_SETMASK, address(&all), address(&before), kSignalSetSize);
  shared.busy = 1;
  const int flags =
      CLONE_VM | CLONE_CHILD_CLEARTID | CLONE_PIDFD | SIGCHLD | (shared.program.own_user_namespace ? CLONE_NEWUSER : 0);
  const int pid =
      ::clone(Shared::run, shared.stack.data() + shared.stack.size(), flags, &shared, &pidfd, nullptr, &shared.busy);
  if (pid < 0) shared.clone_error = errno, shared.busy = 0;
  (void)raw_syscall(__NR_rt_sigprocmask, SIG_SETMASK, address(&before), 0, kSignalSetSize);
  if (pid > 0) shared.child = Child{pid, Fd(pidfd)};
  // The scheduler leaves the child behind its parent on this processor, and moves it to an idle one at execve(2) only.
  (void)raw_syscall(__NR_sched_yield);
}

Spawning::Spawning(Spawning&&) noexcept = default;

Spawning::~Spawning() {
  if (shared_ != nullptr) shared_->wait();
}

Result<Child> Spawning::finish() {
  Shared& shared = *shared_;
  shared.wait();
  if (shared.clone_error != 0) return Result<Child>::failure(shared.clone_error);
  if (shared.error == 0) return std::move(shared.child);
  (void)reap(shared.child.pidfd.get());  // its status is the 127 above
  return Result<Child>::failure(shared.error);
}

Result<Child> spawn(const Program& program) { return Spawning(program).finish(); }

Result<Exit> reap(int pidfd) noexcept {
  siginfo_t info{};
  long result;
  do result = raw_syscall(__NR_waitid, 3 /* P_PIDFD */, pidfd, address(&info), WEXITED | __WALL, 0);
  while (result == -EINTR);
  if (result < 0) return Result<Exit>::failure(static_cast<int>(-result));
  return Exit{info.si_status, info.si_code != CLD_EXITED};
}

}  // namespace wherry::os
