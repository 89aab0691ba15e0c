// SPDX-License-Identifier: Apache-2.0
#include "plan/diagnose.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cerrno>

#include "unit/plan/random_step.hpp"

using namespace wherry;
using namespace wherry::plan;

namespace {

std::string message(Step step, int error, Detail detail = Detail::kNone, uint32_t argument = 0,
                    const char* origin = "/x") {
  Plan plan;
  plan.steps.push_back({Lane::kPid1, std::move(step), origin});
  return diagnose(plan, {0, error, detail, argument}, "config.json").message();
}

Mount<Owned> tmpfs() {
  Mount<Owned> mount;
  mount.target = "/dev/shm";
  mount.type = "tmpfs";
  mount.options = {"sise=1", "quota"};
  return mount;
}

struct Sentence {
  Detail detail;
  const char* text;
};
// Those that are the same after whatever step.
constexpr Sentence kSentences[] = {
    {Detail::kNone, ""},
    {Detail::kWrongNamespaceType, ": it is no namespace of that type"},
    {Detail::kMountCreate, ""},
    {Detail::kMountAttach, ": the mount could not be attached"},
    {Detail::kMountAttributes, ": its flags could not be set"},
    {Detail::kMountSource, ": the source could not be opened"},
    {Detail::kMountTarget, ": the target in the rootfs could not be made"},
    {Detail::kTargetIsLink,
     ": it must be mounted on ordinary directory, and a symbolic link is there; make it a directory"},
    {Detail::kWrongDevice, ": another kind of file stands there"},
    {Detail::kRoot, ": the rootfs could not be opened"},
    {Detail::kHookSpawn, ": it could not be executed"},
    {Detail::kNotFound, ""},
    {Detail::kNotExecutable, ""},
    {Detail::kCapabilityUnknown, ": a capability could not be raised"},
    {Detail::kGroups, ": the additional groups could not be set"},
    {Detail::kUser, ""},
    {Detail::kTooLarge, ": it is too large"},
    {Detail::kConsolePeer, ": there is no devpts at /dev/pts"},
    {Detail::kConsoleLink, ": /dev/console in the rootfs is a symbolic link"},
    {Detail::kPlan, ": the plan is damaged"},
    {Detail::kHostGone, ": the runtime ended before it was done"},
    {Detail::kLoopback, ": the loopback device could not be brought up"},
};

// Engines guess an exit code from these, so they stand only in errors about the user's own command.
constexpr const char* kEnginePhrases[] = {"no such file or directory", "executable file not found", "permission denied",
                                          "operation not permitted"};

bool has_engine_phrase(const std::string& text) {
  return std::ranges::any_of(kEnginePhrases,
                             [&](const char* phrase) { return text.find(phrase) != std::string::npos; });
}

}  // namespace

TEST_CASE("diagnose: one sentence per detail", "[plan]") {
  for (const Sentence& row : kSentences) {
    INFO(static_cast<int>(row.detail));
    CHECK(message(SetUmask<Owned>{{022}}, EIO, row.detail) ==
          std::string("config.json /x: set umask mask=0022: EIO") + row.text);
  }
  CHECK(message(SetUmask<Owned>{}, EIO, Detail::kHookTimeout) ==
        "config.json /x: set umask: it was killed after its timeout");
  CHECK(message(SetUmask<Owned>{}, ENOTDIR, Detail::kNotProcfs) ==
        "open /proc: ENOTDIR: /proc of the host is no procfs; mount proc on /proc");
}

TEST_CASE("diagnose: mount options by their names", "[plan]") {
  CHECK(message(tmpfs(), EINVAL, Detail::kMountOptionUnknown, 0) ==
        "config.json /x: mount tmpfs on /dev/shm: EINVAL: unknown tmpfs option \"sise\"");
  CHECK(message(tmpfs(), EINVAL, Detail::kMountOption, 0) ==
        "config.json /x: mount tmpfs on /dev/shm: EINVAL: bad value of the tmpfs option \"sise=1\"");
  CHECK(message(tmpfs(), EINVAL, Detail::kMountOptionUnknown, 1) ==
        "config.json /x: mount tmpfs on /dev/shm: EINVAL: unknown tmpfs option \"quota\"");
  CHECK(message(tmpfs(), EPERM, Detail::kMountOption, 1) ==
        "config.json /x: mount tmpfs on /dev/shm: EPERM: the option \"quota\" was refused");
  CHECK(message(tmpfs(), EINVAL, Detail::kMountOptionUnknown, 2) ==
        "config.json /x: mount tmpfs on /dev/shm: EINVAL: an option was refused");
  CHECK(message(tmpfs(), EINVAL, Detail::kMountOption, 2) ==
        "config.json /x: mount tmpfs on /dev/shm: EINVAL: an option was refused");
  CHECK(message(tmpfs(), ENODEV, Detail::kMountCreate) ==
        "config.json /x: mount tmpfs on /dev/shm: ENODEV: the kernel does not know this file system");
}

