// SPDX-License-Identifier: Apache-2.0
#include "container/launch.hpp"

#include <linux/prctl.h>

#include <algorithm>
#include <csignal>
#include <cstring>

#include "cgroup/devices.hpp"
#include "cgroup/stats.hpp"
#include "container/announce.hpp"
#include "container/host_hooks.hpp"
#include "container/id_maps.hpp"
#include "container/net_devices.hpp"
#include "container/resctrl.hpp"
#include "os/files.hpp"
#include "os/sockets.hpp"
#include "plan/narrate.hpp"
#include "wherry/error.hpp"

namespace wherry::container {
namespace {

// memory.events: how often a limit was met that could not be kept, and how often a process was killed for it.
std::uint64_t out_of_memory_events(int cgroup_dir) {
  return cgroup::read_counter(cgroup_dir, "memory.events", "oom") +
         cgroup::read_counter(cgroup_dir, "memory.events", "oom_kill");
}

using plan::Message;
using plan::MessageKind;

// The status page and the records, rounded up to whole pages: the plan behind it stays clean.
constexpr std::size_t kPageSize = 4096;

std::size_t status_size(std::size_t step_count) {
  const std::size_t used = sizeof(plan::StatusPage) + step_count * sizeof(plan::StepRecord);
  return (used + kPageSize - 1) / kPageSize * kPageSize;
}

// "1 MiB", "300 KiB": in the largest unit that it is a multiple of.
std::string readable_size(std::uint64_t bytes) {
  constexpr const char* kUnits[] = {" bytes", " KiB", " MiB", " GiB", " TiB"};
  std::size_t unit = 0;
  for (; bytes != 0 && bytes % 1024 == 0 && unit + 1 < std::size(kUnits); ++unit) bytes /= 1024;
  return std::to_string(bytes) + kUnits[unit];
}

template <class Wanted>
const Wanted* find_step(const plan::Plan& plan) {
  const auto index = plan::index_of<Wanted>(plan);
  return index ? &std::get<Wanted>(plan.steps[*index].step) : nullptr;
}

plan::StatusPage* map_page(int fd, std::size_t size) {
  const long mapped =
      os::raw_syscall(__NR_mmap, 0, static_cast<long>(size), 3 /* PROT_READ | PROT_WRITE */, 1 /* MAP_SHARED */, fd, 0);
  if (mapped < 0) throw Error("map the status page").because(static_cast<int>(-mapped));
  return reinterpret_cast<plan::StatusPage*>(mapped);
}

bool is_filtered() {
  const auto mode = os::prctl(PR_GET_SECCOMP);
  return mode && mode.value() != 0;
}

}  // namespace

Launch::Launch(const plan::Plan& plan, std::string document, oci::State state)
    : plan_(plan), document_(std::move(document)), state_(std::move(state)), host_durations_(plan.steps.size()) {}

Launch::~Launch() {
  if (page_ != nullptr) (void)os::raw_syscall(__NR_munmap, os::address(page_), static_cast<long>(page_size_));
}

void Launch::bind(plan::Slot slot, os::Fd fd) { outgoing_[slot] = std::move(fd); }

void Launch::load(InitProgram init, const std::vector<unsigned char>& encoded_plan, bool trace) {
  page_fd_ = init.take_page();
  channel_ = init.take_channel();
  page_size_ = status_size(plan_.steps.size());
  std::string memory(page_size_, '\0');
  plan::StatusPage header{};
  header.plan_offset = static_cast<uint32_t>(page_size_);
  header.plan_size = static_cast<uint32_t>(encoded_plan.size());
  header.trace = trace || tell_ ? 1 : 0;
  header.record_count = static_cast<uint32_t>(plan_.steps.size());
  std::memcpy(memory.data(), &header, sizeof header);
  memory.append(reinterpret_cast<const char*>(encoded_plan.data()), encoded_plan.size());
  if (auto written = os::write_all(page_fd_.get(), memory); !written)
    throw Error("write the plan").because(written.error());
  page_ = map_page(page_fd_.get(), page_size_);
  init_ = init.finish();
  is_child_ = true;
  if (tell_) tell_(plan::narrate_setup(init_.pid, plan_.steps.size()));
}

void Launch::start_early() {
  const auto await = plan::index_of<plan::AwaitStart<plan::Owned>>(plan_);
  cursor_ = await ? *await + 1 : cursor_;
  send_go();
  started_early_ = true;
}

void Launch::resume(os::Fd channel, pid_t pid, int cgroup_dir) {
  channel_ = std::move(channel);
  pid_ = pid;
  cgroup_dir_ = cgroup_dir;
  Message message;
  int fds[plan::kMaxSlots];
  auto received = os::receive_message(channel_.get(), &message, sizeof message, fds, plan::kMaxSlots);
  const bool greeted = received && received->size == sizeof message && message.kind == MessageKind::kReached &&
                       received->fd_count == 1 && message.slots[0] == plan::slot::kStatusPage;
  if (!greeted)
    throw Error("start the container").because(received ? EPIPE : received.error()).detail("its init did not answer");
  page_fd_.reset(fds[0]);
  page_size_ = status_size(plan_.steps.size());
  page_ = map_page(page_fd_.get(), page_size_);
  cursor_ = beside_ = told_ = message.step + 1;
  if (tell_) page_->trace = 1;
  at_await_start_ = true;
}

Launch::Reached Launch::play(const std::function<void()>& meanwhile) {
  for (bool first = true;; first = false) {
    if (!at_await_start_) execute_host_steps();  // else pid 1 asks for them when it has gone on
    at_await_start_ = false;
    send_go();
    if (first && meanwhile) meanwhile();
    execute_beside_steps();
    if (!outgoing_.empty()) send_go();  // what they have made is awaited
    prepare_beside_steps();
    if (!receive()) return finish();
    if (started_early_) {
      // Pid 1 came to AwaitStart before its answer, which is on its way.
      if (!receive()) return finish();
    }
    if (std::holds_alternative<plan::AwaitStart<plan::Owned>>(plan_.steps[cursor_].step)) {
      state_.status = "created";
      ++cursor_;
      at_await_start_ = true;
      reap_init();
      return Reached::kAwaitStart;
    }
  }
}

void Launch::release() {
  send_go();
  // It closes the channel as soon as it listens on start.sock. What it cannot do any more must not look created.
  if (receive()) throw Error("listen to wherry-init").because(EPROTO);
  if (__atomic_load_n(&page_->error, __ATOMIC_ACQUIRE) != 0) (void)finish();  // it throws
  if (tell_) tell_(plan::narrate_waiting());
}

void Launch::execute_host_steps() {
  while (cursor_ < plan_.steps.size() && plan_.steps[cursor_].lane == plan::Lane::kHost) {
    execute_timed(cursor_);
    ++cursor_;
  }
}

bool Launch::is_sync_point(uint32_t index) const {
  const plan::PlannedStep& planned = plan_.steps[index];
  return planned.lane == plan::Lane::kHost || std::holds_alternative<plan::AwaitStart<plan::Owned>>(planned.step);
}

// Those up to the next sync point that stand behind nothing of init's any more. The clone into the cgroup and the
// attachment of a filter to it take the same lock of the kernel: done at once they wait for each other.
void Launch::execute_beside_steps() {
  for (; beside_ < plan_.steps.size() && (beside_ < cursor_ || !is_sync_point(beside_)); ++beside_) {
    const plan::PlannedStep& planned = plan_.steps[beside_];
    if (std::holds_alternative<plan::SpawnPid1<plan::Owned>>(planned.step) && pid_ == 0) return;
    if (planned.lane == plan::Lane::kBeside) execute_timed(beside_);
  }
}

// What can be done for them while init clones.
void Launch::prepare_beside_steps() {
  if (pid_ != 0) return;
  for (uint32_t index = beside_; index < plan_.steps.size() && !is_sync_point(index); ++index)
    if (const auto* filter = std::get_if<plan::AttachDeviceFilter>(&plan_.steps[index].step))
      device_program_ = cgroup::load_device_program(filter->rules);
}

void Launch::execute_timed(uint32_t index) {
  const plan::PlannedStep& planned = plan_.steps[index];
  const int64_t before = os::monotonic_ns();
  try {
    std::visit([this](const auto& step) { execute(step); }, planned.step);
  } catch (Error& error) {
    if (std::holds_alternative<plan::RunHook<plan::Owned>>(planned.step)) failed_in_hook_ = true;
    if (error.pointer().empty() && !planned.origin.empty()) throw std::move(error).in(document_, planned.origin);
    throw;
  }
  host_durations_[index] = static_cast<uint64_t>(os::monotonic_ns() - before);
  tell_step(index);
}

void Launch::execute(const plan::CreateCgroup& step) {
  manager_ = cgroup::cgroupfs_manager({step.mount, step.path});
  create_cgroup();
}

void Launch::execute(const plan::StartScope& step) {
  manager_ = cgroup::systemd_manager({{step.mount, step.path}, step.slice, step.unit, step.bus, step.properties},
                                     std::move(systemd_));
  create_cgroup();
  // Only now is the unit sure to be this container's, and until now it held nothing but init, which ends with this
  // process and takes the scope along.
  if (on_scope_) on_scope_(manager_->location());
}

void Launch::create_cgroup() {
  static const plan::Limits kNoLimits;
  static const std::vector<plan::DeviceRule> kNoRules;
  const auto* limits = find_step<plan::SetLimits>(plan_);
  const auto* filter = find_step<plan::AttachDeviceFilter>(plan_);
  cgroup_ = manager_->create(limits != nullptr ? *limits->limits : kNoLimits,
                             filter != nullptr ? filter->rules : kNoRules, init_.pid);
  cgroup_dir_ = cgroup_.get();
  auto copy = os::duplicate(cgroup_.get());
  if (!copy) throw Error("open the cgroup " + manager_->location().path).because(copy.error());
  bind(plan::slot::kCgroup, std::move(*copy));
}

void Launch::execute(const plan::SetLimits& step) { manager_->set_limits(cgroup_.get(), *step.limits); }

void Launch::execute(const plan::DelegateCgroup& step) { cgroup::delegate(cgroup_.get(), step.uid, step.gid); }

void Launch::execute(const plan::AttachDeviceFilter& step) {
  if (!device_program_) device_program_ = cgroup::load_device_program(step.rules);
  if (device_program_) manager_->set_devices(cgroup_.get(), step.rules, device_program_.get());
  device_program_.reset();
}

void Launch::execute(const plan::MapIds& step) const { write_id_maps(step, init_.pid); }

void Launch::execute(const plan::CreateIdMapping& step) { bind(step.slot, make_id_mapping(step)); }

void Launch::execute(const plan::MapTree& step) {
  const Error failure("map the ids of a mount");
  const auto tree = trees_.extract(step.slot);
  if (tree.empty()) throw Error(failure).because(EPROTO);
  os::Fd joined;
  if (!step.user_namespace.empty()) {
    auto opened = os::openat(os::kAtFdcwd, step.user_namespace.c_str(), os::kRdOnly);
    if (!opened) throw Error("open " + step.user_namespace).because(opened.error());
    joined = std::move(*opened);
  }
  const os::Fd mapping = joined ? std::move(joined) : make_id_mapping({step.uids, step.gids, step.slot});
  mount_attr attributes{MOUNT_ATTR_IDMAP, 0, 0, static_cast<std::uint64_t>(mapping.get())};
  const unsigned flags = static_cast<unsigned>(os::kAtEmptyPath | (step.recursive ? os::kAtRecursive : 0));
  if (auto mapped = os::mount_setattr(tree.mapped().get(), "", flags, attributes); !mapped)
    throw Error(failure)
        .because(mapped.error())
        .detail(mapped.error() == EINVAL ? "this kernel cannot map the ids of this file system" : "");
}

void Launch::execute(const plan::MoveNetDevice& step) const { move_net_device(step, network_.get(), init_.pid); }

void Launch::execute(const plan::JoinResctrlGroup& step) const { join_resctrl_group(step, init_.pid); }

void Launch::execute(const plan::ProvideHookState& step) {
  state_.status = step.status;
  if (pid_ != 0) state_.pid = pid_;
  auto memory = os::sealed_memory("wherry-hook-state", oci::hook_state_json(state_), false);
  if (!memory) throw Error("make the state document for hooks").because(memory.error());
  bind(plan::slot::kHookState, std::move(*memory));
}

void Launch::execute(const plan::RunHook<plan::Owned>& step) { run_hook(step, oci::hook_state_json(state_)); }

// Runs while pid 1 is on its way to the filter.
void Launch::execute(const plan::HandOverListener& step) {
  while (!listener_) {
    if (next_message()) continue;
    check_that_program_runs();
    throw Error("hand over the seccomp listener").because(EPIPE);
  }
  oci::State state = state_;
  if (!state.pid) state.pid = pid_;
  const std::string document = oci::seccomp_state_json(state, pid_, step.metadata);
  const os::Fd listener = std::move(listener_);
  send_descriptor(step.path, listener.get(), "seccomp listener", document, "failed to connect with seccomp agent");
  send_go();
}

template <class Step>
void Launch::execute(const Step&) const {  // as const as the others: overload resolution prefers them then
  throw Error(std::string("execute ") + Step::kName).detail("it is no step of the host's");
}

void Launch::send_go() {
  Message message{};
  message.kind = MessageKind::kGo;
  message.step = cursor_;
  int fds[plan::kMaxSlots];
  for (const auto& [slot, fd] : outgoing_) {
    fds[message.slot_count] = fd.get();
    message.slots[message.slot_count++] = slot;
  }
  const auto sent = os::send_message(channel_.get(), &message, sizeof message, fds, message.slot_count);
  // EPIPE: init has failed meanwhile, and its last words are still to be read.
  if (!sent && sent.error() != EPIPE && sent.error() != ECONNRESET)
    throw Error("speak to wherry-init").because(sent.error());
  outgoing_.clear();
}

// Pid 1 may have the word before init has told its pid.
bool Launch::needs_pid() const {
  const auto spawn = plan::index_of<plan::SpawnPid1<plan::Owned>>(plan_);
  return pid_ == 0 && spawn && cursor_ > *spawn;
}

// wherry-init may be killed while pid 1, of which it was to tell, holds the channel open.
void Launch::wait_for_word() {
  if (pid_ != 0) return;
  os::pollfd fds[2] = {{init_.pidfd.get(), os::kPollIn, 0}, {channel_.get(), os::kPollIn, 0}};
  while (fds[0].revents == 0 && fds[1].revents == 0) {
    auto ready = os::poll(fds, 2, -1);
    if (!ready && ready.error() != EINTR) throw Error("listen to wherry-init").because(ready.error());
  }
  // Its last words are on the channel, unless it was killed before it could say them.
  auto said = os::poll(&fds[1], 1, 0);
  while (!said && said.error() == EINTR) said = os::poll(&fds[1], 1, 0);
  if (!said) throw Error("listen to wherry-init").because(said.error());
  if (fds[1].revents == 0) throw Error("set up the container").detail("wherry-init was killed");
}

std::optional<Message> Launch::next_message() {
  Message message;
  int numbers[plan::kMaxSlots];
  auto received = os::receive_message(channel_.get(), &message, sizeof message, numbers, plan::kMaxSlots);
  if (!received && received.error() != ECONNRESET) throw Error("listen to wherry-init").because(received.error());
  if (!received || received->size == 0) return std::nullopt;
  std::vector<os::Fd> fds;
  for (unsigned i = 0; i < received->fd_count; ++i) fds.emplace_back(numbers[i]);
  if (received->size != sizeof message) throw Error("listen to wherry-init").because(EPROTO);
  if (message.kind == MessageKind::kFailed)
    fail({message.step, message.error, static_cast<plan::Detail>(message.detail), message.argument});
  if (message.kind == MessageKind::kProduced) accept_produced(message, std::move(fds));
  return message;
}

bool Launch::receive() {
  bool turn = false;
  while (!turn || needs_pid()) {
    wait_for_word();
    const auto message = next_message();
    if (!message) return false;
    if (message->kind != MessageKind::kReached) continue;
    if (message->step >= plan_.steps.size()) throw Error("listen to wherry-init").because(EPROTO);
    cursor_ = message->step;
    turn = true;
  }
  tell_container_steps(cursor_);  // behind the clone, even where pid 1's word came first
  return true;
}

void Launch::accept_produced(const Message& message, std::vector<os::Fd> fds) {
  if (fds.size() != 1 || message.slot_count != 1) throw Error("listen to wherry-init").because(EPROTO);
  switch (message.slots[0]) {
    case plan::slot::kPid1:
      pid_ = message.pid;
      pidfd_ = std::move(fds[0]);
      if (tell_) {
        reap_init();  // it still writes how long the clone took
        tell_container_steps(plan::index_of<plan::SpawnPid1<plan::Owned>>(plan_).value_or(0));
        tell_(plan::narrate_pid1(pid_));
      }
      if (find_step<plan::StartScope>(plan_) != nullptr) {
        reap_init();  // it is in the scope itself
        manager_->first_leaves(cgroup_.get());
      }
      execute_beside_steps();
      if (on_pid1_) on_pid1_();
      return;
    case plan::slot::kConsole:
      console_ = std::move(fds[0]);
      return;
    case plan::slot::kListener:
      listener_ = std::move(fds[0]);
      return;
    case plan::slot::kNetwork:
      network_ = std::move(fds[0]);
      return;
    case plan::slot::kUserNamespace:
      user_namespace_ = std::move(fds[0]);
      return;
    default:
      if (!awaits_tree(message.slots[0])) throw Error("listen to wherry-init").because(EPROTO);
      trees_[message.slots[0]] = std::move(fds[0]);
  }
}

bool Launch::awaits_tree(plan::Slot slot) const {
  return std::any_of(plan_.steps.begin(), plan_.steps.end(), [&](const plan::PlannedStep& planned) {
    const auto* map = std::get_if<plan::MapTree>(&planned.step);
    return map != nullptr && map->slot == slot;
  });
}

void Launch::fail(const plan::Failure& failure) {
  tell_container_steps(failure.step);
  failed_in_hook_ = failure.step < plan_.steps.size() &&
                    std::holds_alternative<plan::RunHook<plan::Owned>>(plan_.steps[failure.step].step);
  if (failure.error == ENOMEM && failure.step < plan_.steps.size() && ran_out_of_memory())
    fail_for_memory("ENOMEM at: " + plan::phrase(plan_.steps[failure.step].step));
  plan::Failure known = failure;
  known.filtered = is_filtered();
  throw plan::diagnose(plan_, known, document_);
}

bool Launch::ran_out_of_memory() const {
  return cgroup_dir_ >= 0 && out_of_memory_events(cgroup_dir_) > events_before_;
}

void Launch::watch_memory(int cgroup_dir) {
  cgroup_dir_ = cgroup_dir;
  events_before_ = out_of_memory_events(cgroup_dir);
}

void Launch::fail_for_memory(const std::string& what) const {
  const auto limit = cgroup::read_limit(cgroup_dir_, "memory.max");
  const auto* limits = find_step<plan::SetLimits>(plan_);
  Error error((limit ? "memory limit " + readable_size(*limit) : std::string("the memory limit of a parent cgroup")) +
              " is too small");
  const bool own = limit && limits != nullptr && (*limits->limits).memory_max;
  if (own) (void)std::move(error).in(document_, "/linux/resources/memory/limit");  // in place
  throw std::move(error).detail(what).remedy("raise it");                          // NOLINT(bugprone-use-after-move)
}

bool Launch::hooks_begun() const noexcept {
  const std::size_t reached = std::max(cursor_, page_ == nullptr ? 0 : page_->step);
  for (std::size_t i = 0; i <= reached && i < plan_.steps.size(); ++i)
    if (std::holds_alternative<plan::RunHook<plan::Owned>>(plan_.steps[i].step)) return true;
  return false;
}

// The channel has ended: either Exec closed it, or whoever held it died.
void Launch::check_that_program_runs() {
  const int error = __atomic_load_n(&page_->error, __ATOMIC_ACQUIRE);
  const uint32_t step = page_->step;
  if (error != 0) fail({step, error, static_cast<plan::Detail>(page_->detail), page_->argument});
  if (pid_ == 0) fail_without_plan();
  const bool executed =
      step < plan_.steps.size() && std::holds_alternative<plan::Exec<plan::Owned>>(plan_.steps[step].step);
  if (!executed) {
    const std::string where = step < plan_.steps.size() ? plan::phrase(plan_.steps[step].step) : "set up";
    if (ran_out_of_memory()) fail_for_memory("the kernel killed the container's init at: " + where);
    throw Error("set up the container")
        .detail("its init was killed at: " + where)
        .remedy("see the kernel log: a memory limit may be too small, or the seccomp filter too strict");
  }
}

Launch::Reached Launch::finish() {
  check_that_program_runs();
  reap_init();
  state_.status = "running";
  cursor_ = page_->step + 1;
  tell_container_steps(page_->step);
  if (tell_) tell_(plan::narrate_exec(plan_));
  execute_host_steps();
  return Reached::kExec;
}

bool Launch::is_host_step(uint32_t index) const {
  const plan::Lane lane = plan_.steps[index].lane;
  return lane == plan::Lane::kHost || lane == plan::Lane::kBeside;
}

plan::StepTiming Launch::timing(uint32_t index) const {
  const plan::StepRecord& record = page_->records[index];
  return {is_host_step(index) ? host_durations_[index] : record.duration_ns, record.rung};
}

std::vector<plan::StepTiming> Launch::timings() const {
  std::vector<plan::StepTiming> timings;
  for (uint32_t i = 0; i < plan_.steps.size(); ++i) timings.push_back(timing(i));
  return timings;
}

void Launch::tell_step(uint32_t index) const {
  if (!tell_) return;
  for (const std::string& line : plan::narrate(plan_.steps[index], timing(index))) tell_(line);
}

void Launch::tell_container_steps(uint32_t end) {
  if (!tell_) return;
  for (; told_ < end && told_ < plan_.steps.size(); ++told_)
    if (!is_host_step(told_)) tell_step(told_);
}

// It has ended before there was a pid 1, and has written nothing on the page.
void Launch::fail_without_plan() {
  const auto exit = reap_init();
  if (exit && !exit->signaled && exit->code > plan::kExitWithoutPlan)
    throw Error("read the plan in wherry-init").because(exit->code - plan::kExitWithoutPlan);
}

std::optional<os::Exit> Launch::reap_init() {
  if (!init_.pidfd) return std::nullopt;
  const auto exit = os::reap(init_.pidfd.get());
  if (!exit) throw Error("wait for wherry-init").because(exit.error());
  init_.pidfd.reset();
  return exit.value();
}

void Launch::abandon() noexcept {
  if (init_.pidfd) (void)os::pidfd_send_signal(init_.pidfd.get(), SIGKILL);
  if (init_.pidfd) (void)os::reap(init_.pidfd.get());  // it was killed above
  if (!pidfd_ && channel_) pidfd_ = unread_pid1(channel_.get());
  channel_.reset();  // whoever waits for a turn ends
  if (pidfd_) (void)os::pidfd_send_signal(pidfd_.get(), SIGKILL);
  if (pidfd_ && is_child_) (void)os::reap(pidfd_.get());  // it was killed above
}

os::Fd unread_pid1(int channel) noexcept {
  os::Fd found;
  os::pollfd readable{channel, os::kPollIn, 0};
  while (!found && os::poll(&readable, 1, 0) && (readable.revents & os::kPollIn) != 0) {
    Message message{};
    int numbers[plan::kMaxSlots];
    const auto received = os::receive_message(channel, &message, sizeof message, numbers, plan::kMaxSlots);
    if (!received || received->size == 0) break;
    for (unsigned i = 0; i < received->fd_count; ++i) {
      os::Fd fd(numbers[i]);
      if (message.kind == MessageKind::kProduced && message.slots[i] == plan::slot::kPid1) found = std::move(fd);
    }
  }
  return found;
}

}  // namespace wherry::container
