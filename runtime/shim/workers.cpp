// SPDX-License-Identifier: Apache-2.0
#include "shim/workers.hpp"

#include <pthread.h>
#include <sys/mman.h>

#include <cerrno>
#include <chrono>
#include <memory>
#include <utility>

#include "wherry/error.hpp"

namespace wherry::shim {
namespace {

constexpr std::chrono::milliseconds kIdle{50};
constexpr std::size_t kStack = 1U << 20U, kGuard = 65536;  // its lowest part: a page of any size

}  // namespace

void Workers::run(std::function<void()> work, std::function<void(std::exception_ptr)> done) {
  const std::lock_guard<std::mutex> lock(mutex_);
  jobs_.push_back({std::move(work), std::move(done)});
  if (jobs_.size() > idle_ && threads_ < kMostThreads) start_thread();
  has_work_.notify_one();
}

// With no thread at all the work can never be done; otherwise one that there is will come to it.
void Workers::start_thread() {
  auto thread = std::make_unique<Thread>();
  thread->workers = this;
  // A stack of its own: those that the C library allocates it keeps for threads to come, with what they have touched.
  thread->stack = ::mmap(nullptr, kStack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
  int error = thread->stack == MAP_FAILED ? errno : ::mprotect(thread->stack, kGuard, PROT_NONE) != 0 ? errno : 0;
  if (error == 0) {
    pthread_attr_t attributes;
    (void)::pthread_attr_init(&attributes);
    (void)::pthread_attr_setstack(&attributes, thread->stack, kStack);
    error = ::pthread_create(&thread->id, &attributes, &Workers::serve, thread.get());
    (void)::pthread_attr_destroy(&attributes);
  }
  if (error == 0) {
    (void)thread.release();  // NOLINT(bugprone-unused-return-value): the thread hands itself to end_thread()
    ++threads_;
    return;
  }
  if (thread->stack != MAP_FAILED) (void)::munmap(thread->stack, kStack);
  if (threads_ != 0) return;
  Job job = std::move(jobs_.back());
  jobs_.pop_back();
  auto failure = std::make_exception_ptr(Error("start a thread").because(error));
  loop_.post([done = std::move(job.done), failure] { done(failure); });
}

void* Workers::serve(void* thread) noexcept {
  auto* const self = static_cast<Thread*>(thread);
  self->workers->serve();
  self->workers->loop_.post([self] { end_thread(self); });
  return nullptr;
}

void Workers::end_thread(Thread* thread) noexcept {
  (void)::pthread_join(thread->id, nullptr);  // it has nothing left to do
  (void)::munmap(thread->stack, kStack);
  delete thread;
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
