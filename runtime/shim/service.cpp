// SPDX-License-Identifier: Apache-2.0
#include "shim/service.hpp"

#include <cerrno>

#include "oci/reader.hpp"

namespace wherry::shim {
namespace {

constexpr std::string_view kServices[] = {"containerd.task.v2.Task", "containerd.task.v3.Task"};

constexpr const char* kGone = "process already finished";

}  // namespace

struct Service::Method {
  std::string_view name;
  void (*handle)(Service& service, const Call& call, const std::string& payload);

  template <class Request, void (Service::*kFunction)(const Call&, const Request&)>
  static void call(Service& service, const Call& call, const std::string& payload) {
    Request request;
    if (!decode(payload, request)) return call.fail(Code::kInvalidArgument, "the payload is not what the method takes");
    (service.*kFunction)(call, request);
  }
};

const Service::Method Service::kMethods[] = {
    {"State", &Method::call<ProcessRequest, &Service::state>},
    {"Create", &Method::call<CreateTaskRequest, &Service::create>},
    {"Start", &Method::call<ProcessRequest, &Service::start>},
    {"Delete", &Method::call<ProcessRequest, &Service::remove>},
    {"Pids", &Method::call<ProcessRequest, &Service::pids>},
    {"Pause", &Method::call<ProcessRequest, &Service::pause>},
    {"Resume", &Method::call<ProcessRequest, &Service::resume>},
    {"Checkpoint", &Method::call<ProcessRequest, &Service::checkpoint>},
    {"Kill", &Method::call<KillRequest, &Service::kill>},
    {"Exec", &Method::call<ExecRequest, &Service::exec>},
    {"ResizePty", &Method::call<ResizeRequest, &Service::resize>},
    {"CloseIO", &Method::call<CloseIoRequest, &Service::close_io>},
    {"Update", &Method::call<UpdateRequest, &Service::update>},
    {"Wait", &Method::call<ProcessRequest, &Service::wait>},
    {"Stats", &Method::call<ProcessRequest, &Service::stats>},
    {"Connect", &Method::call<ProcessRequest, &Service::connect>},
    {"Shutdown", &Method::call<ShutdownRequest, &Service::shutdown>},
};

std::string text_of(const std::exception_ptr& failure) {
  try {
    std::rethrow_exception(failure);
  } catch (const Error& error) {
    return describe(error);
  } catch (const std::exception& error) {
    return error.what();
  }
}

Service::Service(Loop& loop, Workers& workers, Events& events, std::string container_namespace,
                 std::function<void()> finished)
    : loop_(loop),
      workers_(workers),
      events_(events),
      namespace_(std::move(container_namespace)),
      finished_(std::move(finished)) {}

Service::~Service() { loop_.forget(inotify_watch_); }

void Service::handle(const Call& call, const RpcRequest& request) {
  const bool known = request.service == kServices[0] || request.service == kServices[1];
  for (const Method& method : kMethods) {
    if (!known || method.name != request.method) continue;
    try {
      return method.handle(*this, call, request.payload);
    } catch (const std::exception& error) {
      return call.fail(Code::kUnknown, error.what());
    }
  }
  call.fail(Code::kUnimplemented, "service " + request.service + " has no method " + request.method + " here");
}

Service::Container Service::find(const std::string& id) const {
  const auto found = containers_.find(id);
  return found == containers_.end() ? nullptr : found->second;
}

Service::Container Service::need(const Call& call, const std::string& id) const {
  Container container = find(id);
  if (container && !container->creating) return container;
  call.fail(Code::kNotFound, "container " + id + " is not known: not found");
  return nullptr;
}

Service::Process Service::init_of(const Container& container) { return {container, &container->init}; }

Service::Process Service::need_process(const Call& call, const Container& container, const std::string& exec_id) {
  if (exec_id.empty()) return init_of(container);
  const auto found = container->execs.find(exec_id);
  if (found != container->execs.end()) return found->second;
  call.fail(Code::kNotFound, "process " + exec_id + " of container " + container->id + " is not known: not found");
  return nullptr;
}

void Service::kill(const Call& call, const KillRequest& request) {
  const Container container = need(call, request.id);
  const Process process = container ? need_process(call, container, request.exec_id) : nullptr;
  if (!process) return;
  if (request.signal > 64)
    return call.fail(Code::kInvalidArgument, "there is no signal " + std::to_string(request.signal));
  const int signal = static_cast<int>(request.signal);
  if (request.exec_id.empty() && request.all) {
    workers_.run([container, signal] { wherry::kill(container->settings, container->id, signal, true); },
                 [call, container](const std::exception_ptr& failure) {
                   if (failure && !container->init.ended) return call.fail(Code::kUnknown, text_of(failure));
                   call.answer(Empty{});
                 });
    return;
  }
  if (process->ended) return call.fail(Code::kNotFound, std::string(kGone) + ": not found");
  if (!process->pidfd) return call.fail(Code::kFailedPrecondition, "process not created");
  const auto sent = os::pidfd_send_signal(process->pidfd.get(), signal);
  if (sent) return call.answer(Empty{});
  if (sent.error() == ESRCH) return call.fail(Code::kNotFound, std::string(kGone) + ": not found");
  call.fail(Code::kUnknown, "signal process " + std::to_string(process->pid) + ": " + errno_name(sent.error()));
}

void Service::pause(const Call& call, const ProcessRequest& request) {
  const Container container = need(call, request.id);
  if (!container) return;
  container->pausing = true;
  workers_.run([container] { wherry::pause(container->settings, container->id); },
               [this, call, container](const std::exception_ptr& failure) {
                 container->pausing = false;
                 if (failure) return call.fail(Code::kUnknown, "OCI runtime pause failed: " + text_of(failure));
                 container->paused = !container->init.ended;
                 events_.publish("/tasks/paused", "TaskPaused", TaskPaused{container->id});
                 call.answer(Empty{});
               });
}

void Service::resume(const Call& call, const ProcessRequest& request) {
  const Container container = need(call, request.id);
  if (!container) return;
  workers_.run([container] { wherry::resume(container->settings, container->id); },
               [this, call, container](const std::exception_ptr& failure) {
                 if (failure) return call.fail(Code::kUnknown, "OCI runtime resume failed: " + text_of(failure));
                 container->paused = false;
                 events_.publish("/tasks/resumed", "TaskResumed", TaskResumed{container->id});
                 call.answer(Empty{});
               });
}

void Service::resize(const Call& call, const ResizeRequest& request) {
  const Container container = need(call, request.id);
  const Process process = container ? need_process(call, container, request.exec_id) : nullptr;
  if (!process) return;
  if (process->ended) return call.fail(Code::kUnknown, "cannot resize a stopped container");
  if (process->stdio)
    process->stdio->resize(static_cast<std::uint16_t>(request.width), static_cast<std::uint16_t>(request.height));
  call.answer(Empty{});
}

void Service::close_io(const Call& call, const CloseIoRequest& request) {
  const Container container = need(call, request.id);
  const Process process = container ? need_process(call, container, request.exec_id) : nullptr;
  if (!process) return;
  process->input_closed = process->input_closed || request.standard_input;
  if (process->input_closed && process->stdio) process->stdio->close_input();
  call.answer(Empty{});
}

// NOLINTNEXTLINE(readability-convert-member-functions-to-static): a method of the service, as the others
void Service::checkpoint(const Call& call, const ProcessRequest&) {
  call.fail(Code::kUnimplemented, "checkpoint is not supported by this runtime");
}

void Service::update(const Call& call, const UpdateRequest& request) {
  const Container container = need(call, request.id);
  if (!container) return;
  if (!request.resources) return call.fail(Code::kInvalidArgument, "the request has no resources");
  const auto work = [container, json = request.resources->value] {
    wherry::update(container->settings, container->id, oci::read_resources(json));
  };
  workers_.run(work, [call](const std::exception_ptr& failure) {
    if (failure) return call.fail(Code::kUnknown, "OCI runtime update failed: " + text_of(failure));
    call.answer(Empty{});
  });
}

// Obeyed when no container is left: in a pod it comes with each of them. For one that is being made it means that
// nobody waits for that any more, and comes no second time.
void Service::shutdown(const Call& call, const ShutdownRequest& request) {
  call.answer(Empty{});
  if (const Container container = find(request.id); container && container->creating) container->abandoned = true;
  finish_if_empty();
}

void Service::finish_if_empty() {
  if (!containers_.empty() || stopping_) return;
  stopping_ = true;
  finished_();
}

}  // namespace wherry::shim
