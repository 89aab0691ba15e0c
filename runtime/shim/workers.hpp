// SPDX-License-Identifier: Apache-2.0
// Threads for what may block: launches, hooks, mounts. They come with the work and go when there has been none for a
// moment, so that a quiet shim has one thread.
#pragma once

#include <pthread.h>

#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>

#include "shim/loop.hpp"

namespace wherry::shim {

class Workers {
 public:
  explicit Workers(Loop& loop) : loop_(loop) {}
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  // `work` in a thread of its own, then `done` in the loop's thread, with what `work` has thrown. Beyond kMostThreads
  // it waits for its turn.
  void run(std::function<void()> work, std::function<void(std::exception_ptr)> done);

 private:
  static constexpr unsigned kMostThreads = 64;
  struct Job {
    std::function<void()> work;
    std::function<void(std::exception_ptr)> done;
  };

  struct Thread {
    Workers* workers = nullptr;
    void* stack = nullptr;
    pthread_t id{};
  };

  static void* serve(void* thread) noexcept;
  static void end_thread(Thread* thread) noexcept;  // in the loop's thread
  void serve() noexcept;
  void start_thread();

  Loop& loop_;
  std::mutex mutex_;
  std::condition_variable has_work_;
  std::deque<Job> jobs_;
  unsigned threads_ = 0, idle_ = 0;
};

}  // namespace wherry::shim
