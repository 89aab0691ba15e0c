// SPDX-License-Identifier: Apache-2.0
// The rules of order in a plan, as properties: over every config that engines wrote, and over what can be
// switched on and off in each. Why each rule holds is said at compile()'s topics.
#include <linux/capability.h>
#include <linux/sched.h>

#include <catch2/catch.hpp>
#include <functional>
#include <set>

#include "os/core/abi.hpp"
#include "plan/compile.hpp"
#include "plan/describe.hpp"
#include "unit/plan/plan_fixtures.hpp"

using namespace wherry;
using namespace wherry::plan;
using oci::NamespaceType;

namespace {

constexpr uint64_t kSysAdmin = uint64_t{1} << CAP_SYS_ADMIN;

// A plan, and where its steps stand.
struct Score {
  Plan plan;

  [[nodiscard]] std::vector<std::size_t> all(const std::function<bool(const PlannedStep&)>& wanted) const {
    std::vector<std::size_t> found;
    for (std::size_t i = 0; i < plan.steps.size(); ++i)
      if (wanted(plan.steps[i])) found.push_back(i);
    return found;
  }
  template <class S>
  [[nodiscard]] std::vector<std::size_t> all() const {
    return all([](const PlannedStep& planned) { return std::holds_alternative<S>(planned.step); });
  }
  template <class S>
  [[nodiscard]] std::size_t only() const {
    const auto found = all<S>();
    INFO("exactly one " << S::kName);
    REQUIRE(found.size() == 1);
    return found.front();
  }
  template <class S>
  [[nodiscard]] const S& at(std::size_t index) const {
    return std::get<S>(plan.steps.at(index).step);
  }
  [[nodiscard]] Lane lane(std::size_t index) const { return plan.steps.at(index).lane; }
};

void require_before(const std::vector<std::size_t>& earlier, const std::vector<std::size_t>& later, const char* rule) {
  INFO(rule);
  if (!earlier.empty() && !later.empty()) CHECK(earlier.back() < later.front());
}

bool is_host_verb(const Step& step) { return step.index() >= AllSteps::kContainerKinds; }

// Done by the host while init goes on: nothing of it may be needed before an AwaitSlot or a sync point.
bool may_be_beside(const Step& step) {
  return std::holds_alternative<CreateCgroup>(step) || std::holds_alternative<StartScope>(step) ||
         std::holds_alternative<SetLimits>(step) || std::holds_alternative<DelegateCgroup>(step) ||
         std::holds_alternative<AttachDeviceFilter>(step) || std::holds_alternative<HandOverListener>(step);
}

void check_lanes(const Score& score) {
  const std::size_t spawn = score.only<SpawnPid1<Owned>>();
  CHECK(score.lane(spawn) == Lane::kInit);
  const auto affinity = score.all<SetCpuAffinity<Owned>>();
  REQUIRE_FALSE(affinity.empty());
  CHECK(score.lane(affinity.front()) == Lane::kInit);
  require_before({affinity.front()}, {spawn}, "the caller's affinity is not pid 1's");
  for (std::size_t i = 0; i < score.plan.steps.size(); ++i) {
    const PlannedStep& planned = score.plan.steps[i];
    INFO(i << " " << verb_of(planned.step));
    if (planned.lane == Lane::kInit) CHECK(i <= spawn);
    if (planned.lane == Lane::kPid1) CHECK(i > spawn);
    if (planned.lane == Lane::kBeside) CHECK(may_be_beside(planned.step));
    if (is_host_verb(planned.step)) {
      CHECK((planned.lane == Lane::kHost || planned.lane == Lane::kBeside));
    } else if (planned.lane == Lane::kHost) {
      CHECK(std::holds_alternative<RunHook<Owned>>(planned.step));
    }
  }
}

// cgroup-v2.rst: limited while it is empty; pid 1 is born inside.
void check_cgroup(const Score& score) {
  const auto& spawn = score.at<SpawnPid1<Owned>>(score.only<SpawnPid1<Owned>>());
  auto created = score.all<CreateCgroup>();
  const auto scopes = score.all<StartScope>(), awaited = score.all<AwaitSlot<Owned>>();
  created.insert(created.end(), scopes.begin(), scopes.end());
  CHECK(created.size() == (spawn.cgroup == slot::kNone ? 0 : 1));
  CHECK(awaited.size() == created.size());
  for (const std::size_t index : awaited) CHECK(score.at<AwaitSlot<Owned>>(index).slot == slot::kCgroup);
  require_before(created, score.all<SetLimits>(), "limits of a cgroup that exists");
  require_before(created, awaited, "awaited after the host has begun");
  require_before(score.all<SetLimits>(), awaited, "limits are in force before anything runs");
  require_before(created, score.all<DelegateCgroup>(), "a cgroup that exists is given away");
  require_before(score.all<DelegateCgroup>(), awaited, "it belongs to its user before anything runs");
  require_before(awaited, {score.only<SpawnPid1<Owned>>()}, "the clone goes into the cgroup");
  require_before(created, score.all<AttachDeviceFilter>(), "the filter of a cgroup that exists");
  require_before(score.all<AttachDeviceFilter>(), score.all<AwaitStart<Owned>>(),
                 "the filter is there before the program");
}

void check_end(const Score& score, bool has_start) {
  const std::size_t exec = score.only<Exec<Owned>>();
  CHECK(score.lane(exec) == Lane::kPid1);
  CHECK(score.all<AwaitStart<Owned>>().size() == (has_start ? 1 : 0));
  for (std::size_t i = exec + 1; i < score.plan.steps.size(); ++i) CHECK(score.lane(i) == Lane::kHost);
}

// setns(2), user_namespaces(7), clone3(2)
void check_namespaces(const Score& score, bool privileged) {
  const auto entered = score.all<EnterNamespace<Owned>>();
  const auto flags = [&](std::size_t index) { return score.at<EnterNamespace<Owned>>(index).types.value; };
  const std::size_t hidden = score.only<HideFromTracers<Owned>>();
  const std::size_t spawn = score.only<SpawnPid1<Owned>>();
  std::vector<std::size_t> user, pid, others;
  for (const std::size_t index : entered) {
    INFO(index << " " << name_of_namespaces(flags(index)));
    CHECK(hidden < index);
    CHECK((score.lane(index) == Lane::kPid1) == (flags(index) == CLONE_NEWCGROUP));
    if (flags(index) == CLONE_NEWCGROUP) continue;
    CHECK(index < spawn);
    (flags(index) == CLONE_NEWUSER ? user : flags(index) == CLONE_NEWPID ? pid : others).push_back(index);
  }
  require_before(others, pid, "the pid namespace is the last of the others");
  for (const auto& rest : {others, pid}) {
    if (privileged) require_before(rest, user, "a privileged host enters the user namespace last");
    if (!privileged) require_before(user, rest, "an unprivileged host enters the user namespace first");
  }
  require_before(score.all<CreateNamespaces<Owned>>(), score.all<BringUpLoopback<Owned>>(),
                 "the loopback of a new network");
  const auto created = score.all<CreateUserNamespace<Owned>>();
  require_before(created, {hidden}, "dumpable while the id maps are written");
  require_before(created, score.all<MapIds>(), "maps of the new user namespace");
  require_before(score.all<MapIds>(), entered, "maps before anything else is joined");
  CHECK(score.all<MapIds>().size() == created.size());
  CHECK((score.at<SpawnPid1<Owned>>(spawn).fresh.value & (CLONE_NEWUSER | 0x80)) == 0);
  if (privileged) {
    for (const std::size_t index : score.all<OpenTree<Owned>>())
      require_before({index}, created, "sources are opened with the host's rights");
  }
  for (const std::size_t index : score.all<OpenNamespace<Owned>>())
    CHECK(index < (entered.empty() ? spawn : entered.front()));
}

void check_root(const Score& score) {
  const auto pivot = score.all([](const PlannedStep& planned) {
    return std::holds_alternative<PivotRoot<Owned>>(planned.step) ||
           std::holds_alternative<MoveRoot<Owned>>(planned.step);
  });
  const auto root = score.all<MountRoot<Owned>>();
  CHECK(pivot.size() + score.all<ChangeRoot<Owned>>().size() == 1);
  CHECK(root.size() == pivot.size());
  const auto needs_root = score.all([](const PlannedStep& planned) {
    const Step& step = planned.step;
    return std::holds_alternative<Mount<Owned>>(step) || std::holds_alternative<Bind<Owned>>(step) ||
           std::holds_alternative<CreateDevice<Owned>>(step) || std::holds_alternative<BindDevice<Owned>>(step) ||
           std::holds_alternative<CreateSymlink<Owned>>(step) || std::holds_alternative<OpenConsole<Owned>>(step);
  });
  require_before(root, needs_root, "mounts below the new root");
  require_before(needs_root, pivot, "while the host's tree can be reached");
  const auto protection = score.all([](const PlannedStep& planned) {
    return std::holds_alternative<MakeRootReadonly<Owned>>(planned.step) ||
           std::holds_alternative<MaskPath<Owned>>(planned.step) ||
           std::holds_alternative<MakeReadonly<Owned>>(planned.step);
  });
  require_before(pivot, protection, "masks lie over what the container sees");
  require_before(protection, {score.only<SetCredentials<Owned>>()}, "while there is power to do so");
}

void check_credentials(const Score& score) {
  const std::size_t credentials = score.only<SetCredentials<Owned>>();
  const std::size_t find = score.only<FindExecutable<Owned>>();
  CHECK(score.only<LimitBoundingSet<Owned>>() < credentials);
  CHECK(credentials < score.all<SetCapabilities<Owned>>().at(0));
  CHECK(score.all<SetCapabilities<Owned>>().at(0) < find);
  require_before(score.all<ChangeDirectory<Owned>>(), {find}, "a relative name is looked for in it");
  require_before(score.all<OwnStandardStreams<Owned>>(), {credentials}, "chown(2) needs root");
  require_before(score.all<SetProcessLabel<Owned>>(), {credentials}, "labels are set with root's rights");
  require_before({find}, score.all<AwaitStart<Owned>>(), "a missing program is an error of create");
  require_before({score.only<SealDescriptors<Owned>>()}, {score.only<Exec<Owned>>()}, "no descriptor crosses the exec");
}

// seccomp(2): no_new_privs, or CAP_SYS_ADMIN.
void check_filter(const Score& score, bool no_new_privileges) {
  const auto filter = score.all<LoadSeccomp<Owned>>();
  const auto capabilities = score.all<SetCapabilities<Owned>>();
  const std::size_t exec = score.only<Exec<Owned>>();
  CHECK(score.all<SetNoNewPrivileges<Owned>>().size() == (no_new_privileges ? 1 : 0));
  if (filter.empty()) return;
  REQUIRE(filter.size() == 1);
  // Nothing runs under the filter but what is confined by it.
  const std::size_t hooks = score
                                .all([](const PlannedStep& planned) {
                                  const auto* hook = std::get_if<RunHook<Owned>>(&planned.step);
                                  return hook != nullptr && hook->kind == HookKind::kStartContainer;
                                })
                                .size();
  require_before(score.all<AwaitStart<Owned>>(), filter, "a wait is no part of the program");
  require_before(score.all<SetNoNewPrivileges<Owned>>(), filter, "no_new_privs lets anybody load a filter");
  const auto& first = score.at<SetCapabilities<Owned>>(capabilities.at(0));
  if (no_new_privileges) {
    CHECK(capabilities.size() == 1);
    CHECK(filter[0] + 1 + hooks == exec);
    return;
  }
  CHECK((first.permitted.value & first.effective.value & kSysAdmin) != 0);
  REQUIRE(capabilities.size() <= 2);
  if (capabilities.size() == 1) {
    CHECK(filter[0] + 1 + hooks == exec);
    return;
  }
  CHECK(filter[0] + 1 == capabilities[1]);
  CHECK(capabilities[1] + 1 + hooks == exec);
  const auto& last = score.at<SetCapabilities<Owned>>(capabilities[1]);
  CHECK((last.permitted.value & last.effective.value & kSysAdmin) == 0);
  CHECK((last.permitted.value | kSysAdmin) == first.permitted.value);
  CHECK((last.effective.value | kSysAdmin) == first.effective.value);
  CHECK(last.inheritable == first.inheritable);
}

// runtime.md "Lifecycle"
void check_hooks(const Score& score, const oci::Hooks& hooks) {
  const auto of = [&](HookKind kind) {
    return score.all([kind](const PlannedStep& planned) {
      const auto* hook = std::get_if<RunHook<Owned>>(&planned.step);
      return hook != nullptr && hook->kind == kind;
    });
  };
  const auto expect = [&](HookKind kind, const std::vector<oci::Hook>& wanted, Lane lane) {
    const auto found = of(kind);
    INFO(name_of(kind));
    CHECK(found.size() == wanted.size());
    for (const std::size_t index : found) CHECK(score.lane(index) == lane);
    for (std::size_t i = 0; i < found.size() && i < wanted.size(); ++i)
      CHECK(score.at<RunHook<Owned>>(found[i]).path == wanted[i].path);
    if (found.empty()) return;
    std::size_t before = found.front() - 1;
    const auto confines = [](const Step& step) {
      return std::holds_alternative<LoadSeccomp<Owned>>(step) || std::holds_alternative<SetCapabilities<Owned>>(step);
    };
    while (confines(score.plan.steps.at(before).step)) --before;
    CHECK(std::holds_alternative<ProvideHookState>(score.plan.steps.at(before).step));
  };
  expect(HookKind::kPrestart, hooks.prestart, Lane::kHost);
  expect(HookKind::kCreateRuntime, hooks.create_runtime, Lane::kHost);
  expect(HookKind::kCreateContainer, hooks.create_container, Lane::kPid1);
  expect(HookKind::kStartContainer, hooks.start_container, Lane::kPid1);
  expect(HookKind::kPoststart, hooks.poststart, Lane::kHost);
  CHECK(of(HookKind::kPoststop).empty());
  const auto pivot = score.all<PivotRoot<Owned>>();
  const std::vector<std::size_t> start{score.only<AwaitStart<Owned>>()}, exec{score.only<Exec<Owned>>()};
  require_before({score.only<SpawnPid1<Owned>>()}, of(HookKind::kPrestart), "the namespaces exist");
  require_before(of(HookKind::kPrestart), of(HookKind::kCreateRuntime), "runtime.md: prestart first");
  require_before(of(HookKind::kCreateRuntime), of(HookKind::kCreateContainer), "runtime.md: createRuntime first");
  require_before(of(HookKind::kCreateRuntime), pivot, "config.md: before pivot_root");
  require_before(of(HookKind::kCreateContainer), pivot, "config.md: before pivot_root");
  require_before(of(HookKind::kCreateContainer), start, "an operation of create");
  require_before(start, of(HookKind::kStartContainer), "an operation of start");
  require_before(score.all<LoadSeccomp<Owned>>(), of(HookKind::kStartContainer), "what the image brings is confined");
  require_before(score.all<SetCapabilities<Owned>>(), of(HookKind::kStartContainer),
                 "what the image brings is confined");
  require_before(of(HookKind::kStartContainer), exec, "before the program runs");
  require_before(exec, of(HookKind::kPoststart), "after the program runs");
}

// The slots of a step: nothing else in a container verb is 16 bits wide.
struct Slots {
  std::vector<Slot> values;
  template <class T>
  void operator()(const char*, const T& value) {
    if constexpr (std::is_same_v<T, Slot>) values.push_back(value);
  }
};

void check_slots(const Score& score) {
  std::set<Slot> bound;
  for (const PlannedStep& planned : score.plan.steps) {
    if (const auto* mapping = std::get_if<CreateIdMapping>(&planned.step)) CHECK(bound.insert(mapping->slot).second);
    if (is_host_verb(planned.step)) continue;
    Slots slots;
    std::visit([&](const auto& step) { std::decay_t<decltype(step)>::fields(step, slots); }, planned.step);
    const Step& step = planned.step;
    bool opens = std::holds_alternative<OpenNamespace<Owned>>(step) || std::holds_alternative<OpenTree<Owned>>(step) ||
                 std::holds_alternative<OpenFilesystem<Owned>>(step) ||
                 std::holds_alternative<OpenDevice<Owned>>(step) || std::holds_alternative<MakeDevice<Owned>>(step);
    const bool needs_one =
        std::holds_alternative<BindDevice<Owned>>(step) || std::holds_alternative<MaskPath<Owned>>(step);
    for (const Slot value : slots.values) {
      INFO(verb_of(step) << " " << planned.origin << " slot " << value);
      CHECK(value < score.plan.slot_count);
      if (opens) {
        CHECK(value >= slot::kFirstFree);
        CHECK(bound.insert(value).second);
        opens = false;  // what else it names is there already
      } else if (value >= slot::kFirstFree || needs_one) {
        CHECK(bound.count(value) == 1);
      }
    }
  }
}

void check_order(const oci::Spec& spec, const Facts& facts) {
  const Score score{compile(spec, facts)};
  check_lanes(score);
  check_end(score, true);
  check_cgroup(score);
  check_namespaces(score, facts.privileged);
  check_root(score);
  check_credentials(score);
  check_filter(score, spec.process->no_new_privileges);
  check_hooks(score, spec.hooks);
  check_slots(score);
}

// A filter that compiles quickly.
oci::Seccomp small_filter() {
  oci::Seccomp filter;
  filter.default_action = oci::SeccompAction::kAllow;
  filter.syscalls.push_back({{"reboot"}, oci::SeccompAction::kErrno, std::nullopt, {}});
  return filter;
}

oci::Hooks two_of_each() {
  const std::vector<oci::Hook> both{{"/first", {}, {}, std::nullopt}, {"/second", {"second", "-x"}, {"A=b"}, 3}};
  return {both, both, both, both, both, both};
}

enum class UserNamespace { kNone, kNew, kJoined };

void set_user_namespace(oci::Linux& config, UserNamespace wanted) {
  std::erase_if(config.namespaces, [](const oci::Namespace& entry) { return entry.type == NamespaceType::kUser; });
  config.uid_mappings.clear();
  config.gid_mappings.clear();
  if (wanted == UserNamespace::kNone) return;
  config.namespaces.insert(config.namespaces.begin(),
                           {NamespaceType::kUser, wanted == UserNamespace::kJoined ? "/proc/1/ns/user" : ""});
  if (wanted == UserNamespace::kNew) config.uid_mappings = config.gid_mappings = {{0, 100000, 65536}};
}

template <class Visit>
void for_each_variant(oci::Spec spec, Visit&& visit) {
  for (const UserNamespace user : {UserNamespace::kNone, UserNamespace::kNew, UserNamespace::kJoined}) {
    set_user_namespace(spec.linux, user);
    for (unsigned bits = 0; bits < 16; ++bits) {
      spec.process->no_new_privileges = (bits & 1) != 0;
      spec.linux.seccomp = (bits & 2) != 0 ? std::optional(small_filter()) : std::nullopt;
      spec.process->terminal = (bits & 4) != 0;
      spec.hooks = (bits & 8) != 0 ? two_of_each() : oci::Hooks{};
      INFO("user namespace " << static_cast<int>(user) << ", switches " << bits);
      visit(spec);
    }
  }
}

}  // namespace

