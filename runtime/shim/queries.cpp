// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include "shim/metrics.hpp"
#include "shim/service.hpp"

namespace wherry::shim {

TaskStatus Service::status_of(const TaskContainer& container, const TaskProcess& process) {
  if (process.ended) return TaskStatus::kStopped;
  if (container.pausing) return TaskStatus::kPausing;
  if (container.paused) return TaskStatus::kPaused;
  return process.started ? TaskStatus::kRunning : TaskStatus::kCreated;
}

void Service::state(const Call& call, const ProcessRequest& request) {
  const Container container = need(call, request.id);
  const Process process = container ? need_process(call, container, request.exec_id) : nullptr;
  if (!process) return;
  StateResponse response;
  response.id = container->id;
  response.bundle = container->bundle;
  response.pid = static_cast<std::uint32_t>(process->pid);
  response.status = static_cast<std::uint32_t>(status_of(*container, *process));
  response.standard_input = process->paths.in;
  response.standard_output = process->paths.out;
  response.standard_error = process->paths.err;
  response.terminal = process->paths.terminal;
  response.exit_status = process->exit_status;
  if (process->ended) response.exited_at = process->exited_at;
  response.exec_id = process->exec_id;
  call.answer(response);
}

void Service::wait(const Call& call, const ProcessRequest& request) {
  const Container container = need(call, request.id);
  const Process process = container ? need_process(call, container, request.exec_id) : nullptr;
  if (!process) return;
  if (process->exited) return call.answer(WaitResponse{process->exit_status, process->exited_at});
  process->waiters.push_back(call);
}

// Never fails for a container that is not known: containerd asks whether the shim lives.
void Service::connect(const Call& call, const ProcessRequest& request) {
  const Container container = find(request.id);
  call.answer(ConnectResponse{static_cast<std::uint32_t>(::getpid()),
                              container ? static_cast<std::uint32_t>(container->init.pid) : 0, WHERRY_VERSION});
}

void Service::pids(const Call& call, const ProcessRequest& request) {
  const Container container = need(call, request.id);
  if (!container) return;
  auto found = std::make_shared<std::vector<pid_t>>();
  const auto look = [container, found] { *found = wherry::processes(container->settings, container->id); };
  workers_.run(look, [call, container, found](const std::exception_ptr& failure) {
    if (failure) return call.fail(Code::kUnknown, text_of(failure));
    // containerd takes an empty list for a leaked shim and kills it.
    if (found->empty() && !container->init.ended) found->push_back(container->init.pid);
    PidsResponse response;
    for (const pid_t pid : *found) {
      ProcessInfo& info = response.processes.emplace_back();
      info.pid = static_cast<std::uint32_t>(pid);
      for (const auto& [exec_id, process] : container->execs)
        if (process->pid == pid) info.info = Any{"containerd.runc.v1.ProcessDetails", encode(ProcessDetails{exec_id})};
    }
    call.answer(response);
  });
}

void Service::stats(const Call& call, const ProcessRequest& request) {
  const Container container = need(call, request.id);
  if (!container) return;
  if (!container->cgroup) return call.fail(Code::kNotFound, "container " + container->id + " has no cgroup");
  auto metrics = std::make_shared<std::string>();
  workers_.run([container, metrics] { *metrics = encode(metrics_of(cgroup::read_stats(container->cgroup.get()))); },
               [call, metrics](const std::exception_ptr& failure) {
                 if (failure) return call.fail(Code::kUnknown, text_of(failure));
                 call.answer(StatsResponse{Any{"io.containerd.cgroups.v2.Metrics", std::move(*metrics)}});
               });
}

}  // namespace wherry::shim
