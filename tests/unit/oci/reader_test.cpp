// SPDX-License-Identifier: Apache-2.0
// That every property arrives in its member, and the oddities that are read without a fault. What is refused,
// and in which words, is in broken_test.cpp.
#include "oci/reader.hpp"

#include <catch2/catch.hpp>
#include <string>

#include "oci/names.hpp"

using namespace wherry::oci;

namespace {

Spec read_with(const std::string& more) {
  return read_spec(R"({"ociVersion":"1.3.0","root":{"path":"rootfs"})" + more + "}");
}

Linux read_linux(const std::string& members) { return read_with(R"(,"linux":{)" + members + "}").linux; }

Resources resources(const std::string& members) { return read_resources("{" + members + "}"); }

}  // namespace

TEST_CASE("read_spec: the least that is a spec", "[oci]") {
  Spec expected;
  expected.oci_version = "1.3.0";
  expected.root.path = "rootfs";
  CHECK(read_with("") == expected);
}

TEST_CASE("read_spec: ociVersion 1.x in all its forms", "[oci]") {
  for (const char* version :
       {"1.0.0", "1.0.2-dev", "1.2.1", "1.3.0+dev", "1.99.0", "1.0.0-rc.1+build.5", "1.1.0+dev"}) {
    INFO(version);
    CHECK(read_spec(std::string(R"({"root":{"path":"r"},"ociVersion":")") + version + "\"}").oci_version == version);
  }
}

TEST_CASE("read_process: every property", "[oci]") {
  const Process process = read_process(R"({
    "terminal": true, "consoleSize": {"height": 24, "width": 80}, "cwd": "/w", "env": ["A=1"], "args": ["a", "b"],
    "user": {"uid": 1, "gid": 2, "umask": 18, "additionalGids": [3, 4]},
    "rlimits": [{"type": "RLIMIT_CORE", "soft": 5, "hard": 18446744073709551615}],
    "apparmorProfile": "aa", "selinuxLabel": "se", "noNewPrivileges": true, "oomScoreAdj": 0,
    "capabilities": {"bounding": ["B"], "effective": ["E"], "inheritable": ["I"], "permitted": ["P"], "ambient": ["M"]},
    "scheduler": {"policy": "SCHED_DEADLINE", "nice": -3, "priority": 4, "flags": ["SCHED_FLAG_RECLAIM"],
                  "runtime": 5, "deadline": 6, "period": 7},
    "ioPriority": {"class": "IOPRIO_CLASS_RT", "priority": 2},
    "execCPUAffinity": {"initial": "0", "final": "0-3"}})");
  Process expected;
  expected.terminal = true;
  expected.console_size = ConsoleSize{24, 80};
  expected.cwd = "/w";
  expected.env = {"A=1"};
  expected.args = {"a", "b"};
  expected.user = {1, 2, 18U, {3, 4}};
  expected.rlimits = {{"RLIMIT_CORE", 5, UINT64_MAX}};
  expected.apparmor_profile = "aa";
  expected.selinux_label = "se";
  expected.no_new_privileges = true;
  expected.oom_score_adj = 0;
  expected.capabilities = Capabilities{{"B"}, {"E"}, {"I"}, {"P"}, {"M"}};
  expected.scheduler = Scheduler{SchedulerPolicy::kDeadline, -3, 4, {SchedulerFlag::kReclaim}, 5U, 6U, 7U};
  expected.io_priority = IoPriority{IoPriorityClass::kRealTime, 2};
  expected.exec_cpu_affinity = ExecCpuAffinity{"0", "0-3"};
  CHECK(process == expected);
}

TEST_CASE("read_process: absent is not zero", "[oci]") {
  const Process process = read_process(R"({"cwd":"/"})");
  CHECK(!process.oom_score_adj);
  CHECK(!process.capabilities);
  CHECK(!process.user.umask);
  CHECK(read_process(R"({"cwd":"/","capabilities":{},"user":{"uid":0,"gid":0,"umask":0}})").capabilities);
}

