// SPDX-License-Identifier: Apache-2.0
// The root of an image whose layers stay apart.
#include "init/execute.hpp"
#include "init/text.hpp"

namespace wherry::init {
namespace {

using Step = plan::MountOverlay<Wired>;

// A detached tree that the init lane opened is attached below what will cover it: overlayfs(5) takes layers only from
// mounts of the caller's namespace (before 6.15).
os::Result<Fd> open_part(Context& context, TextView path, Slot slot) noexcept {
  if (slot == plan::slot::kNone) return os::openat(os::kAtFdcwd, path.data, os::kPath | os::kDirectory);
  auto tree = take_slot(context, slot);
  if (!tree) return tree;
  const os::Status attached =
      os::move_mount(tree->get(), "", context.root.get(), "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
  return attached ? static_cast<os::Result<Fd>&&>(tree) : os::Result<Fd>::failure(attached.error());
}

// "/proc/self/fd/N/NAME", by the procfs of the host that this process still sees.
void add_change(Line<kPathMax>& line, int changes, TextView name) noexcept {
  line.add("/proc/self/fd/").add(int64_t{changes}).add("/").add(name);
}

os::Status set_text(int filesystem, const char* key, const char* value) noexcept {
  return os::fsconfig(filesystem, FSCONFIG_SET_STRING, key, value, 0);
}

os::Status configure(int filesystem, const Step& step, int changes) noexcept {
  os::Status status;
  (void)plan::for_each(step.lowers, [&](TextView lower) {
    status = set_text(filesystem, "lowerdir+", lower.data);
    return static_cast<bool>(status);
  });
  Line<kPathMax> line;
  if (status && changes >= 0) {
    add_change(line, changes, step.upper);
    status = set_text(filesystem, "upperdir", line.data());
    line.clear();
    add_change(line, changes, step.work);
    if (status) status = set_text(filesystem, "workdir", line.data());
  }
  (void)plan::for_each(step.options, [&](TextView option) {
    const uint32_t equals = find(option, '=');
    line.clear();
    line.add(TextView{option.data, equals});
    if (!status) return false;
    status = equals == option.size ? os::fsconfig(filesystem, FSCONFIG_SET_FLAG, line.data(), nullptr, 0)
                                   : set_text(filesystem, line.data(), option.data + equals + 1);
    return static_cast<bool>(status);
  });
  return status;
}

os::Result<Fd> make_new(const Step& step, int changes) noexcept {
  auto filesystem = os::fsopen("overlay");
  if (!filesystem) return filesystem;
  (void)set_text(filesystem->get(), "source", "overlay");  // decoration, for /proc/mounts
  os::Status status = configure(filesystem->get(), step, changes);
  if (status) status = os::fsconfig(filesystem->get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0);
  if (!status) return os::Result<Fd>::failure(status.error());
  return os::fsmount(filesystem->get(), static_cast<unsigned>(step.attributes.value));
}

// mount(2) wants a path whose look-up finds the new mount again: on the topmost layer itself, from where it is moved.
os::Result<Fd> make_old(const Step& step, int changes) noexcept {
  Line<kPathMax> data;
  data.add("lowerdir=");
  bool first = true;
  (void)plan::for_each(step.lowers, [&](TextView lower) {
    if (!first) data.add(":");
    first = false;
    data.add(lower);
    return data.fits();
  });
  if (changes >= 0) {
    data.add(",upperdir=");
    add_change(data, changes, step.upper);
    data.add(",workdir=");
    add_change(data, changes, step.work);
  }
  (void)plan::for_each(step.options, [&](TextView option) {
    data.add(",").add(option);
    return data.fits();
  });
  if (!data.fits()) return os::Result<Fd>::failure(E2BIG);
  const char* target = nullptr;
  (void)plan::for_each(step.lowers, [&](TextView lower) {
    target = lower.data;
    return false;  // the first will do
  });
  if (target == nullptr) return os::Result<Fd>::failure(EINVAL);
  const os::Status mounted = os::mount("overlay", target, "overlay", 0, data.data());
  return mounted ? os::openat(os::kAtFdcwd, target, os::kPath | os::kDirectory)
                 : os::Result<Fd>::failure(mounted.error());
}

}  // namespace

Outcome execute(const Step& step, Context& context) noexcept {
  auto directory = open_part(context, step.directory, step.directory_slot);
  if (!directory) return failed(directory.error(), Detail::kMountSource);
  Fd changes;
  if (!step.changes.empty()) {
    auto opened = open_part(context, step.changes, step.changes_slot);
    if (!opened) return failed(opened.error(), Detail::kMountSource);
    changes = static_cast<Fd&&>(*opened);
  }
  if (auto status = os::fchdir(directory->get()); !status) return failed(status.error(), Detail::kMountSource);
  uint32_t rung = 0;
  auto tree = make_new(step, changes.get());
  if (!tree && (tree.error() == EINVAL || tree.error() == ENOSYS || tree.error() == EPERM)) {
    rung = 1;
    tree = make_old(step, changes.get());
  }
  if (!tree) return failed(tree.error(), tree.error() == E2BIG ? Detail::kTooLarge : Detail::kMountCreate);
  const os::Status attached =
      os::move_mount(tree->get(), "", context.root.get(), "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
  if (!attached) return failed(attached.error(), Detail::kMountAttach);
  if (rung == 1 && step.attributes.value != 0) {
    const mount_attr attributes{step.attributes.value, 0, 0, 0};
    if (auto changed = os::mount_setattr(tree->get(), "", os::kAtEmptyPath, attributes); !changed)
      return failed(changed.error(), Detail::kMountAttributes);
  }
  context.parent.reset();
  context.root = static_cast<Fd&&>(*tree);
  const os::Status entered = os::fchdir(context.root.get());
  return entered ? done(rung) : failed(entered.error(), Detail::kRoot);
}

}  // namespace wherry::init
