// SPDX-License-Identifier: Apache-2.0
// The state machine of runtime.md "State", and what may be done in each state.
#pragma once

#include <memory>
#include <optional>

#include "cgroup/manager.hpp"
#include "container/store.hpp"
#include "oci/record.hpp"
#include "os/core/fd.hpp"

namespace wherry::container {

enum class Status { kCreating, kCreated, kRunning, kPaused, kStopped };

[[nodiscard]] constexpr const char* name_of(Status status) noexcept {
  constexpr const char* kNames[] = {"creating", "created", "running", "paused", "stopped"};
  return kNames[static_cast<int>(status)];
}

[[nodiscard]] constexpr bool can_start(Status status) noexcept { return status == Status::kCreated; }
[[nodiscard]] constexpr bool can_exec(Status status) noexcept {
  return status == Status::kRunning || status == Status::kCreated;
}
[[nodiscard]] constexpr bool can_kill(Status status) noexcept {
  return status == Status::kCreated || status == Status::kRunning || status == Status::kPaused;
}
[[nodiscard]] constexpr bool can_pause(Status status) noexcept {
  return status == Status::kRunning || status == Status::kCreated;
}
[[nodiscard]] constexpr bool can_resume(Status status) noexcept { return status == Status::kPaused; }
// runc deletes a created container as well, and engines rely on it.
[[nodiscard]] constexpr bool can_delete(Status status) noexcept {
  return status == Status::kStopped || status == Status::kCreated;
}

// A container as it is now. Its descriptors may be empty.
struct Container {
  StateDirectory directory;
  oci::Record record;
  os::Fd process;  // pidfd while pid 1 lives
  os::Fd cgroup;   // directory, if it still exists
  Status status = Status::kStopped;
};

// Throws "does not exist", or what is wrong with the record.
[[nodiscard]] Container load(const std::string& root, const std::string& id);
[[nodiscard]] Container load(StateDirectory directory);
[[nodiscard]] Container load(StateDirectory directory, oci::Record record);

[[nodiscard]] os::Fd open_cgroup(const oci::Record& record);
// Of the container's cgroup; not for a record without one.
[[nodiscard]] std::unique_ptr<cgroup::Manager> manager_of(const oci::Record& record);

// Nothing if it is not there or makes no sense; throws Error for what may go away by itself, such as EMFILE.
[[nodiscard]] std::optional<oci::Record> try_read_record(const StateDirectory& directory);

}  // namespace wherry::container