TEST_CASE("read_spec: mounts, hooks, names and annotations", "[oci]") {
  const Spec spec = read_with(R"(,
    "root": {"path": "r", "readonly": true}, "hostname": "h", "domainname": "d", "annotations": {"z": "1", "a": "2"},
    "mounts": [{"destination": "/d", "type": "bind", "source": "/s", "options": ["rbind"],
                "uidMappings": [{"containerID": 1, "hostID": 2, "size": 3}],
                "gidMappings": [{"containerID": 4, "hostID": 5, "size": 6}]}],
    "hooks": {"prestart": [{"path": "/1", "args": ["a"], "env": ["E="], "timeout": 9}], "createRuntime": [{"path": "/2"}],
              "createContainer": [{"path": "/3"}], "startContainer": [{"path": "/4"}], "poststart": [{"path": "/5"}],
              "poststop": [{"path": "/6"}]})");
  CHECK(spec.root == Root{"r", true});
  CHECK(spec.hostname == "h");
  CHECK(spec.domainname == "d");
  CHECK(spec.annotations == StringMap{{"z", "1"}, {"a", "2"}});
  CHECK(spec.mounts == std::vector<Mount>{{"/d", "bind", "/s", {"rbind"}, {{1, 2, 3}}, {{4, 5, 6}}}});
  const auto hook = [](const char* path) { return std::vector<Hook>{{path, {}, {}, {}}}; };
  CHECK(spec.hooks == Hooks{{{"/1", {"a"}, {"E="}, 9}}, hook("/2"), hook("/3"), hook("/4"), hook("/5"), hook("/6")});
}

TEST_CASE("read_spec: linux, lists and maps", "[oci]") {
  const Linux config = read_linux(R"(
    "namespaces": [{"type": "time"}, {"type": "user", "path": "/p"}],
    "uidMappings": [{"containerID": 0, "hostID": 1, "size": 2}], "gidMappings": [{"containerID": 3, "hostID": 4, "size": 5}],
    "timeOffsets": {"monotonic": {"secs": -1, "nanosecs": 2}, "boottime": {}},
    "devices": [{"type": "b", "path": "/d", "major": 0, "minor": 1, "fileMode": 438, "uid": 0, "gid": 7},
                {"type": "p", "path": "/f"}],
    "netDevices": {"eth1": {"name": "e"}, "eth0": {}},
    "sysctl": {"net.b": "1", "net.a": "2"}, "maskedPaths": ["/m"], "readonlyPaths": ["/r"])");
  CHECK(config.namespaces == std::vector<Namespace>{{NamespaceType::kTime, ""}, {NamespaceType::kUser, "/p"}});
  CHECK(config.uid_mappings == std::vector<IdMapping>{{0, 1, 2}});
  CHECK(config.gid_mappings == std::vector<IdMapping>{{3, 4, 5}});
  CHECK(config.time_offsets == OrderedMap<TimeOffset>{{"monotonic", {-1, 2}}, {"boottime", {}}});
  CHECK(config.devices == std::vector<Device>{{DeviceType::kBlock, "/d", 0, 1, 438U, 0U, 7U},
                                              {DeviceType::kFifo, "/f", {}, {}, {}, {}, {}}});
  CHECK(config.net_devices == OrderedMap<NetDevice>{{"eth1", {"e"}}, {"eth0", {}}});
  CHECK(config.sysctl == StringMap{{"net.b", "1"}, {"net.a", "2"}});
  CHECK(config.masked_paths == Strings{"/m"});
  CHECK(config.readonly_paths == Strings{"/r"});
}

TEST_CASE("read_spec: linux, the rest", "[oci]") {
  const Linux config = read_linux(R"(
    "cgroupsPath": "/c", "rootfsPropagation": "rslave", "mountLabel": "l",
    "intelRdt": {"closID": "c", "schemata": ["s"], "l3CacheSchema": "l3", "memBwSchema": "mb", "enableMonitoring": true},
    "memoryPolicy": {"mode": "MPOL_BIND", "nodes": "0-1", "flags": ["MPOL_F_STATIC_NODES"]},
    "personality": {"domain": "LINUX32", "flags": []})");
  CHECK(config.cgroups_path == "/c");
  CHECK(config.rootfs_propagation == RootfsPropagation::kRslave);
  CHECK(config.mount_label == "l");
  CHECK(config.intel_rdt == IntelRdt{"c", {"s"}, "l3", "mb", true});
  CHECK(config.memory_policy == MemoryPolicy{MemoryPolicyMode::kBind, "0-1", {MemoryPolicyFlag::kStaticNodes}});
  CHECK(config.personality == Personality{PersonalityDomain::kLinux32, {}});
}

TEST_CASE("read_spec: seccomp", "[oci]") {
  const Linux config = read_linux(R"("seccomp": {
    "defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38, "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_SHEB"],
    "flags": ["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"], "listenerPath": "/l", "listenerMetadata": "m",
    "syscalls": [{"names": ["a", "b"], "action": "SCMP_ACT_TRACE", "errnoRet": 0,
                  "args": [{"index": 5, "value": 18446744073709551615, "valueTwo": 1, "op": "SCMP_CMP_MASKED_EQ"}]}]})");
  Seccomp expected;
  expected.default_action = SeccompAction::kErrno;
  expected.default_errno_ret = 38;
  expected.architectures = {SeccompArch::kX86_64, SeccompArch::kSheb};
  expected.flags = {SeccompFlag::kWaitKillableRecv};
  expected.listener_path = "/l";
  expected.listener_metadata = "m";
  expected.syscalls = {{{"a", "b"}, SeccompAction::kTrace, 0U, {{5, UINT64_MAX, 1, SeccompOperator::kMaskedEqual}}}};
  CHECK(config.seccomp == expected);
}

