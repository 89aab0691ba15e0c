// SPDX-License-Identifier: Apache-2.0
// The parts of the cgroupfs manager that a directory of plain files can stand in for.
#include "cgroup/cgroupfs.hpp"

#include <catch2/catch.hpp>
#include <functional>

#include "unit/cgroup/fake_cgroup.hpp"
#include "wherry/error.hpp"

using namespace wherry;
using wherry::test::FakeCgroup;
namespace fs = std::filesystem;

namespace {

std::string pointer_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    INFO(error.what());
    return error.pointer();
  }
  return "no error";
}

std::string message_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace

TEST_CASE("create makes what is missing and counts what was there", "[cgroup]") {
  const FakeCgroup mount;
  const auto first = cgroup::create(mount.path(), "/a/b/c");
  CHECK(first.existing == 0);
  CHECK(first.dir);
  CHECK(mount.has("a/b/c"));
  CHECK(cgroup::create(mount.path(), "/a/b/d").existing == 2);
  CHECK(cgroup::create(mount.path(), "/a/e/f").existing == 1);
  cgroup::remove(mount.path(), "/a/e/f", 1);
  CHECK_FALSE(mount.has("a/e"));
  CHECK(mount.has("a/b/d"));
  cgroup::remove(mount.path(), "/a/b/c", 0);  // its parents are in use
  CHECK_FALSE(mount.has("a/b/c"));
  CHECK(mount.has("a/b/d"));
  cgroup::remove(mount.path(), "/a/b/d", 0);
  CHECK_FALSE(mount.has("a"));
  CHECK(fs::exists(mount.path()));
}

TEST_CASE("remove of what is gone is success, of what create found is nothing", "[cgroup]") {
  const FakeCgroup mount;
  CHECK_NOTHROW(cgroup::remove(mount.path(), "/x/y", 0));
  mount.put("x/cgroup.events", "populated 0\nfrozen 0\n");
  CHECK(cgroup::create(mount.path(), "/x").existing == 1);
  cgroup::remove(mount.path(), "/x", 1);
  CHECK(mount.has("x"));
}

TEST_CASE("create refuses a cgroup that is in use", "[cgroup]") {
  const FakeCgroup mount;
  mount.put("busy/cgroup.events", "populated 1\nfrozen 0\n");
  mount.put("cold/cgroup.events", "populated 0\nfrozen 1\n");
  for (const char* path : {"/busy", "/cold"})
    CHECK(pointer_of([&] { (void)cgroup::create(mount.path(), path); }) == "/linux/cgroupsPath");
  CHECK(mount.has("busy"));
}

TEST_CASE("create undoes what it made when a later component fails", "[cgroup]") {
  const FakeCgroup mount;
  const std::string too_long(300, 'n');
  CHECK_THROWS_AS(cgroup::create(mount.path(), "/p/q/" + too_long), Error);
  CHECK_FALSE(mount.has("p"));
}

TEST_CASE("paths that leave the mount are refused", "[cgroup]") {
  const FakeCgroup mount;
  for (const char* path : {"", "/", "relative", "/a/../../b", "/.."}) {
    INFO(path);
    CHECK_THROWS_AS(cgroup::create(mount.path(), path), Error);
    CHECK_THROWS_AS(cgroup::remove(mount.path(), path, 0), Error);
  }
}

TEST_CASE("symbolic links are not followed", "[cgroup]") {
  const FakeCgroup mount;
  const FakeCgroup elsewhere;
  fs::create_directory(elsewhere / "victim");
  fs::create_directory_symlink(elsewhere.path(), mount / "link");
  CHECK_THROWS_AS(cgroup::remove(mount.path(), "/link/victim", 0), Error);
  CHECK_THROWS_AS(cgroup::create(mount.path(), "/link/new"), Error);
  CHECK_THROWS_AS(cgroup::create(mount.path(), "/link"), Error);
  CHECK(elsewhere.has("victim"));
  CHECK_FALSE(elsewhere.has("new"));
}

TEST_CASE("no limits need no file and no controller", "[cgroup]") {
  const FakeCgroup group;
  CHECK_NOTHROW(cgroup::apply(group.fd(), {}));
  CHECK_NOTHROW(cgroup::enable_controllers(group.fd(), "/nowhere", "/x", {}));
}

TEST_CASE("values that mean no limit need neither", "[cgroup]") {
  const FakeCgroup group;
  plan::Limits limits;
  limits.memory_max = limits.memory_swap_max = limits.memory_low = plan::kNoLimit;
  limits.pids_max = limits.cpu_quota = plan::kNoLimit;
  limits.cpu_period = 100000;
  limits.cpu_burst = 0;
  limits.cpu_idle = 0;
  limits.cpu_weight = 100;
  limits.io_throttles.push_back({8, 0, 0, 0, 0, 0});
  CHECK_NOTHROW(cgroup::enable_controllers(group.fd(), "/nowhere", "/x", limits));
  CHECK_NOTHROW(cgroup::apply(group.fd(), limits));
}