TEST_CASE("order: every config as it is", "[plan]") {
  const auto specs = test::all_specs();
  CHECK(specs.size() >= 47);
  for (const auto& [name, spec] : specs) {
    INFO(name);
    check_order(spec, test::root_facts());
    check_order(spec, test::user_facts());
  }
}

TEST_CASE("order: whatever is switched on or off", "[plan]") {
  for (const auto& [name, original] : test::engine_specs()) {
    INFO(name);
    for_each_variant(original, [](const oci::Spec& spec) {
      check_order(spec, test::root_facts());
      check_order(spec, test::user_facts());
    });
  }
}

TEST_CASE("order: every namespace joined by its path", "[plan]") {
  oci::Spec spec = test::bundle_specs().front().spec;
  spec.linux.namespaces.clear();
  for (const auto type : {NamespaceType::kPid, NamespaceType::kCgroup, NamespaceType::kUser, NamespaceType::kMount,
                          NamespaceType::kTime, NamespaceType::kNetwork, NamespaceType::kIpc, NamespaceType::kUts})
    spec.linux.namespaces.push_back({type, "/proc/1/ns/some"});
  for (const auto& facts : {test::root_facts(), test::user_facts()}) {
    const Score score{compile(spec, facts)};
    CHECK(score.all<EnterNamespace<Owned>>().size() == 8);
    CHECK(score.at<SpawnPid1<Owned>>(score.only<SpawnPid1<Owned>>()).fresh.value == 0);
    CHECK(score.all<CreateNamespaces<Owned>>().empty());
    check_order(spec, facts);
  }
}

