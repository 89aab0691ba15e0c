// SPDX-License-Identifier: Apache-2.0
// The nouns: config.json of the OCI runtime specification 1.3 for Linux as plain values.
//
// Members mirror the JSON names in snake_case. How absence is shown:
//   std::optional   the specification tells "absent" from a zero value;
//   empty string    an absent string and "" mean the same;
//   empty vector    an absent list or map, [] and {} mean the same.
// Maps keep the order of the document, because a later sysctl may depend on an earlier one; a key that
// stands twice keeps its first place and takes its last value. Units are those of the JSON.
// Objects of other platforms (windows, solaris, vm, freebsd, zos) and unknown properties are not here:
// config.md "Extensibility" says that they are ignored.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace wherry::oci {

using Strings = std::vector<std::string>;
template <typename Value>
using OrderedMap = std::vector<std::pair<std::string, Value>>;
using StringMap = OrderedMap<std::string>;

// Closed sets. The names that config.json uses for them are in names.hpp.

enum class NamespaceType { kPid, kNetwork, kMount, kIpc, kUts, kUser, kCgroup, kTime };

// mknod(2) types. kAll ("a") exists in cgroup rules only; kUnbuffered ("u") is the same node as kChar.
enum class DeviceType { kAll, kChar, kBlock, kUnbuffered, kFifo };

enum class RootfsPropagation {
  kPrivate,
  kRprivate,
  kShared,
  kRshared,
  kSlave,
  kRslave,
  kUnbindable,
  kRunbindable,
};

enum class SchedulerPolicy { kOther, kFifo, kRoundRobin, kBatch, kIso, kIdle, kDeadline };

enum class SchedulerFlag {
  kResetOnFork,
  kReclaim,
  kDlOverrun,
  kKeepPolicy,
  kKeepParams,
  kUtilClampMin,
  kUtilClampMax,
};

enum class IoPriorityClass { kRealTime, kBestEffort, kIdle };

enum class SeccompAction {
  kKill,  // SCMP_ACT_KILL, which is the same as kKillThread
  kKillProcess,
  kKillThread,
  kTrap,
  kErrno,
  kTrace,
  kAllow,
  kLog,
  kNotify,
};

enum class SeccompOperator {
  kNotEqual,
  kLess,
  kLessOrEqual,
  kEqual,
  kGreaterOrEqual,
  kGreater,
  kMaskedEqual,
};

enum class SeccompArch {
  kX86,
  kX86_64,
  kX32,
  kArm,
  kAarch64,
  kLoongarch64,
  kM68k,
  kMips,
  kMips64,
  kMips64n32,
  kMipsel,
  kMipsel64,
  kMipsel64n32,
  kPpc,
  kPpc64,
  kPpc64le,
  kS390,
  kS390x,
  kParisc,
  kParisc64,
  kRiscv64,
  kSh,
  kSheb,
};

enum class SeccompFlag { kTsync, kLog, kSpecAllow, kWaitKillableRecv };

enum class PersonalityDomain { kLinux, kLinux32 };

enum class MemoryPolicyMode {
  kDefault,
  kBind,
  kInterleave,
  kWeightedInterleave,
  kPreferred,
  kPreferredMany,
  kLocal,
};

enum class MemoryPolicyFlag { kNumaBalancing, kRelativeNodes, kStaticNodes };

// config.md "Process"

struct ConsoleSize {
  std::uint32_t height = 0;  // rows
  std::uint32_t width = 0;   // columns
  bool operator==(const ConsoleSize&) const = default;
};

struct User {
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::optional<std::uint32_t> umask;
  std::vector<std::uint32_t> additional_gids;
  bool operator==(const User&) const = default;
};

// Names as written ("CAP_CHOWN"). An unknown name is a warning by config.md, so names stay strings.
struct Capabilities {
  Strings bounding;
  Strings effective;
  Strings inheritable;
  Strings permitted;
  Strings ambient;
  bool operator==(const Capabilities&) const = default;
};

struct Rlimit {
  std::string type;  // "RLIMIT_NOFILE"
  std::uint64_t soft = 0;
  std::uint64_t hard = 0;
  bool operator==(const Rlimit&) const = default;
};

// sched_setattr(2). Times in nanoseconds.
struct Scheduler {
  SchedulerPolicy policy = SchedulerPolicy::kOther;
  std::optional<std::int32_t> nice;
  std::optional<std::int32_t> priority;
  std::vector<SchedulerFlag> flags;
  std::optional<std::uint64_t> runtime;
  std::optional<std::uint64_t> deadline;
  std::optional<std::uint64_t> period;
  bool operator==(const Scheduler&) const = default;
};

// ioprio_set(2)
struct IoPriority {
  IoPriorityClass io_class = IoPriorityClass::kBestEffort;  // JSON: class
  std::int32_t priority = 0;
  bool operator==(const IoPriority&) const = default;
};

