// SPDX-License-Identifier: Apache-2.0
// The one thread that waits: descriptors, timers, and work that other threads hand back.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "os/core/fd.hpp"

namespace wherry::shim {

// What one of its callbacks throws is logged, and the loop goes on.
class Loop {
 public:
  using Clock = std::chrono::steady_clock;
  using OnReady = std::function<void(std::uint32_t events)>;
  using Work = std::function<void()>;

  Loop();

  // Level triggered; `events` are epoll(7)'s. The descriptor stays the caller's and is forgotten before it is closed.
  // Returns 0 for a descriptor that can always be read and written, such as a file.
  [[nodiscard]] std::uint64_t watch(int fd, std::uint32_t events, OnReady callback);
  void change(std::uint64_t watch, std::uint32_t events);
  void forget(std::uint64_t watch);  // 0 and what is forgotten already: nothing

  std::uint64_t after(std::chrono::milliseconds delay, Work work);
  void cancel(std::uint64_t timer);

  // Does `work` in the loop's thread, soon. The only function that other threads may call.
  void post(Work work);

  // `idle` is called when nothing has happened for a while after something had.
  void run(const Work& idle);
  void stop() noexcept { stopped_ = true; }

 private:
  struct Watched {
    int fd;
    OnReady callback;
  };
  struct Timer {
    std::uint64_t id;
    Work work;
  };

  void wait(int timeout_ms);
  void do_posted();
  void do_due();
  [[nodiscard]] int until_next(bool idle) const;

  os::Fd epoll_, wakeup_;
  std::map<std::uint64_t, std::shared_ptr<Watched>> watched_;
  std::multimap<Clock::time_point, Timer> timers_;
  std::mutex mutex_;
  std::vector<Work> posted_;
  std::uint64_t last_id_ = 0;
  bool stopped_ = false;
};

}  // namespace wherry::shim