TEST_CASE("order: --no-pivot, no cgroup manager, no keyring", "[plan]") {
  const oci::Spec spec = test::bundle_specs().front().spec;
  Facts facts = test::root_facts();
  facts.no_pivot = true;
  facts.kernel_mounts = {"/proc", "/sys"};
  facts.no_new_keyring = true;
  facts.cgroup_manager = CgroupManager::kDisabled;
  check_order(spec, facts);
  const Score score{compile(spec, facts)};
  CHECK(score.all<MoveRoot<Owned>>().size() == 1);
  CHECK(score.all<HideMount<Owned>>().size() == 2);
  require_before(score.all<HideMount<Owned>>(), score.all<MoveRoot<Owned>>(), "afterwards they have no path any more");
  CHECK(score.all<PivotRoot<Owned>>().empty());
  CHECK(score.all<JoinSessionKeyring<Owned>>().empty());
  CHECK(score.all<CreateCgroup>().empty());
  CHECK(score.all<AttachDeviceFilter>().empty());
  CHECK(score.at<SpawnPid1<Owned>>(score.only<SpawnPid1<Owned>>()).cgroup == slot::kNone);
}

TEST_CASE("the cgroup is given to the container's user by the rules of config-linux.md", "[plan]") {
  oci::Spec spec = test::bundle_specs().front().spec;
  const Facts facts = test::root_facts();
  const auto owners = [&](const Facts& host) {
    const Score score{compile(spec, host)};
    std::vector<uint32_t> uids;
    for (const std::size_t index : score.all<DelegateCgroup>()) uids.push_back(score.at<DelegateCgroup>(index).uid);
    return uids;
  };
  std::erase_if(spec.mounts, [](const oci::Mount& mount) { return mount.destination == "/sys/fs/cgroup"; });
  spec.process->user.uid = 1000;
  CHECK(owners(facts).empty());
  oci::Mount mount;
  mount.destination = "/sys/fs/cgroup";
  mount.type = mount.source = "cgroup";
  mount.options = {"nosuid", "ro"};
  spec.mounts.push_back(mount);
  CHECK(owners(facts).empty());
  spec.mounts.back().options = {"nosuid"};
  CHECK(owners(facts) == std::vector<uint32_t>{1000});
  spec.process->user.uid = 0;
  CHECK(owners(facts).empty());
  spec.linux.namespaces.push_back({NamespaceType::kUser, ""});
  spec.linux.uid_mappings = {{0, 100000, 10}, {1000, 300000, 10}};
  spec.linux.gid_mappings = spec.linux.uid_mappings;
  CHECK(owners(facts) == std::vector<uint32_t>{100000});
  spec.process->user.uid = 1003;
  CHECK(owners(facts) == std::vector<uint32_t>{300003});
  Facts rootless = facts;
  rootless.privileged = false;
  CHECK(owners(rootless).empty());
  std::erase_if(spec.linux.namespaces,
                [](const oci::Namespace& entry) { return entry.type == NamespaceType::kCgroup; });
  CHECK(owners(facts).empty());
}

