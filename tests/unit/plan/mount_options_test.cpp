// SPDX-License-Identifier: Apache-2.0
#include "plan/mount_options.hpp"

#include <linux/mount.h>

#include <algorithm>
#include <catch2/catch.hpp>

#include "os/core/abi.hpp"

using namespace wherry;
using plan::MountOptions;
using plan::parse_mount_options;

namespace {

constexpr uint64_t kAtime = MOUNT_ATTR__ATIME;

// config.md "Linux mount options", in its order.
constexpr const char* kSpecified[] = {
    "async",          "atime",      "bind",         "defaults",    "dev",
    "diratime",       "dirsync",    "exec",         "iversion",    "lazytime",
    "loud",           "mand",       "noatime",      "nodev",       "nodiratime",
    "noexec",         "noiversion", "nolazytime",   "nomand",      "norelatime",
    "nostrictatime",  "nosuid",     "nosymfollow",  "private",     "ratime",
    "rbind",          "rdev",       "rdiratime",    "relatime",    "remount",
    "rexec",          "rnoatime",   "rnodiratime",  "rnoexec",     "rnorelatime",
    "rnostrictatime", "rnosuid",    "rnosymfollow", "ro",          "rprivate",
    "rrelatime",      "rro",        "rrw",          "rshared",     "rslave",
    "rstrictatime",   "rsuid",      "rsymfollow",   "runbindable", "rw",
    "shared",         "silent",     "slave",        "strictatime", "suid",
    "symfollow",      "sync",       "tmpcopyup",    "unbindable",  "idmap",
    "ridmap",
};

struct Flag {
  const char* name;
  uint64_t set, clear;
};
constexpr Flag kFlags[] = {
    {"atime", MOUNT_ATTR_RELATIME, kAtime},
    {"dev", 0, MOUNT_ATTR_NODEV},
    {"diratime", 0, MOUNT_ATTR_NODIRATIME},
    {"exec", 0, MOUNT_ATTR_NOEXEC},
    {"noatime", MOUNT_ATTR_NOATIME, kAtime},
    {"nodev", MOUNT_ATTR_NODEV, 0},
    {"nodiratime", MOUNT_ATTR_NODIRATIME, 0},
    {"noexec", MOUNT_ATTR_NOEXEC, 0},
    {"norelatime", MOUNT_ATTR_RELATIME, kAtime},
    {"nostrictatime", MOUNT_ATTR_RELATIME, kAtime},
    {"nosuid", MOUNT_ATTR_NOSUID, 0},
    {"nosymfollow", MOUNT_ATTR_NOSYMFOLLOW, 0},
    {"relatime", MOUNT_ATTR_RELATIME, kAtime},
    {"ro", MOUNT_ATTR_RDONLY, 0},
    {"rw", 0, MOUNT_ATTR_RDONLY},
    {"strictatime", MOUNT_ATTR_STRICTATIME, kAtime},
    {"suid", 0, MOUNT_ATTR_NOSUID},
    {"symfollow", 0, MOUNT_ATTR_NOSYMFOLLOW},
};

struct Travel {
  const char* name;
  uint64_t bits;
};
constexpr Travel kPropagation[] = {
    {"private", os::kMsPrivate},       {"rprivate", os::kMsPrivate | os::kMsRec},
    {"shared", os::kMsShared},         {"rshared", os::kMsShared | os::kMsRec},
    {"slave", os::kMsSlave},           {"rslave", os::kMsSlave | os::kMsRec},
    {"unbindable", os::kMsUnbindable}, {"runbindable", os::kMsUnbindable | os::kMsRec},
};

bool changes_nothing(const MountOptions& options) {
  return (options.set.value | options.clear.value | options.recursive_set.value | options.recursive_clear.value |
          options.propagation.value) == 0 &&
         !options.bind && !options.recursive && !options.readonly && !options.copy_up && !options.idmap &&
         options.data.empty() && options.superblock.empty();
}

}  // namespace

