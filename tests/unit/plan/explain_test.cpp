// SPDX-License-Identifier: Apache-2.0
#include "plan/explain.hpp"

#include <linux/mount.h>
#include <linux/sched.h>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "os/core/abi.hpp"
#include "plan/describe.hpp"
#include "unit/plan/random_step.hpp"

using namespace wherry;
using namespace wherry::plan;
using nlohmann::json;
using Rows = std::vector<std::pair<std::string, std::string>>;

namespace {

Plan example() {
  Plan plan;
  plan.steps.push_back({Lane::kHost, CreateCgroup{"/sys/fs/cgroup", "/a b"}, "/linux/cgroupsPath"});
  plan.steps.push_back({Lane::kInit, HideFromTracers<Owned>{}, {}});
  DeviceRule rule;
  rule.allow = true;
  plan.steps.push_back({Lane::kBeside, AttachDeviceFilter{{rule}}, "/linux/resources/devices"});
  plan.steps.push_back({Lane::kPid1, SetHostname<Owned>{"x"}, "/hostname"});
  plan.warnings.push_back("said, not refused");
  return plan;
}

}  // namespace

TEST_CASE("describe: only what is not at its default, in order", "[plan]") {
  CHECK(described_fields(Mount<Owned>{}).empty());
  Mount<Owned> mount;
  mount.target = "/proc";
  mount.type = "proc";
  mount.copy_up = true;
  mount.options = {"size=1", "a,b", ""};
  CHECK(described_fields(mount) ==
        Rows{{"target", "/proc"}, {"type", "proc"}, {"options", R"([size=1, "a,b", ""])"}, {"copy_up", "yes"}});
}

TEST_CASE("describe: bits have names", "[plan]") {
  CHECK(described_fields(SpawnPid1<Owned>{{CLONE_NEWPID | CLONE_NEWNS}, slot::kCgroup}) ==
        Rows{{"new", "pid,mount"}, {"cgroup", "cgroup"}});
  CHECK(described_fields(SpawnPid1<Owned>{{CLONE_NEWPID | 1}, 17}) == Rows{{"new", "pid,0x1"}, {"cgroup", "#17"}});
  Bind<Owned> bind;
  bind.set.value = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOATIME;
  bind.clear.value = MOUNT_ATTR__ATIME;
  bind.propagation.value = os::kMsSlave | os::kMsRec;
  CHECK(described_fields(bind) == Rows{{"set", "ro,noatime"}, {"clear", "atime"}, {"propagation", "slave,recursive"}});
  CHECK(described_fields(SetUmask<Owned>{{022}}) == Rows{{"mask", "0022"}});
  CHECK(described_fields(CreateDevice<Owned>{"/dev/x", {os::kTypeBlock | 0640}, 8, 1, 0, 6}) ==
        Rows{{"path", "/dev/x"}, {"mode", "b 0640"}, {"major", "8"}, {"minor", "1"}, {"gid", "6"}});
  CHECK(described_fields(OpenDevice<Owned>{"/dev/null", 16, {os::kTypeChar}, 1, 3})[2] ==
        std::pair<std::string, std::string>{"type", "c"});
  CHECK(described_fields(SetRlimit<Owned>{{7}, {1024}, {~uint64_t{0}}}) ==
        Rows{{"resource", "RLIMIT_NOFILE"}, {"soft", "1024"}, {"hard", "unlimited"}});
  CHECK(described_fields(LimitBoundingSet<Owned>{{0b101}}) == Rows{{"keep", "CAP_CHOWN,CAP_DAC_READ_SEARCH"}});
  CHECK(described_fields(RunHook<Owned>{HookKind::kPoststop, 1, "/h", {}, {}, 3, false})[0].second == "poststop");
  CHECK(described_fields(LoadSeccomp<Owned>{{1, 2, 3}, 0}) == Rows{{"filter", "3 bytes"}});
}

TEST_CASE("describe: text that could be mistaken is quoted", "[plan]") {
  const auto shown = [](const char* name) { return described_fields(SetHostname<Owned>{name}).at(0).second; };
  CHECK(shown("plain/1:2=3") == "plain/1:2=3");
  CHECK(shown("a b") == "\"a b\"");
  CHECK(shown("a\nb") == "\"a\\nb\"");
  CHECK(shown("a\"b") == "\"a\\\"b\"");
  CHECK(shown("\x1b[31m").find('\x1b') == std::string::npos);
}

