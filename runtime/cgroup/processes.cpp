// SPDX-License-Identifier: Apache-2.0
// What is done to the processes of a cgroup: freezing, signals, waiting.
#include <algorithm>
#include <iterator>
#include <utility>

#include "cgroup/cgroupfs.hpp"
#include "cgroup/file.hpp"
#include "wherry/error.hpp"

namespace wherry::cgroup {
namespace {

constexpr int kSigkill = 9;
constexpr Timeout kFreezeForKill{500};
constexpr std::size_t kHeldAtOnce = 256;  // pidfds; RLIMIT_NOFILE is usually 1024

void set_freeze(int dir, const char* value) {
  if (const auto written = write_file(dir, "cgroup.freeze", value); !written)
    throw Error(std::string("write ") + value + " to cgroup.freeze").because(written.error());
}

std::string event(int dir, const char* key) {
  const auto events = read_file(dir, "cgroup.events");
  if (!events && is_removed(dir)) return {};
  if (!events) throw Error("read cgroup.events").because(events.error());
  return std::string(value_of(events.value(), key));
}

void add_pids(int dir, std::vector<int>& pids) {
  const auto text = read_file(dir, "cgroup.procs");
  // ENODEV, ENOENT: removed meanwhile. EOPNOTSUPP: a threaded cgroup, whose processes its domain lists.
  if (!text && (text.error() == ENODEV || text.error() == ENOENT || text.error() == EOPNOTSUPP)) return;
  if (!text) throw Error("read cgroup.procs").because(text.error());
  std::string_view rest = text.value();
  for (std::string_view word = next_word(rest); !word.empty(); word = next_word(rest)) {
    int pid = 0;
    for (const char digit : word) pid = pid * 10 + (digit - '0');
    if (pid > 0) pids.push_back(pid);  // 0 is a process outside of the caller's pid namespace
  }
}

// A pid is a name that may pass to another process between reading and signalling. A process held by its
// pidfd that is still listed afterwards is the one that was meant, or it is dead and the signal goes nowhere.
std::vector<int> signal_round(int dir, int signal, const std::vector<int>& done) {
  std::vector<std::pair<int, os::Fd>> held;
  for (const int pid : processes(dir)) {
    if (std::binary_search(done.begin(), done.end(), pid)) continue;
    auto pidfd = os::pidfd_open(pid);
    if (!pidfd && pidfd.error() == ESRCH) continue;
    if (!pidfd && held.empty()) throw Error("open a pidfd of " + std::to_string(pid)).because(pidfd.error());
    if (!pidfd) break;  // out of descriptors: the rest in the next round
    held.emplace_back(pid, std::move(*pidfd));
    if (held.size() >= kHeldAtOnce) break;
  }
  const std::vector<int> still = processes(dir);
  std::vector<int> signalled;
  for (const auto& [pid, pidfd] : held) {
    if (!std::binary_search(still.begin(), still.end(), pid)) continue;
    const auto sent = os::pidfd_send_signal(pidfd.get(), signal);
    if (!sent && sent.error() != ESRCH)
      throw Error("send signal " + std::to_string(signal) + " to process " + std::to_string(pid)).because(sent.error());
    signalled.push_back(pid);
  }
  return signalled;
}

// cgroup.kill came with Linux 5.14, and a threaded cgroup has none.
void kill_one_by_one(int dir) {
  set_freeze(dir, "1");
  // Frozen processes make no new ones; what cannot freeze in time is met by the rounds of signal_all().
  (void)wait_event(dir, "frozen", '1', Deadline(kFreezeForKill));
  signal_all(dir, kSigkill);
  set_freeze(dir, "0");
}

}  // namespace

void freeze(int dir_fd, Timeout timeout) {
  set_freeze(dir_fd, "1");
  if (wait_event(dir_fd, "frozen", '1', Deadline(timeout))) return;
  set_freeze(dir_fd, "0");
  throw Error("freeze the container's cgroup")
      .because(ETIMEDOUT)
      .detail("a process in uninterruptible sleep does not freeze")
      .remedy("try again");
}

void thaw(int dir_fd, Timeout timeout) {
  set_freeze(dir_fd, "0");
  if (wait_event(dir_fd, "frozen", '0', Deadline(timeout))) return;
  throw Error("thaw the container's cgroup")
      .because(ETIMEDOUT)
      .detail("a parent cgroup is frozen")
      .remedy("write 0 to the parent's cgroup.freeze");
}

bool is_frozen(int dir_fd) { return event(dir_fd, "frozen") == "1"; }
bool is_populated(int dir_fd) { return event(dir_fd, "populated") == "1"; }

void kill(int dir_fd) {
  const auto written = write_file(dir_fd, "cgroup.kill", "1");
  if (written || is_removed(dir_fd)) return;
  if (written.error() != ENOENT && written.error() != EOPNOTSUPP)
    throw Error("write 1 to cgroup.kill").because(written.error());
  kill_one_by_one(dir_fd);
}

void signal_all(int dir_fd, int signal) {
  constexpr int kRounds = 64;  // a fork bomb is for kill()
  std::vector<int> done;
  for (int round = 0; round < kRounds; ++round) {
    std::vector<int> signalled = signal_round(dir_fd, signal, done);
    if (signalled.empty()) return;
    std::vector<int> all;
    std::merge(done.begin(), done.end(), signalled.begin(), signalled.end(), std::back_inserter(all));
    done = std::move(all);
  }
}

std::vector<int> processes(int dir_fd) {
  std::vector<int> pids;
  walk(
      dir_fd, [&](int dir) { add_pids(dir, pids); }, [](int, const std::string&) {});
  std::sort(pids.begin(), pids.end());
  pids.erase(std::unique(pids.begin(), pids.end()), pids.end());
  return pids;
}

bool wait_empty(int dir_fd, Timeout timeout) { return wait_event(dir_fd, "populated", '0', Deadline(timeout)); }

}  // namespace wherry::cgroup
