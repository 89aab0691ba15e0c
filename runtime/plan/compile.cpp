// SPDX-License-Identifier: Apache-2.0
// The whole order of a container's life on one screen. config.md "Lifecycle" and the kernel's rules decide it; the
// files named in composer.hpp hold each topic.
#include "plan/compile.hpp"

#include "plan/composer.hpp"
#include "wherry/error.hpp"

namespace wherry::plan {

std::string pointer(const std::string& base, std::size_t index) { return base + "/" + std::to_string(index); }

Slot Composer::new_slot(const std::string& origin) {
  constexpr Slot kMaxPlanSlots = 1024;  // of wherry-init
  if (plan.slot_count >= kMaxPlanSlots)
    throw Error("open the sources of all mounts and devices").at(origin).detail("more than 1000 in one user namespace");
  return plan.slot_count++;
}

Plan compile(const oci::Spec& spec, const Facts& facts) {
  Composer out(spec, facts);
  const oci::Process& process = *spec.process;

  compile_entry(out);     // init: sources, namespaces, the clone of pid 1; meanwhile the host makes the cgroup
  compile_identity(out);  // pid1: session, names

  compile_root(out);  // the rootfs becomes a mount
  compile_mounts(out);
  compile_devices(out);
  compile_console(out);
  compile_hooks(out, HookKind::kPrestart);
  compile_hooks(out, HookKind::kCreateRuntime);
  compile_hooks(out, HookKind::kCreateContainer);
  compile_pivot(out);
  compile_protected_paths(out);

  compile_process(out, process, "/process");
  out.pid1(AwaitStart<Owned>{});

  compile_hook_state(out, HookKind::kStartContainer);  // the host is not spoken to below the filter
  compile_filter(out, process, "/process");
  compile_hook_calls(out, HookKind::kStartContainer);  // as confined as the program: they are the container's files
  compile_program(out, process, "/process");
  compile_hooks(out, HookKind::kPoststart);
  return std::move(out.plan);
}

}  // namespace wherry::plan
