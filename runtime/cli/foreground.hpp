// SPDX-License-Identifier: Apache-2.0
// Waiting for a process that the caller started and did not detach from: its signals and its terminal.
#pragma once

#include <csignal>
#include <string>

#include "cli/log.hpp"
#include "wherry/wherry.hpp"

namespace wherry::cli {

// Keeps every signal pending from before the process is made until attend() passes it on, so that none is
// lost and none ends the program in between. The mask comes back with the destructor.
class BlockedSignals {
 public:
  explicit BlockedSignals(bool wanted);
  ~BlockedSignals();
  BlockedSignals(const BlockedSignals&) = delete;
  BlockedSignals& operator=(const BlockedSignals&) = delete;

 private:
  sigset_t before_{};
  bool wanted_;
};

// Passes signals on (not SIGCHLD and SIGURG), and what goes over the terminal if the process has one, until
// it ends; the rest of its output is read first. What it says by sd_notify(3) goes to `notify_socket`, until it
// is ready. The exit status, or 128 + signal. Wants blocked signals.
[[nodiscard]] int attend(Process& process, const std::string& notify_socket, Log& log);

}  // namespace wherry::cli
