// SPDX-License-Identifier: Apache-2.0
#include "container/launch.hpp"
#include "container/notify.hpp"
#include "container/saved.hpp"
#include "container/status.hpp"
#include "container/undo.hpp"
#include "os/sockets.hpp"
#include "wherry/wherry.hpp"

namespace wherry {
namespace {

using container::Container;

Error refusal(const Container& found) {
  const char* text = found.status == container::Status::kStopped ? "cannot start a container that has stopped"
                     : found.status == container::Status::kRunning || found.status == container::Status::kPaused
                         ? "cannot start an already running container"
                         : "cannot start a container that is being created";
  return Error("start container " + found.record.id).detail(text);
}

// config.md "Hooks": after a failing startContainer or poststart hook the container is stopped and deleted.
void take_away(const Container& found) noexcept {
  try {
    container::undo(found.record, found.process, found.cgroup);
    (void)container::run_poststop_hooks(found.directory, found.record);  // the first failure is the news
    found.directory.remove();
  } catch (const std::exception&) {
    // `delete --force` finds the rest by the record.
  }
}

// What is left to be waited for, without the lock.
struct Started {
  pid_t pid;
  os::Fd process, notify;
};

Started start_program(const Settings& settings, const std::string& id, bool notifies) {
  container::StateDirectory directory = container::StateDirectory::open(settings.root, id);
  directory.lock();
  Container found = container::load(std::move(directory));
  if (!container::can_start(found.status)) throw refusal(found);
  os::Fd notify = notifies ? container::bind_notify_socket(found.directory) : os::Fd{};
  const plan::Plan plan = container::read_saved_plan(found.directory);
  container::Launch launch(plan, "config.json", container::hook_state(found.record, "created"));
  launch.narrate_to(settings.tell);
  auto channel = os::connect_at(found.directory.fd(), container::kStartSocket, os::kSockSeqpacket);
  if (!channel) throw Error("start container " + id).because(channel.error()).detail("its init does not answer");
  launch.resume(std::move(*channel), found.record.pid, found.cgroup.get());
  found.directory.unlink(container::kStartSocket);
  try {
    (void)launch.play();
  } catch (const Error&) {
    if (launch.failed_in_hook()) take_away(found);
    throw;
  }
  return {found.record.pid, std::move(found.process), std::move(notify)};
}

}  // namespace

void start(const Settings& settings, const std::string& id, const std::string& notify_socket) {
  if (!notify_socket.empty()) container::check_notify_socket(notify_socket);
  const Started started = start_program(settings, id, !notify_socket.empty());
  if (started.notify)
    container::wait_until_ready(started.notify.get(), started.process.get(), started.pid, notify_socket);
}

}  // namespace wherry
