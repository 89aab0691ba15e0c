// SPDX-License-Identifier: Apache-2.0
#include "container/store.hpp"

#include <sys/stat.h>

#include "unit/temporary_directory.hpp"
#include "wherry/error.hpp"

using namespace wherry;
using namespace wherry::container;
namespace fs = std::filesystem;

namespace {

unsigned mode_of(const fs::path& path) {
  struct stat status {};
  REQUIRE(::stat(path.c_str(), &status) == 0);
  return status.st_mode & 07777;
}

bool is_accepted(const std::string& id) {
  try {
    check_id(id);
    return true;
  } catch (const Error&) {
    return false;
  }
}

}  // namespace

TEST_CASE("store: ids are names, never paths or options", "[container]") {
  for (const std::string& id : {std::string("a"), std::string("A-z_0+9.x"), std::string("..."), std::string(".hidden"),
                                std::string("_"), std::string("0"), std::string(1024, 'x')})
    CHECK(is_accepted(id));
  for (const std::string& id :
       {std::string(), std::string("."), std::string(".."), std::string("-a"), std::string("--root"),
        std::string("a/b"), std::string("/"), std::string("a b"), std::string("a\n"), std::string("a\0b", 3),
        std::string("\xc3\xa4"), std::string("a:b"), std::string("a@b"), std::string("~"), std::string(1025, 'x')}) {
    INFO(id);
    CHECK_FALSE(is_accepted(id));
  }
}

TEST_CASE("store: create, once", "[container]") {
  const test::TemporaryDirectory base;
  const std::string root = base / "not/there/yet";
  const auto created = StateDirectory::create(root, "one");
  CHECK(created.id() == "one");
  CHECK(fs::is_directory(root + "/one"));
  CHECK((mode_of(root + "/one") & 077) == 0);
  CHECK_THROWS_WITH(StateDirectory::create(root, "one"), Catch::Contains("container with id one already exists"));
  CHECK_THROWS_AS(StateDirectory::create(root, "../two"), Error);
  base.write("file", "");
  CHECK_THROWS_WITH(StateDirectory::create(base / "file", "two"), Catch::Contains("ENOTDIR"));
  CHECK_FALSE(fs::exists(base / "not/there/two"));
}

TEST_CASE("store: open and find", "[container]") {
  const test::TemporaryDirectory base;
  const std::string root = base.path();
  CHECK_THROWS_WITH(StateDirectory::open(root, "c"), "container c does not exist");
  CHECK_FALSE(StateDirectory::find(root, "c"));
  CHECK_FALSE(StateDirectory::find(root, "../c"));
  CHECK_FALSE(StateDirectory::find(root + "/nowhere", "c"));
  (void)StateDirectory::create(root, "c");
  CHECK(StateDirectory::open(root, "c").id() == "c");
  CHECK(StateDirectory::find(root, "c"));
  base.write("file", "");
  CHECK_FALSE(StateDirectory::find(root, "file"));
  fs::create_directory_symlink(base / "c", base / "link");
  CHECK_FALSE(StateDirectory::find(root, "link"));
}

TEST_CASE("store: one holds the lock", "[container]") {
  const test::TemporaryDirectory base;
  {
    auto maker = StateDirectory::create(base.path(), "c");
    auto other = StateDirectory::open(base.path(), "c");
    CHECK_FALSE(other.try_lock());
    CHECK(maker.try_lock());  // its own
  }
  auto next = StateDirectory::open(base.path(), "c");
  CHECK(next.try_lock());
}

TEST_CASE("store: the record is replaced as a whole", "[container]") {
  const test::TemporaryDirectory base;
  const auto directory = StateDirectory::create(base.path(), "c");
  CHECK_THROWS_AS(directory.read_record(), Error);
  oci::Record record;
  record.id = "c";
  record.bundle = "/bundle";
  record.pid = 4711;
  record.annotations = {{"b", "2"}, {"a", "1"}};
  directory.write_record(record);
  CHECK(directory.read_record() == record);
  record.pid = 4712;
  directory.write_record(record);
  CHECK(directory.read_record() == record);
  CHECK(mode_of(base / "c/state.json") == 0600);
  CHECK_FALSE(fs::exists(base / "c/state.json.tmp"));
}

TEST_CASE("store: files", "[container]") {
  const test::TemporaryDirectory base;
  const auto directory = StateDirectory::create(base.path(), "c");
  CHECK_FALSE(directory.has(kConfigFile));
  directory.create_file(kConfigFile, "{}");
  CHECK(directory.has(kConfigFile));
  CHECK(directory.read_file(kConfigFile) == "{}");
  CHECK(mode_of(base / "c/config.json") == 0600);
  CHECK_THROWS_WITH(directory.create_file(kConfigFile, "{}"), Catch::Contains("EEXIST"));
  CHECK_THROWS_WITH(directory.read_file(kPlanFile), Catch::Contains("ENOENT"));
  directory.unlink(kConfigFile);
  directory.unlink(kConfigFile);  // gone already
  CHECK_FALSE(directory.has(kConfigFile));
}

TEST_CASE("store: remove takes all files, in whatever state they are", "[container]") {
  const test::TemporaryDirectory base;
  const auto directory = StateDirectory::create(base.path(), "c");
  directory.write_record(oci::Record{});
  for (const char* name : {kConfigFile, kPlanFile, kStartSocket, "state.json.tmp"}) directory.create_file(name, "x");
  directory.remove();
  CHECK_FALSE(fs::exists(base / "c"));
  directory.remove();  // delete --force twice at once
  const auto again = StateDirectory::create(base.path(), "c");
  base.write("c/unknown", "x");
  CHECK_THROWS_WITH(again.remove(), Catch::Contains("ENOTEMPTY"));
}

TEST_CASE("store: the list of ids", "[container]") {
  const test::TemporaryDirectory base;
  CHECK(list_ids(base / "nowhere").empty());
  CHECK(list_ids(base.path()).empty());
  for (const char* name : {"b", "a", "c.d", "-not", "not an id"}) fs::create_directory(base / name);
  base.write("file", "");
  CHECK(list_ids(base.path()) == std::vector<std::string>{"a", "b", "c.d"});
}
