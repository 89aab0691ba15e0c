// SPDX-License-Identifier: Apache-2.0
#include "container/status.hpp"

#include <unistd.h>

#include "container/identity.hpp"
#include "unit/temporary_directory.hpp"
#include "wherry/error.hpp"

using namespace wherry;
using namespace wherry::container;

namespace {

// runtime.md "Operations" says what is an error in which state; what engines rely on beyond it stands at the
// functions.
struct Row {
  Status status;
  const char* name;
  bool start, exec, kill, pause, resume, remove;
};
constexpr Row kRows[] = {
    {Status::kCreating, "creating", false, false, false, false, false, false},
    {Status::kCreated, "created", true, true, true, true, false, true},
    {Status::kRunning, "running", false, true, true, true, false, false},
    {Status::kPaused, "paused", false, false, true, false, true, false},
    {Status::kStopped, "stopped", false, false, false, false, false, true},
};

oci::Record record_of_self() {
  oci::Record record;
  record.id = "c";
  record.boot_id = boot_id();
  auto pidfd = os::pidfd_open(::getpid());
  REQUIRE(pidfd);
  identify(record, ::getpid(), pidfd->get());
  return record;
}

}  // namespace

TEST_CASE("status: what may be done in which state", "[container]") {
  for (const Row& row : kRows) {
    INFO(row.name);
    CHECK(std::string(name_of(row.status)) == row.name);
    CHECK(can_start(row.status) == row.start);
    CHECK(can_exec(row.status) == row.exec);
    CHECK(can_kill(row.status) == row.kill);
    CHECK(can_pause(row.status) == row.pause);
    CHECK(can_resume(row.status) == row.resume);
    CHECK(can_delete(row.status) == row.remove);
  }
}

TEST_CASE("status: a container as its directory and its process say", "[container]") {
  const test::TemporaryDirectory base;
  const std::string root = base / "root";
  auto maker = StateDirectory::create(root, "c");
  oci::Record record = record_of_self();
  record.creating = true;
  maker.write_record(record);
  CHECK(load(root, "c").status == Status::kCreating);  // its maker holds the lock
  { const StateDirectory gone = std::move(maker); }
  CHECK(load(root, "c").status == Status::kStopped);  // cut off half-made
  auto directory = StateDirectory::open(root, "c");
  record.creating = false;
  directory.write_record(record);
  directory.create_file(kStartSocket, "");
  CHECK(load(root, "c").status == Status::kCreated);
  directory.unlink(kStartSocket);
  const Container running = load(root, "c");
  CHECK(running.status == Status::kRunning);
  CHECK(running.process);
  CHECK_FALSE(running.cgroup);
  record.boot_id = "another boot";
  directory.write_record(record);
  CHECK(load(root, "c").status == Status::kStopped);
}

TEST_CASE("status: no container, or a damaged one", "[container]") {
  const test::TemporaryDirectory base;
  const std::string root = base / "root";
  CHECK_THROWS_WITH(load(root, "c"), "container c does not exist");
  CHECK_THROWS_AS(load(root, "../c"), Error);
  auto directory = StateDirectory::create(root, "c");
  CHECK_THROWS_AS(load(root, "c"), Error);  // no record yet
  directory.create_file(kStateFile, "{\"version\":1,\"id\":\"c");
  CHECK_THROWS_AS(load(root, "c"), Error);
}
