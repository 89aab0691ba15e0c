// SPDX-License-Identifier: Apache-2.0
// What is valid although it looks odd. What is refused, and in which words, is in broken_test.cpp.
#include "oci/validate.hpp"

#include <catch2/catch.hpp>
#include <string>

using namespace wherry::oci;

namespace {

Spec good() {
  Spec spec;
  spec.oci_version = "1.3.0";
  spec.root.path = "rootfs";
  spec.process.emplace();
  spec.process->cwd = "/";
  spec.process->args = {"sh"};
  spec.linux.namespaces = {{NamespaceType::kPid, ""},
                           {NamespaceType::kNetwork, "/run/netns/a"},
                           {NamespaceType::kIpc, "/proc/1/ns/ipc"},
                           {NamespaceType::kUts, ""},
                           {NamespaceType::kMount, ""}};
  return spec;
}

Spec with_sysctl(const std::string& key) {
  Spec spec = good();
  spec.linux.sysctl = {{key, "1"}};
  return spec;
}

Process process_with(const Scheduler& scheduler) {
  Process process = *good().process;
  process.scheduler = scheduler;
  return process;
}

}  // namespace

TEST_CASE("validate: all faults at once", "[oci]") {
  const std::vector<Fault> expected = {{"/root/path", "must not be empty"}, {"/process", "is required"}};
  CHECK(validate(Spec{}) == expected);
  CHECK(validate(good()).empty());
}

TEST_CASE("validate: mounts", "[oci]") {
  Spec spec = good();
  spec.mounts = {{"relative/is/deprecated", "tmpfs", "tmpfs", {"unknown=option"}, {}, {}},
                 {"/x", "", "", {"rbind"}, {{0, 1000, 1}}, {{0, 1000, 1}}}};
  CHECK(validate(spec).empty());
}

TEST_CASE("validate: process", "[oci]") {
  Spec spec = good();
  spec.process->env = {"A=", "B==", "C=\n"};
  spec.process->user.umask = 0777;
  spec.process->oom_score_adj = -1000;
  spec.process->capabilities = Capabilities{{"CAP_OF_TOMORROW"}, {}, {}, {}, {}};
  spec.process->rlimits = {{"RLIMIT_NOFILE", 0, 0}, {"RLIMIT_AS", UINT64_MAX, UINT64_MAX}};
  spec.process->exec_cpu_affinity = ExecCpuAffinity{"0-3,7", ""};
  CHECK(validate(spec).empty());
}

TEST_CASE("validate: schedulers", "[oci]") {
  Scheduler scheduler;
  scheduler.policy = SchedulerPolicy::kOther;
  scheduler.nice = 19;
  scheduler.priority = 0;
  scheduler.runtime = 0;
  CHECK(validate_process(process_with(scheduler)).empty());
  scheduler.policy = SchedulerPolicy::kFifo;
  scheduler.priority = 99;
  CHECK(validate_process(process_with(scheduler)).empty());
  scheduler = {};
  scheduler.policy = SchedulerPolicy::kDeadline;
  scheduler.runtime = scheduler.deadline = 5;
  CHECK(validate_process(process_with(scheduler)).empty());
}

TEST_CASE("validate: names with a joined uts namespace", "[oci]") {
  Spec spec = good();
  spec.linux.namespaces[3].path = "/proc/1/ns/uts";
  spec.hostname = "h";
  spec.domainname = "d";
  CHECK(validate(spec).empty());
}

TEST_CASE("validate: user namespaces", "[oci]") {
  Spec spec = good();
  spec.linux.namespaces.push_back({NamespaceType::kUser, "/proc/1/ns/user"});
  CHECK(validate(spec).empty());
  spec.linux.namespaces.back().path.clear();
  spec.linux.uid_mappings = spec.linux.gid_mappings = {{0, 100000, 65536}, {65536, 0, 1}, {4294967294, 1, 1}};
  CHECK(validate(spec).empty());
  spec.linux.sysctl = {{"user.max_user_namespaces", "0"}};
  CHECK(validate(spec).empty());
}

TEST_CASE("validate: time offsets of a new time namespace", "[oci]") {
  Spec spec = good();
  spec.linux.namespaces.push_back({NamespaceType::kTime, ""});
  spec.linux.time_offsets = {{"monotonic", {-5, 999'999'999}}, {"boottime", {}}};
  CHECK(validate(spec).empty());
}

TEST_CASE("validate: devices", "[oci]") {
  Spec spec = good();
  spec.linux.devices = {{DeviceType::kFifo, "/dev/pipe", {}, {}, {}, {}, {}},
                        {DeviceType::kUnbuffered, "/dev/u", 0, 0, 020644U, 0U, 0U},
                        {DeviceType::kBlock, "/dev/b", 4095, 1048575, 0U, {}, {}}};
  spec.linux.net_devices = {{"eth0", {"e%d"}}, {"eth1", {"e%d"}}, {"eth2", {}}};
  CHECK(validate(spec).empty());
}

