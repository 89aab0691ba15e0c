// SPDX-License-Identifier: Apache-2.0
// The names that config.json uses for the closed sets of spec.hpp: one table each, for reading and for
// printing.
#pragma once

#include <sys/resource.h>

#include <optional>
#include <string_view>

#include "oci/spec.hpp"

namespace wherry::oci {

template <typename Value>
struct Named {
  Value value;
  std::string_view name;
};

// Undefined but for the specializations below: an enum without a table does not compile.
template <typename Enum>
struct Names;

template <>
struct Names<NamespaceType> {
  static constexpr Named<NamespaceType> kTable[] = {
      {NamespaceType::kPid, "pid"},       {NamespaceType::kNetwork, "network"}, {NamespaceType::kMount, "mount"},
      {NamespaceType::kIpc, "ipc"},       {NamespaceType::kUts, "uts"},         {NamespaceType::kUser, "user"},
      {NamespaceType::kCgroup, "cgroup"}, {NamespaceType::kTime, "time"},
  };
};

template <>
struct Names<DeviceType> {
  static constexpr Named<DeviceType> kTable[] = {
      {DeviceType::kAll, "a"},        {DeviceType::kChar, "c"}, {DeviceType::kBlock, "b"},
      {DeviceType::kUnbuffered, "u"}, {DeviceType::kFifo, "p"},
  };
};

template <>
struct Names<RootfsPropagation> {
  static constexpr Named<RootfsPropagation> kTable[] = {
      {RootfsPropagation::kPrivate, "private"},       {RootfsPropagation::kRprivate, "rprivate"},
      {RootfsPropagation::kShared, "shared"},         {RootfsPropagation::kRshared, "rshared"},
      {RootfsPropagation::kSlave, "slave"},           {RootfsPropagation::kRslave, "rslave"},
      {RootfsPropagation::kUnbindable, "unbindable"}, {RootfsPropagation::kRunbindable, "runbindable"},
  };
};

template <>
struct Names<SchedulerPolicy> {
  static constexpr Named<SchedulerPolicy> kTable[] = {
      {SchedulerPolicy::kOther, "SCHED_OTHER"},       {SchedulerPolicy::kFifo, "SCHED_FIFO"},
      {SchedulerPolicy::kRoundRobin, "SCHED_RR"},     {SchedulerPolicy::kBatch, "SCHED_BATCH"},
      {SchedulerPolicy::kIso, "SCHED_ISO"},           {SchedulerPolicy::kIdle, "SCHED_IDLE"},
      {SchedulerPolicy::kDeadline, "SCHED_DEADLINE"},
  };
};

template <>
struct Names<SchedulerFlag> {
  static constexpr Named<SchedulerFlag> kTable[] = {
      {SchedulerFlag::kResetOnFork, "SCHED_FLAG_RESET_ON_FORK"},
      {SchedulerFlag::kReclaim, "SCHED_FLAG_RECLAIM"},
      {SchedulerFlag::kDlOverrun, "SCHED_FLAG_DL_OVERRUN"},
      {SchedulerFlag::kKeepPolicy, "SCHED_FLAG_KEEP_POLICY"},
      {SchedulerFlag::kKeepParams, "SCHED_FLAG_KEEP_PARAMS"},
      {SchedulerFlag::kUtilClampMin, "SCHED_FLAG_UTIL_CLAMP_MIN"},
      {SchedulerFlag::kUtilClampMax, "SCHED_FLAG_UTIL_CLAMP_MAX"},
  };
};

template <>
struct Names<IoPriorityClass> {
  static constexpr Named<IoPriorityClass> kTable[] = {
      {IoPriorityClass::kRealTime, "IOPRIO_CLASS_RT"},
      {IoPriorityClass::kBestEffort, "IOPRIO_CLASS_BE"},
      {IoPriorityClass::kIdle, "IOPRIO_CLASS_IDLE"},
  };
};

template <>
struct Names<SeccompAction> {
  static constexpr Named<SeccompAction> kTable[] = {
      {SeccompAction::kKill, "SCMP_ACT_KILL"},
      {SeccompAction::kKillProcess, "SCMP_ACT_KILL_PROCESS"},
      {SeccompAction::kKillThread, "SCMP_ACT_KILL_THREAD"},
      {SeccompAction::kTrap, "SCMP_ACT_TRAP"},
      {SeccompAction::kErrno, "SCMP_ACT_ERRNO"},
      {SeccompAction::kTrace, "SCMP_ACT_TRACE"},
      {SeccompAction::kAllow, "SCMP_ACT_ALLOW"},
      {SeccompAction::kLog, "SCMP_ACT_LOG"},
      {SeccompAction::kNotify, "SCMP_ACT_NOTIFY"},
  };
};

template <>
struct Names<SeccompOperator> {
  static constexpr Named<SeccompOperator> kTable[] = {
      {SeccompOperator::kNotEqual, "SCMP_CMP_NE"},           {SeccompOperator::kLess, "SCMP_CMP_LT"},
      {SeccompOperator::kLessOrEqual, "SCMP_CMP_LE"},        {SeccompOperator::kEqual, "SCMP_CMP_EQ"},
      {SeccompOperator::kGreaterOrEqual, "SCMP_CMP_GE"},     {SeccompOperator::kGreater, "SCMP_CMP_GT"},
      {SeccompOperator::kMaskedEqual, "SCMP_CMP_MASKED_EQ"},
  };
};

template <>
struct Names<SeccompArch> {
  static constexpr Named<SeccompArch> kTable[] = {
      {SeccompArch::kX86, "SCMP_ARCH_X86"},
      {SeccompArch::kX86_64, "SCMP_ARCH_X86_64"},
      {SeccompArch::kX32, "SCMP_ARCH_X32"},
      {SeccompArch::kArm, "SCMP_ARCH_ARM"},
      {SeccompArch::kAarch64, "SCMP_ARCH_AARCH64"},
      {SeccompArch::kLoongarch64, "SCMP_ARCH_LOONGARCH64"},
      {SeccompArch::kM68k, "SCMP_ARCH_M68K"},
      {SeccompArch::kMips, "SCMP_ARCH_MIPS"},
      {SeccompArch::kMips64, "SCMP_ARCH_MIPS64"},
      {SeccompArch::kMips64n32, "SCMP_ARCH_MIPS64N32"},
      {SeccompArch::kMipsel, "SCMP_ARCH_MIPSEL"},
      {SeccompArch::kMipsel64, "SCMP_ARCH_MIPSEL64"},
      {SeccompArch::kMipsel64n32, "SCMP_ARCH_MIPSEL64N32"},
      {SeccompArch::kPpc, "SCMP_ARCH_PPC"},
      {SeccompArch::kPpc64, "SCMP_ARCH_PPC64"},
      {SeccompArch::kPpc64le, "SCMP_ARCH_PPC64LE"},
      {SeccompArch::kS390, "SCMP_ARCH_S390"},
      {SeccompArch::kS390x, "SCMP_ARCH_S390X"},
      {SeccompArch::kParisc, "SCMP_ARCH_PARISC"},
      {SeccompArch::kParisc64, "SCMP_ARCH_PARISC64"},
      {SeccompArch::kRiscv64, "SCMP_ARCH_RISCV64"},
      {SeccompArch::kSh, "SCMP_ARCH_SH"},
      {SeccompArch::kSheb, "SCMP_ARCH_SHEB"},
  };
};

template <>
struct Names<SeccompFlag> {
  static constexpr Named<SeccompFlag> kTable[] = {
      {SeccompFlag::kTsync, "SECCOMP_FILTER_FLAG_TSYNC"},
      {SeccompFlag::kLog, "SECCOMP_FILTER_FLAG_LOG"},
      {SeccompFlag::kSpecAllow, "SECCOMP_FILTER_FLAG_SPEC_ALLOW"},
      {SeccompFlag::kWaitKillableRecv, "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"},
  };
};

template <>
struct Names<PersonalityDomain> {
  static constexpr Named<PersonalityDomain> kTable[] = {
      {PersonalityDomain::kLinux, "LINUX"},
      {PersonalityDomain::kLinux32, "LINUX32"},
  };
};

// kNoun begins the message about a value that is none of them.
template <>
struct Names<MemoryPolicyMode> {
  static constexpr std::string_view kNoun = "memory policy mode";
  static constexpr Named<MemoryPolicyMode> kTable[] = {
      {MemoryPolicyMode::kDefault, "MPOL_DEFAULT"},
      {MemoryPolicyMode::kBind, "MPOL_BIND"},
      {MemoryPolicyMode::kInterleave, "MPOL_INTERLEAVE"},
      {MemoryPolicyMode::kWeightedInterleave, "MPOL_WEIGHTED_INTERLEAVE"},
      {MemoryPolicyMode::kPreferred, "MPOL_PREFERRED"},
      {MemoryPolicyMode::kPreferredMany, "MPOL_PREFERRED_MANY"},
      {MemoryPolicyMode::kLocal, "MPOL_LOCAL"},
  };
};

template <>
struct Names<MemoryPolicyFlag> {
  static constexpr std::string_view kNoun = "memory policy flag";
  static constexpr Named<MemoryPolicyFlag> kTable[] = {
      {MemoryPolicyFlag::kNumaBalancing, "MPOL_F_NUMA_BALANCING"},
      {MemoryPolicyFlag::kRelativeNodes, "MPOL_F_RELATIVE_NODES"},
      {MemoryPolicyFlag::kStaticNodes, "MPOL_F_STATIC_NODES"},
  };
};

// Rlimit::type is a string in config.json; its value here is the resource of prlimit(2).
inline constexpr Named<int> kRlimitTypes[] = {
    {RLIMIT_AS, "RLIMIT_AS"},           {RLIMIT_CORE, "RLIMIT_CORE"},         {RLIMIT_CPU, "RLIMIT_CPU"},
    {RLIMIT_DATA, "RLIMIT_DATA"},       {RLIMIT_FSIZE, "RLIMIT_FSIZE"},       {RLIMIT_LOCKS, "RLIMIT_LOCKS"},
    {RLIMIT_MEMLOCK, "RLIMIT_MEMLOCK"}, {RLIMIT_MSGQUEUE, "RLIMIT_MSGQUEUE"}, {RLIMIT_NICE, "RLIMIT_NICE"},
    {RLIMIT_NOFILE, "RLIMIT_NOFILE"},   {RLIMIT_NPROC, "RLIMIT_NPROC"},       {RLIMIT_RSS, "RLIMIT_RSS"},
    {RLIMIT_RTPRIO, "RLIMIT_RTPRIO"},   {RLIMIT_RTTIME, "RLIMIT_RTTIME"},     {RLIMIT_SIGPENDING, "RLIMIT_SIGPENDING"},
    {RLIMIT_STACK, "RLIMIT_STACK"},
};

template <typename Enum>
[[nodiscard]] constexpr std::string_view name_of(Enum value) noexcept {
  for (const auto& entry : Names<Enum>::kTable) {
    if (entry.value == value) return entry.name;
  }
  return {};
}

template <typename Enum>
[[nodiscard]] constexpr std::optional<Enum> parse_name(std::string_view name) noexcept {
  for (const auto& entry : Names<Enum>::kTable) {
    if (entry.name == name) return entry.value;
  }
  return std::nullopt;
}

// The resource number of prlimit(2) for "RLIMIT_NOFILE".
[[nodiscard]] constexpr std::optional<int> rlimit_resource(std::string_view type) noexcept {
  for (const auto& entry : kRlimitTypes) {
    if (entry.name == type) return entry.value;
  }
  return std::nullopt;
}

}  // namespace wherry::oci