TEST_CASE("read_resources: memory, cpu, pids and devices", "[oci]") {
  const Resources all = resources(R"(
    "devices": [{"allow": true, "type": "c", "major": -1, "minor": 3, "access": "rw"}, {"allow": false}],
    "memory": {"limit": -1, "reservation": 2, "swap": 3, "kernel": 4, "kernelTCP": 5, "swappiness": 6,
               "disableOOMKiller": false, "useHierarchy": true, "checkBeforeUpdate": true},
    "cpu": {"shares": 1, "quota": -1, "burst": 3, "period": 4, "realtimeRuntime": 5, "realtimePeriod": 6, "cpus": "0",
            "mems": "1", "idle": 0},
    "pids": {"limit": 0})");
  CHECK(all.devices == std::vector<DeviceRule>{{true, DeviceType::kChar, -1, 3, "rw"}, {false, {}, {}, {}, ""}});
  CHECK(all.memory == MemoryResources{-1, 2, 3, 4, 5, 6U, false, true, true});
  CHECK(all.cpu == CpuResources{1U, -1, 3U, 4U, 5, 6U, "0", "1", 0});
  CHECK(all.pids == PidsResources{0});
  CHECK(!resources(R"("pids": {})").pids->limit);
}

TEST_CASE("read_resources: block I/O and the maps", "[oci]") {
  const Resources all = resources(R"(
    "blockIO": {"weight": 10, "leafWeight": 11, "weightDevice": [{"major": 8, "minor": 0, "weight": 12, "leafWeight": 13}],
                "throttleReadBpsDevice": [{"major": 8, "minor": 1, "rate": 1}],
                "throttleWriteBpsDevice": [{"major": 8, "minor": 2, "rate": 2}],
                "throttleReadIOPSDevice": [{"major": 8, "minor": 3, "rate": 3}],
                "throttleWriteIOPSDevice": [{"major": 8, "minor": 4, "rate": 4}]},
    "hugepageLimits": [{"pageSize": "2MB", "limit": 9}],
    "network": {"classID": 1, "priorities": [{"name": "eth0", "priority": 2}]},
    "rdma": {"mlx5_1": {"hcaHandles": 0, "hcaObjects": 4}, "mlx4_0": {}},
    "unified": {"memory.high": "1", "io.max": "2"})");
  BlockIoResources io;
  io.weight = 10;
  io.leaf_weight = 11;
  io.weight_device = {{8, 0, 12, 13}};
  io.throttle_read_bps_device = {{8, 1, 1}};
  io.throttle_write_bps_device = {{8, 2, 2}};
  io.throttle_read_iops_device = {{8, 3, 3}};
  io.throttle_write_iops_device = {{8, 4, 4}};
  CHECK(all.block_io == io);
  CHECK(all.hugepage_limits == std::vector<HugepageLimit>{{"2MB", 9}});
  CHECK(all.network == NetworkResources{1U, {{"eth0", 2}}});
  CHECK(all.rdma == OrderedMap<RdmaLimit>{{"mlx5_1", {0U, 4U}}, {"mlx4_0", {}}});
  CHECK(all.unified == StringMap{{"memory.high", "1"}, {"io.max", "2"}});
}

