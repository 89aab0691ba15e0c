// SPDX-License-Identifier: Apache-2.0
#include "shim/loop.hpp"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "shim/log.hpp"
#include "wherry/error.hpp"

namespace wherry::shim {
namespace {

constexpr std::chrono::milliseconds kUntilIdle{300};

os::Fd must(int fd, const char* what) {
  if (fd < 0) throw Error(what).because(errno);
  return os::Fd(fd);
}

// Whoever failed here has nobody to tell, and the containers of a shim that ends are lost to their engine.
void attempt(const Loop::Work& work) noexcept {
  try {
    work();
  } catch (const std::exception& error) {
    log_warning(error.what());
  }
}

}  // namespace

Loop::Loop()
    : epoll_(must(::epoll_create1(EPOLL_CLOEXEC), "make an epoll")),
      wakeup_(must(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "make an eventfd")) {
  (void)watch(wakeup_.get(), EPOLLIN, [this](std::uint32_t) {
    eventfd_t count = 0;
    (void)::eventfd_read(wakeup_.get(), &count);  // EAGAIN: somebody was faster
  });
}

std::uint64_t Loop::watch(int fd, std::uint32_t events, OnReady callback) {
  const std::uint64_t id = ++last_id_;
  epoll_event event{};
  event.events = events;
  event.data.u64 = id;
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) {
    if (errno == EPERM) return 0;  // epoll_ctl(2): the file does not support epoll
    throw Error("watch a descriptor").because(errno);
  }
  watched_[id] = std::make_shared<Watched>(Watched{fd, std::move(callback)});
  return id;
}

void Loop::change(std::uint64_t watch, std::uint32_t events) {
  const auto found = watched_.find(watch);
  if (found == watched_.end()) return;
  epoll_event event{};
  event.events = events;
  event.data.u64 = watch;
  (void)::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, found->second->fd, &event);  // it is there: watch() added it
}

void Loop::forget(std::uint64_t watch) {
  const auto found = watched_.find(watch);
  if (found == watched_.end()) return;
  (void)::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, found->second->fd, nullptr);
  watched_.erase(found);
}

std::uint64_t Loop::after(std::chrono::milliseconds delay, Work work) {
  const std::uint64_t id = ++last_id_;
  timers_.emplace(Clock::now() + delay, Timer{id, std::move(work)});
  return id;
}

void Loop::cancel(std::uint64_t timer) {
  const auto found =
      std::find_if(timers_.begin(), timers_.end(), [timer](const auto& entry) { return entry.second.id == timer; });
  if (found != timers_.end()) timers_.erase(found);
}

void Loop::post(Work work) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    posted_.push_back(std::move(work));
  }
  (void)::eventfd_write(wakeup_.get(), 1);  // EAGAIN: the loop is to be woken already
}

void Loop::do_posted() {
  std::vector<Work> posted;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    posted.swap(posted_);
  }
  for (const Work& work : posted) attempt(work);
}

void Loop::do_due() {
  while (!timers_.empty() && timers_.begin()->first <= Clock::now()) {
    const Work work = std::move(timers_.begin()->second.work);
    timers_.erase(timers_.begin());
    attempt(work);
  }
}

int Loop::until_next(bool idle) const {
  auto wait = idle ? std::chrono::milliseconds::max() : kUntilIdle;
  if (!timers_.empty()) {
    const auto left = timers_.begin()->first - Clock::now();
    wait = std::min(wait, std::max(std::chrono::ceil<std::chrono::milliseconds>(left), std::chrono::milliseconds(0)));
  }
  return wait == std::chrono::milliseconds::max() ? -1 : static_cast<int>(wait.count());
}

void Loop::wait(int timeout_ms) {
  std::array<epoll_event, 16> events;
  const int count = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), timeout_ms);
  for (int i = 0; i < count; ++i) {
    const epoll_event& event = events[static_cast<std::size_t>(i)];
    const std::uint64_t watch = event.data.u64;  // the structure is packed: no reference to what is in it
    const auto found = watched_.find(watch);
    if (found == watched_.end()) continue;  // forgotten by one that came before it
    const std::shared_ptr<Watched> held = found->second;
    attempt([&] { held->callback(event.events); });
  }
}

void Loop::run(const Work& idle) {
  bool rested = false;
  while (!stopped_) {
    const auto before = Clock::now();
    const int timeout = until_next(rested);
    wait(timeout);
    const bool quiet = timeout >= 0 && Clock::now() - before >= kUntilIdle;
    do_posted();
    do_due();
    if (!rested && quiet) idle();
    rested = quiet;
  }
}

}  // namespace wherry::shim