TEST_CASE("order: systemd makes the cgroup while init waits", "[plan]") {
  for (const auto& [name, spec] : test::all_specs()) {
    INFO(name);
    check_order(spec, test::systemd_facts());
    const Score score{compile(spec, test::systemd_facts())};
    CHECK(score.all<CreateCgroup>().empty());
    CHECK(score.at<StartScope>(score.only<StartScope>()).unit == "docker-abc.scope");
  }
}

TEST_CASE("order: without a mount namespace nothing is mounted", "[plan]") {
  oci::Spec spec = test::bundle_specs().front().spec;
  std::erase_if(spec.linux.namespaces, [](const oci::Namespace& entry) { return entry.type == NamespaceType::kMount; });
  spec.mounts.clear();
  spec.linux.masked_paths.clear();
  spec.linux.readonly_paths.clear();
  spec.root.readonly = false;
  spec.process->terminal = false;
  check_order(spec, test::root_facts());
  const Score score{compile(spec, test::root_facts())};
  CHECK(score.all<ChangeRoot<Owned>>().size() == 1);
  CHECK(score.all<MountRoot<Owned>>().empty());
  CHECK(score.all<Mount<Owned>>().empty());
  CHECK(score.all<SetPropagation<Owned>>().empty());
}

TEST_CASE("order: without a mount namespace all mounts lie below the rootfs", "[plan]") {
  oci::Spec spec = test::bundle_specs().front().spec;
  std::erase_if(spec.linux.namespaces, [](const oci::Namespace& entry) { return entry.type == NamespaceType::kMount; });
  const Score score{compile(spec, test::root_facts())};
  const std::size_t root = score.only<MountRoot<Owned>>(), change = score.only<ChangeRoot<Owned>>();
  CHECK_FALSE(score.at<MountRoot<Owned>>(root).isolate_parent);  // that would change the host's mount
  CHECK(score.all<SetPropagation<Owned>>().empty());
  CHECK(score.all<PivotRoot<Owned>>().empty());
  REQUIRE_FALSE(score.all<Mount<Owned>>().empty());
  for (const std::size_t index : score.all<Mount<Owned>>()) CHECK((root < index && index < change));
}