TEST_CASE("limits arrive in their files", "[cgroup]") {
  const FakeCgroup group;
  for (const char* file :
       {"cpu.max", "cpu.max.burst", "cpu.weight", "cpuset.cpus", "cpuset.mems", "io.weight", "io.max", "memory.low",
        "memory.max", "memory.swap.max", "pids.max", "hugetlb.2MB.max", "rdma.max"})
    group.put(file);
  plan::Limits limits;
  limits.cpu_quota = 50000;
  limits.cpu_period = 100000;
  limits.cpu_burst = 1000;
  limits.cpu_weight = 39;
  limits.cpuset_cpus = "0-1";
  limits.cpuset_mems = "0";
  limits.io_weight = 1000;
  limits.io_throttles.push_back({8, 16, 1024, {}, 0, 5});
  limits.memory_low = 4096;
  limits.memory_max = 262144;
  limits.memory_swap_max = 0;
  limits.pids_max = 0;
  limits.hugetlb.push_back({"2MB", 2097152});
  limits.rdma.push_back({"mlx5_1", 3, 10000});
  cgroup::apply(group.fd(), limits);
  CHECK(group.get("cpu.max") == "50000 100000");
  CHECK(group.get("cpu.max.burst") == "1000");
  CHECK(group.get("cpu.weight") == "39");
  CHECK(group.get("cpuset.cpus") == "0-1");
  CHECK(group.get("cpuset.mems") == "0");
  CHECK(group.get("io.weight") == "default 10000");
  CHECK(group.get("io.max") == "8:16 rbps=1024 riops=max wiops=5");
  CHECK(group.get("memory.low") == "4096");
  CHECK(group.get("memory.max") == "262144");
  CHECK(group.get("memory.swap.max") == "0");
  CHECK(group.get("pids.max") == "0");
  CHECK(group.get("hugetlb.2MB.max") == "2097152");
  CHECK(group.get("rdma.max") == "mlx5_1 hca_handle=3 hca_object=10000");
}

TEST_CASE("BFQ takes the weight as it is", "[cgroup]") {
  const FakeCgroup group;
  group.put("io.bfq.weight");
  group.put("io.weight");
  plan::Limits limits;
  limits.io_device_weights.push_back({8, 0, 500});
  cgroup::apply(group.fd(), limits);
  CHECK(group.get("io.bfq.weight") == "8:0 500");
  CHECK(group.get("io.weight").empty());
}

TEST_CASE("a period alone keeps the quota", "[cgroup]") {
  const FakeCgroup group;
  group.put("cpu.max", "25000 100000\n");
  plan::Limits limits;
  limits.cpu_period = 50000;
  cgroup::apply(group.fd(), limits);
  CHECK(group.get("cpu.max").substr(0, 11) == "25000 50000");
}

TEST_CASE("an idle cgroup gets no weight", "[cgroup]") {
  const FakeCgroup group;
  group.put("cpu.idle");
  group.put("cpu.weight");
  plan::Limits limits;
  limits.cpu_idle = 1;
  limits.cpu_weight = 39;
  cgroup::apply(group.fd(), limits);
  CHECK(group.get("cpu.idle") == "1");
  CHECK(group.get("cpu.weight").empty());
}

TEST_CASE("unified wins over the typed limits and is written line by line", "[cgroup]") {
  const FakeCgroup group;
  group.put("memory.max");
  group.put("memory.high");
  plan::Limits limits;
  limits.memory_max = 1111;
  limits.unified = {{"memory.max", "2222"}, {"memory.high", "a\n\nlonger\n"}};
  cgroup::apply(group.fd(), limits);
  CHECK(group.get("memory.max") == "2222");
  CHECK(group.get("memory.high") == "longer");
}

TEST_CASE("a limit that cannot be written is named", "[cgroup]") {
  const FakeCgroup group;
  const auto fails_at = [&](const plan::Limits& limits) {
    return pointer_of([&] { cgroup::apply(group.fd(), limits); });
  };
  plan::Limits limits;
  limits.memory_max = 4096;
  CHECK(fails_at(limits) == "/linux/resources/memory/limit");
  limits = {};
  limits.pids_max = 10;
  CHECK(fails_at(limits) == "/linux/resources/pids/limit");
  limits = {};
  limits.unified = {{"misc.max", "x 1"}};
  CHECK(fails_at(limits) == "/linux/resources/unified/misc.max");
  limits = {};
  limits.io_weight = 100;
  CHECK(message_of([&] { cgroup::apply(group.fd(), limits); }).find("io.weight: ENOENT") != std::string::npos);
}

