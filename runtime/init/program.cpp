// SPDX-License-Identifier: Apache-2.0
// The last steps: directory, home, program; the wait for start; the exec.
#include <linux/close_range.h>

#include "init/channel.hpp"
#include "init/execute.hpp"
#include "init/paths.hpp"
#include "init/pointers.hpp"
#include "init/text.hpp"

namespace wherry::init {
namespace {

constexpr int kExecutable = 1;  // X_OK

// exec needs a regular file that the final credentials may execute.
int probe(const char* path) noexcept {
  struct statx status {};
  if (auto found = os::statx(os::kAtFdcwd, path, 0, STATX_TYPE, status); !found) return found.error();
  if ((status.stx_mode & os::kTypeMask) != os::kTypeRegular) return EACCES;
  const os::Status allowed = os::faccessat2(os::kAtFdcwd, path, kExecutable, os::kAtEaccess);
  // Before 5.8, or below a filter that does not know it: access(2), for real and effective ids are the same by now.
  if (allowed.error() != ENOSYS && allowed.error() != EPERM) return allowed.error();
  return os::status_of(os::raw_syscall(__NR_faccessat, os::kAtFdcwd, os::address(path), kExecutable)).error();
}

bool join_path(char (&out)[kPathMax], TextView directory, TextView name) noexcept {
  if (directory.size + name.size + 2 > kPathMax) return false;
  __builtin_memcpy(out, directory.data, directory.size);
  out[directory.size] = '/';
  __builtin_memcpy(out + directory.size + 1, name.data, name.size);
  out[directory.size + 1 + name.size] = 0;
  return true;
}

bool goes_on_after(int error) noexcept {
  return error == ENOENT || error == ENOTDIR || error == EACCES || error == ELOOP || error == ENAMETOOLONG;
}

// execvp(3): EACCES is remembered while the search goes on.
Outcome search(const plan::FindExecutable<Wired>& step, char (&out)[kPathMax]) noexcept {
  int error = ENOENT;
  for (uint32_t at = 0; at < step.search_path.size;) {
    const uint32_t end = find(step.search_path, ':', at);
    if (end != at && step.name.size != 0 && join_path(out, {step.search_path.data + at, end - at}, step.name)) {
      const int probed = probe(out);
      if (probed == 0) return done();
      if (!goes_on_after(probed)) return failed(probed);
      if (probed == EACCES) error = EACCES;
    }
    at = end + 1;
  }
  return failed(error, error == EACCES ? Detail::kNotExecutable : Detail::kNotFound);
}

// One line of passwd(5): name:password:uid:gid:gecos:home:shell
bool home_of(TextView line, TextView uid, Line<kPathMax>& home) noexcept {
  uint32_t at = 0;
  for (int field = 0; field < 7; ++field) {
    const uint32_t end = find(line, ':', at);
    const TextView text{line.data + at, end - at};
    if (field == 2 && !equal(text, uid)) return false;
    if (field == 5 && text.size != 0) return home.add(text).fits();
    if (end == line.size) return false;
    at = end + 1;
  }
  return false;
}

constexpr uint32_t kLargestPasswd = 1 << 20;  // an endless one must not keep the set-up busy (GO-2026-5475)

os::Status search_passwd(int file, TextView uid, Line<kPathMax>& home) noexcept {
  char buffer[4096];
  uint32_t kept = 0, total = 0;
  bool skip = false;  // the rest of a line that is longer than the buffer
  while (total < kLargestPasswd) {
    auto got = os::read(file, buffer + kept, sizeof buffer - kept);
    if (!got || (*got == 0 && kept == 0)) return os::Status(got.error());
    const uint32_t size = kept + static_cast<uint32_t>(*got);
    total += static_cast<uint32_t>(*got);
    uint32_t at = 0;
    for (;;) {
      const uint32_t end = find({buffer, size}, '\n', at);
      if (end == size && *got != 0) break;
      if (!skip && home_of({buffer + at, end - at}, uid, home)) return os::Status();
      skip = false;
      at = end + 1;
      if (at >= size) break;
    }
    if (*got == 0) return os::Status();
    kept = at < size ? size - at : 0;
    if (kept == sizeof buffer) kept = 0, skip = true;
    if (kept != 0) __builtin_memmove(buffer, buffer + at, kept);
  }
  return os::Status();
}

constexpr uint64_t kAllSignals = ~0ULL;

// A pid 1 without handlers ignores what `kill` sends; blocked and read here, a signal ends a container that waits.
struct BlockedSignals {
  uint64_t before = 0;
  Fd fd;
};

os::Status set_signal_mask(const uint64_t& mask, uint64_t* before) noexcept {
  return os::status_of(
      os::raw_syscall(__NR_rt_sigprocmask, 2 /* SIG_SETMASK */, os::address(&mask), os::address(before), 8));
}

os::Result<BlockedSignals> block_signals() noexcept {
  BlockedSignals signals;
  if (auto blocked = set_signal_mask(kAllSignals, &signals.before); !blocked)
    return os::Result<BlockedSignals>::failure(blocked.error());
  auto fd = os::fd_of(os::raw_syscall(__NR_signalfd4, -1, os::address(&kAllSignals), 8, os::kCloexec | os::kNonBlock));
  if (!fd) return os::Result<BlockedSignals>::failure(fd.error());
  signals.fd = static_cast<Fd&&>(*fd);
  return signals;
}

// SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2, SIGALRM, SIGTERM
constexpr uint32_t kDeadly = 1U << 1 | 1U << 2 | 1U << 3 | 1U << 10 | 1U << 12 | 1U << 14 | 1U << 15;

void die_of_signal(int signals) noexcept {
  uint32_t info[32];  // struct signalfd_siginfo, ssi_signo first
  while (auto got = os::read(signals, info, sizeof info)) {
    if (*got != sizeof info) return;
    if (info[0] < 32 && (kDeadly >> info[0] & 1) != 0) os::exit_group(128 + static_cast<int>(info[0]));
  }
}

os::Result<Fd> accept_start(int listener, int signals) noexcept {
  for (;;) {
    os::pollfd fds[2] = {{listener, os::kPollIn, 0}, {signals, os::kPollIn, 0}};
    auto ready = os::poll(fds, 2, -1);
    if (!ready && ready.error() != EINTR) return os::Result<Fd>::failure(ready.error());
    if (fds[1].revents != 0) die_of_signal(signals);
    if (fds[0].revents == 0) continue;
    auto peer = os::fd_of(os::raw_syscall(__NR_accept4, listener, 0, 0, os::kCloexec));
    if (peer || (peer.error() != ECONNABORTED && peer.error() != EAGAIN && peer.error() != EINTR)) return peer;
  }
}

bool peer_is_gone(int error) noexcept { return error == EPIPE || error == ECONNRESET; }

// A start that dies before its Go leaves the container created.
Outcome wait_for_start(Context& context) noexcept {
  auto signals = block_signals();
  if (!signals) return outcome_of(signals);
  context.channel.reset();
  const int listener = slot_fd(context, plan::slot::kStartSocket);
  for (;;) {
    auto peer = accept_start(listener, signals->fd.get());
    if (!peer) return outcome_of(peer);
    context.channel = static_cast<Fd&&>(*peer);
    const os::Status greeted = send_reached(context, context.step, plan::slot::kStatusPage, context.page_fd.get());
    auto go = greeted ? receive_go(context) : os::Result<uint32_t>::failure(greeted.error());
    if (go) break;
    if (greeted && !peer_is_gone(go.error())) return outcome_of(go);  // start has the page to read it on
    context.channel.reset();                                          // whoever called is not to wait
  }
  context.slots[plan::slot::kStartSocket].reset();
  return outcome_of(set_signal_mask(signals->before, nullptr));
}

}  // namespace

Outcome execute(const plan::ChangeDirectory<Wired>& step, Context& context) noexcept {
  if (step.again && context.in_directory) return done();
  auto directory = make_directory(context.root.get(), step.path);
  const os::Status entered = directory ? os::fchdir(directory->get()) : os::Status(directory.error());
  context.in_directory = static_cast<bool>(entered);
  return step.may_be_closed && entered.error() == EACCES ? done(1) : outcome_of(entered);
}

Outcome execute(const plan::FindHome<Wired>& step, Context& context) noexcept {
  Line<16> uid;
  uid.add(int64_t{step.uid});
  Line<kPathMax> home;
  home.add("HOME=");
  const uint32_t prefix = home.size();
  auto passwd = open_in_root(context.root.get(), "/etc/passwd", os::kRdOnly | os::kNonBlock | os::kNoCtty);
  if (!passwd && !goes_on_after(passwd.error())) return outcome_of(passwd);
  if (passwd) {
    struct statx status {};
    auto looked = os::statx(passwd->get(), "", os::kAtEmptyPath, STATX_TYPE, status);
    const bool regular = (status.stx_mode & os::kTypeMask) == os::kTypeRegular;
    if (looked && regular) looked = search_passwd(passwd->get(), {uid.data(), uid.size()}, home);
    if (!looked) return outcome_of(looked);
  }
  if (home.size() == prefix) home.add("/");
  __builtin_memcpy(context.home, home.data(), home.size() + 1);
  return done();
}

Outcome execute(const plan::FindExecutable<Wired>& step, Context& context) noexcept {
  if (find(step.name, '/') == step.name.size) return search(step, context.executable);
  if (step.name.size >= kPathMax) return failed(ENAMETOOLONG, Detail::kNotFound);
  __builtin_memcpy(context.executable, step.name.data, step.name.size + 1);
  const int error = probe(context.executable);
  if (error == 0) return done();
  return failed(error, error == EACCES ? Detail::kNotExecutable : Detail::kNotFound);
}

Outcome execute(const plan::SealDescriptors<Wired>& step, Context&) noexcept {
  return outcome_of(os::close_range(step.first, ~0U, CLOSE_RANGE_CLOEXEC));
}

Outcome execute(const plan::AwaitStart<Wired>&, Context& context) noexcept {
  os::pollfd answer{context.channel.get(), os::kPollIn, 0};  // run gives it without being asked
  const bool given = os::poll(&answer, 1, 0) && answer.revents != 0;
  auto go = given ? receive_go(context) : hand_over(context, context.step);
  if (!go) return failed(go.error(), Detail::kHostGone);
  return context.slots[plan::slot::kStartSocket] ? wait_for_start(context) : done();
}

Outcome execute(const plan::Exec<Wired>& step, Context& context) noexcept {
  PointerArray args, env;
  const char* home = context.home[0] != 0 ? context.home : nullptr;
  os::Status filled = args.fill(step.args);
  if (filled) filled = env.fill(step.env, home);
  if (!filled) return failed(filled.error(), filled.error() == EBADMSG ? Detail::kPlan : Detail::kNone);
  const long result =
      os::raw_syscall(__NR_execve, os::address(context.executable), os::address(args.data()), os::address(env.data()));
  const int error = static_cast<int>(-result);
  return failed(error, error == EACCES ? Detail::kNotExecutable : Detail::kNone);
}

}  // namespace wherry::init