TEST_CASE("describe: values inside values", "[plan]") {
  SetLimits step;
  Limits& limits = *step.limits;
  limits.memory_max = kNoLimit;
  limits.pids_max = 0;
  limits.io_throttles = {{8, 0, 1, std::nullopt, std::nullopt, 2}};
  CHECK(described_fields(step) ==
        Rows{{"limits", "memory_max=-1 pids_max=0 io_throttles=[major=8 read_bps=1 write_iops=2]"}});
  CHECK(described_fields(MapIds{{{0, 1000, 1}}, {}}) == Rows{{"uids", "[host=1000 size=1]"}});
}

TEST_CASE("explain: two columns and one line of why", "[plan]") {
  CHECK(explain_text(example()) ==
        "host                                            container\n"
        "create-cgroup\n"
        "    # the kernel counts and limits what happens in it [/linux/cgroupsPath]\n"
        "    mount=/sys/fs/cgroup\n"
        "    path=\"/a b\"\n"
        "                                                hide-from-tracers (init)\n"
        "                                                    # nobody inside a joined namespace may trace "
        "the set-up\n"
        "attach-device-filter (meanwhile)\n"
        "    # which device nodes may be used, whoever makes them [/linux/resources/devices]\n"
        "    rules=[allow=yes]\n"
        "                                                set-hostname\n"
        "                                                    # the name that the container sees [/hostname]\n"
        "                                                    name=x\n"
        "warning: said, not refused\n");
}

TEST_CASE("explain: JSON says the same", "[plan]") {
  const json document = json::parse(explain_json(example()));
  REQUIRE(document["steps"].size() == 4);
  CHECK(document["steps"][0] == json{{"lane", "host"},
                                     {"verb", "create-cgroup"},
                                     {"why", "the kernel counts and limits what happens in it"},
                                     {"origin", "/linux/cgroupsPath"},
                                     {"fields", {{"mount", "/sys/fs/cgroup"}, {"path", "\"/a b\""}}}});
  CHECK(document["steps"][2]["lane"] == "beside");
  CHECK(document["warnings"] == json{"said, not refused"});
  CHECK(json::parse(explain_json(Plan{})) == json{{"steps", json::array()}, {"warnings", json::array()}});
}

TEST_CASE("explain: whatever the fields hold, JSON stays JSON", "[plan]") {
  for (unsigned seed = 0; seed < 10; ++seed) {
    INFO(seed);
    const Plan plan = test::random_plan(seed);
    CHECK(json::parse(explain_json(plan))["steps"].size() == plan.steps.size());
    const std::vector<StepTiming> timings(plan.steps.size(), {1500, 1});
    CHECK(json::parse(trace_json(plan, timings)).size() == plan.steps.size());
    CHECK_FALSE(explain_text(plan).empty());
  }
}

TEST_CASE("trace: durations end to end, in microseconds", "[plan]") {
  const json events = json::parse(trace_json(example(), {{1500, 0}, {2, 1}, {1000000, 0}}));
  REQUIRE(events.size() == 3);  // a plan that stopped half-way
  CHECK(events[0]["ts"] == 0.0);
  CHECK(events[0]["dur"] == 1.5);
  CHECK(events[1]["ts"] == 1.5);
  CHECK(events[1]["args"]["rung"] == 1);
  CHECK(events[2]["ts"] == 1.502);
  CHECK(events[2]["ph"] == "X");
  CHECK(events[2]["args"]["lane"] == "beside");
  CHECK(events[0]["args"]["path"] == "\"/a b\"");
}

TEST_CASE("describe: lanes, hooks and slots", "[plan]") {
  CHECK(std::string(name_of(Lane::kBeside)) == "beside");
  CHECK(std::string(name_of(HookKind::kCreateRuntime)) == "createRuntime");
  CHECK(name_of_slot(slot::kStatusPage) == "status-page");
  CHECK(name_of_slot(slot::kFirstFree) == "#16");
  CHECK(name_of_namespaces(CLONE_NEWUSER | os::kCloneNewTime) == "user,time");
}
