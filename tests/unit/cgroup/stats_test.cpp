// SPDX-License-Identifier: Apache-2.0
#include "cgroup/stats.hpp"

#include <catch2/catch.hpp>

#include "unit/cgroup/fake_cgroup.hpp"
#include "wherry/error.hpp"

using namespace wherry::cgroup;
using wherry::test::FakeCgroup;

TEST_CASE("controllers that are not enabled have no numbers", "[cgroup]") {
  const FakeCgroup group;
  const Stats stats = read_stats(group.fd());
  CHECK_FALSE(stats.memory);
  CHECK_FALSE(stats.cpu);
  CHECK_FALSE(stats.pids);
  group.put("cgroup.procs", "7\n9\n");
  CHECK(read_stats(group.fd()).pids.value().current == 2);
  CHECK_FALSE(stats.io);
  CHECK(stats.hugetlb.empty());
  CHECK(stats.rdma.empty());
  CHECK(read_counter(group.fd(), "memory.events", "oom_kill") == 0);
}

TEST_CASE("memory, cpu and pids are read", "[cgroup]") {
  const FakeCgroup group;
  group.put("memory.current", "262144\n");
  group.put("memory.max", "max\n");
  group.put("memory.low", "4096\n");
  group.put("memory.stat", "anon 10\nfile 20\n");
  group.put("memory.events", "low 0\noom_kill 3\n");
  group.put("cpu.stat", "usage_usec 9\nuser_usec 5\nsystem_usec 4\nnr_throttled 2\nunknown_key 1\n");
  group.put("cpu.pressure",
            "some avg10=1.50 avg60=0.00 avg300=0.25 total=77\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=6\n");
  group.put("pids.current", "4\n");
  group.put("pids.max", "50\n");
  const Stats stats = read_stats(group.fd());
  REQUIRE(stats.memory);
  CHECK(stats.memory->current == 262144);
  CHECK_FALSE(stats.memory->max);
  CHECK(stats.memory->low == 4096U);
  CHECK_FALSE(stats.memory->peak);
  CHECK(stats.memory->stat == Counters{{"anon", 10}, {"file", 20}});
  CHECK(read_counter(group.fd(), "memory.events", "oom_kill") == 3);
  REQUIRE(stats.cpu);
  CHECK(stats.cpu->usage_usec == 9);
  CHECK(stats.cpu->throttled_periods == 2);
  REQUIRE(stats.cpu->pressure);
  CHECK(stats.cpu->pressure->some.avg10 == Approx(1.5));
  CHECK(stats.cpu->pressure->some.total == 77);
  CHECK(stats.cpu->pressure->full.total == 6);
  REQUIRE(stats.pids);
  CHECK(stats.pids->current == 4);
  CHECK(stats.pids->max == 50U);
}

TEST_CASE("io, hugetlb and rdma are read by device and size", "[cgroup]") {
  const FakeCgroup group;
  group.put("io.stat", "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6\n254:16 rbytes=9 cost.usage=1\n");
  group.put("hugetlb.2MB.current", "2097152\n");
  group.put("hugetlb.2MB.rsvd.current", "1\n");
  group.put("hugetlb.2MB.events", "max 7\n");
  group.put("hugetlb.1GB.current", "0\n");
  group.put("rdma.current", "mlx4_0 hca_handle=2 hca_object=2000\nocrdma1 hca_handle=3 hca_object=max\n");
  const Stats stats = read_stats(group.fd());
  REQUIRE(stats.io);
  REQUIRE(stats.io->devices.size() == 2);
  CHECK(stats.io->devices[0].write_ios == 4);
  CHECK(stats.io->devices[1].major == 254);
  CHECK(stats.io->devices[1].read_bytes == 9);
  REQUIRE(stats.hugetlb.size() == 2);
  CHECK(stats.hugetlb[0].page_size == "1GB");
  CHECK(stats.hugetlb[1].usage == 2097152);
  CHECK(stats.hugetlb[1].max_events == 7);
  CHECK(stats.hugetlb[1].reserved == 1U);
  CHECK_FALSE(stats.hugetlb[0].reserved);
  REQUIRE(stats.rdma.size() == 2);
  CHECK(stats.rdma[0].hca_objects == 2000U);
  CHECK_FALSE(stats.rdma[1].hca_objects);
}

TEST_CASE("a file that is not what it should be is an error", "[cgroup]") {
  const FakeCgroup group;
  group.put("pids.current", "many\n");
  CHECK_THROWS_AS(read_stats(group.fd()), wherry::Error);
}
