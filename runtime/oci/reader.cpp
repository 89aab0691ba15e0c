// SPDX-License-Identifier: Apache-2.0
#include "oci/reader.hpp"

#include <algorithm>
#include <utility>

#include "oci/typed_reader.hpp"

namespace wherry::oci {

// One list per struct. REQUIRED is what config.md, config-linux.md and their JSON schema call so.

static constexpr auto fields(const ConsoleSize*) {
  return std::tuple{must("height", &ConsoleSize::height), must("width", &ConsoleSize::width)};
}

static constexpr auto fields(const User*) {
  return std::tuple{
      must("uid", &User::uid),
      may("gid", &User::gid),
      may("umask", &User::umask),
      may("additionalGids", &User::additional_gids),
  };
}

static constexpr auto fields(const Capabilities*) {
  return std::tuple{
      may("bounding", &Capabilities::bounding),       may("effective", &Capabilities::effective),
      may("inheritable", &Capabilities::inheritable), may("permitted", &Capabilities::permitted),
      may("ambient", &Capabilities::ambient),
  };
}

static constexpr auto fields(const Rlimit*) {
  return std::tuple{must("type", &Rlimit::type), must("soft", &Rlimit::soft), must("hard", &Rlimit::hard)};
}

static constexpr auto fields(const Scheduler*) {
  return std::tuple{
      must("policy", &Scheduler::policy), may("nice", &Scheduler::nice),       may("priority", &Scheduler::priority),
      may("flags", &Scheduler::flags),    may("runtime", &Scheduler::runtime), may("deadline", &Scheduler::deadline),
      may("period", &Scheduler::period),
  };
}

static constexpr auto fields(const IoPriority*) {
  return std::tuple{must("class", &IoPriority::io_class), may("priority", &IoPriority::priority)};
}

static constexpr auto fields(const ExecCpuAffinity*) {
  return std::tuple{may("initial", &ExecCpuAffinity::initial), may("final", &ExecCpuAffinity::final)};
}

static constexpr auto fields(const Process*) {
  return std::tuple{
      may("terminal", &Process::terminal),
      may("consoleSize", &Process::console_size),
      must("cwd", &Process::cwd),
      may("env", &Process::env),
      may("args", &Process::args),
      may("user", &Process::user),
      may("rlimits", &Process::rlimits),
      may("apparmorProfile", &Process::apparmor_profile),
      may("capabilities", &Process::capabilities),
      may("noNewPrivileges", &Process::no_new_privileges),
      may("oomScoreAdj", &Process::oom_score_adj),
      may("scheduler", &Process::scheduler),
      may("selinuxLabel", &Process::selinux_label),
      may("ioPriority", &Process::io_priority),
      may("execCPUAffinity", &Process::exec_cpu_affinity),
  };
}

static constexpr auto fields(const Root*) {
  return std::tuple{must("path", &Root::path), may("readonly", &Root::readonly)};
}

static constexpr auto fields(const IdMapping*) {
  return std::tuple{
      must("containerID", &IdMapping::container_id),
      must("hostID", &IdMapping::host_id),
      must("size", &IdMapping::size),
  };
}

static constexpr auto fields(const Mount*) {
  return std::tuple{
      must("destination", &Mount::destination),
      may("type", &Mount::type),
      may("source", &Mount::source),
      may("options", &Mount::options),
      may("uidMappings", &Mount::uid_mappings),
      may("gidMappings", &Mount::gid_mappings),
  };
}

static constexpr auto fields(const Hook*) {
  return std::tuple{
      must("path", &Hook::path),
      may("args", &Hook::args),
      may("env", &Hook::env),
      may("timeout", &Hook::timeout),
  };
}

static constexpr auto fields(const Hooks*) {
  return std::tuple{
      may("prestart", &Hooks::prestart),
      may("createRuntime", &Hooks::create_runtime),
      may("createContainer", &Hooks::create_container),
      may("startContainer", &Hooks::start_container),
      may("poststart", &Hooks::poststart),
      may("poststop", &Hooks::poststop),
  };
}

static constexpr auto fields(const Namespace*) {
  return std::tuple{must("type", &Namespace::type), may("path", &Namespace::path)};
}

static constexpr auto fields(const TimeOffset*) {
  return std::tuple{may("secs", &TimeOffset::secs), may("nanosecs", &TimeOffset::nanosecs)};
}

static constexpr auto fields(const Device*) {
  return std::tuple{
      must("type", &Device::type),  must("path", &Device::path),         may("major", &Device::major),
      may("minor", &Device::minor), may("fileMode", &Device::file_mode), may("uid", &Device::uid),
      may("gid", &Device::gid),
  };
}

static constexpr auto fields(const NetDevice*) { return std::tuple{may("name", &NetDevice::name)}; }

static constexpr auto fields(const DeviceRule*) {
  return std::tuple{
      must("allow", &DeviceRule::allow), may("type", &DeviceRule::type),     may("major", &DeviceRule::major),
      may("minor", &DeviceRule::minor),  may("access", &DeviceRule::access),
  };
}

static constexpr auto fields(const MemoryResources*) {
  return std::tuple{
      may("limit", &MemoryResources::limit),
      may("reservation", &MemoryResources::reservation),
      may("swap", &MemoryResources::swap),
      may("kernel", &MemoryResources::kernel),
      may("kernelTCP", &MemoryResources::kernel_tcp),
      may("swappiness", &MemoryResources::swappiness),
      may("disableOOMKiller", &MemoryResources::disable_oom_killer),
      may("useHierarchy", &MemoryResources::use_hierarchy),
      may("checkBeforeUpdate", &MemoryResources::check_before_update),
  };
}

static constexpr auto fields(const CpuResources*) {
  return std::tuple{
      may("shares", &CpuResources::shares),
      may("quota", &CpuResources::quota),
      may("burst", &CpuResources::burst),
      may("period", &CpuResources::period),
      may("realtimeRuntime", &CpuResources::realtime_runtime),
      may("realtimePeriod", &CpuResources::realtime_period),
      may("cpus", &CpuResources::cpus),
      may("mems", &CpuResources::mems),
      may("idle", &CpuResources::idle),
  };
}

static constexpr auto fields(const PidsResources*) { return std::tuple{may("limit", &PidsResources::limit)}; }

static constexpr auto fields(const WeightDevice*) {
  return std::tuple{
      must("major", &WeightDevice::major),
      must("minor", &WeightDevice::minor),
      may("weight", &WeightDevice::weight),
      may("leafWeight", &WeightDevice::leaf_weight),
  };
}

static constexpr auto fields(const ThrottleDevice*) {
  return std::tuple{
      must("major", &ThrottleDevice::major),
      must("minor", &ThrottleDevice::minor),
      must("rate", &ThrottleDevice::rate),
  };
}

static constexpr auto fields(const BlockIoResources*) {
  return std::tuple{
      may("weight", &BlockIoResources::weight),
      may("leafWeight", &BlockIoResources::leaf_weight),
      may("weightDevice", &BlockIoResources::weight_device),
      may("throttleReadBpsDevice", &BlockIoResources::throttle_read_bps_device),
      may("throttleWriteBpsDevice", &BlockIoResources::throttle_write_bps_device),
      may("throttleReadIOPSDevice", &BlockIoResources::throttle_read_iops_device),
      may("throttleWriteIOPSDevice", &BlockIoResources::throttle_write_iops_device),
  };
}

static constexpr auto fields(const HugepageLimit*) {
  return std::tuple{must("pageSize", &HugepageLimit::page_size), must("limit", &HugepageLimit::limit)};
}

static constexpr auto fields(const NetworkPriority*) {
  return std::tuple{must("name", &NetworkPriority::name), must("priority", &NetworkPriority::priority)};
}

static constexpr auto fields(const NetworkResources*) {
  return std::tuple{may("classID", &NetworkResources::class_id), may("priorities", &NetworkResources::priorities)};
}

static constexpr auto fields(const RdmaLimit*) {
  return std::tuple{may("hcaHandles", &RdmaLimit::hca_handles), may("hcaObjects", &RdmaLimit::hca_objects)};
}

static constexpr auto fields(const Resources*) {
  return std::tuple{
      may("devices", &Resources::devices),  may("memory", &Resources::memory),
      may("cpu", &Resources::cpu),          may("pids", &Resources::pids),
      may("blockIO", &Resources::block_io), may("hugepageLimits", &Resources::hugepage_limits),
      may("network", &Resources::network),  may("rdma", &Resources::rdma),
      may("unified", &Resources::unified),
  };
}

static constexpr auto fields(const SeccompArg*) {
  return std::tuple{
      must("index", &SeccompArg::index),
      must("value", &SeccompArg::value),
      may("valueTwo", &SeccompArg::value_two),
      must("op", &SeccompArg::op),
  };
}

static constexpr auto fields(const SeccompSyscall*) {
  return std::tuple{
      must("names", &SeccompSyscall::names),
      must("action", &SeccompSyscall::action),
      may("errnoRet", &SeccompSyscall::errno_ret),
      may("args", &SeccompSyscall::args),
  };
}

static constexpr auto fields(const Seccomp*) {
  return std::tuple{
      must("defaultAction", &Seccomp::default_action),
      may("defaultErrnoRet", &Seccomp::default_errno_ret),
      may("architectures", &Seccomp::architectures),
      may("flags", &Seccomp::flags),
      may("listenerPath", &Seccomp::listener_path),
      may("listenerMetadata", &Seccomp::listener_metadata),
      may("syscalls", &Seccomp::syscalls),
  };
}

static constexpr auto fields(const IntelRdt*) {
  return std::tuple{
      may("closID", &IntelRdt::clos_id),
      may("schemata", &IntelRdt::schemata),
      may("l3CacheSchema", &IntelRdt::l3_cache_schema),
      may("memBwSchema", &IntelRdt::mem_bw_schema),
      may("enableMonitoring", &IntelRdt::enable_monitoring),
  };
}

static constexpr auto fields(const MemoryPolicy*) {
  return std::tuple{
      must("mode", &MemoryPolicy::mode),
      may("nodes", &MemoryPolicy::nodes),
      may("flags", &MemoryPolicy::flags),
  };
}

static constexpr auto fields(const Personality*) {
  return std::tuple{must("domain", &Personality::domain), may("flags", &Personality::flags)};
}

static constexpr auto fields(const Linux*) {
  return std::tuple{
      may("namespaces", &Linux::namespaces),
      may("uidMappings", &Linux::uid_mappings),
      may("gidMappings", &Linux::gid_mappings),
      may("timeOffsets", &Linux::time_offsets),
      may("devices", &Linux::devices),
      may("netDevices", &Linux::net_devices),
      may("cgroupsPath", &Linux::cgroups_path),
      may("resources", &Linux::resources),
      may("intelRdt", &Linux::intel_rdt),
      may("memoryPolicy", &Linux::memory_policy),
      may("sysctl", &Linux::sysctl),
      may("seccomp", &Linux::seccomp),
      may("rootfsPropagation", &Linux::rootfs_propagation),
      may("maskedPaths", &Linux::masked_paths),
      may("readonlyPaths", &Linux::readonly_paths),
      may("mountLabel", &Linux::mount_label),
      may("personality", &Linux::personality),
  };
}

static constexpr auto fields(const Spec*) {
  return std::tuple{
      must("ociVersion", &Spec::oci_version),
      must("root", &Spec::root),
      may("mounts", &Spec::mounts),
      may("process", &Spec::process),
      may("hostname", &Spec::hostname),
      may("domainname", &Spec::domainname),
      may("hooks", &Spec::hooks),
      may("annotations", &Spec::annotations),
      may("linux", &Spec::linux),
  };
}

namespace {

constexpr std::string_view kKindNames[] = {"null",     "a boolean", "a number", "a number",
                                           "a number", "a string",  "an array", "an object"};

// Enough to recognize a value, not enough to flood a log.
constexpr std::size_t kMaxSpelled = 60;
constexpr std::size_t kMaxListed = 16;

std::string summarize(const std::vector<Fault>& faults) {
  if (faults.size() == 1) return faults.front().message;
  std::string text = std::to_string(faults.size()) + " faults: ";
  const std::size_t listed = std::min(faults.size(), kMaxListed);
  for (std::size_t i = 0; i < listed; ++i) {
    if (i != 0) text += "; ";
    text += faults[i].pointer.empty() ? faults[i].message : faults[i].pointer + ": " + faults[i].message;
  }
  if (listed < faults.size()) text += "; and " + std::to_string(faults.size() - listed) + " more";
  return text;
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// A SemVer number: no sign, no leading zero. Advances `text` past it.
bool take_number(std::string_view& text) {
  std::size_t length = 0;
  while (length < text.size() && is_digit(text[length])) ++length;
  if (length == 0 || (length > 1 && text[0] == '0')) return false;
  text.remove_prefix(length);
  return true;
}

bool take(std::string_view& text, char wanted) {
  if (text.empty() || text.front() != wanted) return false;
  text.remove_prefix(1);
  return true;
}

// Dot-separated identifiers of [0-9A-Za-z-]; for a pre-release and a build both are of this form.
bool is_suffix(std::string_view text) {
  bool previous_dot = true;
  for (const char c : text) {
    const bool dot = c == '.';
    const bool word = is_digit(c) || c == '-' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (!dot && !word) return false;
    if (dot && previous_dot) return false;
    previous_dot = dot;
  }
  return !previous_dot;
}

bool is_semver(std::string_view text) {
  if (!take_number(text) || !take(text, '.') || !take_number(text) || !take(text, '.') || !take_number(text)) {
    return false;
  }
  const std::size_t plus = text.find('+');
  if (plus != std::string_view::npos && !is_suffix(text.substr(plus + 1))) return false;
  text = text.substr(0, plus);
  return text.empty() || (text.front() == '-' && is_suffix(text.substr(1)));
}

// config.md "Specification version". A minor version above ours is no fault: what it adds is unknown
// properties, and those are ignored.
void check_version(const std::string& version, std::vector<Fault>& faults) {
  for (const Fault& fault : faults) {
    if (fault.pointer == "/ociVersion" || fault.pointer.empty()) return;  // missing or of a wrong type
  }
  if (!is_semver(version)) {
    faults.push_back({"/ociVersion", "must be a semantic version, is \"" + version.substr(0, kMaxSpelled) + "\""});
  } else if (!version.starts_with("1.")) {
    faults.push_back({"/ociVersion", "must be 1.x, is \"" + version.substr(0, kMaxSpelled) + "\""});
  }
}

template <typename Document>
Document read_checked(std::string_view json, std::string_view name,
                      void (*check)(const Document&, std::vector<Fault>&)) {
  Document document;
  std::vector<Fault> faults;
  const Tape tape(json, name);
  TypedReader(tape, faults).read_document(document);
  if (check != nullptr) check(document, faults);
  if (!faults.empty()) throw FaultsError(std::string(name), std::move(faults));
  return document;
}

}  // namespace

std::string pointer_token(std::string_view key) {
  std::string token;
  for (const char c : key) {
    if (c == '~') {
      token += "~0";
    } else if (c == '/') {
      token += "~1";
    } else {
      token += c;
    }
  }
  return token;
}

void TypedReader::fault(const Place& place, std::string message) {
  std::vector<const Place*> chain;
  for (const Place* at = &place; at->parent != nullptr; at = at->parent) chain.push_back(at);
  std::string pointer;
  for (auto step = chain.rbegin(); step != chain.rend(); ++step) {
    pointer += '/';
    pointer += (*step)->is_key ? pointer_token((*step)->key) : std::to_string((*step)->index);
  }
  faults_.push_back({std::move(pointer), std::move(message)});
}

void TypedReader::wrong_type(std::size_t at, const Place& place, std::string_view wanted) {
  std::string message = "must be ";
  message += wanted;
  message += ", is ";
  message += kKindNames[static_cast<std::size_t>(tape_.at(at).kind)];
  fault(place, std::move(message));
}

void TypedReader::out_of_range(std::size_t at, const Place& place, std::int64_t low, std::uint64_t high) {
  const JsonValue& value = tape_.at(at);
  const bool number = value.kind >= JsonKind::kUnsigned && value.kind <= JsonKind::kReal;
  if (!number) return wrong_type(at, place, "an integer");
  // The parser turns an integer beyond 64 bits into a real number.
  const bool integer =
      value.kind != JsonKind::kReal || tape_.text(value).find_first_of(".eE") == std::string_view::npos;
  const std::string wanted = "between " + std::to_string(low) + " and " + std::to_string(high);
  fault(place, "must be " + (integer ? wanted : std::string("an integer")) + ", is " + spelled(value));
}

std::string TypedReader::spelled(const JsonValue& value) const {
  if (value.kind == JsonKind::kUnsigned) return std::to_string(value.data);
  if (value.kind == JsonKind::kNegative) return std::to_string(static_cast<std::int64_t>(value.data));
  const std::string text(tape_.text(value).substr(0, kMaxSpelled));
  return value.kind == JsonKind::kString ? "\"" + text + "\"" : text;
}

void TypedReader::read(std::size_t at, const Place& place, bool& out) {
  if (expect(at, place, JsonKind::kBool, "a boolean")) out = tape_.at(at).data != 0;
}

void TypedReader::read(std::size_t at, const Place& place, std::string& out) {
  if (!expect(at, place, JsonKind::kString, "a string")) return;
  const std::string_view text = tape_.text(tape_.at(at));
  // The kernel would see a shorter string than the one that was checked.
  if (text.find('\0') != std::string_view::npos) return fault(place, "must not contain a NUL byte");
  out = text;
}

FaultsError::FaultsError(std::string document, std::vector<Fault> faults)
    : Error(summarize(faults)), faults_(std::move(faults)) {
  (void)std::move(*this).in(std::move(document), faults_.size() == 1 ? faults_.front().pointer : std::string());
}

Spec read_spec(std::string_view json, std::string_view document) {
  return read_checked<Spec>(
      json, document, [](const Spec& spec, std::vector<Fault>& faults) { check_version(spec.oci_version, faults); });
}

Process read_process(std::string_view json, std::string_view document) {
  return read_checked<Process>(json, document, nullptr);
}

Resources read_resources(std::string_view json, std::string_view document) {
  return read_checked<Resources>(json, document, nullptr);
}

}  // namespace wherry::oci
