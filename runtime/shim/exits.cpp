// SPDX-License-Identifier: Apache-2.0
// What follows the end of a process, in the order that containerd relies on: an exit behind its start, those of added
// processes before that of the container's own, and a kill for want of memory before the exit that it explains.
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "cgroup/stats.hpp"
#include "shim/log.hpp"
#include "shim/service.hpp"

namespace wherry::shim {
namespace {

// How long a terminal may go on to speak when its process has ended, if somebody else holds it.
constexpr std::chrono::milliseconds kTerminalLimit{200};

}  // namespace

// Not while a start is under way: then it is called again behind it.
void Service::watch_process(const Container& container, const Process& process) {
  if (process->watch != 0 || process->ended) return;
  process->watch = loop_.watch(process->pidfd.get(), EPOLLIN,
                               [this, container, process](std::uint32_t) { process_ended(container, process); });
}

void Service::process_ended(const Container& container, const Process& process) {
  loop_.forget(process->watch);
  process->watch = 0;
  if (process->starting) return;
  const auto exit = os::reap(process->pidfd.get());
  process->ended = true;
  process->exit_status = exit ? static_cast<std::uint32_t>(exit.value().status()) : 255;
  process->exited_at = now();
  process->pidfd.reset();
  if (process->paths.terminal) process->stdio->drain(loop_, kTerminalLimit, [] {});
  if (!process->exec_id.empty()) return exec_ended(container, process);
  container->paused = container->pausing = false;
  // In a pid namespace that is not its own, others outlive it.
  if (container->cgroup && cgroup::read_counter(container->cgroup.get(), "cgroup.events", "populated") != 0)
    workers_.run([container] { wherry::kill(container->settings, container->id, 9, true); },
                 [container](const std::exception_ptr& failure) {
                   if (failure) log_warning(container->id + ": " + text_of(failure));
                 });
  init_ended(container);
}

void Service::exec_ended(const Container& container, const Process& process) {
  tell_exit(container, *process);
  --container->running_execs;
  init_ended(container);
}

// The container's own exit is the last of its exits.
void Service::init_ended(const Container& container) {
  if (!container->init.ended || container->init.exited || container->running_execs != 0) return;
  check_memory(container);
  if (container->oom_watch >= 0) (void)::inotify_rm_watch(inotify_.get(), container->oom_watch);
  container->oom_watch = -1;
  tell_exit(container, container->init);
}

void Service::tell_exit(const Container& container, TaskProcess& process) {
  process.exited = true;
  events_.publish("/tasks/exit", "TaskExit",
                  TaskExit{container->id, process.exec_id.empty() ? container->id : process.exec_id,
                           static_cast<std::uint32_t>(process.pid), process.exit_status, process.exited_at});
  for (const Call& waiter : process.waiters) waiter.answer(WaitResponse{process.exit_status, process.exited_at});
  process.waiters.clear();
  const auto callbacks = std::move(process.when_exited);
  process.when_exited.clear();
  for (const auto& callback : callbacks) callback();
}

void Service::watch_memory(const Container& container) {
  if (!container->cgroup) return;
  if (!inotify_) {
    inotify_.reset(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
    if (!inotify_) return log_warning(std::string("watch for kills for want of memory: ") + errno_name(errno));
    inotify_watch_ = loop_.watch(inotify_.get(), EPOLLIN, [this](std::uint32_t) { memory_events_ready(); });
  }
  // ENOENT: a cgroup without the memory controller has no such kills to tell.
  const std::string file = "/proc/self/fd/" + std::to_string(container->cgroup.get()) + "/memory.events";
  container->oom_watch = ::inotify_add_watch(inotify_.get(), file.c_str(), IN_MODIFY);
}

void Service::memory_events_ready() {
  alignas(inotify_event) std::array<char, 4096> buffer;
  while (::read(inotify_.get(), buffer.data(), buffer.size()) > 0) {
  }
  // Few containers share a shim: all of them are looked at.
  for (const auto& [id, container] : containers_)
    if (container->oom_watch >= 0) check_memory(container);
}

void Service::check_memory(const Container& container) {
  if (!container->cgroup) return;
  const std::uint64_t kills = cgroup::read_counter(container->cgroup.get(), "memory.events", "oom_kill");
  if (kills > container->oom_kills) events_.publish("/tasks/oom", "TaskOOM", TaskOom{container->id});
  container->oom_kills = kills;
}

}  // namespace wherry::shim
