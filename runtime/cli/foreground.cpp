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
  Attendance(Process& process, const std::string& notify_socket, Log& log)
      : process_(process), notify_socket_(notify_socket), log_(log), signals_(open_signals()) {
    if (process.console) terminal_.emplace(process.console.get());
  }

  void run() {
    while (!ended_ || (terminal_ && !abandoned_ && terminal_->finish())) wait_once();
    // Its last words may have been that it is ready. More than this wait for nobody: net.unix.max_dgram_qlen.
    for (int i = 0; i < kMostLastWords && process_.notify; ++i) take_notice();
  }

 private:
  void wait_once() {
    os::pollfd all[kOwn + Terminal::kStreams]{{signals_.get(), os::kPollIn, 0},
                                              {ended_ ? -1 : process_.pidfd.get(), os::kPollIn, 0},
                                              {process_.notify.get(), os::kPollIn, 0},
                                              {-1, 0, 0},
                                              {-1, 0, 0},
                                              {-1, 0, 0}};
    os::pollfd streams[Terminal::kStreams]{};
    if (terminal_) terminal_->wishes(streams);
    for (unsigned i = 0; terminal_ && i < Terminal::kStreams; ++i) all[kOwn + i] = streams[i];

    const bool pausing = terminal_ && terminal_->hung_up();
    const auto ready = os::poll(all, kOwn + Terminal::kStreams, pausing ? kHangUpPauseMs : -1);
    if (!ready) {
      if (ready.error() == EINTR) return;
      throw Error("poll").because(ready.error());
    }
    if (pausing) terminal_->retry();
    if (all[0].revents != 0) take_signals();
    if (all[1].revents != 0) ended_ = true;
    if (all[2].revents != 0) take_notice();
    for (unsigned i = 0; i < Terminal::kStreams; ++i) streams[i] = all[kOwn + i];
    if (terminal_) terminal_->step(streams);
  }

  // As with runc, the service manager's main process stays this one: it waits for the container and reports
  // its end.
  void take_notice() {
    bool done = true;
    try {
      done = forward_readiness(process_, notify_socket_, getpid());
    } catch (const Error& error) {
      log_.warning(error.message());
    }
    if (done) process_.notify.reset();
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

  static constexpr unsigned kOwn = 3;  // signals, the process, its notices
  static constexpr int kMostLastWords = 16;

  Process& process_;
  const std::string& notify_socket_;
  Log& log_;
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

int attend(Process& process, const std::string& notify_socket, Log& log) {
  Attendance(process, notify_socket, log).run();
  return wait_for(process);
}

}  // namespace wherry::cli