TEST_CASE("order: before start an ordinary user's exec enters each namespace by its own descriptor", "[plan]") {
  oci::Spec spec;
  for (const auto type : {oci::NamespaceType::kPid, oci::NamespaceType::kMount, oci::NamespaceType::kCgroup,
                          oci::NamespaceType::kUser, oci::NamespaceType::kTime})
    spec.linux.namespaces.push_back({type, ""});
  oci::Process process;
  process.args = {"true"};
  process.cwd = "/";
  for (const bool privileged : {false, true}) {
    Facts facts = test::root_facts();
    facts.privileged = privileged;
    facts.pid1_is_closed = true;
    const Score score{compile_exec(process, spec, facts)};
    std::vector<uint64_t> types;
    std::set<Slot> slots;
    for (const std::size_t index : score.all<EnterNamespace<Owned>>()) {
      const auto& step = score.at<EnterNamespace<Owned>>(index);
      types.push_back(step.types.value);
      slots.insert(step.slot);
      CHECK((score.lane(index) == Lane::kPid1) == (step.types.value == CLONE_NEWCGROUP));
    }
    // The user namespace comes first, except for whoever has rights over the others already.
    CHECK(types ==
          (privileged
               ? std::vector<uint64_t>{CLONE_NEWNS, os::kCloneNewTime, CLONE_NEWPID, CLONE_NEWUSER, CLONE_NEWCGROUP}
               : std::vector<uint64_t>{CLONE_NEWUSER, CLONE_NEWNS, os::kCloneNewTime, CLONE_NEWPID, CLONE_NEWCGROUP}));
    CHECK(slots.size() == types.size());
    CHECK_FALSE(slots.contains(slot::kTarget));
    require_before(score.all<HideFromTracers<Owned>>(), score.all<EnterNamespace<Owned>>(), "CVE-2016-9962");
  }
}

