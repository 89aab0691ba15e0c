// SPDX-License-Identifier: Apache-2.0
// The host voice: plays the host's steps of a plan, and passes the turn to wherry-init and back (plan/protocol.hpp).
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cgroup/manager.hpp"
#include "cgroup/systemd.hpp"
#include "container/init_program.hpp"
#include "oci/state.hpp"
#include "os/spawn.hpp"
#include "plan/diagnose.hpp"
#include "plan/explain.hpp"
#include "plan/plan.hpp"
#include "plan/protocol.hpp"

namespace wherry::container {

class Launch {
 public:
  // `document` is what the plan's origins point into, for messages. `state` is what hooks are told; status and pid are
  // filled in as the plan goes on.
  Launch(const plan::Plan& plan, std::string document, oci::State state);
  ~Launch();
  Launch(const Launch&) = delete;
  Launch& operator=(const Launch&) = delete;

  // A descriptor for init, under its name. Travels with the next turn.
  void bind(plan::Slot slot, os::Fd fd);

  // Gives the plan to a wherry-init that has been started.
  void load(InitProgram init, const std::vector<unsigned char>& encoded_plan, bool trace);
  // Lets pid 1 pass AwaitStart without waiting: to be called when pid 1 is known, before play() has returned.
  void start_early();
  // Takes over a container that waits: `channel` is connected to its start.sock. `cgroup_dir`, or -1, must outlive
  // this.
  void resume(os::Fd channel, pid_t pid, int cgroup_dir);

  // For a plan with a scope: a wherry-systemd that has been started ahead.
  void use(std::unique_ptr<cgroup::Systemd> systemd) { systemd_ = std::move(systemd); }
  // Called when systemd has made the cgroup, before anything of the container's is in it.
  void on_scope(std::function<void(const cgroup::Location&)> callback) { on_scope_ = std::move(callback); }

  // Called with a line for each step that was done (plan/narrate.hpp); to be set before load() or resume().
  void narrate_to(std::function<void(const std::string&)> tell) { tell_ = std::move(tell); }

  // Called once, as soon as pid 1 is known.
  void on_pid1(std::function<void()> callback) { on_pid1_ = std::move(callback); }

  enum class Reached { kAwaitStart, kExec };
  // Plays until pid 1 waits for start, or until the user's program runs and the host's last steps are done. Throws the
  // Error of the step that failed; then nothing of the plan is running any more but what the cgroup holds.
  // `meanwhile` is done once, while the container's voice has its first turn, and before anything is made that would
  // stay behind.
  Reached play(const std::function<void()>& meanwhile = {});

  [[nodiscard]] pid_t pid() const noexcept { return pid_; }
  [[nodiscard]] pid_t init_pid() const noexcept { return init_.pid; }  // of wherry-init, once it has its plan
  [[nodiscard]] int pidfd() const noexcept { return pidfd_.get(); }
  [[nodiscard]] os::Fd take_pidfd() noexcept { return std::move(pidfd_); }
  [[nodiscard]] os::Fd take_console() noexcept { return std::move(console_); }
  // Some hook of the plan has been run, or was being run.
  [[nodiscard]] bool hooks_begun() const noexcept;
  [[nodiscard]] bool failed_in_hook() const noexcept { return failed_in_hook_; }
  [[nodiscard]] std::vector<plan::StepTiming> timings() const;

  // Lets pid 1 go on alone: create ends here.
  void release();

  // For exec, whose cgroup has a past: the descriptor, not owned, to look at if the process ends before its program.
  void watch_memory(int cgroup_dir);

  // Kills and reaps what this launch has spawned and nobody else looks after.
  void abandon() noexcept;

 private:
  void execute_host_steps();
  void execute_beside_steps();
  void prepare_beside_steps();
  [[nodiscard]] bool is_sync_point(uint32_t index) const;
  void execute_timed(uint32_t index);
  void execute(const plan::CreateCgroup& step);
  void execute(const plan::StartScope& step);
  void execute(const plan::SetLimits& step);
  void execute(const plan::DelegateCgroup& step);
  void execute(const plan::AttachDeviceFilter& step);
  void execute(const plan::MapIds& step) const;
  void execute(const plan::CreateIdMapping& step);
  void execute(const plan::MapTree& step);
  void execute(const plan::MoveNetDevice& step) const;
  void execute(const plan::JoinResctrlGroup& step) const;
  void execute(const plan::ProvideHookState& step);
  void execute(const plan::RunHook<plan::Owned>& step);
  void execute(const plan::HandOverListener& step);
  template <class Step>
  void execute(const Step& step) const;
  void create_cgroup();

  void send_go();
  // The next message; what it produces is accepted, a failure is thrown. Nothing when the channel has ended.
  std::optional<plan::Message> next_message();
  // True when it is the host's turn; false when the channel has ended.
  bool receive();
  void wait_for_word();
  [[nodiscard]] bool needs_pid() const;
  std::optional<os::Exit> reap_init();  // which ends when it has told of pid 1; nothing if it has been reaped
  void fail_without_plan();
  [[nodiscard]] bool awaits_tree(plan::Slot slot) const;
  void accept_produced(const plan::Message& message, std::vector<os::Fd> fds);
  [[noreturn]] void fail(const plan::Failure& failure);
  void check_that_program_runs();
  [[nodiscard]] bool ran_out_of_memory() const;
  [[noreturn]] void fail_for_memory(const std::string& what) const;
  Reached finish();
  [[nodiscard]] bool is_host_step(uint32_t index) const;
  [[nodiscard]] plan::StepTiming timing(uint32_t index) const;
  void tell_step(uint32_t index) const;
  void tell_container_steps(uint32_t end);  // those up to it that were not told yet

  const plan::Plan& plan_;
  std::string document_;
  oci::State state_;
  uint32_t cursor_ = 0;  // the next step of the host's
  uint32_t beside_ = 0;  // the next step that may be one of the beside lane
  os::Fd channel_, page_fd_;
  plan::StatusPage* page_ = nullptr;
  std::size_t page_size_ = 0;
  os::Child init_;
  pid_t pid_ = 0;
  os::Fd pidfd_, console_, cgroup_, user_namespace_, device_program_, listener_, network_;
  std::unique_ptr<cgroup::Systemd> systemd_;
  std::unique_ptr<cgroup::Manager> manager_;
  int cgroup_dir_ = -1;              // to look at when the container's voice ends all at once
  std::uint64_t events_before_ = 0;  // what its counters of ends of memory said before that voice began
  std::function<void(const cgroup::Location&)> on_scope_;
  std::map<plan::Slot, os::Fd> outgoing_, trees_;
  std::function<void()> on_pid1_;
  std::function<void(const std::string&)> tell_;
  uint32_t told_ = 0;  // the next step of the container's to be told
  std::vector<uint64_t> host_durations_;
  bool is_child_ = false;  // pid 1 is this process's own child
  bool started_early_ = false;
  bool at_await_start_ = false;
  bool failed_in_hook_ = false;
};

// Pid 1's pidfd, if it is in a message that nobody has read: pid 1 may fail and say so before wherry-init has told of
// it. Reads all messages up to that one.
[[nodiscard]] os::Fd unread_pid1(int channel) noexcept;

}  // namespace wherry::container
