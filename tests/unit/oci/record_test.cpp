// SPDX-License-Identifier: Apache-2.0
#include "oci/record.hpp"

#include <catch2/catch.hpp>
#include <limits>

#include "oci/reader.hpp"

using namespace wherry::oci;

namespace {

Record example() {
  Record record;
  record.id = "web";
  record.bundle = "/b \"x\"";
  record.rootfs = "/b/rootfs";
  record.created = "2026-11-23T07:12:09Z";
  record.boot_id = "f1b2";
  record.oci_version = "1.3.0";
  record.owner = "root";
  record.pid = 42;
  record.pid_start_time = std::numeric_limits<std::uint64_t>::max();
  record.pidfd_inode = 7;
  record.cgroup_manager = "cgroupfs";
  record.cgroup_path = "/user.slice/x";
  record.cgroup_root = "/sys/fs/cgroup";
  record.cgroup_existing = 1;
  record.covered_mount = 31;
  record.resctrl_group = "/sys/fs/resctrl/web";
  record.resctrl_monitor = "/sys/fs/resctrl/web/mon_groups/web";
  record.unit = "a-b.scope";
  record.bus = "unix:path=/run/user/1000/bus";
  record.pending_unit = "c.scope";
  record.pending_path = "/system.slice/c.scope";
  record.no_new_keyring = true;
  record.annotations = {{"z", "1"}, {"a", "\n"}};
  return record;
}

}  // namespace

TEST_CASE("record: what is written is read", "[oci]") {
  CHECK(read_record(write_record(example())) == example());
  CHECK(read_record(write_record(Record{})) == Record{});
}

TEST_CASE("record: one line of JSON", "[oci]") {
  const std::string json = write_record(example());
  CHECK(json.starts_with(R"({"version":1,"id":"web","bundle":"/b \"x\"","rootfs":"/b/rootfs")"));
  CHECK(json.find('\n') == json.size() - 1);
}

TEST_CASE("record: every truncation is an error, not a crash", "[oci]") {
  const std::string json = write_record(example());
  for (std::size_t size = 0; size < json.size() - 1; ++size) {
    INFO(size);
    CHECK_THROWS_AS(read_record(std::string_view(json).substr(0, size)), wherry::Error);
  }
}

TEST_CASE("record: garbage is an error", "[oci]") {
  CHECK_THROWS_AS(read_record(std::string(100, '\0')), wherry::Error);
  CHECK_THROWS_AS(read_record("null"), wherry::Error);
  CHECK_THROWS_AS(read_record("{}"), wherry::Error);
  CHECK_THROWS_AS(read_record("[1,2]"), wherry::Error);
  CHECK_THROWS_AS(read_record(std::string(1000, '[')), wherry::Error);
  CHECK_THROWS_WITH(read_record(std::string(kRecordMaxBytes + 1, ' ')), "state.json: is larger than 4194304 bytes");
}

TEST_CASE("record: another version and impossible pids are errors", "[oci]") {
  Record record = example();
  record.version = 2;
  CHECK_THROWS_WITH(read_record(write_record(record)), "state.json /version: must be 1, is 2");
  record = example();
  record.pid = -1;
  CHECK_THROWS_WITH(read_record(write_record(record)), "state.json /pid: must not be negative");
}

TEST_CASE("record: strings that are not UTF-8 are written as valid JSON", "[oci]") {
  Record record = example();
  record.bundle = "/b\xff";
  CHECK(read_record(write_record(record)).bundle == "/b\xef\xbf\xbd");
}
