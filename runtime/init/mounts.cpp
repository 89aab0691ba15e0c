// SPDX-License-Identifier: Apache-2.0
// Mounts are made detached, given their flags, and attached to a descriptor that was looked up inside the root.
#include "init/channel.hpp"
#include "init/execute.hpp"
#include "init/paths.hpp"
#include "init/text.hpp"

namespace wherry::init {
namespace {

using os::Result;

// CVE-2019-19921, CVE-2023-27561, CVE-2026-41579: a link in place of these would put masks, labels and device nodes
// somewhere else.
Links links_for(TextView target) noexcept {
  return equal(target, "/proc") || equal(target, "/sys") || equal(target, "/dev") ? Links::kRefuse : Links::kFollow;
}

Result<Fd> open_target(Context& context, TextView target, bool directory) noexcept {
  context.parent.reset();  // it may come to lie below the new mount
  return directory ? make_directory(context.root.get(), target, links_for(target)) : make_file(context, target);
}

Outcome target_failed(int error) noexcept {
  return failed(error, error == ELOOP ? Detail::kTargetIsLink : Detail::kMountTarget);
}

Outcome attach(int tree, int target) noexcept {
  return outcome_of(os::move_mount(tree, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH),
                    Detail::kMountAttach);
}

Outcome change(int tree, uint64_t set, uint64_t clear, uint64_t propagation, bool recursive) noexcept {
  if ((set | clear | propagation) == 0) return done();
  mount_attr attributes{set, clear, propagation & ~os::kMsRec, 0};
  const int flags = os::kAtEmptyPath | (recursive ? os::kAtRecursive : 0);
  return outcome_of(os::mount_setattr(tree, "", static_cast<unsigned>(flags), attributes), Detail::kMountAttributes);
}

Outcome set_propagation(int tree, plan::Propagation propagation) noexcept {
  return change(tree, 0, 0, propagation.value, (propagation.value & os::kMsRec) != 0);
}

Outcome map_ids(const Context& context, int tree, Slot mapping, bool recursive) noexcept {
  if (mapping == plan::slot::kNone) return done();
  mount_attr attributes{MOUNT_ATTR_IDMAP, 0, 0, static_cast<uint64_t>(slot_fd(context, mapping))};
  const int flags = os::kAtEmptyPath | (recursive ? os::kAtRecursive : 0);
  return outcome_of(os::mount_setattr(tree, "", static_cast<unsigned>(flags), attributes), Detail::kIdMapping);
}

Result<bool> is_directory(int fd) noexcept {
  struct statx status {};
  if (auto found = os::statx(fd, "", os::kAtEmptyPath, STATX_TYPE, status); !found)
    return Result<bool>::failure(found.error());
  return (status.stx_mode & os::kTypeMask) == os::kTypeDirectory;
}

// fsconfig(2) copies at most 255 bytes of a value.
constexpr uint32_t kLongestParameter = 255;

// fsconfig(2) says EINVAL of an unknown name and of a bad value alike; what read(2) of the context gives, one message
// at a time until ENODATA, is "e tmpfs: Unknown parameter 'sise'" for the first.
bool is_unknown(int filesystem, const char* key) noexcept {
  constexpr int kMostMessages = 8;  // the context keeps no more
  Line<512> wanted;
  wanted.add(": Unknown parameter '").add(key).add("'");
  char message[512];
  for (int i = 0; i < kMostMessages; ++i) {
    auto size = os::read(filesystem, message, sizeof message);
    if (!size) return false;
    if (contains({message, static_cast<uint32_t>(*size)}, {wanted.data(), wanted.size()})) return true;
  }
  return false;
}

Outcome configure(int filesystem, const plan::ListView<TextView>& options) noexcept {
  uint32_t index = 0;
  int error = 0;
  bool unknown = false;
  const bool complete = plan::for_each(options, [&](TextView option) {
    char key[kLongestParameter + 1];
    const uint32_t equals = find(option, '=');
    if (equals > kLongestParameter) {
      error = EINVAL;
      return false;
    }
    __builtin_memcpy(key, option.data, equals);
    key[equals] = 0;
    const os::Status set = equals == option.size
                               ? os::fsconfig(filesystem, FSCONFIG_SET_FLAG, key, nullptr, 0)
                               : os::fsconfig(filesystem, FSCONFIG_SET_STRING, key, option.data + equals + 1, 0);
    error = set.error();
    unknown = error == EINVAL && is_unknown(filesystem, key);
    if (error == 0) ++index;
    return error == 0;
  });
  if (complete) return done();
  return failed(error == 0 ? EBADMSG : error, unknown ? Detail::kMountOptionUnknown : Detail::kMountOption, index);
}

bool says_mode(const plan::ListView<TextView>& options) noexcept {
  return !plan::for_each(options, [](TextView option) { return option.size < 5 || !equal({option.data, 5}, "mode="); });
}

// As runc does it: a tmpfs that names no mode takes that of the directory it comes to cover. Else `mode` stays empty.
Outcome take_covered_mode(const plan::Mount<Wired>& step, const Context& context, Line<16>& mode) noexcept {
  if (!equal(step.type, "tmpfs") || says_mode(step.options)) return done();
  auto covered = open_in_root(context.root.get(), step.target.data, os::kPath | os::kDirectory);
  if (!covered) return covered.error() == ENOENT ? done() : target_failed(covered.error());
  struct statx status {};
  if (auto found = os::statx(covered->get(), "", os::kAtEmptyPath, STATX_MODE, status); !found)
    return target_failed(found.error());
  for (int shift = 9; shift >= 0; shift -= 3) mode.add(int64_t{status.stx_mode >> shift & 7});
  return done();
}

// Rung 0: a detached mount by the mount API of 5.2.
template <class Step>
Result<Fd> make_filesystem(const Step& step, const char* mode, Outcome& outcome) noexcept {
  auto filesystem = os::fsopen(step.type.data);
  if (!filesystem) {
    outcome = failed(filesystem.error(), Detail::kMountCreate);
    return filesystem;
  }
  os::Status set;
  // EINVAL: a file system without that parameter. The source is decoration there, and the mount is ro too.
  if (!step.source.empty()) set = os::fsconfig(filesystem->get(), FSCONFIG_SET_STRING, "source", step.source.data, 0);
  if (step.superblock_readonly && (set || set.error() == EINVAL))
    set = os::fsconfig(filesystem->get(), FSCONFIG_SET_FLAG, "ro", nullptr, 0);
  if (mode[0] != 0 && (set || set.error() == EINVAL))
    set = os::fsconfig(filesystem->get(), FSCONFIG_SET_STRING, "mode", mode, 0);
  outcome = set || set.error() == EINVAL ? configure(filesystem->get(), step.options)
                                         : failed(set.error(), Detail::kMountCreate);
  if (outcome.error != 0) return Result<Fd>::failure(outcome.error);
  outcome = outcome_of(os::fsconfig(filesystem->get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0), Detail::kMountCreate);
  if (outcome.error != 0) return Result<Fd>::failure(outcome.error);
  auto tree = os::fsmount(filesystem->get(), static_cast<unsigned>(step.attributes.value));
  if (!tree) outcome = failed(tree.error(), Detail::kMountCreate);
  return tree;
}

struct FlagPair {
  uint64_t attribute;
  unsigned long flag;
};
constexpr FlagPair kMountFlags[] = {
    {MOUNT_ATTR_RDONLY, os::kMsRdonly}, {MOUNT_ATTR_NOSUID, os::kMsNosuid}, {MOUNT_ATTR_NODEV, os::kMsNodev},
    {MOUNT_ATTR_NOEXEC, os::kMsNoexec}, {MOUNT_ATTR_NOATIME, 1024},         {MOUNT_ATTR_STRICTATIME, 1UL << 24},
    {MOUNT_ATTR_NODIRATIME, 2048},      {MOUNT_ATTR_NOSYMFOLLOW, 256},
};

// mount(2) takes a path: /proc/self/fd/N of the target descriptor, through the host's procfs.
Outcome mount_on(const Context& context, int target, const plan::Mount<Wired>& step, const char* data) noexcept {
  unsigned long flags = 0;
  for (const FlagPair& pair : kMountFlags)
    if ((step.attributes.value & pair.attribute) != 0) flags |= pair.flag;
  Line<32> path;
  path.add("self/fd/").add(int64_t{target});
  auto here = os::openat(os::kAtFdcwd, ".", os::kPath | os::kDirectory);
  if (!here) return outcome_of(here);
  if (auto status = os::fchdir(context.proc.get()); !status) return outcome_of(status);
  const os::Status mounted = os::mount(step.source.data, path.data(), step.type.data, flags, data);
  if (auto status = os::fchdir(here->get()); !status) return outcome_of(status);
  return mounted ? done(1) : failed(mounted.error(), Detail::kMountCreate);
}

// Rung 1: mount(2), for a value that fsconfig(2) cannot carry (overlay's lowerdir) or where an outer seccomp filter
// knows no fsopen.
Outcome mount_the_old_way(const plan::Mount<Wired>& step, const char* mode, const Context& context,
                          int target) noexcept {
  Line<kPathMax> data;  // mount(2) takes one page
  if (mode[0] != 0) data.add("mode=").add(mode);
  (void)plan::for_each(step.options, [&](TextView option) {
    if (data.size() != 0) data.add(",");
    const uint32_t value = find(option, '=') + 1;
    if (find(option, ',') == option.size || value > option.size) {
      data.add(option);
    } else {  // security/selinux/hooks.c: a context with categories stands in quotes there
      data.add(TextView{option.data, value})
          .add("\"")
          .add(TextView{option.data + value, option.size - value})
          .add("\"");
    }
    return data.fits();
  });
  if (!data.fits()) return failed(E2BIG, Detail::kTooLarge);
  return mount_on(context, target, step, data.data());
}

// Rung 2: the kernel forbids a fresh instance in this user namespace (EPERM): show the host's, with all that is mounted
// in it under the same flags. How access times are kept is locked there (mount_namespaces(7)).
Outcome bind_fallback(const plan::Mount<Wired>& step, int target) noexcept {
  auto tree = os::open_tree(os::kAtFdcwd, step.fallback.data, os::kOpenTreeClone | os::kAtRecursive);
  if (!tree) return failed(tree.error(), Detail::kMountSource);
  constexpr uint64_t kAccessTimes = MOUNT_ATTR__ATIME | MOUNT_ATTR_NODIRATIME;
  Outcome outcome = change(tree->get(), step.attributes.value & ~kAccessTimes, 0, 0, true);
  if (outcome.error == 0) outcome = set_propagation(tree->get(), step.propagation);
  if (outcome.error == 0) outcome = attach(tree->get(), target);
  outcome.rung = 2;
  return outcome;
}

bool has_long_option(const plan::ListView<TextView>& options) noexcept {
  return !plan::for_each(options, [](TextView option) { return option.size - find(option, '=') <= kLongestParameter; });
}

Outcome copy_tree(int from, int to, int depth) noexcept;

Outcome copy_data(int from, int to) noexcept {
  for (;;) {
    const long copied = os::raw_syscall(__NR_sendfile, to, from, 0, 1 << 20);
    if (copied <= 0) return copied == 0 ? done() : failed(static_cast<int>(-copied));
  }
}

Outcome copy_owner(int from_dir, int to_dir, const char* name, const struct statx& status) noexcept {
  if (auto owned = os::fchownat(to_dir, name, status.stx_uid, status.stx_gid, os::kAtSymlinkNofollow); !owned)
    return outcome_of(owned);
  if ((status.stx_mode & os::kTypeMask) == os::kTypeSymlink) return done();
  (void)from_dir;
  return outcome_of(os::fchmodat(to_dir, name, status.stx_mode & 07777));
}

Outcome copy_entry(int from, int to, const char* name, int depth) noexcept {
  struct statx status {};
  if (auto found = os::statx(from, name, os::kAtSymlinkNofollow, STATX_BASIC_STATS, status); !found)
    return outcome_of(found);
  const unsigned type = status.stx_mode & os::kTypeMask;
  Outcome outcome = done();
  if (type == os::kTypeDirectory) {
    if (auto made = os::mkdirat(to, name, 0700); !made && made.error() != EEXIST) return outcome_of(made);
    auto source = os::openat(from, name, os::kRdOnly | os::kDirectory | os::kNoFollow);
    auto target = os::openat(to, name, os::kRdOnly | os::kDirectory | os::kNoFollow);
    if (!source || !target) return failed(source ? target.error() : source.error());
    outcome = copy_tree(source->get(), target->get(), depth + 1);
  } else if (type == os::kTypeSymlink) {
    char link[kPathMax];
    auto size = os::readlinkat(from, name, link, sizeof link - 1);
    if (!size) return outcome_of(size);
    link[*size] = 0;
    outcome = outcome_of(os::symlinkat(link, to, name));
  } else if (type == os::kTypeRegular) {
    auto source = os::openat(from, name, os::kRdOnly | os::kNoFollow | os::kNonBlock);
    auto target = os::openat(to, name, os::kWrOnly | os::kCreat | os::kExcl | os::kNoFollow, 0600);
    if (!source || !target) return failed(source ? target.error() : source.error());
    outcome = copy_data(source->get(), target->get());
  } else {
    const unsigned device =
        (status.stx_rdev_minor & 0xff) | (status.stx_rdev_major << 8) | ((status.stx_rdev_minor & ~0xffU) << 12);
    outcome = outcome_of(os::mknodat(to, name, status.stx_mode, device));
  }
  return outcome.error != 0 ? outcome : copy_owner(from, to, name, status);
}

constexpr int kDeepestCopy = 64;

Outcome copy_tree(int from, int to, int depth) noexcept {
  if (depth > kDeepestCopy) return failed(ELOOP, Detail::kTooLarge);
  alignas(os::DirectoryEntry) char buffer[2048];
  for (;;) {
    auto size = os::result_of(os::raw_syscall(__NR_getdents64, from, os::address(buffer), sizeof buffer));
    if (!size) return outcome_of(size);
    if (*size == 0) return done();
    for (long at = 0; at < *size;) {
      const auto* entry = reinterpret_cast<const os::DirectoryEntry*>(buffer + at);
      at += entry->size;
      const TextView name{entry->name, length(entry->name)};
      if (equal(name, ".") || equal(name, "..")) continue;
      if (Outcome outcome = copy_entry(from, to, entry->name, depth); outcome.error != 0) return outcome;
    }
  }
}

// tmpcopyup: the new file system starts with what the target directory holds.
Outcome copy_up(int target, int tree) noexcept {
  auto from = os::openat(target, ".", os::kRdOnly | os::kDirectory);
  auto to = os::openat(tree, ".", os::kRdOnly | os::kDirectory);
  if (!from || !to) return failed(from ? to.error() : from.error());
  return copy_tree(from->get(), to->get(), 0);
}

Outcome label_root(int tree, TextView label) noexcept {
  auto root = os::openat(tree, ".", os::kRdOnly | os::kDirectory);
  if (!root) return outcome_of(root);
  return outcome_of(os::status_of(os::raw_syscall(__NR_fsetxattr, root->get(), os::address("security.selinux"),
                                                  os::address(label.data), label.size + 1L, 0)),
                    Detail::kLabel);
}

Outcome attach_shared(SharedTree& shared, int target) noexcept {
  if (!shared.attached) {
    Outcome outcome = attach(shared.tree.get(), target);
    shared.attached = outcome.error == 0;
    return outcome;
  }
  auto copy = os::open_tree(shared.tree.get(), "", os::kOpenTreeClone | os::kAtEmptyPath);
  return copy ? attach(copy->get(), target) : failed(copy.error(), Detail::kMountSource);
}

Outcome make_empty_directory(SharedTree& shared, TextView label) noexcept {
  auto filesystem = os::fsopen("tmpfs");
  if (!filesystem) return failed(filesystem.error(), Detail::kMountCreate);
  auto status = os::fsconfig(filesystem->get(), FSCONFIG_SET_STRING, "nr_inodes", "2", 0);  // 1 is too few before 5.16
  if (status && !label.empty()) status = os::fsconfig(filesystem->get(), FSCONFIG_SET_STRING, "context", label.data, 0);
  if (status) status = os::fsconfig(filesystem->get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0);
  if (!status) return outcome_of(status, label.empty() ? Detail::kMountCreate : Detail::kLabel);
  auto tree =
      os::fsmount(filesystem->get(), MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
  if (!tree) return failed(tree.error(), Detail::kMountCreate);
  shared.tree = static_cast<Fd&&>(*tree);
  return done();
}

}  // namespace

Outcome execute(const plan::OpenTree<Wired>& step, Context& context) noexcept {
  if (step.slot >= kMaxPlanSlots) return failed(EINVAL, Detail::kPlan);
  const int recursive = step.recursive ? os::kAtRecursive : 0;
  auto inside = step.shown ? open_in_root(context.root.get(), step.path.data, os::kPath) : Result<Fd>(Fd());
  if (!inside) return failed(inside.error(), Detail::kMountSource);
  auto tree =
      os::open_tree(step.shown ? inside->get() : os::kAtFdcwd, step.shown ? "" : step.path.data,
                    os::kOpenTreeClone | static_cast<unsigned>(recursive | (step.shown ? os::kAtEmptyPath : 0)));
  if (!tree) return failed(tree.error(), Detail::kMountSource);
  if (step.shown) {
    if (auto shown = produce(context, step.slot, tree->get()); !shown) return outcome_of(shown);
  }
  if (Outcome outcome = set_propagation(tree->get(), step.propagation); outcome.error != 0) return outcome;
  if (Outcome outcome = map_ids(context, tree->get(), step.mapping, step.map_recursive); outcome.error != 0)
    return outcome;
  context.slots[step.slot] = static_cast<Fd&&>(*tree);
  return done();
}

Outcome execute(const plan::OpenFilesystem<Wired>& step, Context& context) noexcept {
  if (step.slot >= kMaxPlanSlots) return failed(EINVAL, Detail::kPlan);
  if (has_long_option(step.options)) return failed(E2BIG, Detail::kTooLarge);
  Outcome outcome = done();
  auto tree = make_filesystem(step, "", outcome);
  if (!tree) return outcome;
  outcome = map_ids(context, tree->get(), step.mapping, false);
  if (outcome.error == 0) context.slots[step.slot] = static_cast<Fd&&>(*tree);
  return outcome;
}

Outcome execute(const plan::Mount<Wired>& step, Context& context) noexcept {
  Line<16> mode;
  Outcome outcome = take_covered_mode(step, context, mode);
  if (outcome.error != 0) return outcome;
  auto target = open_target(context, step.target, true);
  if (!target) return target_failed(target.error());
  auto tree = has_long_option(step.options) ? Result<Fd>::failure(E2BIG) : make_filesystem(step, mode.data(), outcome);
  if (!tree) {
    const bool refused = tree.error() == EPERM && outcome.detail == Detail::kMountCreate;
    if (refused && !step.fallback.empty()) return bind_fallback(step, target->get());
    if (!refused && tree.error() != E2BIG && tree.error() != ENOSYS) return outcome;
    const Outcome old = mount_the_old_way(step, mode.data(), context, target->get());
    return old.error == 0 || outcome.error == 0 ? old : outcome;
  }
  if (step.copy_up) {
    if (outcome = copy_up(target->get(), tree->get()); outcome.error != 0) return outcome;
  }
  if (outcome = set_propagation(tree->get(), step.propagation); outcome.error != 0) return outcome;
  if (!step.label.empty()) {
    if (outcome = label_root(tree->get(), step.label); outcome.error != 0) return outcome;
  }
  return attach(tree->get(), target->get());
}

Outcome execute(const plan::Bind<Wired>& step, Context& context) noexcept {
  const int recursive = step.recursive ? os::kAtRecursive : 0;
  auto tree = step.slot != plan::slot::kNone ? take_slot(context, step.slot)
                                             : os::open_tree(os::kAtFdcwd, step.source.data,
                                                             os::kOpenTreeClone | static_cast<unsigned>(recursive));
  if (!tree) return failed(tree.error(), Detail::kMountSource);
  auto directory = is_directory(tree->get());
  if (!directory) return failed(directory.error(), Detail::kMountSource);
  auto target = open_target(context, step.target, *directory);
  if (!target) return target_failed(target.error());
  Outcome outcome = change(tree->get(), step.recursive_set.value, step.recursive_clear.value, 0, true);
  if (outcome.error == 0) outcome = change(tree->get(), step.set.value, step.clear.value, 0, false);
  if (outcome.error == 0) outcome = set_propagation(tree->get(), step.propagation);
  if (outcome.error == 0 && step.copy_up) outcome = copy_up(target->get(), tree->get());
  return outcome.error == 0 ? attach(tree->get(), target->get()) : outcome;
}

Outcome execute(const plan::MakeReadonly<Wired>& step, Context& context) noexcept {
  auto target = open_in_root(context.root.get(), step.path.data, os::kPath);
  if (!target) return target.error() == ENOENT || target.error() == ENOTDIR ? done(1) : target_failed(target.error());
  if (step.is_mount) return change(target->get(), MOUNT_ATTR_RDONLY, 0, 0, false);
  auto tree =
      os::open_tree(target->get(), "", os::kOpenTreeClone | os::kAtEmptyPath | static_cast<unsigned>(os::kAtRecursive));
  if (!tree) return failed(tree.error(), Detail::kMountSource);
  if (Outcome outcome = change(tree->get(), MOUNT_ATTR_RDONLY, 0, 0, true); outcome.error != 0) return outcome;
  return attach(tree->get(), target->get());
}

Outcome execute(const plan::MaskPath<Wired>& step, Context& context) noexcept {
  auto target = open_in_root(context.root.get(), step.path.data, os::kPath);
  if (!target) return target.error() == ENOENT || target.error() == ENOTDIR ? done(1) : target_failed(target.error());
  auto directory = is_directory(target->get());
  if (!directory) return outcome_of(directory);
  if (!*directory) {
    if (!context.null_device.tree) {
      auto device = take_slot(context, step.null_device);
      if (!device) return failed(device.error(), Detail::kMountSource);
      context.null_device.tree = static_cast<Fd&&>(*device);
    }
    return attach_shared(context.null_device, target->get());
  }
  if (!context.empty_directory.tree) {
    if (Outcome outcome = make_empty_directory(context.empty_directory, step.label); outcome.error != 0) return outcome;
  }
  return attach_shared(context.empty_directory, target->get());
}

}  // namespace wherry::init