// CPU lists as in cpuset(7): "0-3,7". Used by exec only.
struct ExecCpuAffinity {
  std::string initial;
  std::string final;
  bool operator==(const ExecCpuAffinity&) const = default;
};

struct Process {
  bool terminal = false;
  std::optional<ConsoleSize> console_size;
  std::string cwd;
  Strings env;
  Strings args;
  User user;
  std::vector<Rlimit> rlimits;
  std::string apparmor_profile;
  std::optional<Capabilities> capabilities;
  bool no_new_privileges = false;
  std::optional<std::int32_t> oom_score_adj;  // absent: leave the inherited value alone
  std::optional<Scheduler> scheduler;
  std::string selinux_label;
  std::optional<IoPriority> io_priority;
  std::optional<ExecCpuAffinity> exec_cpu_affinity;
  bool operator==(const Process&) const = default;
};

// config.md "Root", "Mounts", "POSIX-platform Hooks"

struct Root {
  std::string path;  // absolute, or relative to the bundle
  bool readonly = false;
  bool operator==(const Root&) const = default;
};

struct IdMapping {
  std::uint32_t container_id = 0;
  std::uint32_t host_id = 0;
  std::uint32_t size = 0;
  bool operator==(const IdMapping&) const = default;
};

struct Mount {
  std::string destination;
  std::string type;
  std::string source;
  Strings options;
  std::vector<IdMapping> uid_mappings;
  std::vector<IdMapping> gid_mappings;
  bool operator==(const Mount&) const = default;
};

struct Hook {
  std::string path;
  Strings args;  // argv, argv[0] included; empty: {path}
  Strings env;
  std::optional<std::int64_t> timeout;  // seconds
  bool operator==(const Hook&) const = default;
};

struct Hooks {
  std::vector<Hook> prestart;
  std::vector<Hook> create_runtime;
  std::vector<Hook> create_container;
  std::vector<Hook> start_container;
  std::vector<Hook> poststart;
  std::vector<Hook> poststop;
  bool operator==(const Hooks&) const = default;
};

// config-linux.md

struct Namespace {
  NamespaceType type = NamespaceType::kPid;
  std::string path;  // empty: a new namespace
  bool operator==(const Namespace&) const = default;
};

struct TimeOffset {
  std::int64_t secs = 0;
  std::uint32_t nanosecs = 0;
  bool operator==(const TimeOffset&) const = default;
};

struct Device {
  DeviceType type = DeviceType::kChar;
  std::string path;
  std::optional<std::int64_t> major;  // required but for kFifo
  std::optional<std::int64_t> minor;
  std::optional<std::uint32_t> file_mode;  // may carry S_IFMT bits, as Docker writes them
  std::optional<std::uint32_t> uid;
  std::optional<std::uint32_t> gid;
  bool operator==(const Device&) const = default;
};

struct NetDevice {
  std::string name;  // name in the container; empty: keep the host's
  bool operator==(const NetDevice&) const = default;
};

// config-linux.md "Control groups". Bytes for memory, microseconds for CPU times.

struct DeviceRule {
  bool allow = false;
  std::optional<DeviceType> type;     // absent: all
  std::optional<std::int64_t> major;  // absent or -1: all
  std::optional<std::int64_t> minor;
  std::string access;  // letters of "rwm"; empty: all
  bool operator==(const DeviceRule&) const = default;
};

struct MemoryResources {
  std::optional<std::int64_t> limit;  // -1: no limit
  std::optional<std::int64_t> reservation;
  std::optional<std::int64_t> swap;  // memory plus swap
  std::optional<std::int64_t> kernel;
  std::optional<std::int64_t> kernel_tcp;
  std::optional<std::uint64_t> swappiness;
  std::optional<bool> disable_oom_killer;
  std::optional<bool> use_hierarchy;
  std::optional<bool> check_before_update;
  bool operator==(const MemoryResources&) const = default;
};

struct CpuResources {
  std::optional<std::uint64_t> shares;
  std::optional<std::int64_t> quota;
  std::optional<std::uint64_t> burst;
  std::optional<std::uint64_t> period;
  std::optional<std::int64_t> realtime_runtime;
  std::optional<std::uint64_t> realtime_period;
  std::string cpus;
  std::string mems;
  std::optional<std::int64_t> idle;
  bool operator==(const CpuResources&) const = default;
};

struct PidsResources {
  std::optional<std::int64_t> limit;  // -1: no limit; 0 is a real limit since 1.3
  bool operator==(const PidsResources&) const = default;
};

struct WeightDevice {
  std::int64_t major = 0;
  std::int64_t minor = 0;
  std::optional<std::uint16_t> weight;
  std::optional<std::uint16_t> leaf_weight;
  bool operator==(const WeightDevice&) const = default;
};

struct ThrottleDevice {
  std::int64_t major = 0;
  std::int64_t minor = 0;
  std::uint64_t rate = 0;
  bool operator==(const ThrottleDevice&) const = default;
};