TEST_CASE("order: exec enters what the container has, and takes the same last steps", "[plan]") {
  for (const auto& [name, original] : test::engine_specs()) {
    INFO(name);
    for_each_variant(original, [](const oci::Spec& spec) {
      oci::Process process = *spec.process;
      process.oom_score_adj = 5;
      const Score score{compile_exec(process, spec, test::root_facts())};
      check_lanes(score);
      check_end(score, false);
      check_credentials(score);
      check_filter(score, process.no_new_privileges);
      const std::size_t hidden = score.only<HideFromTracers<Owned>>();
      for (const std::size_t index : score.all<EnterNamespace<Owned>>()) {
        CHECK(hidden < index);
        CHECK(score.at<EnterNamespace<Owned>>(index).slot == slot::kTarget);
        const bool cgroup = (score.at<EnterNamespace<Owned>>(index).types.value & CLONE_NEWCGROUP) != 0;
        CHECK((score.lane(index) == Lane::kPid1) == cgroup);
      }
      CHECK(score.at<SpawnPid1<Owned>>(score.only<SpawnPid1<Owned>>()).fresh.value == 0);
      CHECK(score.all<RunHook<Owned>>().empty());
      CHECK(score.all<CreateCgroup>().empty());
      for (const PlannedStep& planned : score.plan.steps) CHECK(planned.origin.find("/process") == std::string::npos);
    });
  }
}