TEST_CASE("read_spec: accepted oddities", "[oci]") {
  SECTION("unknown properties and other platforms, whatever is inside") {
    CHECK_NOTHROW(read_with(R"(,"windows":[1],"solaris":"x","vm":{"kernel":7},"freebsd":null,"zos":[[{}]],"x":1.5)"));
    CHECK_NOTHROW(read_with(R"(,"process":{"cwd":"/","commandLine":7,"user":{"uid":0,"gid":0,"username":7}})"));
    CHECK_NOTHROW(read_with(R"(,"windows":{"a\u0000b":"c\u0000d"})"));
  }
  SECTION("null is absent") {
    const Spec spec = read_with(R"(,"process":null,"mounts":null,"hooks":null,"annotations":null,"hostname":null,
                                   "linux":{"resources":null,"seccomp":null,"sysctl":null,"rootfsPropagation":null})");
    CHECK(!spec.process);
    CHECK(!spec.linux.resources);
    CHECK(!spec.linux.rootfs_propagation);
  }
  SECTION("an empty string is an absent enum where one is optional") {
    CHECK(!read_linux(R"("rootfsPropagation": "")").rootfs_propagation);
    CHECK(!resources(R"("devices": [{"allow": true, "type": ""}])").devices[0].type);
  }
  SECTION("the last of a repeated key wins") {
    CHECK(read_with(R"(,"hostname":"a","hostname":"b")").hostname == "b");
    CHECK(read_with(R"(,"mounts":[{"destination":"/a"}],"mounts":[])").mounts.empty());
    CHECK(read_with(R"(,"process":{"cwd":"/","args":["a"]},"process":{"cwd":"/b"})").process->args.empty());
    CHECK(read_linux(R"("sysctl":{"net.a":"1","net.b":"2","net.a":"3"})").sysctl ==
          StringMap{{"net.a", "3"}, {"net.b", "2"}});
    CHECK(read_with(R"(,"root":{"path":"x","readonly":true},"root":{"path":"y"})").root == Root{"y", false});
  }
  SECTION("a byte order mark, escapes and all of Unicode") {
    CHECK(read_spec("\xef\xbb\xbf{\"ociVersion\":\"1.0.0\",\"root\":{\"path\":\"\\u00e4\\ud83d\\udea2\"}}").root.path ==
          "\xc3\xa4\xf0\x9f\x9a\xa2");
  }
  SECTION("unknown capabilities and mount options are strings") {
    CHECK(read_process(R"({"cwd":"/","capabilities":{"bounding":["CAP_NEW"]}})").capabilities->bounding ==
          Strings{"CAP_NEW"});
  }
  SECTION("64 levels") { CHECK_NOTHROW(read_with(",\"x\":" + std::string(63, '[') + std::string(63, ']'))); }
}

TEST_CASE("readers: invalid UTF-8 is refused and never repeated", "[oci]") {
  for (const char* bytes : {"\xff", "\xc0\xaf", "\xed\xa0\x80", "\xc3"}) {
    try {
      (void)read_with(std::string(R"(,"hostname":")") + bytes + "\"");
      FAIL("accepted");
    } catch (const FaultsError& error) {
      CHECK(error.message().find("is not valid JSON: line 1, column ") != std::string::npos);
      CHECK(error.message().find("ill-formed UTF-8 byte") != std::string::npos);
      for (const char c : error.message()) CHECK(static_cast<unsigned char>(c) < 0x80);
    }
  }
}

TEST_CASE("readers: a document too large is not even parsed", "[oci]") {
  CHECK_THROWS_WITH(read_spec(std::string((16U << 20U) + 1, ' ')), "config.json: is larger than 16777216 bytes");
}

TEST_CASE("readers: other documents have their own name", "[oci]") {
  CHECK_THROWS_WITH(read_process("{}"), "process.json /cwd: is required");
  CHECK_THROWS_WITH(read_resources(R"({"pids":1})"), "resources.json /pids: must be an object, is a number");
  CHECK_THROWS_WITH(read_resources("[]", "-"), "-: must be an object, is an array");
}

TEST_CASE("FaultsError: lists the first sixteen and has them all", "[oci]") {
  const FaultsError many("config.json", std::vector<Fault>(20, Fault{"/a", "b"}));
  CHECK(many.faults().size() == 20);
  CHECK(many.message().starts_with("config.json: 20 faults: /a: b; /a: b; "));
  CHECK(many.message().ends_with("; /a: b; and 4 more"));
  const FaultsError one("config.json", {{"/a", "b"}});
  CHECK(one.message() == "config.json /a: b");
  CHECK(one.pointer() == "/a");
}

TEST_CASE("names: every table gives back what it took", "[oci]") {
  const auto round_trip = [](auto example) {
    using Enum = decltype(example);
    for (const auto& [value, name] : Names<Enum>::kTable) {
      CHECK(parse_name<Enum>(name) == value);
      CHECK(name_of(value) == name);
    }
    CHECK(!parse_name<Enum>("nonsense"));
  };
  round_trip(NamespaceType{});
  round_trip(DeviceType{});
  round_trip(RootfsPropagation{});
  round_trip(SchedulerPolicy{});
  round_trip(SchedulerFlag{});
  round_trip(IoPriorityClass{});
  round_trip(SeccompAction{});
  round_trip(SeccompOperator{});
  round_trip(SeccompArch{});
  round_trip(SeccompFlag{});
  round_trip(PersonalityDomain{});
  round_trip(MemoryPolicyMode{});
  round_trip(MemoryPolicyFlag{});
  CHECK(rlimit_resource("RLIMIT_NOFILE") == RLIMIT_NOFILE);
  CHECK(!rlimit_resource("RLIMIT_NOPE"));
}
