// SPDX-License-Identifier: Apache-2.0
#include "plan/mount_options.hpp"

#include <algorithm>

#include "os/core/abi.hpp"

namespace wherry::plan {
namespace {

// What an option does. kAttribute sets `bits` after clearing `mask`; kSuperblock goes to the file system
// by its new-API name, and means nothing to a bind mount.
enum class Effect : uint8_t {
  kAttribute,
  kRecursiveAttribute,
  kPropagation,
  kBind,
  kSuperblock,
  kNothing,
  kCopyUp,
  kIdmap
};

struct Row {
  std::string_view name;
  Effect effect;
  uint64_t bits;
  uint64_t mask;
};

constexpr uint64_t kAllAtime = MOUNT_ATTR__ATIME;

constexpr Row attribute(std::string_view name, uint64_t bits, uint64_t mask) {
  return {name, Effect::kAttribute, bits, mask};
}
constexpr Row recursive(std::string_view name, uint64_t bits, uint64_t mask) {
  return {name, Effect::kRecursiveAttribute, bits, mask};
}
constexpr Row propagation(std::string_view name, uint64_t bits) { return {name, Effect::kPropagation, bits, 0}; }
constexpr Row superblock(std::string_view name) { return {name, Effect::kSuperblock, 0, 0}; }

// mount_setattr(2): an access-time mode is a value, not a bit; to set one, all of MOUNT_ATTR__ATIME is cleared.
constexpr Row kRows[] = {
    superblock("async"),
    attribute("atime", MOUNT_ATTR_RELATIME, kAllAtime),
    {"bind", Effect::kBind, 0, 0},
    {"defaults", Effect::kNothing, 0, 0},
    attribute("dev", 0, MOUNT_ATTR_NODEV),
    attribute("diratime", 0, MOUNT_ATTR_NODIRATIME),
    superblock("dirsync"),
    attribute("exec", 0, MOUNT_ATTR_NOEXEC),
    {"idmap", Effect::kIdmap, 0, 0},
    {"iversion", Effect::kNothing, 0, 0},  // the kernel decides by itself since 4.17
    superblock("lazytime"),
    {"loud", Effect::kNothing, 0, 0},
    superblock("mand"),
    attribute("noatime", MOUNT_ATTR_NOATIME, kAllAtime),
    attribute("nodev", MOUNT_ATTR_NODEV, MOUNT_ATTR_NODEV),
    attribute("nodiratime", MOUNT_ATTR_NODIRATIME, MOUNT_ATTR_NODIRATIME),
    attribute("noexec", MOUNT_ATTR_NOEXEC, MOUNT_ATTR_NOEXEC),
    {"noiversion", Effect::kNothing, 0, 0},
    superblock("nolazytime"),
    {"nomand", Effect::kNothing, 0, 0},  // the default
    attribute("norelatime", MOUNT_ATTR_RELATIME, kAllAtime),
    attribute("nostrictatime", MOUNT_ATTR_RELATIME, kAllAtime),
    attribute("nosuid", MOUNT_ATTR_NOSUID, MOUNT_ATTR_NOSUID),
    attribute("nosymfollow", MOUNT_ATTR_NOSYMFOLLOW, MOUNT_ATTR_NOSYMFOLLOW),
    propagation("private", os::kMsPrivate),
    recursive("ratime", MOUNT_ATTR_RELATIME, kAllAtime),
    {"rbind", Effect::kBind, 1, 0},
    recursive("rdev", 0, MOUNT_ATTR_NODEV),
    recursive("rdiratime", 0, MOUNT_ATTR_NODIRATIME),
    attribute("relatime", MOUNT_ATTR_RELATIME, kAllAtime),
    {"remount", Effect::kNothing, 0, 0},  // flags are always given to a mount that exists already
    recursive("rexec", 0, MOUNT_ATTR_NOEXEC),
    {"ridmap", Effect::kIdmap, 1, 0},
    recursive("rnoatime", MOUNT_ATTR_NOATIME, kAllAtime),
    recursive("rnodev", MOUNT_ATTR_NODEV, MOUNT_ATTR_NODEV),
    recursive("rnodiratime", MOUNT_ATTR_NODIRATIME, MOUNT_ATTR_NODIRATIME),
    recursive("rnoexec", MOUNT_ATTR_NOEXEC, MOUNT_ATTR_NOEXEC),
    recursive("rnorelatime", MOUNT_ATTR_RELATIME, kAllAtime),
    recursive("rnostrictatime", MOUNT_ATTR_RELATIME, kAllAtime),
    recursive("rnosuid", MOUNT_ATTR_NOSUID, MOUNT_ATTR_NOSUID),
    recursive("rnosymfollow", MOUNT_ATTR_NOSYMFOLLOW, MOUNT_ATTR_NOSYMFOLLOW),
    attribute("ro", MOUNT_ATTR_RDONLY, MOUNT_ATTR_RDONLY),
    propagation("rprivate", os::kMsPrivate | os::kMsRec),
    recursive("rrelatime", MOUNT_ATTR_RELATIME, kAllAtime),
    recursive("rro", MOUNT_ATTR_RDONLY, MOUNT_ATTR_RDONLY),
    recursive("rrw", 0, MOUNT_ATTR_RDONLY),
    propagation("rshared", os::kMsShared | os::kMsRec),
    propagation("rslave", os::kMsSlave | os::kMsRec),
    recursive("rstrictatime", MOUNT_ATTR_STRICTATIME, kAllAtime),
    recursive("rsuid", 0, MOUNT_ATTR_NOSUID),
    recursive("rsymfollow", 0, MOUNT_ATTR_NOSYMFOLLOW),
    propagation("runbindable", os::kMsUnbindable | os::kMsRec),
    attribute("rw", 0, MOUNT_ATTR_RDONLY),
    propagation("shared", os::kMsShared),
    {"silent", Effect::kNothing, 0, 0},
    propagation("slave", os::kMsSlave),
    attribute("strictatime", MOUNT_ATTR_STRICTATIME, kAllAtime),
    attribute("suid", 0, MOUNT_ATTR_NOSUID),
    attribute("symfollow", 0, MOUNT_ATTR_NOSYMFOLLOW),
    superblock("sync"),
    {"tmpcopyup", Effect::kCopyUp, 0, 0},
    propagation("unbindable", os::kMsUnbindable),
};

static_assert(std::is_sorted(std::begin(kRows), std::end(kRows),
                             [](const Row& a, const Row& b) { return a.name < b.name; }));

void change(MountAttributes& set, MountAttributes& clear, const Row& row) {
  set.value = (set.value & ~row.mask) | row.bits;
  clear.value = (clear.value & ~row.bits) | (row.mask & ~row.bits);
  // mount_setattr(2): EINVAL unless all of MOUNT_ATTR__ATIME is cleared when an access-time mode is set.
  if (row.mask == kAllAtime) clear.value |= kAllAtime;
}

void apply(const Row& row, const std::string& option, MountOptions& out) {
  switch (row.effect) {  // intentionally no default
    case Effect::kAttribute:
      if (row.name == "ro" || row.name == "rw") out.readonly = row.name == "ro";
      return change(out.set, out.clear, row);
    case Effect::kRecursiveAttribute:
      return change(out.recursive_set, out.recursive_clear, row);
    case Effect::kPropagation:
      out.propagation.value = row.bits;
      return;
    case Effect::kBind:
      out.bind = true;
      out.recursive = row.bits != 0;
      return;
    case Effect::kSuperblock:
      out.superblock.push_back(option);
      return;
    case Effect::kCopyUp:
      out.copy_up = true;
      return;
    case Effect::kIdmap:
      out.idmap = true;
      out.idmap_recursive = row.bits != 0;
      return;
    case Effect::kNothing:
      return;
  }
}

}  // namespace

MountOptions parse_mount_options(const std::vector<std::string>& options) {
  MountOptions out;
  for (const std::string& option : options) {
    const auto* row =
        std::lower_bound(std::begin(kRows), std::end(kRows), option,
                         [](const Row& candidate, const std::string& wanted) { return candidate.name < wanted; });
    if (row != std::end(kRows) && row->name == option) {
      apply(*row, option, out);
    } else if (!option.empty()) {
      out.data.push_back(option);
    }
  }
  return out;
}

std::vector<std::string> known_mount_options() {
  std::vector<std::string> names;
  for (const Row& row : kRows) names.emplace_back(row.name);
  return names;
}

}  // namespace wherry::plan
