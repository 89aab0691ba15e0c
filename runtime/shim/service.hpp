// SPDX-License-Identifier: Apache-2.0
// The Task service: containers and their processes, and what may be done with them in each state. Everything here
// happens in the loop's thread; what may block is handed to Workers and comes back.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "shim/events.hpp"
#include "shim/messages.hpp"
#include "shim/server.hpp"
#include "shim/stdio.hpp"
#include "shim/workers.hpp"
#include "wherry/wherry.hpp"

namespace wherry::shim {

// containerd.v1.types.Status
enum class TaskStatus : std::uint32_t { kCreated = 1, kRunning = 2, kStopped = 3, kPaused = 4, kPausing = 5 };

// A container's own process, or one that was added by Exec.
struct TaskProcess {
  std::string exec_id;  // empty for the container's own
  StdioPaths paths;
  std::string spec;  // of an added one until it is started: JSON
  std::shared_ptr<Stdio> stdio;
  pid_t pid = 0;
  os::Fd pidfd;
  std::uint64_t watch = 0;
  bool input_closed = false;  // by CloseIO, which may come before the start
  bool starting = false;      // a worker is at it
  bool started = false;
  bool ended = false;   // reaped
  bool exited = false;  // and told: its waiters and containerd know
  bool deleting = false;
  std::uint32_t exit_status = 0;
  Timestamp exited_at;
  std::vector<Call> waiters;
  std::vector<std::function<void()>> when_exited;
};

struct TaskContainer {
  std::string id, bundle;
  Settings settings;
  RuncOptions options;
  bool has_mounts = false;  // on <bundle>/rootfs
  bool creating = true;
  bool abandoned = false;  // containerd has given it up while it was made
  bool paused = false, pausing = false;
  TaskProcess init;
  std::map<std::string, std::shared_ptr<TaskProcess>> execs;
  unsigned running_execs = 0;  // started, or being started
  os::Fd cgroup;
  int oom_watch = -1;
  std::uint64_t oom_kills = 0;
  Logger logger;
};

class Service {
 public:
  // `finished` is called once, when a Shutdown is obeyed: no container is left.
  Service(Loop& loop, Workers& workers, Events& events, std::string container_namespace,
          std::function<void()> finished);
  ~Service();
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  void handle(const Call& call, const RpcRequest& request);
  [[nodiscard]] bool is_empty() const noexcept { return containers_.empty(); }

 private:
  using Container = std::shared_ptr<TaskContainer>;
  using Process = std::shared_ptr<TaskProcess>;  // of a container's own: shares the container's life
  struct Method;
  static const Method kMethods[];

  // queries.cpp: answered from memory, or by looking
  void state(const Call& call, const ProcessRequest& request);
  void wait(const Call& call, const ProcessRequest& request);
  void connect(const Call& call, const ProcessRequest& request);
  void pids(const Call& call, const ProcessRequest& request);
  void stats(const Call& call, const ProcessRequest& request);
  [[nodiscard]] static TaskStatus status_of(const TaskContainer& container, const TaskProcess& process);

  // service.cpp: small changes
  void kill(const Call& call, const KillRequest& request);
  void pause(const Call& call, const ProcessRequest& request);
  void resume(const Call& call, const ProcessRequest& request);
  void resize(const Call& call, const ResizeRequest& request);
  void close_io(const Call& call, const CloseIoRequest& request);
  void checkpoint(const Call& call, const ProcessRequest& request);
  void update(const Call& call, const UpdateRequest& request);
  void shutdown(const Call& call, const ShutdownRequest& request);
  void finish_if_empty();

  // life.cpp: from create to delete
  void create(const Call& call, const CreateTaskRequest& request);
  void created(const Call& call, const Container& container, const CreateTaskRequest& request, wherry::Process made);
  void start(const Call& call, const ProcessRequest& request);
  void start_init(const Call& call, const Container& container);
  void start_exec(const Call& call, const Container& container, const Process& process);
  void exec_started(const Call& call, const Container& container, const Process& process, wherry::Process made);
  void exec(const Call& call, const ExecRequest& request);
  void remove(const Call& call, const ProcessRequest& request);
  void remove_init(const Call& call, const Container& container);
  void take_away(const Call& call, const Container& container);
  void remove_exec(const Call& call, const Container& container, const std::string& exec_id);
  void end_logger(Logger logger);

  // exits.cpp
  void watch_process(const Container& container, const Process& process);
  void process_ended(const Container& container, const Process& process);
  void exec_ended(const Container& container, const Process& process);
  void init_ended(const Container& container);
  void tell_init_exit(const Container& container);
  void tell_exit(const Container& container, TaskProcess& process);
  void watch_memory(const Container& container);
  void memory_events_ready();
  void check_memory(const Container& container);

  [[nodiscard]] Container find(const std::string& id) const;
  // Both answer the call themselves when there is nothing of that name.
  [[nodiscard]] Container need(const Call& call, const std::string& id) const;
  [[nodiscard]] static Process need_process(const Call& call, const Container& container, const std::string& exec_id);
  [[nodiscard]] static Process init_of(const Container& container);

  Loop& loop_;
  Workers& workers_;
  Events& events_;
  std::string namespace_;
  std::function<void()> finished_;
  std::map<std::string, Container> containers_;
  os::Fd inotify_;
  std::uint64_t inotify_watch_ = 0;
  bool stopping_ = false;
};

[[nodiscard]] std::string text_of(const std::exception_ptr& failure);

}  // namespace wherry::shim