TEST_CASE("checkBeforeUpdate refuses a limit below what is in use", "[cgroup]") {
  const FakeCgroup group;
  group.put("memory.current", "8192\n");
  group.put("memory.max");
  plan::Limits limits;
  limits.memory_max = 4096;
  limits.check_before_update = true;
  CHECK(pointer_of([&] { cgroup::apply(group.fd(), limits); }) == "/linux/resources/memory/limit");
  CHECK(group.get("memory.max").empty());
  limits.memory_max = 8192;
  CHECK_NOTHROW(cgroup::apply(group.fd(), limits));
}

TEST_CASE("an update that fails takes back what it has written", "[cgroup]") {
  const FakeCgroup group;
  group.put("cpu.max", "20000 50000\n");
  group.put("cpuset.cpus", "\n");
  group.put("pids.max", "max\n");
  group.put("io.max", "8:0 rbps=1 wbps=max riops=max wiops=max\n8:16 rbps=2 wbps=max riops=max wiops=max\n");
  group.put("io.bfq.weight", "default 100\n8:16 300\n");
  group.put("rdma.max", "mlx4_0 hca_handle=2 hca_object=2000\n");
  plan::Limits limits;
  limits.cpu_quota = 30000;
  limits.cpuset_cpus = "0";
  limits.pids_max = 5;
  limits.io_weight = 500;
  limits.io_throttles = {{8, 0, 9, {}, {}, {}}};
  limits.rdma = {{"mlx4_0", 1, {}}};
  limits.unified = {{"no.such", "1"}};
  CHECK(message_of([&] { cgroup::update(group.fd(), limits); }).find("no.such") != std::string::npos);
  // Plain files keep what a shorter write leaves behind it; the kernel's do not.
  CHECK(group.get("cpu.max").starts_with("20000 50000\n"));
  CHECK(group.get("cpuset.cpus").starts_with("\n"));
  CHECK(group.get("pids.max").starts_with("max\n"));
  CHECK(group.get("io.max").starts_with("8:0 rbps=1 wbps=max riops=max wiops=max"));
  CHECK(group.get("io.bfq.weight").starts_with("default 100"));
  CHECK(group.get("rdma.max").starts_with("mlx4_0 hca_handle=2 hca_object=2000"));
}

TEST_CASE("what was not set is unset again when an update fails", "[cgroup]") {
  const FakeCgroup group;
  for (const char* file : {"io.max", "io.weight", "rdma.max"}) group.put(file);
  plan::Limits limits;
  limits.io_device_weights = {{8, 0, 500}};
  limits.io_throttles = {{8, 0, 9, {}, {}, {}}};
  limits.rdma = {{"mlx4_0", 1, {}}};
  limits.unified = {{"no.such", "1"}};
  CHECK_THROWS_AS(cgroup::update(group.fd(), limits), Error);
  CHECK(group.get("io.max") == "8:0 rbps=max wbps=max riops=max wiops=max");
  CHECK(group.get("io.weight") == "8:0 default");
  CHECK(group.get("rdma.max") == "mlx4_0 hca_handle=max hca_object=max");
}

TEST_CASE("all controllers are handed down to a new parent", "[cgroup]") {
  const FakeCgroup mount;
  mount.put("cgroup.controllers", "cpu memory pids\n");
  mount.put("cgroup.subtree_control", "memory\n");
  mount.put("a/cgroup.controllers", "cpu memory\n");
  mount.put("a/cgroup.subtree_control", "");
  mount.put("a/b/memory.current", "0\n");
  const auto created = [&](unsigned existing) {
    cgroup::Created result;
    auto leaf = os::openat(mount.fd(), "a/b", os::kRdOnly | os::kDirectory);
    REQUIRE(leaf);
    result.dir = std::move(*leaf);
    result.existing = existing;
    return result;
  };
  cgroup::hand_down_controllers(created(1), mount.path(), "/a/b");
  CHECK(mount.get("a/cgroup.subtree_control").empty());  // the parent was there, and counts memory
  cgroup::hand_down_controllers(created(0), mount.path(), "/a/b");
  CHECK(mount.get("cgroup.subtree_control").starts_with("+cpu +pids"));
  CHECK(mount.get("a/cgroup.subtree_control") == "+cpu +memory");
  mount.put("a/cgroup.subtree_control", "");
  std::filesystem::remove(mount / "a/b/memory.current");
  cgroup::hand_down_controllers(created(1), mount.path(), "/a/b");
  CHECK(mount.get("a/cgroup.subtree_control") == "+cpu +memory");
  mount.put("cgroup.controllers", "hugetlb\n");  // a hybrid host: memory is not to be had
  mount.put("a/cgroup.subtree_control", "");
  cgroup::hand_down_controllers(created(1), mount.path(), "/a/b");
  CHECK(mount.get("a/cgroup.subtree_control").empty());
}