TEST_CASE("validate_resources: what engines write for `not set`", "[oci]") {
  Resources resources;
  resources.memory = MemoryResources{};
  resources.memory->limit = 100;
  resources.memory->swap = 0;
  resources.cpu = CpuResources{};
  resources.cpu->shares = 0;
  resources.cpu->quota = -1;
  resources.cpu->period = 0;
  resources.pids = PidsResources{0};
  resources.block_io = BlockIoResources{};
  resources.block_io->weight = 0;
  resources.devices = {{false, {}, {}, {}, "rwm"}, {true, DeviceType::kAll, -1, -1, ""}};
  resources.hugepage_limits = {{"2MB", 0}, {"16GB", 1}, {"64KB", 1}};
  resources.unified = {{"cgroup.max.depth", "1"}, {"memory.oom.group", "a\nb"}};
  CHECK(validate_resources(resources).empty());
}

TEST_CASE("sysctl_path: the first separator decides", "[oci]") {
  CHECK(sysctl_path("net.ipv4.ip_forward") == "net/ipv4/ip_forward");
  CHECK(sysctl_path("net/ipv4/ip_forward") == "net/ipv4/ip_forward");
  CHECK(sysctl_path("net.ipv4.conf.eth0/100.forwarding") == "net/ipv4/conf/eth0.100/forwarding");
  CHECK(sysctl_path("net/ipv4/conf/eth0.100/forwarding") == "net/ipv4/conf/eth0.100/forwarding");
  for (const char* bad : {"", ".", "/", "net", ".net", "net.", "/net/a", "net/../a", "net.//.a", "net/./a", "net.a b",
                          "net.a*", "net.a\n", "n\xc3\xa4t.a"}) {
    INFO(bad);
    CHECK(sysctl_path(bad).empty());
  }
}

TEST_CASE("validate: sysctls of the namespaces that there are", "[oci]") {
  for (const char* key :
       {"kernel.msgmax", "kernel/sem", "kernel.shm_rmid_forced", "fs.mqueue.msg_max", "fs/mqueue/queues_max",
        "net.ipv4.ip_forward", "net/ipv4/conf/eth0.1/forwarding", "kernel.domainname", "kernel.hostname"}) {
    INFO(key);
    CHECK(validate(with_sysctl(key)).empty());
  }
}

TEST_CASE("validate: sysctls of the host stay the host's", "[oci]") {
  for (const char* key :
       {"kernel.core_pattern", "kernel/modprobe", "vm.overcommit_memory", "fs.file-max", "kernel.msgfoo", "kernel.shm",
        "netx.a", "fs.mqueuex.a", "kernel.sem.x", "user.max_user_namespaces", "KERNEL.sem"}) {
    INFO(key);
    CHECK(validate(with_sysctl(key)).size() == 1);
  }
}

TEST_CASE("validate: seccomp", "[oci]") {
  Spec spec = good();
  Seccomp& seccomp = spec.linux.seccomp.emplace();
  seccomp.default_action = SeccompAction::kAllow;
  seccomp.listener_path = "/run/agent.sock";
  seccomp.listener_metadata = "m";
  seccomp.syscalls = {{{"unknown_call"}, SeccompAction::kNotify, {}, {}},
                      {{"a"}, SeccompAction::kErrno, 0U, {{5, 0, 0, SeccompOperator::kEqual}}},
                      {{"b"}, SeccompAction::kTrace, 65535U, {}}};
  CHECK(validate(spec).empty());
}

TEST_CASE("validate: memory policies", "[oci]") {
  Spec spec = good();
  spec.linux.memory_policy = MemoryPolicy{MemoryPolicyMode::kPreferred, "", {}};
  CHECK(validate(spec).empty());
  spec.linux.memory_policy = MemoryPolicy{MemoryPolicyMode::kDefault, "", {}};
  CHECK(validate(spec).empty());
  spec.linux.memory_policy = MemoryPolicy{
      MemoryPolicyMode::kBind, "0,2-3", {MemoryPolicyFlag::kStaticNodes, MemoryPolicyFlag::kNumaBalancing}};
  CHECK(validate(spec).empty());
}

TEST_CASE("validate: cgroup paths and resctrl groups", "[oci]") {
  Spec spec = good();
  spec.linux.intel_rdt = IntelRdt{"/", {}, "", "", false};
  for (const char* path : {"", "/a/b", "a", "system.slice:wherry:id", "/a/..b"}) {
    INFO(path);
    spec.linux.cgroups_path = path;
    CHECK(validate(spec).empty());
  }
  for (const char* path : {"..", "/..", "../a", "/a/.."}) {
    INFO(path);
    spec.linux.cgroups_path = path;
    CHECK(validate(spec).size() == 1);
  }
}
