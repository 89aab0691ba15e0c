// SPDX-License-Identifier: Apache-2.0
// events: what a container uses, and when the kernel kills in it for want of memory.
#include <array>
#include <optional>

#include "cgroup/cgroupfs.hpp"
#include "cgroup/stats.hpp"
#include "container/stats_json.hpp"
#include "container/status.hpp"
#include "oci/state.hpp"
#include "os/core/calls.hpp"
#include "wherry/wherry.hpp"

namespace wherry {
namespace {

using container::Container;
using std::int64_t;

constexpr short kPollPri = 2;  // kernfs: the file has changed since this descriptor read it

Container load_running(const Settings& settings, const std::string& id) {
  Container found = container::load(settings.root, id);
  if (!found.process)
    throw Error("events of container " + id)
        .detail(std::string("container not running: it is ") + container::name_of(found.status));
  if (!found.cgroup) throw Error("events of container " + id).detail("it has no cgroup");
  return found;
}

std::string event(const char* type, const std::string& id) {
  return std::string("{\"type\":\"") + type + "\",\"id\":" + oci::json_quote(id);
}

std::string stats_line(const Container& found) {
  const cgroup::Stats stats = cgroup::read_stats(found.cgroup.get());
  return event("stats", found.record.id) + ",\"data\":" + container::stats_json(stats) + "}";
}

// A file of cgroupfs whose changes are waited for; without its controller it is not there and never changes.
class WatchedFile {
 public:
  WatchedFile(int dir, const char* name) {
    auto opened = os::openat(dir, name, os::kRdOnly | os::kNoFollow);
    if (opened) file_ = std::move(*opened);
  }
  [[nodiscard]] int fd() const noexcept { return file_.get(); }

  // To be called when poll(2) has reported a change: until it is read, it is reported again.
  void read_on() {
    std::array<char, 512> buffer;
    (void)os::raw_syscall(__NR_pread64, file_.get(), os::address(buffer.data()), static_cast<long>(buffer.size()),
                          0);  // the values are read by name
  }

 private:
  os::Fd file_;
};

class Watch {
 public:
  Watch(Container found, std::chrono::milliseconds interval, const std::function<void(const std::string&)>& tell)
      : found_(std::move(found)),
        interval_ns_(interval.count() * 1000000),
        tell_(tell),
        memory_(found_.cgroup.get(), "memory.events"),
        population_(found_.cgroup.get(), "cgroup.events") {}

  void run() {
    memory_.read_on();
    population_.read_on();
    kills_ = kills();
    int64_t next = os::monotonic_ns() + interval_ns_;
    while (is_populated()) {
      wait_until(next);
      tell_kills();
      if (os::monotonic_ns() < next || !is_populated()) continue;
      tell_(stats_line(found_));
      next += interval_ns_;
    }
    tell_kills();
  }

 private:
  [[nodiscard]] uint64_t kills() const {
    return cgroup::read_counter(found_.cgroup.get(), "memory.events", "oom_kill");
  }
  // A cgroup that was removed has nobody in it.
  [[nodiscard]] bool is_populated() const { return cgroup::is_populated(found_.cgroup.get()); }

  void wait_until(int64_t time_ns) {
    const int64_t left_ms = (time_ns - os::monotonic_ns() + 999999) / 1000000;
    os::pollfd files[] = {{memory_.fd(), kPollPri, 0}, {population_.fd(), kPollPri, 0}};
    const auto ready = os::poll(files, 2, left_ms < 0 ? 0 : static_cast<int>(std::min<int64_t>(left_ms, 1 << 30)));
    if (!ready && ready.error() != EINTR) throw Error("wait for events").because(ready.error());
    if (files[0].revents != 0) memory_.read_on();
    if (files[1].revents != 0) population_.read_on();
  }

  void tell_kills() {
    const uint64_t now = kills();
    if (now > kills_) tell_(event("oom", found_.record.id) + "}");
    kills_ = std::max(now, kills_);
  }

  Container found_;
  int64_t interval_ns_;
  const std::function<void(const std::string&)>& tell_;
  WatchedFile memory_, population_;
  uint64_t kills_ = 0;
};

}  // namespace

std::string stats_event(const Settings& settings, const std::string& id) {
  return stats_line(load_running(settings, id));
}

void watch(const Settings& settings, const std::string& id, std::chrono::milliseconds interval,
           const std::function<void(const std::string&)>& tell) {
  Watch(load_running(settings, id), interval, tell).run();
}

}  // namespace wherry
