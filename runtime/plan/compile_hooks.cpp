// SPDX-License-Identifier: Apache-2.0
// config.md "POSIX-platform Hooks": which voice runs them, and what they may know.
#include "plan/compile.hpp"
#include "plan/composer.hpp"

namespace wherry::plan {
namespace {

struct Row {
  HookKind kind;
  std::vector<oci::Hook> oci::Hooks::*list;
  const char* pointer;
  Lane lane;
  const char* status;  // of the container, in the state document
};

// runtime.md "Lifecycle", steps 2 to 9.
constexpr Row kRows[] = {
    {HookKind::kPrestart, &oci::Hooks::prestart, "/hooks/prestart", Lane::kHost, "creating"},
    {HookKind::kCreateRuntime, &oci::Hooks::create_runtime, "/hooks/createRuntime", Lane::kHost, "creating"},
    {HookKind::kCreateContainer, &oci::Hooks::create_container, "/hooks/createContainer", Lane::kPid1, "creating"},
    {HookKind::kStartContainer, &oci::Hooks::start_container, "/hooks/startContainer", Lane::kPid1, "created"},
    {HookKind::kPoststart, &oci::Hooks::poststart, "/hooks/poststart", Lane::kHost, "running"},
    {HookKind::kPoststop, &oci::Hooks::poststop, "/hooks/poststop", Lane::kHost, "stopped"},
};

}  // namespace

RunHook<Owned> hook_step(const oci::Hook& hook, HookKind kind, std::size_t index) {
  RunHook<Owned> step{kind, static_cast<uint32_t>(index), hook.path, hook.args, hook.env, 0, false};
  if (step.args.empty()) step.args.push_back(hook.path);
  if (hook.timeout) step.timeout_seconds = static_cast<uint32_t>(*hook.timeout);
  return step;
}

void compile_hook_state(Composer& out, HookKind kind) {
  const Row& row = kRows[static_cast<std::size_t>(kind)];
  if (!(out.spec.hooks.*row.list).empty()) out.host(ProvideHookState{row.status}, row.pointer);
}

void compile_hook_calls(Composer& out, HookKind kind) {
  const Row& row = kRows[static_cast<std::size_t>(kind)];
  const std::vector<oci::Hook>& hooks = out.spec.hooks.*row.list;
  for (std::size_t i = 0; i < hooks.size(); ++i) {
    const std::string origin = pointer(row.pointer, i);
    RunHook<Owned> step = hook_step(hooks[i], kind, i);
    // As runc does it: the program's environment, for what runs where the program will.
    if (kind == HookKind::kStartContainer && step.env.empty()) step.env = out.environment, step.with_home = true;
    row.lane == Lane::kHost ? out.host(std::move(step), origin) : out.pid1(std::move(step), origin);
  }
}

void compile_hooks(Composer& out, HookKind kind) {
  compile_hook_state(out, kind);
  compile_hook_calls(out, kind);
}

}  // namespace wherry::plan