TEST_CASE("diagnose: a hook's end is no errno", "[plan]") {
  const RunHook<Owned> hook{HookKind::kCreateContainer, 2, "/usr/bin/hook", {}, {}, 5, false};
  CHECK(message(hook, ECANCELED, Detail::kHookExit, 3) ==
        "config.json /x: error running createContainer hook #2: /usr/bin/hook: it exited with status 3");
  CHECK(message(hook, ECANCELED, Detail::kHookSignal, 9) ==
        "config.json /x: error running createContainer hook #2: /usr/bin/hook: it was killed by signal 9");
  CHECK(message(hook, ENOENT, Detail::kHookSpawn) ==
        "config.json /x: error running createContainer hook #2: /usr/bin/hook: ENOENT: it could not be executed");
}

TEST_CASE("diagnose: remedies where one is known", "[plan]") {
  CHECK(message(CreateUserNamespace<Owned>{}, ENOSPC) ==
        "config.json /x: create a user namespace: ENOSPC; raise the sysctl user.max_user_namespaces");
  CHECK(message(SpawnPid1<Owned>{{0x20000000}, 0}, EPERM) ==
        "config.json /x: create the namespaces pid: EPERM; run as root, or give the container a user "
        "namespace");
  CHECK(message(MountRoot<Owned>{"/r", 0, false}, ENOENT, Detail::kRoot) ==
        "config.json /x: mount the rootfs /r: ENOENT: the rootfs could not be opened; make the rootfs, or "
        "correct root.path");
  Bind<Owned> bind;
  bind.source = "/a";
  bind.target = "/b";
  CHECK(message(bind, ENOENT, Detail::kMountSource) ==
        "config.json /x: bind /a on /b: ENOENT: the source could not be opened; create the source");
  CHECK(message(bind, EACCES, Detail::kMountSource) ==
        "config.json /x: bind /a on /b: EACCES: the source could not be opened");
  CHECK(message(JoinSessionKeyring<Owned>{"_ses.c"}, EACCES) ==
        "config.json /x: join session keyring name=_ses.c: EACCES; use --no-new-keyring");
}

TEST_CASE("diagnose: the user's command, as engines expect it", "[plan]") {
  const FindExecutable<Owned> name{"sh", "/bin"}, path{"/bin/sh", "/bin"};
  CHECK(message(name, ENOENT, Detail::kNotFound) == "config.json /x: exec: \"sh\": executable file not found in $PATH");
  CHECK(message(path, ENOENT, Detail::kNotFound) == "config.json /x: exec: \"/bin/sh\": no such file or directory");
  CHECK(message(path, ENOTDIR, Detail::kNotFound) == "config.json /x: exec: \"/bin/sh\": no such file or directory");
  CHECK(message(path, EACCES, Detail::kNotExecutable) == "config.json /x: exec: \"/bin/sh\": permission denied");
  CHECK(message(path, ELOOP, Detail::kNotFound) == "config.json /x: exec: \"/bin/sh\": ELOOP");
  const Exec<Owned> exec{{"run", "me"}, {}};
  CHECK(message(exec, ENOENT) == "config.json /x: exec run: no such file or directory (its interpreter)");
  CHECK(message(exec, EACCES, Detail::kNotExecutable) == "config.json /x: exec run: permission denied");
  CHECK(message(exec, EPERM) == "config.json /x: exec run: permission denied");
  CHECK(message(exec, ENOEXEC) == "config.json /x: exec run: exec format error");
  CHECK(message(exec, E2BIG) == "config.json /x: exec run: E2BIG");
  CHECK(message(Exec<Owned>{}, ENOMEM, Detail::kPlan) == "config.json /x: exec : ENOMEM: the plan is damaged");
}

TEST_CASE("diagnose: no other error sounds like one of the user's command", "[plan]") {
  test::RandomFields fill(3);
  for (std::size_t kind = 0; kind < std::variant_size_v<Step>; ++kind) {
    const Step fresh = test::random_step(kind, fill);
    if (std::holds_alternative<FindExecutable<Owned>>(fresh) || std::holds_alternative<Exec<Owned>>(fresh)) continue;
    for (const int error : {ENOENT, EACCES, EPERM, ENOEXEC, ENOTDIR, EINVAL, ENOSPC, EAGAIN, ELOOP, 0}) {
      for (uint32_t detail = 0; detail <= static_cast<uint32_t>(Detail::kLoopback); ++detail) {
        const std::string text = message(fresh, error, static_cast<Detail>(detail), 1);
        INFO(verb_of(fresh) << ": " << text);
        CHECK_FALSE(has_engine_phrase(text));
        CHECK_FALSE(text.empty());
      }
    }
  }
}