TEST_CASE("controllers are enabled on the way where they are missing", "[cgroup]") {
  const FakeCgroup mount;
  mount.put("cgroup.controllers", "cpu memory pids\n");
  mount.put("cgroup.subtree_control", "memory\n");
  mount.put("a/cgroup.controllers", "memory\n");
  mount.put("a/cgroup.subtree_control", "");
  mount.put("a/b/cgroup.controllers", "");
  plan::Limits limits;
  limits.memory_max = 4096;
  limits.pids_max = 5;
  const auto leaf = os::openat(mount.fd(), "a/b", os::kRdOnly | os::kDirectory);
  REQUIRE(leaf);
  cgroup::enable_controllers(leaf.value().get(), mount.path(), "/a/b", limits);
  CHECK(mount.get("cgroup.subtree_control").substr(0, 5) == "+pids");
  CHECK(mount.get("a/cgroup.subtree_control") == "+pids +memory");
}

TEST_CASE("controllers that are enabled already are only read", "[cgroup]") {
  const FakeCgroup mount;
  mount.put("a/cgroup.controllers", "cpu memory pids\n");
  plan::Limits limits;
  limits.memory_max = 4096;
  const auto leaf = os::openat(mount.fd(), "a", os::kRdOnly | os::kDirectory);
  REQUIRE(leaf);
  CHECK_NOTHROW(cgroup::enable_controllers(leaf.value().get(), mount.path(), "/a", limits));
}

TEST_CASE("a controller that the hierarchy lacks names the limit and the mount", "[cgroup]") {
  const FakeCgroup mount;
  mount.put("cgroup.controllers", "hugetlb\n");
  mount.put("a/cgroup.controllers", "");
  mount.put("cgroup.subtree_control", "");
  fs::permissions(mount / "cgroup.subtree_control", fs::perms::owner_read);
  plan::Limits limits;
  limits.memory_max = 4096;
  const auto leaf = os::openat(mount.fd(), "a", os::kRdOnly | os::kDirectory);
  REQUIRE(leaf);
  if (geteuid() == 0) return;  // root writes read-only files; the integration tests see the real thing
  const std::string message =
      message_of([&] { cgroup::enable_controllers(leaf.value().get(), mount.path(), "/a", limits); });
  CHECK(message.find("/linux/resources/memory/limit") != std::string::npos);
  CHECK(message.find("controller memory is missing from cgroup2 at " + mount.path()) != std::string::npos);
}

TEST_CASE("processes are collected from the subtree", "[cgroup]") {
  const FakeCgroup group;
  group.put("cgroup.procs", "30\n7\n0\n");
  group.put("a/cgroup.procs", "12\n");
  group.put("a/b/cgroup.procs", "7\n99\n");
  fs::create_directory_symlink("..", group / "a/loop");
  CHECK(cgroup::processes(group.fd()) == std::vector<int>{7, 12, 30, 99});
}

TEST_CASE("freezing that does not happen in time is taken back", "[cgroup]") {
  const FakeCgroup group;
  group.put("cgroup.freeze", "");
  group.put("cgroup.events", "populated 1\nfrozen 0\n");
  CHECK_FALSE(cgroup::is_frozen(group.fd()));
  CHECK(cgroup::is_populated(group.fd()));
  CHECK(message_of([&] { cgroup::freeze(group.fd(), cgroup::Timeout(5)); }).find("ETIMEDOUT") != std::string::npos);
  CHECK(group.get("cgroup.freeze") == "0");
  CHECK_NOTHROW(cgroup::thaw(group.fd(), cgroup::Timeout(5)));
  CHECK_FALSE(cgroup::wait_empty(group.fd(), cgroup::Timeout(5)));
  group.put("cgroup.events", "populated 0\nfrozen 1\n");
  CHECK_NOTHROW(cgroup::freeze(group.fd(), cgroup::Timeout(5)));
  CHECK(cgroup::wait_empty(group.fd(), cgroup::Timeout(5)));
}

TEST_CASE("kill writes cgroup.kill", "[cgroup]") {
  const FakeCgroup group;
  group.put("cgroup.kill", "");
  cgroup::kill(group.fd());
  CHECK(group.get("cgroup.kill") == "1");
}

TEST_CASE("what is no limit needs no cgroup", "[cgroup]") {
  plan::Limits limits;
  CHECK_FALSE(cgroup::restricts(limits));
  limits.memory_max = limits.pids_max = limits.memory_swap_max = plan::kNoLimit;
  limits.cpu_weight = 100;
  CHECK_FALSE(cgroup::restricts(limits));
  limits.cpu_weight = 50;
  CHECK(cgroup::restricts(limits));
  limits.cpu_weight.reset();
  limits.unified = {{"cgroup.freeze", "0"}};
  CHECK(cgroup::restricts(limits));
}