TEST_CASE("order: a listener is handed over while the filter is loaded", "[plan]") {
  for (auto& [name, spec] : test::all_specs()) {
    if (name != "bundle-hooks") continue;
    spec.linux.seccomp = oci::Seccomp{};
    spec.linux.seccomp->default_action = oci::SeccompAction::kAllow;
    spec.linux.seccomp->listener_path = "/run/agent.sock";
    spec.linux.seccomp->listener_metadata = "data";
    spec.linux.seccomp->syscalls = {{{"mkdir"}, oci::SeccompAction::kNotify, {}, {}}};
    for (const bool exec : {false, true}) {
      const Facts facts = test::root_facts();
      const Score score{exec ? compile_exec(*spec.process, spec, facts) : compile(spec, facts)};
      const std::size_t load = score.only<LoadSeccompWithListener<Owned>>();
      const std::size_t hand_over = score.only<HandOverListener>();
      CHECK(score.all<LoadSeccomp<Owned>>().empty());
      CHECK(hand_over == load + 1);  // no sync point may stand between: pid 1 is silent there
      CHECK(score.lane(hand_over) == Lane::kBeside);
      CHECK(score.at<HandOverListener>(hand_over) == HandOverListener{"/run/agent.sock", "data"});
      CHECK(hand_over < score.only<Exec<Owned>>());
      require_before(score.all<AwaitStart<Owned>>(), {load}, "a created container has no listener");
    }
  }
}

namespace {

Score compiled(const std::function<void(oci::Spec&)>& edit, const Facts& facts = test::root_facts()) {
  for (auto& [name, spec] : test::bundle_specs()) {
    if (name != "bundle-hello") continue;
    edit(spec);
    return {compile(spec, facts)};
  }
  FAIL("no bundle hello");
  return {};
}

void add_user_namespace(oci::Spec& spec) {
  spec.linux.namespaces.push_back({NamespaceType::kUser, ""});
  spec.linux.uid_mappings = spec.linux.gid_mappings = {{0, 100000, 65536}};
}

}  // namespace

TEST_CASE("order: id-mapped trees are made before the user namespace is entered", "[plan]") {
  const Score score = compiled([](oci::Spec& spec) {
    add_user_namespace(spec);
    spec.mounts.push_back({"/a", "none", "/srv", {"rbind", "ridmap"}, {}, {}});
    spec.mounts.push_back({"/b", "tmpfs", "tmpfs", {"idmap", "size=1m"}, {}, {}});
    spec.mounts.push_back({"/c", "none", "/srv", {"bind"}, {{0, 7, 1}}, {{0, 7, 1}}});
  });
  const auto mappings = score.all<CreateIdMapping>();
  REQUIRE(mappings.size() == 2);  // the container's, and the third mount's
  CHECK(score.at<CreateIdMapping>(mappings[0]).uids == std::vector<IdMap>{{0, 100000, 65536}});
  CHECK(score.at<CreateIdMapping>(mappings[1]).gids == std::vector<IdMap>{{0, 7, 1}});
  const std::size_t filesystem = score.only<OpenFilesystem<Owned>>();
  CHECK(score.at<OpenFilesystem<Owned>>(filesystem).mapping == score.at<CreateIdMapping>(mappings[0]).slot);
  const std::size_t user = score.only<CreateUserNamespace<Owned>>();
  require_before(score.all<OpenTree<Owned>>(), {user}, "the container's user may not map ids");
  require_before({filesystem}, {user}, "the superblock is the host's");
  std::size_t mapped = 0;
  for (const std::size_t i : score.all<OpenTree<Owned>>()) {
    const auto& tree = score.at<OpenTree<Owned>>(i);
    if (tree.mapping == slot::kNone) continue;
    ++mapped;
    CHECK(tree.map_recursive == tree.recursive);
    CHECK(tree.mapping == score.at<CreateIdMapping>(mappings[tree.recursive ? 0 : 1]).slot);
  }
  CHECK(mapped == 2);
}

TEST_CASE("order: an unprivileged caller opens its sources before it is root inside", "[plan]") {
  const Score score = compiled(
      [](oci::Spec& spec) {
        add_user_namespace(spec);
        spec.mounts.push_back({"/a", "none", "/srv", {"rbind"}, {}, {}});
      },
      test::user_facts());
  const auto trees = score.all<OpenTree<Owned>>();
  REQUIRE(trees.size() == 2);
  for (const std::size_t i : trees) CHECK(score.lane(i) == Lane::kPid1);
  require_before(trees, {score.only<BecomeRoot<Owned>>()}, "root inside may be somebody else");
}

TEST_CASE("order: network devices and resctrl before anything of the config's runs", "[plan]") {
  Facts facts = test::root_facts();
  facts.resctrl_mount = "/sys/fs/resctrl";
  const Score score = compiled(
      [](oci::Spec& spec) {
        spec.linux.net_devices = {{"eth1", {"e"}}, {"eth2", {}}};
        spec.linux.intel_rdt = oci::IntelRdt{"", {"L3:0=3"}, "L3:0=f\nMB:0=10\nL3:1=f", "MB:0=20", true};
      },
      facts);
  const auto devices = score.all<MoveNetDevice>();
  REQUIRE(devices.size() == 2);
  CHECK(score.at<MoveNetDevice>(devices[0]) == MoveNetDevice{"eth1", "e"});
  CHECK(score.at<MoveNetDevice>(devices[1]) == MoveNetDevice{"eth2", "eth2"});
  require_before(score.all<CreateNamespaces<Owned>>(), {score.only<OpenNetworkSocket<Owned>>()},
                 "it is of the new one");
  const std::size_t group = score.only<JoinResctrlGroup>();
  CHECK(score.at<JoinResctrlGroup>(group) == JoinResctrlGroup{"/sys/fs/resctrl/golden",
                                                              false,
                                                              {"L3:0=f", "L3:1=f", "MB:0=20", "L3:0=3"},
                                                              "/sys/fs/resctrl/golden/mon_groups/golden"});
  // A word of the host's that nobody waits for would be taken for an answer.
  for (const std::size_t i : score.all<CreateCgroup>()) CHECK(i > group);
  CHECK(group < score.only<SpawnPid1<Owned>>());
}