TEST_CASE("diagnose: what a user namespace may not do", "[plan]") {
  using Catch::Matchers::Contains;
  Mount<Owned> mount;
  mount.type = "proc";
  mount.target = "/proc";
  CHECK_THAT(message(mount, EPERM, Detail::kMountCreate), Contains("unmask=ALL"));
  mount.type = "ext4";
  CHECK_THAT(message(mount, EPERM, Detail::kMountCreate), Contains("bind what the host has mounted"));
  mount.type = "devpts";
  mount.options = {"newinstance", "gid=5"};
  CHECK_THAT(message(mount, EINVAL, Detail::kMountOption, 1), Contains("\"gid=5\"") && Contains("must be mapped"));
  CHECK_THAT(message(mount, EINVAL, Detail::kMountOption, 0), !Contains("mapped"));
  CHECK_THAT(message(mount, EINVAL, Detail::kMountCreate),
             Contains("\"newinstance,gid=5\"") && Contains("must be mapped"));
  CHECK_THAT(message(Bind<Owned>{}, EPERM, Detail::kMountAttributes), Contains("may not take away"));
  CHECK_THAT(message(Bind<Owned>{}, EINVAL, Detail::kMountSource), Contains("use rbind"));
  CHECK_THAT(message(OpenTree<Owned>{}, EINVAL, Detail::kMountSource), Contains("use rbind"));
  CHECK_THAT(message(SpawnPid1<Owned>{}, EACCES), Contains("delegated"));
  CHECK_THAT(message(EnterNamespace<Owned>{}, EPERM), Contains("another user namespace"));
  CHECK_THAT(message(CreateTimeNamespace<Owned>{}, EACCES), Contains("new user namespace"));
  CHECK_THAT(message(SetCredentials<Owned>{}, EPERM, Detail::kGroups), Contains("newgidmap"));
}

TEST_CASE("diagnose: why a scheduler is refused depends on which it is", "[plan]") {
  using Catch::Matchers::Contains;
  SetScheduler<Owned> scheduler;
  scheduler.policy = 6;
  CHECK_THAT(message(scheduler, EPERM), Contains("process scheduler can't be used together with AllowedCPUs"));
  scheduler.policy = 1;
  CHECK_THAT(message(scheduler, EPERM), Contains("CAP_SYS_NICE") && !Contains("AllowedCPUs"));
  CHECK_THAT(message(scheduler, EINVAL), !Contains("CAP_SYS_NICE"));
}

TEST_CASE("diagnose: a hook that the filter killed", "[plan]") {
  using Catch::Matchers::Contains;
  const RunHook<Owned> hook{HookKind::kStartContainer, 0, "/h", {"/h"}, {}, 0, false};
  CHECK_THAT(message(hook, ECANCELED, Detail::kHookSignal, 31), Contains("bad system call") && Contains("seccomp"));
  CHECK_THAT(message(hook, ECANCELED, Detail::kHookSignal, 9), Contains("killed by signal 9"));
}

TEST_CASE("diagnose: a filter on the runtime is named where it may be the cause", "[plan]") {
  using Catch::Matchers::Contains;
  Plan plan;
  plan.steps.push_back({Lane::kInit, CreateNamespaces<Owned>{}, "/linux/namespaces"});
  plan.steps.push_back({Lane::kPid1, SetPropagation<Owned>{}, ""});
  const auto text = [&](uint32_t step, int error, bool filtered) {
    return std::string(diagnose(plan, {step, error, Detail::kNone, 0, filtered}, "config.json").message());
  };
  CHECK_THAT(text(0, EPERM, true), Contains("run as root") && Contains("; or a seccomp filter is on wherry"));
  CHECK_THAT(text(1, EPERM, true), Contains("EPERM; a seccomp filter is on wherry"));
  CHECK_THAT(text(1, ENOSYS, true), Contains("ENOSYS; use Linux 5.14") && Contains("no seccomp filter"));
  CHECK_THAT(text(0, EPERM, false), !Contains("seccomp"));
  CHECK_THAT(text(0, ENOSPC, true), !Contains("seccomp"));
}

TEST_CASE("diagnose: without an origin no place is named, and the document is the caller's", "[plan]") {
  CHECK(message(HideFromTracers<Owned>{}, EPERM, Detail::kNone, 0, "") == "hide from tracers: EPERM");
  Plan plan;
  plan.steps.push_back({Lane::kPid1, ChangeDirectory<Owned>{"/nowhere"}, "/cwd"});
  CHECK(diagnose(plan, {0, ENOTDIR, Detail::kNone, 0}, "process.json").message() ==
        "process.json /cwd: enter the directory /nowhere: ENOTDIR");
  CHECK(diagnose(plan, {1, EPIPE, Detail::kHostGone, 0}, "config.json").message() ==
        "set up the container: EPIPE: the runtime ended before it was done");
}
