// SPDX-License-Identifier: Apache-2.0
// What Wherry asks of a systemd manager, by way of wherry-systemd (systemd/protocol.hpp), which speaks D-Bus.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "os/spawn.hpp"
#include "systemd/protocol.hpp"

namespace wherry::cgroup {

// A running wherry-systemd. It ends with this object, which waits for its end. All but the constructor throw Error.
class Systemd {
 public:
  // Starts it, and does not wait for the exec: what goes wrong, the first request says. `bus` is the D-Bus address of
  // the user's bus; empty: the system's manager.
  explicit Systemd(std::string bus);
  ~Systemd();
  Systemd(const Systemd&) = delete;
  Systemd& operator=(const Systemd&) = delete;

  // A scope with the process `pid`; returns when systemd has moved it there.
  void start_scope(const std::string& unit, std::vector<plan::UnitProperty> properties, pid_t pid);
  void set_properties(const std::string& unit, std::vector<plan::UnitProperty> properties);
  // Also takes the unit's failure away, which would keep its name. No such unit is success.
  void stop(const std::string& unit);
  // Moves a process of the caller's into the unit's cgroup.
  void attach(const std::string& unit, pid_t pid);

 private:
  void request(const char* operation, systemd::Request request);

  std::string bus_;
  os::Fd channel_, their_channel_;
  std::optional<os::Spawning> spawning_;
  os::Child child_;
};

}  // namespace wherry::cgroup
