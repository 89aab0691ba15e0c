// SPDX-License-Identifier: Apache-2.0
// What wherry-init knows while it executes a plan: descriptors, and what earlier steps found out.
// No heap, no libc: everything lives here or on the stack. An all-zero Context is an empty one, but for its lane.
#pragma once

#include "os/core/calls.hpp"
#include "plan/protocol.hpp"
#include "plan/wire.hpp"

namespace wherry::init {

using os::Fd;
using plan::Detail;
using plan::Slot;
using plan::TextView;
using plan::Wired;

inline constexpr unsigned kMaxPlanSlots = 1024;
inline constexpr unsigned kPathMax = 4096;  // PATH_MAX, NUL included

// How a step ended. error 0 is success; rung says which of its ways reached the intent.
struct [[nodiscard]] Outcome {
  int error = 0;
  Detail detail = Detail::kNone;
  uint32_t argument = 0;
  uint32_t rung = 0;
};

inline Outcome done(uint32_t rung = 0) noexcept { return {0, Detail::kNone, 0, rung}; }
inline Outcome failed(int error, Detail detail = Detail::kNone, uint32_t argument = 0) noexcept {
  return {error, detail, argument, 0};
}
inline Outcome outcome_of(os::Status status, Detail detail = Detail::kNone) noexcept {
  return status ? done() : failed(status.error(), detail);
}
template <class T>
inline Outcome outcome_of(const os::Result<T>& result, Detail detail = Detail::kNone) noexcept {
  return result ? done() : failed(result.error(), detail);
}

// A mount that several places share: attached once, cloned from there afterwards (before 6.15 open_tree(2) clones
// only what is attached).
struct SharedTree {
  Fd tree;
  bool attached = false;
};

struct Context {
  Fd channel;  // to the host, later to start
  Fd page_fd;
  plan::StatusPage* page = nullptr;
  uint32_t step = 0;                    // the step being executed
  plan::Lane lane = plan::Lane::kInit;  // of this process
  uint64_t made_ahead = 0;              // CLONE_NEW* that Ahead asked for...
  int ahead_error = 0;                  // ...and what came of it
  bool spawned = false;                 // pid 1 goes on by itself, and the host knows it: init's work is done

  Fd proc;  // the host's procfs: writes through /proc/self and /proc/sys act on the calling task
  Fd root;  // the rootfs, once MountRoot or ChangeRoot has it
  // The directory that make_parent() has looked up last: nodes and links of /dev come in a row. Forgotten by each
  // mount.
  Fd parent;
  char parent_path[64];
  SharedTree empty_directory;
  SharedTree null_device;

  bool in_directory = false;  // ChangeDirectory
  Fd slots[kMaxPlanSlots];    // from the low ones on; the last, and what follows, are on pages of their own
  char executable[kPathMax];  // FindExecutable
  char home[kPathMax];        // FindHome: "HOME=..."; empty: not needed
};

[[nodiscard]] inline int slot_fd(const Context& context, Slot slot) noexcept {
  return slot < kMaxPlanSlots ? context.slots[slot].get() : -1;
}
// Moves the descriptor out of its slot. EBADF: nothing is bound to it.
[[nodiscard]] inline os::Result<Fd> take_slot(Context& context, Slot slot) noexcept {
  if (slot_fd(context, slot) < 0) return os::Result<Fd>::failure(EBADF);
  return static_cast<Fd&&>(context.slots[slot]);
}

}  // namespace wherry::init
