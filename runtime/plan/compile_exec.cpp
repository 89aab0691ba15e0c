// SPDX-License-Identifier: Apache-2.0
// A further process: the container's namespaces are entered through the pidfd of its pid 1, in one setns(2) that either
// enters all or none; then the same steps as for the first process.
#include <linux/sched.h>

#include "plan/compile.hpp"
#include "plan/composer.hpp"

namespace wherry::plan {
namespace {

using oci::NamespaceType;

// A pidfd opens them all at once. Where pid 1 is closed to the caller each has a descriptor of its own, and is entered
// in the order of create.
std::vector<Joined> namespaces_of_pid1(Composer& out) {
  std::vector<Joined> joined;
  for (const oci::Namespace& entry : out.spec.linux.namespaces)
    joined.push_back({entry.type, out.facts.pid1_is_closed ? out.new_slot("/linux/namespaces") : slot::kTarget, ""});
  return joined;
}

void enter(Composer& out, const std::vector<Joined>& joined) {
  if (out.facts.pid1_is_closed) return enter_namespaces(out, joined);
  Namespaces flags;
  for (const Joined& entry : joined)
    if (entry.type != NamespaceType::kCgroup) flags.value |= clone_flag(entry.type);
  if (flags.value != 0) out.init(EnterNamespace<Owned>{flags, slot::kTarget});
}

void compile_exec_entry(Composer& out, const oci::Process& process) {
  if (process.oom_score_adj) out.init(SetOomScoreAdj<Owned>{*process.oom_score_adj}, "/oomScoreAdj");
  const oci::ExecCpuAffinity affinity = process.exec_cpu_affinity.value_or(oci::ExecCpuAffinity{});
  compile_affinity(out, affinity.initial, Lane::kInit, affinity.initial.empty() ? "" : "/execCPUAffinity/initial");
  if (const auto& wanted = out.spec.linux.intel_rdt)  // where create has put the container
    out.host(JoinResctrlGroup{resctrl_group(*wanted, out.facts), true, {}, resctrl_monitor(*wanted, out.facts)});
  compile_raised_limits(out, process, "");
  out.init(HideFromTracers<Owned>{});
  const std::vector<Joined> joined = namespaces_of_pid1(out);
  enter(out, joined);
  const bool has_cgroup = out.facts.cgroup_manager != CgroupManager::kDisabled;
  out.init(SpawnPid1<Owned>{{}, has_cgroup ? slot::kCgroup : slot::kNone});
  // Only here: clone3(CLONE_INTO_CGROUP) looks at the caller's cgroup namespace.
  for (const Joined& entry : joined)
    if (entry.type == NamespaceType::kCgroup) out.pid1(EnterNamespace<Owned>{{CLONE_NEWCGROUP}, entry.slot});
}

}  // namespace

Plan compile_exec(const oci::Process& process, const oci::Spec& spec, const Facts& facts) {
  Composer out(spec, facts);
  compile_exec_entry(out, process);
  if (out.has(NamespaceType::kUser)) out.pid1(BecomeRoot<Owned>{});
  out.pid1(StartSession<Owned>{});
  compile_keyring(out, process, "");
  if (process.exec_cpu_affinity && !process.exec_cpu_affinity->final.empty())
    compile_affinity(out, process.exec_cpu_affinity->final, Lane::kPid1, "/execCPUAffinity/final");
  out.pid1(ChangeRoot<Owned>{out.has(NamespaceType::kMount) ? "/" : facts.rootfs});
  if (process.terminal) {
    OpenConsole<Owned> step;
    if (process.console_size) step.rows = process.console_size->height, step.columns = process.console_size->width;
    step.plain_newlines = facts.keeps_terminal;
    out.pid1(step, "/terminal");
  }
  compile_process(out, process, "");
  compile_filter(out, process, "");
  compile_program(out, process, "");
  return std::move(out.plan);
}

}  // namespace wherry::plan