TEST_CASE("order: closID names a group that is there, or makes one", "[plan]") {
  Facts facts = test::root_facts();
  facts.resctrl_mount = "/r";
  const auto joined = [&](const oci::IntelRdt& wanted) {
    const Score score = compiled([&](oci::Spec& spec) { spec.linux.intel_rdt = wanted; }, facts);
    return score.at<JoinResctrlGroup>(score.only<JoinResctrlGroup>());
  };
  CHECK(joined({"", {}, "", "", false}) == JoinResctrlGroup{"/r/golden", false, {}, ""});
  CHECK(joined({"gold", {}, "", "", true}) == JoinResctrlGroup{"/r/gold", true, {}, "/r/gold/mon_groups/golden"});
  CHECK(joined({"gold", {"L3:0=f"}, "", "", false}) == JoinResctrlGroup{"/r/gold", false, {"L3:0=f"}, ""});
  CHECK(joined({"/", {}, "", "", false}) == JoinResctrlGroup{"/r", true, {}, ""});
}

TEST_CASE("order: exec sets the affinity before and behind the cgroup", "[plan]") {
  for (auto& [name, spec] : test::bundle_specs()) {
    if (name != "bundle-hello") continue;
    oci::Process process = *spec.process;
    process.exec_cpu_affinity = oci::ExecCpuAffinity{"0,2", "65-66"};
    const Score score{compile_exec(process, spec, test::root_facts())};
    const auto steps = score.all<SetCpuAffinity<Owned>>();
    REQUIRE(steps.size() == 2);
    CHECK(score.at<SetCpuAffinity<Owned>>(steps[0]).cpus == std::vector<uint64_t>{5});
    CHECK(score.at<SetCpuAffinity<Owned>>(steps[1]).cpus == std::vector<uint64_t>{0, 6});
    const std::size_t spawn = score.only<SpawnPid1<Owned>>();
    CHECK((steps[0] < spawn && spawn < steps[1]));
    process.exec_cpu_affinity.reset();
    const Score plain{compile_exec(process, spec, test::root_facts())};
    CHECK(plain.at<SetCpuAffinity<Owned>>(plain.only<SetCpuAffinity<Owned>>()).cpus.empty());
  }
}

TEST_CASE("order: labels of mounts", "[plan]") {
  const Score score = compiled([](oci::Spec& spec) {
    spec.linux.mount_label = "u:r:t:s0:c1,c2";
    spec.process->selinux_label = "u:r:p:s0:c1,c2";
    spec.mounts.push_back({"/own", "tmpfs", "tmpfs", {"context=\"u:r:own:s0:c3,c4\""}, {}, {}});
  });
  for (const std::size_t i : score.all<Mount<Owned>>()) {
    const auto& mount = score.at<Mount<Owned>>(i);
    INFO(mount.target);
    std::string context;
    for (const std::string& option : mount.options)
      if (option.rfind("context=", 0) == 0) context = option;
    const bool bare =
        mount.type == "proc" || mount.type == "sysfs" || mount.type == "mqueue" || mount.type == "cgroup2";
    CHECK(context == (bare ? "" : mount.target == "/own" ? "context=u:r:own:s0:c3,c4" : "context=u:r:t:s0:c1,c2"));
    CHECK(mount.label == (mount.type == "mqueue" ? "u:r:t:s0:c1,c2" : ""));
  }
  for (const std::size_t i : score.all<MaskPath<Owned>>())
    CHECK(score.at<MaskPath<Owned>>(i).label == "u:r:t:s0:c1,c2");
  const auto labels = score.all<SetProcessLabel<Owned>>();
  REQUIRE(labels.size() == 2);
  CHECK(score.at<SetProcessLabel<Owned>>(labels[0]).attribute == "keycreate");
  CHECK(labels[0] + 1 == score.only<JoinSessionKeyring<Owned>>());
  CHECK(score.at<SetProcessLabel<Owned>>(labels[1]).attribute == "exec");
}

TEST_CASE("order: a plan is a function of its arguments", "[plan]") {
  for (const auto& [name, spec] : test::bundle_specs()) {
    INFO(name);
    CHECK(compile(spec, test::root_facts()) == compile(spec, test::root_facts()));
  }
}