struct BlockIoResources {
  std::optional<std::uint16_t> weight;
  std::optional<std::uint16_t> leaf_weight;
  std::vector<WeightDevice> weight_device;
  std::vector<ThrottleDevice> throttle_read_bps_device;
  std::vector<ThrottleDevice> throttle_write_bps_device;
  std::vector<ThrottleDevice> throttle_read_iops_device;
  std::vector<ThrottleDevice> throttle_write_iops_device;
  bool operator==(const BlockIoResources&) const = default;
};

struct HugepageLimit {
  std::string page_size;  // "2MB"
  std::uint64_t limit = 0;
  bool operator==(const HugepageLimit&) const = default;
};

struct NetworkPriority {
  std::string name;
  std::uint32_t priority = 0;
  bool operator==(const NetworkPriority&) const = default;
};

struct NetworkResources {
  std::optional<std::uint32_t> class_id;
  std::vector<NetworkPriority> priorities;
  bool operator==(const NetworkResources&) const = default;
};

struct RdmaLimit {
  std::optional<std::uint32_t> hca_handles;
  std::optional<std::uint32_t> hca_objects;
  bool operator==(const RdmaLimit&) const = default;
};

struct Resources {
  std::vector<DeviceRule> devices;
  std::optional<MemoryResources> memory;
  std::optional<CpuResources> cpu;
  std::optional<PidsResources> pids;
  std::optional<BlockIoResources> block_io;
  std::vector<HugepageLimit> hugepage_limits;
  std::optional<NetworkResources> network;
  OrderedMap<RdmaLimit> rdma;  // by device
  StringMap unified;           // cgroup v2 file to value
  bool operator==(const Resources&) const = default;
};

// config-linux.md "Seccomp"

struct SeccompArg {
  std::uint32_t index = 0;
  std::uint64_t value = 0;
  std::uint64_t value_two = 0;
  SeccompOperator op = SeccompOperator::kEqual;
  bool operator==(const SeccompArg&) const = default;
};

struct SeccompSyscall {
  Strings names;
  SeccompAction action = SeccompAction::kErrno;
  std::optional<std::uint32_t> errno_ret;
  std::vector<SeccompArg> args;
  bool operator==(const SeccompSyscall&) const = default;
};

struct Seccomp {
  SeccompAction default_action = SeccompAction::kErrno;
  std::optional<std::uint32_t> default_errno_ret;
  std::vector<SeccompArch> architectures;
  std::optional<std::vector<SeccompFlag>> flags;
  std::string listener_path;
  std::string listener_metadata;
  std::vector<SeccompSyscall> syscalls;
  bool operator==(const Seccomp&) const = default;
};

struct IntelRdt {
  std::string clos_id;
  Strings schemata;
  std::string l3_cache_schema;
  std::string mem_bw_schema;
  bool enable_monitoring = false;
  bool operator==(const IntelRdt&) const = default;
};

// set_mempolicy(2)
struct MemoryPolicy {
  MemoryPolicyMode mode = MemoryPolicyMode::kDefault;
  std::string nodes;  // "0-3,7"; may be empty
  std::vector<MemoryPolicyFlag> flags;
  bool operator==(const MemoryPolicy&) const = default;
};

struct Personality {
  PersonalityDomain domain = PersonalityDomain::kLinux;
  Strings flags;  // 1.3 defines none: validate() refuses any
  bool operator==(const Personality&) const = default;
};

struct Linux {
  std::vector<Namespace> namespaces;
  std::vector<IdMapping> uid_mappings;
  std::vector<IdMapping> gid_mappings;
  OrderedMap<TimeOffset> time_offsets;  // "monotonic", "boottime"
  std::vector<Device> devices;
  OrderedMap<NetDevice> net_devices;  // by the name on the host
  std::string cgroups_path;
  std::optional<Resources> resources;
  std::optional<IntelRdt> intel_rdt;
  std::optional<MemoryPolicy> memory_policy;
  StringMap sysctl;
  std::optional<Seccomp> seccomp;
  std::optional<RootfsPropagation> rootfs_propagation;
  Strings masked_paths;
  Strings readonly_paths;
  std::string mount_label;
  std::optional<Personality> personality;
  bool operator==(const Linux&) const = default;
};

struct Spec {
  std::string oci_version;
  Root root;
  std::vector<Mount> mounts;
  std::optional<Process> process;  // the specification asks for it at start; validate() at create
  std::string hostname;
  std::string domainname;
  Hooks hooks;
  StringMap annotations;
  Linux linux;
  bool operator==(const Spec&) const = default;
};

// The namespace of that type, or nullptr: the container keeps the runtime's.
[[nodiscard]] inline const Namespace* find_namespace(const Linux& linux_config, NamespaceType type) noexcept {
  for (const Namespace& candidate : linux_config.namespaces) {
    if (candidate.type == type) return &candidate;
  }
  return nullptr;
}

}  // namespace wherry::oci
