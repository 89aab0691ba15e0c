// SPDX-License-Identifier: Apache-2.0
// A scope of systemd's. The limits are its properties, so that they outlive a daemon-reload, and stand in the cgroup's
// files as well, where they are exact and complete. The device filter is Wherry's, as with the other manager.
#include <algorithm>
#include <iterator>
#include <utility>

#include "cgroup/devices.hpp"
#include "cgroup/file.hpp"
#include "cgroup/location.hpp"
#include "cgroup/manager.hpp"
#include "cgroup/systemd.hpp"
#include "cgroup/unit_properties.hpp"
#include "wherry/error.hpp"

namespace wherry::cgroup {
namespace {

using plan::property;
using plan::UnitProperty;

// systemd.scope(5), systemd.resource-control(5)
std::vector<UnitProperty> base_properties(const Scope& scope) {
  return {
      property("Description", "container " + scope.unit),
      property("Slice", scope.slice),
      property("Delegate", true),  // systemd keeps out of what is below, and hands down every controller
      property("DefaultDependencies", false),
      property("CollectMode", std::string("inactive-or-failed")),  // nothing stays of one that has failed
      property("CPUAccounting", true),
      property("MemoryAccounting", true),
      property("IOAccounting", true),
      property("TasksAccounting", true),
  };
}

void append(std::vector<UnitProperty>& list, std::vector<UnitProperty> more) {
  list.insert(list.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
}

std::string cgroup_of(pid_t pid) {
  const std::string file = "/proc/" + std::to_string(pid) + "/cgroup";
  const auto text = read_file(os::kAtFdcwd, file.c_str());
  if (!text) throw Error("read " + file).because(text.error());
  return parse_own_cgroup(text.value());
}

// wherry-init is in the scope when it clones pid 1: a limit below two tasks is set when it leaves.
constexpr const char* kTasksFile = "pids.max";
constexpr std::uint64_t kTwo = 2;

bool is_below_two(const plan::UnifiedFile& entry) {
  std::string_view value = entry.value;
  return entry.name == kTasksFile && parse_amount(next_word(value)).value_or(kTwo) < kTwo;
}

plan::Limits tasks_alone(const plan::Limits& limits) {
  plan::Limits tasks;
  if (limits.pids_max && *limits.pids_max >= 0 && *limits.pids_max < std::int64_t{kTwo})
    tasks.pids_max = limits.pids_max;
  std::ranges::copy_if(limits.unified, std::back_inserter(tasks.unified), is_below_two);
  return tasks;
}

plan::Limits with_room_for_two(plan::Limits limits) {
  if (tasks_alone(limits).pids_max) limits.pids_max = kTwo;
  for (plan::UnifiedFile& entry : limits.unified)
    if (is_below_two(entry)) entry.value = std::to_string(kTwo);
  return limits;
}

class SystemdManager final : public Manager {
 public:
  SystemdManager(Scope scope, std::unique_ptr<Systemd> systemd)
      : scope_(std::move(scope)), systemd_(std::move(systemd)) {}

  os::Fd create(const plan::Limits& limits, const std::vector<plan::DeviceRule>& devices, pid_t first) override {
    std::vector<UnitProperty> properties = base_properties(scope_);
    append(properties, scope_.properties);
    append(properties, limit_properties(with_room_for_two(limits)));
    if (filters_devices(devices)) append(properties, device_properties(devices));
    systemd().start_scope(scope_.unit, std::move(properties), first);
    is_new_ = true;
    return open_cgroup_of(first);
  }

  void set_limits(int dir_fd, const plan::Limits& limits) override {
    enable_controllers(dir_fd, scope_.location.mount, scope_.location.path, limits);
    apply(dir_fd, with_room_for_two(limits));  // the unit was born with the properties
    late_ = tasks_alone(limits);
  }

  void first_leaves(int dir_fd) override {
    if (late_ == plan::Limits{}) return;
    systemd().set_properties(scope_.unit, limit_properties(late_));
    apply(dir_fd, late_);
  }

  void update_limits(int dir_fd, const plan::Limits& limits) override {
    enable_controllers(dir_fd, scope_.location.mount, scope_.location.path, limits);
    cgroup::update(dir_fd, limits);  // first: the kernel refuses what is not possible, systemd would only log it
    systemd().set_properties(scope_.unit, limit_properties(with_whole_quota(dir_fd, limits)));
    plan::Limits exact = limits;  // systemd rounds the quota
    exact.check_before_update = false;
    apply(dir_fd, exact);
  }

  void set_devices(int dir_fd, const std::vector<plan::DeviceRule>& devices, int program_fd) override {
    if (!is_new_ && filters_devices(devices)) systemd().set_properties(scope_.unit, device_properties(devices));
    attach_device_program(dir_fd, program_fd);
  }

  void remove(Timeout timeout) override {
    stop();
    cgroup::remove(scope_.location.mount, scope_.location.path, scope_.location.existing, timeout);
  }

  bool try_remove() override {
    if (!cgroup::try_remove(scope_.location.mount, scope_.location.path, scope_.location.existing)) return false;
    stop();
    return true;
  }

  [[nodiscard]] const Location& location() const override { return scope_.location; }

 private:
  Systemd& systemd() {
    if (!systemd_) systemd_ = std::make_unique<Systemd>(scope_.bus);
    return *systemd_;
  }

  // A user's manager may not load programs.
  [[nodiscard]] bool filters_devices(const std::vector<plan::DeviceRule>& devices) const {
    return scope_.bus.empty() && !devices.empty();
  }

  // Where it really is: the manager may be one in a container itself.
  os::Fd open_cgroup_of(pid_t first) {
    Location& location = scope_.location;
    location.path = cgroup_of(first);
    location.existing = static_cast<unsigned>(checked_components("find", location.path).size()) - 1;  // slices stay
    const std::string tail = "/" + scope_.unit;
    const bool named = location.path.size() > tail.size() &&
                       location.path.compare(location.path.size() - tail.size(), tail.size(), tail) == 0;
    if (!named)
      throw Error("find the cgroup of the unit " + scope_.unit)
          .at("/linux/cgroupsPath")
          .detail("its process is in " + location.path);
    auto dir = open_directory(os::kAtFdcwd, (location.mount + location.path).c_str());
    if (!dir)
      throw Error("open cgroup " + location.mount + location.path).at("/linux/cgroupsPath").because(dir.error());
    return std::move(*dir);
  }

  // The property is a quotient: half of it cannot be set.
  static plan::Limits with_whole_quota(int dir_fd, plan::Limits limits) {
    if (limits.cpu_quota.has_value() == limits.cpu_period.has_value()) return limits;
    const auto text = read_file(dir_fd, "cpu.max");
    if (!text) return limits;
    std::string_view rest = text.value();
    const auto quota = parse_number(next_word(rest)), period = parse_number(next_word(rest));
    limits.cpu_quota = quota ? static_cast<std::int64_t>(*quota) : plan::kNoLimit;
    limits.cpu_period = period;
    return limits;
  }

  // An empty scope ends by itself; asked for, it has ended when delete returns. So what goes wrong here is no failure
  // as long as the cgroup goes away.
  void stop() {
    try {
      systemd().stop(scope_.unit);
    } catch (const Error&) {
    }
  }

  Scope scope_;
  std::unique_ptr<Systemd> systemd_;
  bool is_new_ = false;
  plan::Limits late_;
};

}  // namespace

std::unique_ptr<Manager> systemd_manager(Scope scope, std::unique_ptr<Systemd> systemd) {
  return std::make_unique<SystemdManager>(std::move(scope), std::move(systemd));
}

}  // namespace wherry::cgroup
