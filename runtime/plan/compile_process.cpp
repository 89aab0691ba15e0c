// SPDX-License-Identifier: Apache-2.0
// What the process may do, and the exec. runtime-spec config.md "Process"; capabilities(7) and seccomp(2) decide the
// order.
#include <linux/capability.h>
#include <linux/mempolicy.h>
#include <linux/sched.h>
#include <sys/resource.h>

#include <algorithm>
#include <charconv>
#include <string_view>

#include "oci/names.hpp"
#include "plan/capabilities.hpp"
#include "plan/composer.hpp"
#include "plan/seccomp.hpp"
#include "wherry/error.hpp"

namespace wherry::plan {
namespace {

constexpr uint64_t kSysAdmin = uint64_t{1} << CAP_SYS_ADMIN;

// sched_setattr(2) numbers the policies in the order of oci::SchedulerPolicy, and the flags as bits in the order of
// oci::SchedulerFlag.
static_assert(static_cast<int>(oci::SchedulerPolicy::kDeadline) == SCHED_DEADLINE);
static_assert(1 << static_cast<int>(oci::SchedulerFlag::kUtilClampMax) == SCHED_FLAG_UTIL_CLAMP_MAX);

struct PolicyMode {
  oci::MemoryPolicyMode mode;
  uint32_t number;
};
constexpr PolicyMode kPolicyModes[] = {
    {oci::MemoryPolicyMode::kDefault, MPOL_DEFAULT},       {oci::MemoryPolicyMode::kBind, MPOL_BIND},
    {oci::MemoryPolicyMode::kInterleave, MPOL_INTERLEAVE}, {oci::MemoryPolicyMode::kPreferred, MPOL_PREFERRED},
    {oci::MemoryPolicyMode::kLocal, MPOL_LOCAL},           {oci::MemoryPolicyMode::kPreferredMany, MPOL_PREFERRED_MANY},
    {oci::MemoryPolicyMode::kWeightedInterleave, 6},  // MPOL_WEIGHTED_INTERLEAVE, 6.9
};

uint32_t policy_number(const oci::MemoryPolicy& policy) {
  uint32_t number = 0;
  for (const PolicyMode& row : kPolicyModes)
    if (row.mode == policy.mode) number = row.number;
  for (const oci::MemoryPolicyFlag flag : policy.flags) {
    if (flag == oci::MemoryPolicyFlag::kStaticNodes) number |= MPOL_F_STATIC_NODES;
    if (flag == oci::MemoryPolicyFlag::kRelativeNodes) number |= MPOL_F_RELATIVE_NODES;
    if (flag == oci::MemoryPolicyFlag::kNumaBalancing) number |= MPOL_F_NUMA_BALANCING;
  }
  return number;
}

bool in_user_namespace(const Composer& out) { return out.has(oci::NamespaceType::kUser); }

bool is_raised(const Composer& out, const SetRlimit<Owned>& limit) {
  const auto& hard = out.facts.hard_limits;
  return in_user_namespace(out) && out.facts.privileged && limit.resource.value < hard.size() &&
         limit.hard.value > hard[limit.resource.value];
}

SetRlimit<Owned> described(const oci::Rlimit& limit) {
  return {{static_cast<uint64_t>(oci::rlimit_resource(limit.type).value_or(0))}, {limit.soft}, {limit.hard}};
}

template <class Wanted>
void add_limits(Composer& out, const oci::Process& process, const std::string& base, Wanted&& wanted, Lane lane) {
  for (std::size_t i = 0; i < process.rlimits.size(); ++i) {
    SetRlimit<Owned> step = described(process.rlimits[i]);
    if (!wanted(step)) continue;
    const std::string origin = pointer(base + "/rlimits", i);
    lane == Lane::kInit ? out.init(step, origin) : out.pid1(step, origin);
  }
}

void add_scheduling(Composer& out, const oci::Process& process, const std::string& base) {
  if (const auto& wanted = process.scheduler) {
    SetScheduler<Owned> step;
    step.policy = static_cast<uint32_t>(wanted->policy);
    step.nice = wanted->nice.value_or(0);
    step.priority = static_cast<uint32_t>(wanted->priority.value_or(0));
    for (const oci::SchedulerFlag flag : wanted->flags) step.flags |= uint64_t{1} << static_cast<unsigned>(flag);
    step.runtime_ns = wanted->runtime.value_or(0);
    step.deadline_ns = wanted->deadline.value_or(0);
    step.period_ns = wanted->period.value_or(0);
    out.pid1(step, base + "/scheduler");
  }
  if (const auto& wanted = process.io_priority) {
    // ioprio_set(2): real time 1, best effort 2, idle 3
    out.pid1(SetIoPriority<Owned>{static_cast<uint32_t>(wanted->io_class) + 1, static_cast<uint32_t>(wanted->priority)},
             base + "/ioPriority");
  }
  if (const auto& wanted = out.spec.linux.personality)
    out.pid1(SetPersonality<Owned>{wanted->domain == oci::PersonalityDomain::kLinux32 ? 8U : 0U}, "/linux/personality");
}

// "0-3,7" as a bit mask. oci::validate has seen that it is one.
std::vector<uint64_t> bit_mask(std::string_view list, uint32_t limit, const Error& failure) {
  std::vector<uint64_t> mask;
  while (!list.empty()) {
    uint32_t first = 0;
    auto parsed = std::from_chars(list.data(), list.data() + list.size(), first);
    uint32_t last = first;
    if (parsed.ptr != list.data() + list.size() && *parsed.ptr == '-')
      parsed = std::from_chars(parsed.ptr + 1, list.data() + list.size(), last);
    if (last >= limit) throw Error(failure).because(ERANGE).detail("they go up to " + std::to_string(limit - 1));
    for (uint32_t node = first; node <= last; ++node) {
      if (mask.size() <= node / 64) mask.resize(node / 64 + 1);
      mask[node / 64] |= uint64_t{1} << (node % 64);
    }
    list.remove_prefix(static_cast<std::size_t>(parsed.ptr - list.data()));
    if (list.empty()) break;
    if (list.front() != ',') throw Error(failure).because(EINVAL).detail("not a list like 0-3,7");
    list.remove_prefix(1);
  }
  return mask;
}

void add_memory_policy(Composer& out) {
  const auto& wanted = out.spec.linux.memory_policy;
  if (!wanted) return;
  SetMemoryPolicy<Owned> step;
  step.mode = policy_number(*wanted);
  constexpr uint32_t kMostNodes = 1024;  // CONFIG_NODES_SHIFT is at most 10
  step.nodes = bit_mask(wanted->nodes, kMostNodes, Error("set the memory policy").at("/linux/memoryPolicy/nodes"));
  out.pid1(std::move(step), "/linux/memoryPolicy");
}

using Capabilities = Composer::Capabilities;

Capabilities capabilities_of(Composer& out, const oci::Process& process) {
  Capabilities masks;
  if (!process.capabilities) return masks;
  std::vector<std::string> unknown;
  const auto mask = [&](const oci::Strings& names) {
    return capability_mask(names, out.facts.last_capability, unknown);
  };
  masks.bounding = mask(process.capabilities->bounding);
  masks.effective = mask(process.capabilities->effective);
  masks.permitted = mask(process.capabilities->permitted);
  masks.inheritable = mask(process.capabilities->inheritable);
  masks.ambient = mask(process.capabilities->ambient);
  for (const std::string& name : unknown)
    out.plan.warnings.push_back("this kernel does not know the capability " + name);
  // capabilities(7): ambient is what is both permitted and inheritable.
  std::string missing;
  for (const std::string& name : capability_names_of(masks.ambient & ~(masks.permitted & masks.inheritable)))
    missing.append(missing.empty() ? "" : ", ").append(name);
  if (!missing.empty())
    out.plan.warnings.push_back("can't raise ambient capability " + missing + ": not both permitted and inheritable");
  return masks;
}

bool has_filter(const Composer& out) { return out.spec.linux.seccomp.has_value(); }

// Loading a filter without no_new_privs needs CAP_SYS_ADMIN (seccomp(2)): it is kept until the filter is loaded.
bool keeps_sys_admin(const Composer& out, const oci::Process& process, const Capabilities& masks) {
  return has_filter(out) && !process.no_new_privileges && (masks.permitted & masks.effective & kSysAdmin) == 0;
}

void add_credentials(Composer& out, const oci::Process& process, const std::string& base) {
  const Capabilities& masks = out.capabilities = capabilities_of(out, process);
  out.pid1(LimitBoundingSet<Owned>{{masks.bounding}}, base + "/capabilities/bounding");
  const oci::User& user = process.user;
  if (user.uid != 0) out.pid1(OwnStandardStreams<Owned>{user.uid}, base + "/user/uid");
  out.pid1(SetCredentials<Owned>{user.uid, user.gid, user.additional_gids}, base + "/user");
  const uint64_t kept = keeps_sys_admin(out, process, masks) ? kSysAdmin : 0;
  out.pid1(
      SetCapabilities<Owned>{{masks.effective | kept}, {masks.permitted | kept}, {masks.inheritable}, {masks.ambient}},
      base + "/capabilities");
}

std::string_view key_of(std::string_view assignment) { return assignment.substr(0, assignment.find('=')); }

// Of a key that stands twice the last one holds, as in a shell.
std::vector<std::string> environment(const Composer& out, const oci::Process& process) {
  std::vector<std::string> all = process.env, env;
  if (out.facts.listen_fds != 0) {  // sd_listen_fds(3)
    all.push_back("LISTEN_FDS=" + std::to_string(out.facts.listen_fds));
    all.push_back("LISTEN_PID=1");
  }
  if (!out.facts.notify_socket.empty()) all.push_back("NOTIFY_SOCKET=/run/notify/notify.sock");
  for (auto at = all.begin(); at != all.end(); ++at) {
    const bool repeated =
        std::any_of(std::next(at), all.end(), [&](const std::string& later) { return key_of(later) == key_of(*at); });
    if (!repeated) env.push_back(*at);
  }
  return env;
}

std::string value_of(const std::vector<std::string>& env, std::string_view key) {
  for (const std::string& assignment : env)
    if (key_of(assignment) == key && assignment.size() > key.size()) return assignment.substr(key.size() + 1);
  return {};
}

constexpr const char* kDefaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

void add_program(Composer& out, const oci::Process& process, const std::string& base) {
  std::vector<std::string>& env = out.environment = environment(out, process);
  if (value_of(env, "HOME").empty()) {
    std::erase_if(env, [](const std::string& assignment) { return key_of(assignment) == "HOME"; });
    out.pid1(FindHome<Owned>{process.user.uid}, base + "/env");
  }
  const std::string path = value_of(env, "PATH");
  out.pid1(FindExecutable<Owned>{process.args.front(), path.empty() ? kDefaultPath : path}, base + "/args/0");
  out.pid1(SealDescriptors<Owned>{3 + out.facts.preserve_fds});
}

// attr/apparmor/exec exists since 5.8 and is AppArmor's alone; attr/exec is whoever comes first in the stack.
void add_labels(Composer& out, const oci::Process& process, const std::string& base) {
  if (!process.apparmor_profile.empty())
    out.pid1(SetProcessLabel<Owned>{"apparmor/exec", "exec " + process.apparmor_profile}, base + "/apparmorProfile");
  if (!process.selinux_label.empty())
    out.pid1(SetProcessLabel<Owned>{"exec", process.selinux_label}, base + "/selinuxLabel");
}

void load_filter(Composer& out) {
  CompiledFilter filter = out.facts.filter ? *out.facts.filter : compile_seccomp(*out.spec.linux.seccomp);
  if (filter.notify) {
    const oci::Seccomp& seccomp = *out.spec.linux.seccomp;
    out.pid1(LoadSeccompWithListener<Owned>{std::move(filter.program), filter.flags}, "/linux/seccomp");
    out.beside(HandOverListener{seccomp.listener_path, seccomp.listener_metadata}, "/linux/seccomp/listenerPath");
  } else if (!filter.program.empty()) {
    out.pid1(LoadSeccomp<Owned>{std::move(filter.program), filter.flags}, "/linux/seccomp");
  }
}

}  // namespace

// Raising a hard limit needs CAP_SYS_RESOURCE over the initial user namespace, which pid 1 has lost inside its own.
void compile_raised_limits(Composer& out, const oci::Process& process, const std::string& base) {
  add_limits(
      out, process, base, [&](const auto& limit) { return is_raised(out, limit); }, Lane::kInit);
}

void compile_affinity(Composer& out, const std::string& cpus, Lane lane, const std::string& origin) {
  constexpr uint32_t kMostCpus = 8192;  // CONFIG_NR_CPUS
  SetCpuAffinity<Owned> step;
  if (!cpus.empty()) step.cpus = bit_mask(cpus, kMostCpus, Error("set the CPU affinity").at(origin));
  lane == Lane::kInit ? out.init(std::move(step), origin) : out.pid1(std::move(step), origin);
}

void compile_process(Composer& out, const oci::Process& process, const std::string& base) {
  add_limits(
      out, process, base, [&](const auto& limit) { return !is_raised(out, limit); }, Lane::kPid1);
  add_scheduling(out, process, base);
  add_memory_policy(out);
  add_labels(out, process, base);
  constexpr uint32_t kDefaultUmask = 0022;
  // Root of a user namespace has power over files only if it knows both their ids.
  const bool tries_twice = out.in_user_namespace() && process.user.uid != 0;
  out.pid1(ChangeDirectory<Owned>{process.cwd, tries_twice}, base + "/cwd");
  out.pid1(SetUmask<Owned>{{process.user.umask.value_or(kDefaultUmask)}}, base + "/user/umask");
  if (process.no_new_privileges) out.pid1(SetNoNewPrivileges<Owned>{}, base + "/noNewPrivileges");
  add_credentials(out, process, base);
  if (tries_twice) out.pid1(ChangeDirectory<Owned>{process.cwd, false, true}, base + "/cwd");
  add_program(out, process, base);
}

void compile_filter(Composer& out, const oci::Process& process, const std::string& base) {
  if (has_filter(out)) load_filter(out);
  const Capabilities& masks = out.capabilities;
  if (keeps_sys_admin(out, process, masks))
    out.pid1(SetCapabilities<Owned>{{masks.effective}, {masks.permitted}, {masks.inheritable}, {}},
             base + "/capabilities");
}

void compile_program(Composer& out, const oci::Process& process, const std::string& base) {
  out.pid1(Exec<Owned>{process.args, std::move(out.environment)}, base + "/args");
}

}  // namespace wherry::plan
