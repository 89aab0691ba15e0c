// SPDX-License-Identifier: Apache-2.0
// wherry-init: everything between the clone and the user's exec.
//
//   wherry-init CHANNEL PAGE        two descriptor numbers, which the host leaves open for it
//
// It reads the plan behind PAGE, executes the steps of the init lane in the host's namespaces, clones pid 1, and
// goes on there with the steps of the pid1 lane. See plan/protocol.hpp for what it says on CHANNEL.
#include <linux/auxvec.h>

#include "init/channel.hpp"
#include "init/player.hpp"

namespace wherry::init {
namespace {

// Never destroyed, and zero pages until touched: what every plan needs is on the first.
alignas(4096) unsigned char context_storage[sizeof(Context)];

int descriptor(const char* text) noexcept {
  int number = 0;
  if (text == nullptr || *text == 0) return -1;
  for (; *text != 0; ++text) {
    if (*text < '0' || *text > '9' || number > 100000) return -1;
    number = number * 10 + (*text - '0');
  }
  return number;
}

os::Result<Fd> open_procfs() noexcept {
  auto proc = os::openat(os::kAtFdcwd, "/proc", os::kPath | os::kDirectory);
  if (!proc) return proc;
  os::statfs64 filesystem{};
  if (auto status = os::fstatfs(proc->get(), filesystem); !status) return os::Result<Fd>::failure(status.error());
  return filesystem.type == os::kProcSuperMagic ? static_cast<os::Result<Fd>&&>(proc)
                                                : os::Result<Fd>::failure(ENOTDIR);
}

// The vector that the kernel lays out for a new program: argc, argv..., 0, env..., 0, auxv...
bool runs_setuid(const long* stack) noexcept {
  const long* at = stack + 1 + stack[0] + 1;
  while (*at != 0) ++at;
  for (++at; at[0] != AT_NULL; at += 2)
    if (at[0] == AT_SECURE) return at[1] != 0;
  return false;
}

}  // namespace

extern "C" [[noreturn]] void wherry_init_main(const long* stack) noexcept {
  const auto* argv = reinterpret_cast<const char* const*>(stack + 1);
  if (stack[0] != 3 || runs_setuid(stack)) os::exit_group(2);
  Context& context = *reinterpret_cast<Context*>(context_storage);  // an all-zero Context is an empty one...
  context.lane = plan::Lane::kInit;                                 // ...but for its lane
  context.channel.reset(descriptor(argv[1]));
  context.page_fd.reset(descriptor(argv[2]));
  (void)os::fcntl(context.channel.get(), os::kFSetFd, 1);  // FD_CLOEXEC; a bad number shows in the calls below
  (void)os::fcntl(context.page_fd.get(), os::kFSetFd, 1);
  auto proc = open_procfs();
  // The first Go says that the plan is there. Without one there is nothing to do, and no page to tell it on.
  auto go = receive_go(context);
  if (!go) os::exit_group(plan::kExitWithoutPlan + go.error());
  if (const int error = open_plan(context); error != 0) os::exit_group(plan::kExitWithoutPlan + error);
  if (!proc) fail(context, failed(proc.error(), Detail::kNotProcfs));
  context.proc = static_cast<Fd&&>(*proc);
  play(context, *go);
}

}  // namespace wherry::init

#if defined(__x86_64__)
__asm__(
    ".globl _start\n_start:\n"
    "  xor %ebp, %ebp\n  mov %rsp, %rdi\n  and $-16, %rsp\n  call wherry_init_main\n  hlt\n");
#elif defined(__aarch64__)
__asm__(
    ".globl _start\n_start:\n"
    "  mov x29, #0\n  mov x30, #0\n  mov x0, sp\n  bl wherry_init_main\n  brk #0\n");
#endif
