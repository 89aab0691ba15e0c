// SPDX-License-Identifier: Apache-2.0
// The only way in which the host makes processes: the exec of a program, never a fork that runs its own code.
// Safe in a program with threads.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "os/core/calls.hpp"

namespace wherry::os {

struct Program {
  std::string_view image;  // a whole program, run from a sealed memfd; empty: `executable` or `path`
  int executable = -1;     // execveat(2) of this descriptor when >= 0, else of `path`
  std::string path;
  std::vector<std::string> args;
  std::vector<std::string> env;
  int standard_input = -1;    // becomes fd 0; -1: inherited
  int standard_output = -1;   // becomes fd 1; -1: inherited
  int standard_error = -1;    // becomes fd 2; -1: inherited
  std::vector<int> passed;    // become fds 3, 4 and so on; each is above the last of these, and not with `kept`
  std::vector<int> kept;      // lose FD_CLOEXEC in the child
  unsigned first_closed = 3;  // descriptors from here on are closed at the exec, but for `kept`
  bool own_group = false;     // setpgid(0, 0)
  bool own_user_namespace = false;
};

struct Child {
  int pid = 0;
  Fd pidfd;
};

// Signals are at their defaults and unblocked in the child. A failure of anything up to the exec is the result.
Result<Child> spawn(const Program& program);

// The same without waiting for the exec: until then the child runs in this process's memory, on a stack of its own.
class Spawning {
 public:
  explicit Spawning(Program program);
  ~Spawning();
  Spawning(Spawning&&) noexcept;
  Spawning& operator=(Spawning&&) = delete;
  // Waits for the exec, or for its failure. To be called once.
  Result<Child> finish();

 private:
  struct Shared;
  std::unique_ptr<Shared> shared_;
};

struct Exit {
  int code = 0;  // exit status, or the number of the signal
  bool signaled = false;
  // As a shell shows it: 128 + signal.
  [[nodiscard]] int status() const noexcept { return signaled ? 128 + code : code; }
};

// waitid(2). Blocks; EINTR is retried. Also for a child without exit signal.
Result<Exit> reap(int pidfd) noexcept;

}  // namespace wherry::os
