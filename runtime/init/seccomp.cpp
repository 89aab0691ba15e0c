// SPDX-License-Identifier: Apache-2.0
// The filter, and the way of its listener to the host.
#include <linux/filter.h>
#include <linux/seccomp.h>

#include "init/channel.hpp"
#include "init/execute.hpp"

namespace wherry::init {
namespace {

// The listener's descriptor if the flags ask for one.
os::Result<long> load(plan::BytesView filter, uint32_t flags) noexcept {
  if (filter.size % sizeof(sock_filter) != 0 || filter.size / sizeof(sock_filter) > BPF_MAXINSNS)
    return os::Result<long>::failure(EINVAL);
  // The plan's bytes are unaligned, which the kernel's copy does not mind.
  const struct {
    unsigned short length;
    const unsigned char* filter;
  } program{static_cast<unsigned short>(filter.size / sizeof(sock_filter)), filter.data};  // struct sock_fprog
  return os::result_of(os::raw_syscall(__NR_seccomp, SECCOMP_SET_MODE_FILTER, flags, os::address(&program)));
}

[[noreturn]] void hand_over_listener(Context& context, long parent) noexcept {
  plan::StatusPage& page = *context.page;
  int32_t listener;
  while ((listener = __atomic_load_n(&page.listener, __ATOMIC_ACQUIRE)) == 0) {
    if (os::raw_syscall(__NR_getppid) != parent) os::exit_group(1);
    (void)os::raw_syscall(__NR_sched_yield);  // cannot fail
  }
  if (listener < 0) os::exit_group(0);
  int error = produce(context, plan::slot::kListener, listener).error();
  if (error == 0) error = receive_go(context).error();
  Fd(listener).reset();  // the agent's is the only one that is left: when it ends, the calls fail
  __atomic_store_n(&page.listener_answer, error == 0 ? -1 : error, __ATOMIC_RELEASE);
  os::exit_group(0);
}

void rest() noexcept {
#if defined(__x86_64__)
  __asm__ volatile("pause");
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

}  // namespace

os::Status set_child_flags(unsigned long flags) noexcept {
  constexpr long kSigChld = 17;
  const struct {  // struct sigaction of the kernel
    unsigned long handler, flags, restorer;
    uint64_t mask;
  } action{0 /* SIG_DFL */, flags, 0, 0};
  return os::status_of(os::raw_syscall(__NR_rt_sigaction, kSigChld, os::address(&action), 0, sizeof action.mask));
}

Outcome execute(const plan::LoadSeccomp<Wired>& step, Context&) noexcept {
  return outcome_of(load(step.filter, step.flags));
}

Outcome execute(const plan::LoadSeccompWithListener<Wired>& step, Context& context) noexcept {
  plan::StatusPage& page = *context.page;
  // sigaction(2): with SA_NOCLDWAIT a child leaves no zombie; the exec takes the flag away.
  if (auto status = set_child_flags(2 /* SA_NOCLDWAIT */); !status) return outcome_of(status);
  clone_args arguments{};
  arguments.flags = CLONE_FILES;
  arguments.exit_signal = 17;  // SIGCHLD, or it would leave a zombie
  const long parent = os::getpid();
  const long helper = os::raw_syscall(__NR_clone3, os::address(&arguments), sizeof arguments);
  if (helper < 0) return failed(static_cast<int>(-helper));
  if (helper == 0) hand_over_listener(context, parent);
  const auto listener = load(step.filter, step.flags);
  __atomic_store_n(&page.listener, listener ? static_cast<int32_t>(listener.value()) : -1, __ATOMIC_RELEASE);
  if (!listener) return outcome_of(listener);
  // Any call may wait for the agent from here on.
  int32_t answer;
  while ((answer = __atomic_load_n(&page.listener_answer, __ATOMIC_ACQUIRE)) == 0) rest();
  return answer == -1 ? done() : failed(answer, Detail::kListener);
}

}  // namespace wherry::init
