// SPDX-License-Identifier: Apache-2.0
// What crosses between the host and wherry-init. Integers cross, prose does not.
//
//   host                              init / pid 1
//    │ ── Ahead{namespaces} ─────────▶ │   perhaps: what CreateNamespaces will say, before there is a plan
//    │ ── Go{step, slots} ───────────▶ │   the plan is there: the first step that is init's
//    │ ◀─ Produced{slot, fd | pid} ─── │   as it happens
//    │ ◀─ Reached{step} ────────────── │   step is the first one that is the host's: init waits; not said at
//    │                                 │   an AwaitStart whose Go is there already
//    │ ── Go{step, slots} ───────────▶ │   the host has done its steps; go on at step
//    │ ◀─ Failed{step, errno, detail}  │   the last message, ever
//    │        EOF                      │   success if StatusPage::step is Exec and error is 0, else failure
//
// A SOCK_SEQPACKET socket carries one Message per datagram. start connects to start.sock, gets Reached{AwaitStart}
// with the status page in slot kStatusPage, sends Go, and goes on as above. exec may do the same, but sends
// Show{namespaces}, gets a Produced{slot of kNamespaceFiles, fd} for each, and leaves.
#pragma once

#include <linux/sched.h>

#include "os/core/abi.hpp"
#include "plan/step.hpp"

namespace wherry::plan {

enum class MessageKind : uint32_t { kReached = 1, kProduced = 2, kFailed = 3, kGo = 4, kAhead = 5, kShow = 6 };

inline constexpr unsigned kMaxSlots = 16;

// Where a process finds its own namespaces in procfs, and the slots by which Show has them.
struct NamespaceFile {
  uint64_t type;  // CLONE_NEW*
  const char* path;
  Slot slot;
};
inline constexpr NamespaceFile kNamespaceFiles[] = {
    {CLONE_NEWUSER, "self/ns/user", 1},     {CLONE_NEWPID, "self/ns/pid", 2},       {CLONE_NEWNET, "self/ns/net", 3},
    {CLONE_NEWIPC, "self/ns/ipc", 4},       {CLONE_NEWUTS, "self/ns/uts", 5},       {CLONE_NEWNS, "self/ns/mnt", 6},
    {os::kCloneNewTime, "self/ns/time", 7}, {CLONE_NEWCGROUP, "self/ns/cgroup", 8},
};

struct Message {
  MessageKind kind{};
  uint32_t step = 0;
  int32_t error = 0;        // errno
  uint32_t detail = 0;      // Detail
  uint32_t argument = 0;    // of the detail: index of an option, exit status of a hook
  int32_t pid = 0;          // Produced{kPid1}
  uint64_t namespaces = 0;  // Ahead, Show: CLONE_NEW*
  uint32_t slot_count = 0;
  Slot slots[kMaxSlots] = {};  // one per descriptor that travels along
};

// Why a step failed, beyond errno.
enum class Detail : uint32_t {
  kNone,
  kNotProcfs,           // /proc of the host is no procfs
  kWrongNamespaceType,  // a namespace of another type
  kMountOption,         // the file system refused option `argument`: its value, if EINVAL
  kMountOptionUnknown,  // the file system has no such option
  kMountCreate,         // the file system refused the superblock
  kMountAttach,         // move_mount
  kMountAttributes,     // mount_setattr
  kMountSource,         // open_tree of the source
  kMountTarget,         // look-up or creation of the target
  kTargetIsLink,        // /proc, /sys or /dev of the rootfs is a symbolic link
  kWrongDevice,         // a node of another type or number stands there
  kRoot,                // look-up of the rootfs
  kHookSpawn,           // the hook could not be run
  kHookExit,            // exit status `argument`
  kHookSignal,          // killed by signal `argument`
  kHookTimeout,         // killed after its timeout
  kNotFound,            // executable
  kNotExecutable,
  kCapabilityUnknown,
  kGroups,  // setgroups
  kUser,    // setresuid, setresgid
  kTooLarge,
  kConsolePeer,  // TIOCGPTPEER
  kConsoleLink,  // /dev/console
  kPlan,         // the plan cannot be decoded
  kHostGone,     // the host closed its end
  kLoopback,
  kListener,  // the agent did not get it
  kIdMapping,
  kLabel,  // of SELinux
};

// wherry-init's exit code, plus an errno, when it could not read its plan.
inline constexpr int kExitWithoutPlan = 128;

struct StepRecord {
  uint64_t duration_ns;
  uint32_t rung;  // which way the step reached its intent; 0 is the first
  uint32_t reserved;
};

// One shared memory object: this page, then the plan. Init writes the fields with plain stores, so that a failure
// is seen whatever the seccomp filter forbids.
struct StatusPage {
  uint32_t plan_offset;
  uint32_t plan_size;
  uint32_t trace;  // 1: durations are wanted
  uint32_t step;   // the step that is running
  int32_t error;   // errno of the step that failed, 0 while none has
  uint32_t detail;
  uint32_t argument;
  uint32_t record_count;
  int32_t listener;         // LoadSeccompWithListener: 0 not yet, -1 never, else the number
  int32_t listener_answer;  // 0 not yet, -1 the agent has it, else errno
  StepRecord records[];     // one per step
};

}  // namespace wherry::plan
