// SPDX-License-Identifier: Apache-2.0
#include "cli/foreground.hpp"

#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <optional>

#include "cli/terminal.hpp"
#include "wherry/error.hpp"

namespace wherry::cli {
namespace {

constexpr int kHangUpPauseMs = 50;

// What is passed on: SIGCHLD and SIGURG concern the program itself.
os::Fd open_signals() {
  sigset_t wanted;
  sigfillset(&wanted);
  sigdelset(&wanted, SIGCHLD);
  sigdelset(&wanted, SIGURG);
  const int number = signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK);
  if (number < 0) throw Error("signalfd").because(errno);
  return os::Fd(number);
}

bool ends_programs(int signal) {
  return signal == SIGINT || signal == SIGTERM || signal == SIGHUP || signal == SIGQUIT;
}

class Attendance {
 public:
  explicit Attendance(const Process& process) : process_(process), signals_(open_signals()) {
    if (process.console) terminal_.emplace(process.console.get());
  }

  void run() {
    while (!ended_ || (terminal_ && !abandoned_ && terminal_->finish())) wait_once();
  }

 private:
  void wait_once() {
    os::pollfd fds[2]{{signals_.get(), os::kPollIn, 0}, {ended_ ? -1 : process_.pidfd.get(), os::kPollIn, 0}};
    os::pollfd all[2 + Terminal::kStreams]{fds[0], fds[1], {-1, 0, 0}, {-1, 0, 0}, {-1, 0, 0}};
    os::pollfd streams[Terminal::kStreams]{};
    if (terminal_) terminal_->wishes(streams);
    for (unsigned i = 0; terminal_ && i < Terminal::kStreams; ++i) all[2 + i] = streams[i];

    const bool pausing = terminal_ && terminal_->hung_up();
    const auto ready = os::poll(all, 2 + Terminal::kStreams, pausing ? kHangUpPauseMs : -1);
    if (!ready) {
      if (ready.error() == EINTR) return;
      throw Error("poll").because(ready.error());
    }
    if (pausing) terminal_->retry();
    if (all[0].revents != 0) take_signals();
    if (all[1].revents != 0) ended_ = true;
    for (unsigned i = 0; i < Terminal::kStreams; ++i) streams[i] = all[2 + i];
    if (terminal_) terminal_->step(streams);
  }

  void take_signals() {
    signalfd_siginfo info{};
    for (;;) {
      const auto got = os::read(signals_.get(), &info, sizeof info);
      if (!got || got.value() != static_cast<long>(sizeof info)) return;
      take(static_cast<int>(info.ssi_signo), static_cast<pid_t>(info.ssi_pid));
    }
  }

  void take(int signal, pid_t sender) {
    if (signal == SIGPIPE && sender == getpid()) return;  // of our own write(2)
    if (signal == SIGWINCH && terminal_) return terminal_->resize();
    if (ended_) abandoned_ = abandoned_ || ends_programs(signal);
    (void)os::pidfd_send_signal(process_.pidfd.get(), signal);  // ESRCH: it ended, which poll(2) says next
  }

  const Process& process_;
  os::Fd signals_;
  std::optional<Terminal> terminal_;
  bool ended_ = false;
  bool abandoned_ = false;  // a signal came while its last output waited for a reader
};

}  // namespace

BlockedSignals::BlockedSignals(bool wanted) : wanted_(wanted) {
  sigset_t all;
  sigfillset(&all);
  if (wanted_ && sigprocmask(SIG_SETMASK, &all, &before_) != 0) throw Error("sigprocmask").because(errno);
}

BlockedSignals::~BlockedSignals() {
  if (wanted_) (void)sigprocmask(SIG_SETMASK, &before_, nullptr);  // a mask that was valid before
}

int attend(const Process& process) {
  Attendance(process).run();
  return wait_for(process);
}

}  // namespace wherry::cli
