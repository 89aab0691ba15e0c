// SPDX-License-Identifier: Apache-2.0
// From Create to Delete: what a worker does, and what follows when it is done.
#include <sys/epoll.h>

#include <csignal>

#include "os/files.hpp"
#include "shim/bundle.hpp"
#include "shim/log.hpp"
#include "shim/rootfs.hpp"
#include "shim/service.hpp"

namespace wherry::shim {
namespace {

// What still runs behind the container's back may hold its output open for ever; CRI's own limit for a delete is 10 s.
constexpr std::chrono::milliseconds kDrainLimit{1000};
constexpr std::chrono::milliseconds kLoggerGrace{2000}, kLoggerLimit{12000};

RuncOptions options_of(const std::optional<Any>& any) {
  RuncOptions options;
  if (!any || any->type_url.substr(any->type_url.rfind('/') + 1) != "containerd.runc.v1.Options") return options;
  if (!decode(any->value, options)) throw Error("read the runtime's options").detail("they are no runc Options");
  return options;
}

Streams streams_of(const Stdio& stdio) { return {stdio.process_end(0), stdio.process_end(1), stdio.process_end(2)}; }

// What is shared with a worker: it fills this in, the loop's thread takes it over when the worker is done.
struct Launching {
  std::shared_ptr<Stdio> stdio;
  Process made;
  os::Fd cgroup;
};

// Empty also when somebody has deleted the container behind the shim's back; its end is seen by its pidfd.
os::Fd cgroup_of(const TaskContainer& container) {
  try {
    return wherry::open_cgroup(container.settings, container.id);
  } catch (const Error& error) {
    log_warning(container.id + ": " + error.message());
    return {};
  }
}

CreateOptions create_options(const TaskContainer& container, const Stdio& stdio) {
  CreateOptions options;
  options.id = container.id;
  options.bundle = container.bundle;
  options.pid_file = container.bundle + "/" + kPidFile;
  options.no_pivot = container.options.no_pivot_root;
  options.no_new_keyring = container.options.no_new_keyring;
  options.detach = !container.init.paths.terminal;
  options.raw_console = false;
  if (options.detach) options.streams = streams_of(stdio);
  return options;
}

}  // namespace

void Service::create(const Call& call, const CreateTaskRequest& request) {
  if (stopping_) return call.fail(Code::kFailedPrecondition, "the shim is about to end");
  if (find(request.id)) return call.fail(Code::kAlreadyExists, "container " + request.id + ": already exists");
  if (!request.checkpoint.empty())
    return call.fail(Code::kUnimplemented, "restore from a checkpoint is not supported by this runtime");
  auto container = std::make_shared<TaskContainer>();
  container->id = request.id;
  container->bundle = request.bundle;
  container->options = options_of(request.options);
  if (!container->options.binary_name.empty())
    log_note(request.id + ": BinaryName " + container->options.binary_name + " is not used: the shim is the runtime");
  container->settings.root = state_root(container->options.root, namespace_);
  container->has_mounts = !request.rootfs.empty();
  container->init.paths = {request.standard_input, request.standard_output, request.standard_error, request.terminal};
  containers_[request.id] = container;

  auto launching = std::make_shared<Launching>();
  const auto work = [this, container, request, launching] {
    save_root(container->bundle, container->settings.root);
    if (container->options.systemd_cgroup || names_systemd_cgroup(container->bundle))
      container->settings.cgroup_manager = "systemd";
    const std::string rootfs = container->bundle + "/rootfs";
    launching->stdio = Stdio::open(container->init.paths, container->id, namespace_, container->options.io_uid,
                                   container->options.io_gid);
    // Before the launch: a hook may write more than a pipe holds.
    loop_.post([this, launching] { launching->stdio->start(loop_); });
    mount_rootfs(request.rootfs, rootfs);
    try {
      launching->made = wherry::create(container->settings, create_options(*container, *launching->stdio));
    } catch (...) {
      if (!request.rootfs.empty()) (void)unmount_rootfs(rootfs);  // the first error is the one that is told
      throw;
    }
    launching->cgroup = cgroup_of(*container);
  };
  workers_.run(work, [this, call, container, request, launching](const std::exception_ptr& failure) {
    if (launching->stdio) launching->stdio->close_process_ends();
    if (failure) {
      if (launching->stdio) end_logger(launching->stdio->take_logger());
      containers_.erase(container->id);
      call.fail(Code::kUnknown, "OCI runtime create failed: " + text_of(failure));
      return container->abandoned ? finish_if_empty() : void();
    }
    container->init.stdio = launching->stdio;
    container->cgroup = std::move(launching->cgroup);
    created(call, container, request, std::move(launching->made));
  });
}

void Service::created(const Call& call, const Container& container, const CreateTaskRequest& request,
                      wherry::Process made) {
  for (const std::string& warning : made.warnings) log_warning(container->id + ": " + warning);
  TaskProcess& init = container->init;
  container->creating = false;
  container->logger = init.stdio->take_logger();
  init.pid = made.pid;
  init.pidfd = std::move(made.pidfd);
  if (init.paths.terminal) init.stdio->start_terminal(loop_, std::move(made.console));
  watch_memory(container);
  events_.publish("/tasks/create", "TaskCreate",
                  TaskCreate{container->id, container->bundle, request.rootfs,
                             TaskIo{init.paths.in, init.paths.out, init.paths.err, init.paths.terminal}, "",
                             static_cast<std::uint32_t>(init.pid)});
  watch_process(container, init_of(container));
  call.answer(CreateTaskResponse{static_cast<std::uint32_t>(init.pid)});
  if (container->abandoned) remove_init(call, container);  // its answer goes nowhere
}

void Service::start(const Call& call, const ProcessRequest& request) {
  const Container container = need(call, request.id);
  const Process process = container ? need_process(call, container, request.exec_id) : nullptr;
  if (!process) return;
  if (process->starting || process->started || process->ended)
    return call.fail(Code::kFailedPrecondition,
                     std::string("cannot start a ") + (process->ended ? "stopped" : "running") + " process");
  if (request.exec_id.empty()) return start_init(call, container);
  start_exec(call, container, process);
}

void Service::start_init(const Call& call, const Container& container) {
  container->init.starting = true;
  workers_.run(
      [container] { wherry::start(container->settings, container->id); },
      [this, call, container](const std::exception_ptr& failure) {
        TaskProcess& init = container->init;
        init.starting = false;
        if (failure) {
          call.fail(Code::kUnknown, "OCI runtime start failed: " + text_of(failure));
        } else {
          init.started = true;
          events_.publish("/tasks/start", "TaskStart", TaskStart{container->id, static_cast<std::uint32_t>(init.pid)});
          call.answer(StartResponse{static_cast<std::uint32_t>(init.pid)});
        }
        // It may have ended meanwhile; its exit is told behind its start.
        watch_process(container, init_of(container));
      });
}

void Service::exec(const Call& call, const ExecRequest& request) {
  const Container container = need(call, request.id);
  if (!container) return;
  if (container->init.ended) return call.fail(Code::kFailedPrecondition, "container " + container->id + " has ended");
  if (container->paused) return call.fail(Code::kUnknown, "cannot exec in a paused container");
  if (request.exec_id.empty() || container->execs.contains(request.exec_id))
    return call.fail(Code::kAlreadyExists, "process " + request.exec_id + ": already exists");
  if (!request.spec) return call.fail(Code::kInvalidArgument, "the request has no process");
  auto process = std::make_shared<TaskProcess>();
  process->exec_id = request.exec_id;
  process->spec = request.spec->value;
  process->paths = {request.standard_input, request.standard_output, request.standard_error, request.terminal};
  container->execs[request.exec_id] = process;
  events_.publish("/tasks/exec-added", "TaskExecAdded", TaskExecAdded{container->id, request.exec_id});
  call.answer(Empty{});
}

void Service::start_exec(const Call& call, const Container& container, const Process& process) {
  if (container->init.ended) return call.fail(Code::kFailedPrecondition, "container " + container->id + " has ended");
  process->starting = true;
  ++container->running_execs;
  auto launching = std::make_shared<Launching>();
  const auto work = [this, container, process, launching] {
    launching->stdio =
        Stdio::open(process->paths, container->id, namespace_, container->options.io_uid, container->options.io_gid);
    ExecOptions options;
    options.id = container->id;
    options.process_json = process->spec;
    options.detach = !process->paths.terminal;
    options.raw_console = false;
    if (options.detach) options.streams = streams_of(*launching->stdio);
    launching->made = wherry::exec(container->settings, options);
  };
  workers_.run(work, [this, call, container, process, launching](const std::exception_ptr& failure) {
    process->starting = false;
    if (launching->stdio) launching->stdio->close_process_ends();
    if (!failure) {
      process->stdio = launching->stdio;
      return exec_started(call, container, process, std::move(launching->made));
    }
    if (launching->stdio) end_logger(launching->stdio->take_logger());
    --container->running_execs;
    process->ended = process->exited = true;
    process->exit_status = 255;  // as of a process that never was
    process->exited_at = now();
    for (const Call& waiter : process->waiters) waiter.answer(WaitResponse{process->exit_status, process->exited_at});
    process->waiters.clear();
    call.fail(Code::kUnknown, "OCI runtime exec failed: exec failed: " + text_of(failure));
    init_ended(container);
  });
}

void Service::exec_started(const Call& call, const Container& container, const Process& process, wherry::Process made) {
  process->pid = made.pid;
  process->pidfd = std::move(made.pidfd);
  process->started = true;
  process->spec.clear();
  process->spec.shrink_to_fit();
  if (process->paths.terminal)
    process->stdio->start_terminal(loop_, std::move(made.console));
  else
    process->stdio->start(loop_);
  if (process->input_closed) process->stdio->close_input();
  const auto pid = static_cast<std::uint32_t>(process->pid);
  events_.publish("/tasks/exec-started", "TaskExecStarted", TaskExecStarted{container->id, process->exec_id, pid});
  call.answer(StartResponse{pid});
  watch_process(container, process);
}

void Service::remove(const Call& call, const ProcessRequest& request) {
  const Container container = need(call, request.id);
  if (!container) return;
  if (!request.exec_id.empty()) return remove_exec(call, container, request.exec_id);
  remove_init(call, container);
}

void Service::remove_exec(const Call& call, const Container& container, const std::string& exec_id) {
  const Process process = need_process(call, container, exec_id);
  if (!process) return;
  if (process->starting || (process->started && !process->ended))
    return call.fail(Code::kUnknown, "cannot delete a running process");
  const auto done = [this, call, container, process] {
    if (process->stdio) end_logger(process->stdio->take_logger());
    container->execs.erase(process->exec_id);
    call.answer(DeleteResponse{static_cast<std::uint32_t>(process->pid), process->exit_status, process->exited_at});
  };
  if (!process->stdio) return done();
  process->stdio->drain(loop_, kDrainLimit, done);
}

void Service::remove_init(const Call& call, const Container& container) {
  TaskProcess& init = container->init;
  if (init.deleting) return call.fail(Code::kFailedPrecondition, "container " + container->id + " is being deleted");
  if (!init.ended && (init.started || init.starting))
    return call.fail(Code::kUnknown,
                     std::string("cannot delete a ") + (container->paused ? "paused" : "running") + " process");
  init.deleting = true;
  const auto drain = [this, call, container] {
    container->init.stdio->drain(loop_, kDrainLimit, [this, call, container] { take_away(call, container); });
  };
  if (init.exited) return drain();
  init.when_exited.push_back(drain);
  if (!init.ended) (void)os::pidfd_send_signal(init.pidfd.get(), SIGKILL);  // ESRCH: it has ended by itself
}

void Service::take_away(const Call& call, const Container& container) {
  const auto work = [container] {
    // By force: it succeeds also when somebody has taken the container away already.
    for (const std::string& warning : wherry::remove(container->settings, container->id, true))
      log_warning(container->id + ": " + warning);
    if (!container->has_mounts) return;
    if (const std::string left = unmount_rootfs(container->bundle + "/rootfs"); !left.empty()) throw Error(left);
  };
  workers_.run(work, [this, call, container](const std::exception_ptr& failure) {
    TaskProcess& init = container->init;
    if (failure) {
      init.deleting = false;  // it may be tried again
      return call.fail(Code::kUnknown, "OCI runtime delete failed: " + text_of(failure));
    }
    end_logger(std::move(container->logger));
    const auto pid = static_cast<std::uint32_t>(init.pid);
    events_.publish("/tasks/delete", "TaskDelete",
                    TaskDelete{container->id, pid, init.exit_status, init.exited_at, ""});
    containers_.erase(container->id);
    call.answer(DeleteResponse{pid, init.exit_status, init.exited_at});
    if (container->abandoned) finish_if_empty();
  });
}

// Its input has ended, and it may still have something to write. It is reaped when it goes, and made to go if it does
// not.
void Service::end_logger(Logger logger) {
  if (!logger) return;
  struct Ending {
    os::Child process;
    std::uint64_t watch = 0, gentle = 0, hard = 0;
  };
  auto ending = std::make_shared<Ending>();
  ending->process = std::move(logger.process);
  const auto signal_later = [this, ending](std::chrono::milliseconds delay, int signal) {
    return loop_.after(delay, [ending, signal] {
      (void)os::pidfd_send_signal(ending->process.pidfd.get(), signal);  // ESRCH: it has ended by itself
    });
  };
  ending->gentle = signal_later(kLoggerGrace, SIGTERM);
  ending->hard = signal_later(kLoggerLimit, SIGKILL);
  ending->watch = loop_.watch(ending->process.pidfd.get(), EPOLLIN, [this, ending](std::uint32_t) {
    (void)os::reap(ending->process.pidfd.get());  // its status concerns nobody
    loop_.cancel(ending->gentle);
    loop_.cancel(ending->hard);
    loop_.forget(ending->watch);
  });
}

}  // namespace wherry::shim
