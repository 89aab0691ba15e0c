// SPDX-License-Identifier: Apache-2.0
// Starts wherry-init in the host's namespaces. The runtime's own binary is never reachable from inside a container.
#pragma once

#include <optional>
#include <utility>

#include "os/spawn.hpp"
#include "plan/step.hpp"
#include "wherry/wherry.hpp"

namespace wherry::container {

// A wherry-init that waits for its plan. It ends by itself when the channel is closed.
class InitProgram {
 public:
  // Does not wait for the exec: the caller goes on to read the config meanwhile. Of the caller's descriptors it gets
  // `streams` as 0, 1, 2, those below 3 + preserve_fds, and its own two.
  explicit InitProgram(unsigned preserve_fds, const Streams& streams = {}, bool own_user_namespace = false);
  // One that has got no plan ends and is reaped.
  ~InitProgram();
  InitProgram(InitProgram&& other) noexcept;
  InitProgram& operator=(InitProgram&&) = delete;

  // Has these namespaces made while there is no plan yet. No bits: does nothing.
  void begin_with(plan::Namespaces namespaces) const;
  // Throws when the program could not be executed.
  [[nodiscard]] os::Child finish();
  [[nodiscard]] os::Fd take_channel() noexcept { return std::move(channel_); }
  [[nodiscard]] os::Fd take_page() noexcept { return std::move(page_); }

 private:
  [[nodiscard]] os::Program program() const;

  unsigned preserve_fds_;
  Streams streams_;
  bool own_user_namespace_;
  os::Fd channel_, their_channel_, page_;
  int page_number_ = -1;
  std::optional<os::Spawning> spawning_;
};

}  // namespace wherry::container