TEST_CASE("mount options: every option of the specification is known", "[plan]") {
  const std::vector<std::string> known = plan::known_mount_options();
  CHECK(std::ranges::is_sorted(known));
  CHECK(std::ranges::adjacent_find(known) == known.end());
  for (const char* option : kSpecified) {
    INFO(option);
    CHECK(std::ranges::binary_search(known, std::string(option)));
  }
  // An option of the table that no test below looks at would be a row without a test.
  CHECK(known.size() == std::size(kSpecified) + 1);  // rnodev, which config.md forgot
}

TEST_CASE("mount options: flags of the top mount and of the tree", "[plan]") {
  for (const Flag& flag : kFlags) {
    INFO(flag.name);
    const MountOptions top = parse_mount_options({flag.name});
    CHECK(top.set.value == flag.set);
    CHECK(top.clear.value == flag.clear);
    CHECK((top.recursive_set.value | top.recursive_clear.value) == 0);
    CHECK(top.readonly == (std::string(flag.name) == "ro"));
    CHECK(top.data.empty());
    const MountOptions tree = parse_mount_options({std::string("r") + flag.name});
    CHECK(tree.recursive_set.value == flag.set);
    CHECK(tree.recursive_clear.value == flag.clear);
    CHECK((tree.set.value | tree.clear.value) == 0);
    CHECK_FALSE(tree.readonly);
    CHECK_FALSE(tree.bind);
    CHECK(tree.data.empty());
  }
}

TEST_CASE("mount options: propagation", "[plan]") {
  for (const Travel& row : kPropagation) {
    INFO(row.name);
    const MountOptions options = parse_mount_options({row.name});
    CHECK(options.propagation.value == row.bits);
    CHECK((options.set.value | options.clear.value) == 0);
  }
  CHECK(parse_mount_options({"rshared", "slave"}).propagation.value == os::kMsSlave);
}

TEST_CASE("mount options: those that are no flag of a mount", "[plan]") {
  CHECK(parse_mount_options({"bind"}).bind);
  CHECK_FALSE(parse_mount_options({"bind"}).recursive);
  CHECK(parse_mount_options({"rbind"}).bind);
  CHECK(parse_mount_options({"rbind"}).recursive);
  CHECK(parse_mount_options({"tmpcopyup"}).copy_up);
  CHECK(parse_mount_options({"idmap"}).idmap);
  CHECK(parse_mount_options({"ridmap"}).idmap);
  for (const char* option : {"async", "dirsync", "lazytime", "mand", "nolazytime", "sync"}) {
    INFO(option);
    CHECK(parse_mount_options({option}).superblock == std::vector<std::string>{option});
  }
  for (const char* option : {"defaults", "iversion", "noiversion", "loud", "silent", "nomand", "remount", ""}) {
    INFO(option);
    CHECK(changes_nothing(parse_mount_options({option})));
  }
}

TEST_CASE("mount options: the rest goes to the file system, in order", "[plan]") {
  const MountOptions options = parse_mount_options({"size=64k", "nosuid", "mode=1777", "size=65536k", "ROX", "r"});
  CHECK(options.data == std::vector<std::string>{"size=64k", "mode=1777", "size=65536k", "ROX", "r"});
  CHECK(options.set.value == MOUNT_ATTR_NOSUID);
  // Spelled alike is not the same.
  CHECK(parse_mount_options({"ro=1", " ro", "ro "}).data.size() == 3);
  CHECK_FALSE(parse_mount_options({"ro=1"}).readonly);
}

TEST_CASE("mount options: of two that contradict each other the later one holds", "[plan]") {
  for (const Flag& first : kFlags) {
    for (const Flag& second : kFlags) {
      INFO(first.name << "," << second.name);
      const MountOptions both = parse_mount_options({first.name, second.name});
      const uint64_t touched = second.set | second.clear;
      CHECK((both.set.value & touched) == second.set);
      CHECK((both.clear.value & touched) == second.clear);
      // Only an access-time mode is in both: mount_setattr(2) wants all of MOUNT_ATTR__ATIME cleared first.
      CHECK((both.set.value & both.clear.value & ~kAtime) == 0);
      if ((both.set.value & kAtime) != 0) CHECK((both.clear.value & kAtime) == kAtime);
    }
  }
  CHECK(parse_mount_options({"ro", "rw"}).readonly == false);
  CHECK(parse_mount_options({"rw", "ro"}).readonly);
}
