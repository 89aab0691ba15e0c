// SPDX-License-Identifier: Apache-2.0
// Who makes, limits and removes a container's cgroup. What is done to the processes in it (cgroupfs.hpp: freeze, kill,
// list) and what is read from it (stats.hpp) needs no manager, only its directory. All throw wherry::Error.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "cgroup/cgroupfs.hpp"
#include "os/core/fd.hpp"
#include "plan/limits.hpp"
#include "plan/unit.hpp"

namespace wherry::cgroup {

// Where a container's cgroup is: what the state record keeps of it.
struct Location {
  std::string mount;      // of cgroup2, from find_mount()
  std::string path;       // below it, begins with '/'
  unsigned existing = 0;  // leading components of `path` that were there before, and stay
};

class Manager {
 public:
  Manager() = default;
  Manager(const Manager&) = delete;
  Manager& operator=(const Manager&) = delete;
  virtual ~Manager() = default;

  // Makes the cgroup and returns its directory. The limits and rules are what set_limits() and set_devices() will be
  // told: for who must know them at birth, or must hand down controllers while the cgroup is empty. `first` is a
  // process that waits for the cgroup and leaves it before the program runs: a systemd scope is never without one.
  [[nodiscard]] virtual os::Fd create(const plan::Limits& limits, const std::vector<plan::DeviceRule>& devices,
                                      pid_t first) = 0;

  // Puts the limits in force before the program runs. Absent ones are left as they are.
  virtual void set_limits(int dir_fd, const plan::Limits& limits) = 0;

  // `first` has cloned pid 1 and leaves; the program does not run yet.
  virtual void first_leaves(int /*dir_fd*/) {}

  // As set_limits() for a container that was made before: all of them, or (when it throws) none.
  virtual void update_limits(int dir_fd, const plan::Limits& limits) = 0;

  // Puts the device rules in force, or others in their place, whose program the caller has loaded (devices.hpp; empty:
  // everything is allowed).
  virtual void set_devices(int dir_fd, const std::vector<plan::DeviceRule>& devices, int program_fd) = 0;

  // Undoes create(), whoever called it; gone already is success. Waits for processes that are about to end and does
  // not kill. try_remove() does not wait: false when something is left in the cgroup.
  virtual void remove(Timeout timeout = kDefaultTimeout) = 0;
  [[nodiscard]] virtual bool try_remove() = 0;

  // After create(): where the cgroup is. With systemd only then known for sure.
  [[nodiscard]] virtual const Location& location() const = 0;
};

// By the files of cgroup2 alone.
[[nodiscard]] std::unique_ptr<Manager> cgroupfs_manager(Location location);

// A scope of systemd's (unit_name.hpp). Of `location`, create() fills in what it finds.
struct Scope {
  Location location;
  std::string slice, unit;
  std::string bus;  // address of the user's bus; empty: the system's manager
  std::vector<plan::UnitProperty> properties;
};

class Systemd;  // systemd.hpp

// `systemd` may have been started ahead; empty: started when it is needed.
[[nodiscard]] std::unique_ptr<Manager> systemd_manager(Scope scope, std::unique_ptr<Systemd> systemd);

}  // namespace wherry::cgroup
