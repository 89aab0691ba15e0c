// SPDX-License-Identifier: Apache-2.0
// The rootfs becomes "/".
#include "init/execute.hpp"
#include "init/paths.hpp"

namespace wherry::init {
namespace {

os::Status set_propagation(const char* path, uint64_t propagation) noexcept {
  return os::mount("", path, "", propagation, nullptr);
}

// For the container's user the directories above the rootfs may be closed (EACCES): then it is mounted over "/",
// which pivot_root(2) accepts as well, because a mount on the current root is reachable from it.
Outcome attach_root(int tree, const char* path) noexcept {
  const os::Status attached =
      os::move_mount(tree, "", os::kAtFdcwd, path, MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_SYMLINKS);
  if (attached) return done();
  if (attached.error() != EACCES && attached.error() != ENOENT) return failed(attached.error(), Detail::kMountAttach);
  const os::Status over = os::move_mount(tree, "", os::kAtFdcwd, "/", MOVE_MOUNT_F_EMPTY_PATH);
  return over ? done(1) : failed(over.error(), Detail::kMountAttach);
}

// The mount that holds `path` becomes private: pivot_root(2) refuses a shared parent, and neither the attachment nor
// what is mounted in a later copy may travel to its peers. mount(2): EINVAL for no mount point; so upwards.
os::Status isolate_parent(TextView path) noexcept {
  char prefix[kPathMax];
  if (path.size >= kPathMax) return os::Status(ENAMETOOLONG);
  __builtin_memcpy(prefix, path.data, path.size + 1);
  for (uint32_t size = path.size;;) {
    const os::Status changed = set_propagation(size == 0 ? "/" : prefix, os::kMsPrivate);
    if (changed || changed.error() != EINVAL || size == 0) return changed;
    while (size > 0 && prefix[size - 1] != '/') --size;
    while (size > 0 && prefix[size - 1] == '/') --size;
    prefix[size] = 0;
  }
}

}  // namespace

Outcome execute(const plan::SetPropagation<Wired>& step, Context&) noexcept {
  return outcome_of(set_propagation("/", step.propagation.value));
}

Outcome execute(const plan::MountRoot<Wired>& step, Context& context) noexcept {
  if (step.isolate_parent) {
    if (auto status = isolate_parent(step.path); !status) return failed(status.error(), Detail::kRoot);
  }
  auto tree = step.slot != plan::slot::kNone
                  ? take_slot(context, step.slot)
                  : os::open_tree(os::kAtFdcwd, step.path.data, os::kOpenTreeClone | os::kAtRecursive);
  if (!tree) return failed(tree.error(), Detail::kRoot);
  Outcome outcome = attach_root(tree->get(), step.path.data);
  if (outcome.error != 0) return outcome;
  context.root = static_cast<Fd&&>(*tree);
  const os::Status entered = os::fchdir(context.root.get());
  return entered ? outcome : failed(entered.error(), Detail::kRoot);
}

Outcome execute(const plan::PivotRoot<Wired>& step, Context& context) noexcept {
  auto old_root = os::openat(os::kAtFdcwd, "/", os::kPath | os::kDirectory);
  if (!old_root) return outcome_of(old_root);
  if (auto status = os::fchdir(context.root.get()); !status) return outcome_of(status);
  // put_old equals new_root: pivot_root(2) NOTES; the old root comes to lie over the new one.
  if (auto status = os::pivot_root(".", "."); !status) return outcome_of(status);
  if (auto status = os::fchdir(old_root->get()); !status) return outcome_of(status);
  // Else the unmount below would travel to the host's peers.
  if (step.old_root_shared) {
    if (auto status = set_propagation(".", os::kMsSlave | os::kMsRec); !status) return outcome_of(status);
  }
  if (auto status = os::umount2(".", os::kMntDetach); !status) return outcome_of(status);
  return outcome_of(os::chdir("/"));
}

Outcome execute(const plan::HideMount<Wired>& step, Context&) noexcept {
  // ENOENT, EINVAL: it lies below one that is hidden already.
  if (auto status = set_propagation(step.path.data, os::kMsPrivate | os::kMsRec); !status)
    return status.error() == ENOENT || status.error() == EINVAL ? done(2) : outcome_of(status);
  const os::Status gone = step.cover ? os::Status(EPERM) : os::umount2(step.path.data, os::kMntDetach);
  if (gone) return done();
  if (gone.error() != EPERM && gone.error() != EINVAL) return outcome_of(gone);
  // Locked by the user namespace that owns it.
  const os::Status covered = os::mount("tmpfs", step.path.data, "tmpfs", os::kMsRdonly, "nr_inodes=2");
  return covered ? done(1) : failed(covered.error(), Detail::kMountAttach);
}

Outcome execute(const plan::MoveRoot<Wired>&, Context& context) noexcept {
  if (auto status = os::fchdir(context.root.get()); !status) return outcome_of(status);
  const os::Status moved = os::mount(".", "/", nullptr, os::kMsMove, nullptr);
  if (!moved) return failed(moved.error(), Detail::kMountAttach);
  if (auto status = os::chroot("."); !status) return outcome_of(status);
  return outcome_of(os::chdir("/"));
}

Outcome execute(const plan::ChangeRoot<Wired>& step, Context& context) noexcept {
  auto root = os::openat(os::kAtFdcwd, step.path.data, os::kPath | os::kDirectory);
  if (!root) return failed(root.error(), Detail::kRoot);
  context.root = static_cast<Fd&&>(*root);
  if (auto status = os::fchdir(context.root.get()); !status) return outcome_of(status);
  if (auto status = os::chroot("."); !status) return outcome_of(status);
  return outcome_of(os::chdir("/"));
}

Outcome execute(const plan::MakeRootReadonly<Wired>&, Context& context) noexcept {
  mount_attr attributes{};
  attributes.attr_set = MOUNT_ATTR_RDONLY;
  return outcome_of(os::mount_setattr(context.root.get(), "", os::kAtEmptyPath, attributes));
}

}  // namespace wherry::init
