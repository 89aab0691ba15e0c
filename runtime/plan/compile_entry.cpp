// SPDX-License-Identifier: Apache-2.0
// The cgroup, and the way from the host's namespaces into the container's.
#include <linux/sched.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "oci/validate.hpp"
#include "os/core/abi.hpp"
#include "plan/compile.hpp"
#include "plan/compile_limits.hpp"
#include "plan/compile_unit.hpp"
#include "plan/composer.hpp"
#include "wherry/error.hpp"

namespace wherry::plan {
namespace {

using oci::NamespaceType;

std::vector<Joined> open_namespaces(Composer& out) {
  std::vector<Joined> joined;
  const auto& namespaces = out.spec.linux.namespaces;
  for (std::size_t i = 0; i < namespaces.size(); ++i) {
    if (namespaces[i].path.empty()) continue;
    const std::string origin = pointer("/linux/namespaces", i);
    const Joined entry{namespaces[i].type, out.new_slot(origin), origin};
    out.init(OpenNamespace<Owned>{{clone_flag(entry.type)}, namespaces[i].path, entry.slot}, origin);
    joined.push_back(entry);
    if (entry.type == NamespaceType::kUser) out.opened.user_namespace = entry.slot;
  }
  return joined;
}

void create_user_namespace(Composer& out) {
  out.init(CreateUserNamespace<Owned>{}, "/linux/namespaces");
  out.host(MapIds{id_maps(out.spec.linux.uid_mappings), id_maps(out.spec.linux.gid_mappings)}, "/linux/uidMappings");
}

void create_time_namespace(Composer& out) {
  CreateTimeNamespace<Owned> step;
  for (const auto& [clock, offset] : out.spec.linux.time_offsets) {
    const bool monotonic = clock == "monotonic";
    (monotonic ? step.monotonic_seconds : step.boottime_seconds) = offset.secs;
    (monotonic ? step.monotonic_nanoseconds : step.boottime_nanoseconds) = offset.nanosecs;
  }
  out.init(step, "/linux/timeOffsets");
}

// New namespaces come into being in three ways: the user and time namespaces before all others, in steps of their own;
// these by unshare(2); pid, mount and cgroup with the clone, the last rooted at the cgroup that the clone lands in.
constexpr uint64_t kUnshared = CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS;
constexpr uint64_t kCloned = CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWCGROUP;

uint64_t fresh_namespaces(const oci::Spec& spec, uint64_t wanted) {
  uint64_t flags = 0;
  for (const oci::Namespace& entry : spec.linux.namespaces)
    if (entry.path.empty()) flags |= clone_flag(entry.type) & wanted;
  return flags;
}

void create_namespaces(Composer& out) {
  if (const uint64_t types = fresh_namespaces(out.spec, kUnshared); types != 0)
    out.init(CreateNamespaces<Owned>{{types}}, "/linux/namespaces");
  if (out.is_new(NamespaceType::kNetwork)) out.init(BringUpLoopback<Owned>{}, "/linux/namespaces");
}

void move_net_devices(Composer& out) {
  if (out.spec.linux.net_devices.empty()) return;
  out.init(OpenNetworkSocket<Owned>{}, "/linux/netDevices");
  for (const auto& [host_name, device] : out.spec.linux.net_devices)
    out.host(MoveNetDevice{host_name, device.name.empty() ? host_name : device.name},
             "/linux/netDevices/" + oci::pointer_token(host_name));
}

// config-linux.md "IntelRdt": lines for memory bandwidth come from memBwSchema if that is given.
std::vector<std::string> schemata_of(const oci::IntelRdt& wanted) {
  std::vector<std::string> lines;
  for (std::size_t at = 0; at < wanted.l3_cache_schema.size();) {
    const std::size_t end = std::min(wanted.l3_cache_schema.find('\n', at), wanted.l3_cache_schema.size());
    const std::string line = wanted.l3_cache_schema.substr(at, end - at);
    const bool replaced = !wanted.mem_bw_schema.empty() && line.rfind("MB:", 0) == 0;
    if (!line.empty() && !replaced) lines.push_back(line);
    at = end + 1;
  }
  if (!wanted.mem_bw_schema.empty()) lines.push_back(wanted.mem_bw_schema);
  lines.insert(lines.end(), wanted.schemata.begin(), wanted.schemata.end());
  return lines;
}

void join_resctrl_group(Composer& out) {
  const auto& wanted = out.spec.linux.intel_rdt;
  if (!wanted) return;
  if (out.facts.resctrl_mount.empty())
    throw Error("make a resctrl group")
        .at("/linux/intelRdt")
        .detail("no resctrl is mounted")
        .remedy("mount -t resctrl resctrl /sys/fs/resctrl, or remove it");
  JoinResctrlGroup step{resctrl_group(*wanted, out.facts), false, schemata_of(*wanted),
                        resctrl_monitor(*wanted, out.facts)};
  step.must_exist = !wanted->clos_id.empty() && step.schemata.empty();
  out.host(std::move(step), "/linux/intelRdt");
}

void spawn_pid1(Composer& out) {
  const bool has_cgroup = out.facts.cgroup_manager != CgroupManager::kDisabled;
  if (has_cgroup) out.init(AwaitSlot<Owned>{slot::kCgroup}, "/linux/cgroupsPath");
  out.init(SpawnPid1<Owned>{{fresh_namespaces(out.spec, kCloned)}, has_cgroup ? slot::kCgroup : slot::kNone},
           "/linux/namespaces");
}

bool mounts_cgroup_writable(const oci::Spec& spec) {
  return std::any_of(spec.mounts.begin(), spec.mounts.end(), [](const oci::Mount& mount) {
    const auto& options = mount.options;
    return mount.source == "cgroup" && mount.destination == "/sys/fs/cgroup" &&
           std::find(options.begin(), options.end(), "ro") == options.end();
  });
}

// config-linux.md "Cgroup ownership": with a cgroup namespace of its own and a writable mount, and not otherwise.
// An unprivileged caller can give to nobody, and what it makes belongs to the container's root already.
void compile_delegation(Composer& out) {
  if (!out.facts.privileged || !out.is_new(NamespaceType::kCgroup) || !mounts_cgroup_writable(out.spec)) return;
  const oci::User& user = out.spec.process->user;
  if (!out.has(NamespaceType::kUser)) {
    if (user.uid != 0) out.beside(DelegateCgroup{user.uid}, "/process/user/uid");
    return;
  }
  // None in a user namespace that is joined, whose map is not known here.
  const auto uid = host_id(out.spec.linux.uid_mappings, user.uid), gid = host_id(out.spec.linux.gid_mappings, user.gid);
  // capabilities(7): what init may do in the user namespace counts for a file only if both its ids are mapped there;
  // the clone into the cgroup, and that of exec, must be allowed to write to cgroup.procs.
  if (uid.value_or(0) != 0 && gid) out.beside(DelegateCgroup{*uid, *gid}, "/process/user/uid");
}

void compile_cgroup(Composer& out) {
  if (out.facts.cgroup_manager == CgroupManager::kDisabled) {
    if (!out.has(NamespaceType::kPid))
      out.plan.warnings.emplace_back(
          "with neither a cgroup nor a pid namespace of its own, what a container leaves behind cannot be found and "
          "killed. Such configuration is strongly discouraged");
    return;
  }
  if (out.facts.cgroup_manager == CgroupManager::kSystemd) {
    out.beside(StartScope{out.facts.cgroup_mount, out.facts.cgroup_path, out.facts.slice, out.facts.unit, out.facts.bus,
                          compile_unit_properties(out.spec.annotations)},
               "/linux/cgroupsPath");
  } else {
    out.beside(CreateCgroup{out.facts.cgroup_mount, out.facts.cgroup_path}, "/linux/cgroupsPath");
  }
  if (out.spec.linux.resources) {
    Limits limits = compile_limits(*out.spec.linux.resources);
    if (!(limits == Limits{})) out.beside(SetLimits{std::move(limits)}, "/linux/resources");
  }
  compile_delegation(out);
}

}  // namespace

uint64_t clone_flag(NamespaceType type) {
  switch (type) {  // intentionally no default
    case NamespaceType::kPid:
      return CLONE_NEWPID;
    case NamespaceType::kNetwork:
      return CLONE_NEWNET;
    case NamespaceType::kMount:
      return CLONE_NEWNS;
    case NamespaceType::kIpc:
      return CLONE_NEWIPC;
    case NamespaceType::kUts:
      return CLONE_NEWUTS;
    case NamespaceType::kUser:
      return CLONE_NEWUSER;
    case NamespaceType::kCgroup:
      return CLONE_NEWCGROUP;
    case NamespaceType::kTime:
      return os::kCloneNewTime;
  }
  return 0;
}

// setns(2) asks for rights over the namespace's owner. A privileged host has them before it enters a user namespace, an
// unprivileged one after. The pid namespace is last of the others (it takes effect at the clone); the cgroup namespace
// waits for pid 1, since clone3(CLONE_INTO_CGROUP) looks at the caller's.
void enter_namespaces(Composer& out, const std::vector<Joined>& joined) {
  const auto enter = [&](auto&& wanted) {
    for (const Joined& entry : joined)
      if (wanted(entry.type)) out.init(EnterNamespace<Owned>{{clone_flag(entry.type)}, entry.slot}, entry.origin);
  };
  const auto is_user = [](NamespaceType type) { return type == NamespaceType::kUser; };
  if (!out.facts.privileged) enter(is_user);
  enter([](NamespaceType type) {
    return type != NamespaceType::kUser && type != NamespaceType::kPid && type != NamespaceType::kCgroup;
  });
  enter([](NamespaceType type) { return type == NamespaceType::kPid; });
  if (out.facts.privileged) enter(is_user);
}

std::optional<uint32_t> host_id(const std::vector<oci::IdMapping>& maps, uint32_t id) {
  for (const oci::IdMapping& map : maps)
    if (id >= map.container_id && id - map.container_id < map.size) return map.host_id + (id - map.container_id);
  return std::nullopt;
}

std::string resctrl_group(const oci::IntelRdt& wanted, const Facts& facts) {
  if (wanted.clos_id == "/") return facts.resctrl_mount;
  return facts.resctrl_mount + "/" + (wanted.clos_id.empty() ? facts.id : wanted.clos_id);
}

std::string resctrl_monitor(const oci::IntelRdt& wanted, const Facts& facts) {
  return wanted.enable_monitoring ? resctrl_group(wanted, facts) + "/mon_groups/" + facts.id : std::string();
}

void compile_keyring(Composer& out, const oci::Process& process, const std::string& base) {
  if (out.facts.no_new_keyring) return;
  if (!process.selinux_label.empty())  // the exec clears it
    out.pid1(SetProcessLabel<Owned>{"keycreate", process.selinux_label}, base + "/selinuxLabel");
  out.pid1(JoinSessionKeyring<Owned>{"_ses." + out.facts.id});
}

std::vector<IdMap> id_maps(const std::vector<oci::IdMapping>& mappings) {
  std::vector<IdMap> maps;
  maps.reserve(mappings.size());
  for (const oci::IdMapping& mapping : mappings) maps.push_back({mapping.container_id, mapping.host_id, mapping.size});
  return maps;
}

// Joined namespaces are opened and entered first, a user namespace is made first: it is to own the others.
Namespaces namespaces_ahead(const oci::Spec& spec, const Facts& facts) {
  for (const oci::Namespace& entry : spec.linux.namespaces)
    if (!entry.path.empty() || entry.type == NamespaceType::kUser) return {};
  return facts.privileged ? Namespaces{fresh_namespaces(spec, kUnshared)} : Namespaces{};
}

void compile_entry(Composer& out) {
  if (out.spec.process->oom_score_adj)
    out.init(SetOomScoreAdj<Owned>{*out.spec.process->oom_score_adj}, "/process/oomScoreAdj");
  compile_affinity(out, "", Lane::kInit, "");  // the caller's own is no limit of the container's
  const std::vector<Joined> joined = open_namespaces(out);
  compile_early_sources(out);
  compile_raised_limits(out, *out.spec.process, "/process");
  if (out.is_new(NamespaceType::kUser)) create_user_namespace(out);
  // Its offsets are a file in /proc/self, which is root's once this process is hidden. A joined user namespace, which
  // is to own it, is entered after that.
  const bool joins_user = out.has(NamespaceType::kUser) && !out.is_new(NamespaceType::kUser);
  if (out.is_new(NamespaceType::kTime) && !joins_user) create_time_namespace(out);
  out.init(HideFromTracers<Owned>{});
  enter_namespaces(out, joined);
  if (out.is_new(NamespaceType::kTime) && joins_user) create_time_namespace(out);
  create_namespaces(out);
  move_net_devices(out);
  join_resctrl_group(out);
  compile_cgroup(out);  // beside, and so behind the steps that wait for the host
  spawn_pid1(out);
  // Nothing of the config's runs before the next sync point, and the kernel takes its time to verify the filter.
  // bpf(2) asks for rights over the initial user namespace; where mknod(2) is EPERM too, there is nothing to filter.
  if (out.facts.privileged && !out.facts.in_user_namespace && out.facts.cgroup_manager != CgroupManager::kDisabled)
    out.beside(AttachDeviceFilter{compile_device_rules(out.spec.linux)}, "/linux/resources/devices");
  for (const Joined& entry : joined) {
    if (entry.type == NamespaceType::kCgroup)
      out.pid1(EnterNamespace<Owned>{{CLONE_NEWCGROUP}, entry.slot}, entry.origin);
  }
}

void compile_identity(Composer& out) {
  compile_callers_sources(out);
  if (out.has(NamespaceType::kUser)) out.pid1(BecomeRoot<Owned>{}, "/linux/uidMappings");
  out.pid1(StartSession<Owned>{});
  compile_keyring(out, *out.spec.process, "/process");
  if (!out.spec.hostname.empty()) out.pid1(SetHostname<Owned>{out.spec.hostname}, "/hostname");
  if (!out.spec.domainname.empty()) out.pid1(SetDomainname<Owned>{out.spec.domainname}, "/domainname");
  for (const auto& [key, value] : out.spec.linux.sysctl)
    out.pid1(SetSysctl<Owned>{oci::sysctl_path(key), value}, "/linux/sysctl/" + oci::pointer_token(key));
}

}  // namespace wherry::plan
