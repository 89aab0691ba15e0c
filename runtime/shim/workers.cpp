// SPDX-License-Identifier: Apache-2.0
#include "shim/workers.hpp"

#include <pthread.h>

#include <chrono>
#include <utility>

#include "wherry/error.hpp"

namespace wherry::shim {
namespace {

constexpr std::chrono::milliseconds kIdle{50};
constexpr std::size_t kStack = 1U << 20U;

}  // namespace

void Workers::run(std::function<void()> work, std::function<void(std::exception_ptr)> done) {
  const std::lock_guard<std::mutex> lock(mutex_);
  jobs_.push_back({std::move(work), std::move(done)});
  if (jobs_.size() > idle_ && threads_ < kMostThreads) start_thread();
  has_work_.notify_one();
}

// With no thread at all the work can never be done; otherwise one that there is will come to it.
void Workers::start_thread() {
  pthread_attr_t attributes;
  (void)::pthread_attr_init(&attributes);
  (void)::pthread_attr_setstacksize(&attributes, kStack);
  (void)::pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  pthread_t thread;
  const int error = ::pthread_create(&thread, &attributes, &Workers::serve, this);
  (void)::pthread_attr_destroy(&attributes);
  if (error == 0) {
    ++threads_;
  } else if (threads_ == 0) {
    Job job = std::move(jobs_.back());
    jobs_.pop_back();
    auto failure = std::make_exception_ptr(Error("start a thread").because(error));
    loop_.post([done = std::move(job.done), failure] { done(failure); });
  }
}

void* Workers::serve(void* workers) noexcept {
  static_cast<Workers*>(workers)->serve();
  return nullptr;
}

void Workers::serve() noexcept {
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    ++idle_;
    (void)has_work_.wait_for(lock, kIdle, [this] { return !jobs_.empty(); });  // what counts is whether there is work
    --idle_;
    if (jobs_.empty()) break;
    Job job = std::move(jobs_.front());
    jobs_.pop_front();
    lock.unlock();
    std::exception_ptr failure;
    try {
      job.work();
    } catch (...) {
      failure = std::current_exception();
    }
    job.work = nullptr;
    loop_.post([done = std::move(job.done), failure] { done(failure); });
    lock.lock();
  }
  --threads_;
}

}  // namespace wherry::shim
