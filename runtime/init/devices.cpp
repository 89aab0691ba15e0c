// SPDX-License-Identifier: Apache-2.0
// Device nodes, links and the console below /dev.
#include <asm/ioctls.h>
#include <asm/termbits.h>

#include "init/channel.hpp"
#include "init/execute.hpp"
#include "init/paths.hpp"
#include "init/text.hpp"

namespace wherry::init {
namespace {

constexpr long kDevptsSuperMagic = 0x1cd1;

// The kernel's 32-bit dev_t of mknod(2): 12 bits of major, 20 of minor.
constexpr unsigned device_number(uint32_t major, uint32_t minor) noexcept {
  return (minor & 0xff) | (major << 8) | ((minor & ~0xffU) << 12);
}

// kWrongDevice: something else.
Outcome check_device(int fd, uint64_t type, uint32_t major, uint32_t minor) noexcept {
  struct statx status {};
  if (auto found = os::statx(fd, "", os::kAtEmptyPath, STATX_TYPE, status); !found) return outcome_of(found);
  const bool same = (status.stx_mode & os::kTypeMask) == type &&
                    (type == os::kTypeFifo || (status.stx_rdev_major == major && status.stx_rdev_minor == minor));
  return same ? done() : failed(ENODEV, Detail::kWrongDevice);
}

// chmod of an O_PATH descriptor goes through /proc/self/fd (the host's procfs); it follows no link of the rootfs.
os::Status change_mode(const Context& context, int fd, unsigned mode) noexcept {
  Line<32> path;
  path.add("self/fd/").add(int64_t{fd});
  return os::fchmodat(context.proc.get(), path.data(), mode);
}

Outcome adopt_device(const plan::CreateDevice<Wired>& step, const Context& context, const Place& place) noexcept {
  const auto mode = static_cast<unsigned>(step.mode.value);
  auto node = os::openat(place.parent, place.name, os::kPath | os::kNoFollow);
  if (!node) return outcome_of(node);
  Outcome outcome = check_device(node->get(), mode & os::kTypeMask, step.major, step.minor);
  if (outcome.detail == Detail::kWrongDevice) outcome.error = EEXIST;
  if (outcome.error != 0) return outcome;
  if (auto owned = os::fchownat(node->get(), "", step.uid, step.gid, os::kAtEmptyPath); !owned)
    return outcome_of(owned);
  outcome = outcome_of(change_mode(context, node->get(), mode & 07777));
  outcome.rung = 1;
  return outcome;
}

// Some file system to make a node on, and a namespace to attach it in: before 6.15 open_tree(2) clones only what is
// attached. The descriptors are shared with the parent, which finds the number in the pipe: a negative one is an errno.
[[noreturn]] void make_node(const plan::MakeDevice<Wired>& step, int report) noexcept {
  (void)os::raw_syscall(__NR_umask, 0);
  const auto node = [&]() -> os::Result<Fd> {
    const auto failure = [](os::Status status) { return os::Result<Fd>::failure(status.error()); };
    if (auto own = os::mount("", "/", "", os::kMsSlave | os::kMsRec, nullptr); !own) return failure(own);
    auto filesystem = os::fsopen("tmpfs");
    if (!filesystem) return filesystem;
    if (auto made = os::fsconfig(filesystem->get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0); !made)
      return failure(made);
    auto tree = os::fsmount(filesystem->get(), MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
    if (!tree) return tree;
    const auto mode = static_cast<unsigned>(step.mode.value);
    if (auto made = os::mknodat(tree->get(), "node", mode, device_number(step.major, step.minor)); !made)
      return failure(made);
    if (auto owned = os::fchownat(tree->get(), "node", step.uid, step.gid, os::kAtSymlinkNofollow); !owned)
      return failure(owned);
    if (auto put = os::move_mount(tree->get(), "", os::kAtFdcwd, "/", MOVE_MOUNT_F_EMPTY_PATH); !put)
      return failure(put);
    return os::open_tree(tree->get(), "node", os::kOpenTreeClone);
  };
  auto made = node();
  const int number = made ? made->release() : -made.error();
  (void)os::write(report, &number, sizeof number);
  os::exit_group(0);
}

os::Result<Fd> make_node_in_child(const plan::MakeDevice<Wired>& step) noexcept {
  int ends[2] = {-1, -1};
  if (auto made = os::status_of(os::raw_syscall(__NR_pipe2, os::address(ends), os::kCloexec | os::kNonBlock)); !made)
    return os::Result<Fd>::failure(made.error());
  const Fd reader(ends[0]), writer(ends[1]);
  clone_args arguments{};
  arguments.flags = CLONE_FILES | CLONE_NEWNS;
  arguments.exit_signal = 17;  // SIGCHLD
  const long child = os::raw_syscall(__NR_clone3, os::address(&arguments), sizeof arguments);
  if (child < 0) return os::Result<Fd>::failure(static_cast<int>(-child));
  if (child == 0) make_node(step, writer.get());
  (void)os::raw_syscall(__NR_wait4, child, 0, 0, 0);  // what it has to say is in the pipe
  int number = -ECHILD;                               // it was killed
  (void)os::read(reader.get(), &number, sizeof number);
  return number < 0 ? os::Result<Fd>::failure(-number) : os::Result<Fd>(Fd(number));
}

bool has_owner_and_mode(int fd, const plan::MakeDevice<Wired>& step) noexcept {
  struct statx status {};
  return os::statx(fd, "", os::kAtEmptyPath, STATX_MODE | STATX_UID | STATX_GID, status) &&
         (status.stx_mode & 07777U) == (step.mode.value & 07777) && status.stx_uid == step.uid &&
         status.stx_gid == step.gid;
}

// While "/" is the host's still.
Outcome open_host_node(TextView path, uint64_t type, uint32_t major, uint32_t minor, Fd& node) noexcept {
  auto tree = os::open_tree(os::kAtFdcwd, path.data, os::kOpenTreeClone);
  if (!tree) return failed(tree.error(), Detail::kMountSource);
  const Outcome outcome = check_device(tree->get(), type, major, minor);
  if (outcome.error == 0) node = static_cast<Fd&&>(*tree);
  return outcome;
}

Outcome attach_node(Context& context, TextView path, int tree) noexcept {
  auto target = make_file(context, path);
  if (!target) return failed(target.error(), Detail::kMountTarget);
  return outcome_of(os::move_mount(tree, "", target->get(), "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH),
                    Detail::kMountAttach);
}

// Rung 2: an outer container lets nobody make nodes (no CAP_MKNOD, or its device filter); the one it has is bound.
Outcome borrow_device(const plan::CreateDevice<Wired>& step, Context& context) noexcept {
  Fd node;
  const uint64_t type = step.mode.value & os::kTypeMask;
  if (open_host_node(step.path, type, step.major, step.minor, node).error != 0) return failed(EPERM);
  Outcome outcome = attach_node(context, step.path, node.get());
  outcome.rung = 2;
  return outcome;
}

os::Result<Fd> open_multiplexer(const Context& context) noexcept {
  auto master = open_in_root(context.root.get(), "/dev/pts/ptmx", os::kRdWr | os::kNoCtty);
  if (!master) master = open_in_root(context.root.get(), "/dev/ptmx", os::kRdWr | os::kNoCtty);
  if (!master) return master;
  // devpts itself, or the /dev/ptmx node 5:2: nothing else is a multiplexer.
  os::statfs64 filesystem{};
  if (auto found = os::fstatfs(master->get(), filesystem); !found) return os::Result<Fd>::failure(found.error());
  if (filesystem.type == kDevptsSuperMagic) return master;
  const Outcome outcome = check_device(master->get(), os::kTypeChar, 5, 2);
  return outcome.error == 0 ? static_cast<os::Result<Fd>&&>(master) : os::Result<Fd>::failure(outcome.error);
}

struct WindowSize {  // struct winsize
  unsigned short rows, columns, x_pixels, y_pixels;
};

Outcome bind_console(Context& context, int terminal) noexcept {
  auto place = make_parent(context, TextView{"/dev/console", 12});
  if (!place) return failed(place.error(), Detail::kMountTarget);
  auto made = os::openat(place->parent, place->name, os::kWrOnly | os::kCreat | os::kExcl | os::kNoFollow, 0600);
  if (!made && made.error() != EEXIST) return failed(made.error(), Detail::kMountTarget);
  // CVE-2026-88264: /dev/console of the rootfs may be a link to a file of the host.
  auto target = os::openat(place->parent, place->name, os::kPath | os::kNoFollow);
  if (!target) return failed(target.error(), Detail::kMountTarget);
  struct statx status {};
  if (auto found = os::statx(target->get(), "", os::kAtEmptyPath, STATX_TYPE, status); !found) return outcome_of(found);
  if ((status.stx_mode & os::kTypeMask) == os::kTypeSymlink) return failed(ELOOP, Detail::kConsoleLink);
  auto tree = os::open_tree(terminal, "", os::kOpenTreeClone | os::kAtEmptyPath);
  if (!tree) return failed(tree.error(), Detail::kMountSource);
  return outcome_of(
      os::move_mount(tree->get(), "", target->get(), "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH),
      Detail::kMountAttach);
}

// Before anything is written to it, or the first lines would end in two bytes.
os::Status leave_newlines_alone(int terminal) noexcept {
  termios settings{};
  if (auto got = os::ioctl(terminal, TCGETS, &settings); !got) return os::Status(got.error());
  settings.c_oflag &= ~static_cast<tcflag_t>(ONLCR);
  const auto set = os::ioctl(terminal, TCSETS, &settings);
  return set ? os::Status() : os::Status(set.error());
}

// setsid(2) has been called: TIOCSCTTY gives this session its terminal.
Outcome become_terminal(int terminal) noexcept {
  if (auto owned = os::ioctl(terminal, TIOCSCTTY, 0L); !owned) return outcome_of(owned);
  for (int stream = 0; stream < 3; ++stream)
    if (auto status = os::dup3(terminal, stream, 0); !status) return outcome_of(status);
  return done();
}

}  // namespace

Outcome execute(const plan::OpenDevice<Wired>& step, Context& context) noexcept {
  if (step.slot >= kMaxPlanSlots) return failed(EINVAL, Detail::kPlan);
  return open_host_node(step.path, step.type.value, step.major, step.minor, context.slots[step.slot]);
}

Outcome execute(const plan::MakeDevice<Wired>& step, Context& context) noexcept {
  if (step.slot >= kMaxPlanSlots) return failed(EINVAL, Detail::kPlan);
  auto host = os::open_tree(os::kAtFdcwd, step.path.data, os::kOpenTreeClone);
  const Outcome checked =
      host ? check_device(host->get(), step.mode.value & os::kTypeMask, step.major, step.minor) : failed(ENOENT);
  if (host && checked.error != 0 && checked.detail != Detail::kWrongDevice) return checked;
  const bool usable = checked.error == 0;
  if (usable && has_owner_and_mode(host->get(), step)) {
    context.slots[step.slot] = static_cast<Fd&&>(*host);
    return done();
  }
  auto made = make_node_in_child(step);
  const bool forbidden = !made && made.error() == EPERM;
  if (!made && !(forbidden && usable)) return outcome_of(made);
  context.slots[step.slot] = static_cast<Fd&&>(made ? *made : *host);
  return done(made ? 1 : 2);
}

Outcome execute(const plan::CreateDevice<Wired>& step, Context& context) noexcept {
  auto place = make_parent(context, step.path);
  if (!place) return failed(place.error(), Detail::kMountTarget);
  const auto mode = static_cast<unsigned>(step.mode.value);
  const os::Status made = os::mknodat(place->parent, place->name, mode, device_number(step.major, step.minor));
  if (!made && made.error() == EEXIST) return adopt_device(step, context, *place);
  if (made.error() == EPERM) return borrow_device(step, context);
  if (!made || (step.uid == 0 && step.gid == 0)) return outcome_of(made);
  return outcome_of(os::fchownat(place->parent, place->name, step.uid, step.gid, os::kAtSymlinkNofollow));
}

Outcome execute(const plan::BindDevice<Wired>& step, Context& context) noexcept {
  return attach_node(context, step.path, slot_fd(context, step.slot));
}

Outcome execute(const plan::CreateSymlink<Wired>& step, Context& context) noexcept {
  auto place = make_parent(context, step.path);
  if (!place) return failed(place.error(), Detail::kMountTarget);
  os::Status made = os::symlinkat(step.target.data, place->parent, place->name);
  if (made || made.error() != EEXIST) return outcome_of(made);
  if (!step.replace) return done(1);
  if (auto removed = os::unlinkat(place->parent, place->name, 0); !removed) return outcome_of(removed);
  made = os::symlinkat(step.target.data, place->parent, place->name);
  return made ? done(2) : outcome_of(made);
}

Outcome execute(const plan::OpenConsole<Wired>& step, Context& context) noexcept {
  auto master = open_multiplexer(context);
  if (!master) return failed(master.error(), Detail::kConsolePeer);
  int unlocked = 0;
  if (auto status = os::ioctl(master->get(), TIOCSPTLCK, &unlocked); !status) return outcome_of(status);
  auto terminal =
      os::fd_of(os::raw_syscall(__NR_ioctl, master->get(), TIOCGPTPEER, os::kRdWr | os::kNoCtty | os::kCloexec));
  if (!terminal) return failed(terminal.error(), Detail::kConsolePeer);
  if (step.rows != 0 || step.columns != 0) {
    WindowSize size{static_cast<unsigned short>(step.rows), static_cast<unsigned short>(step.columns), 0, 0};
    if (auto status = os::ioctl(terminal->get(), TIOCSWINSZ, &size); !status) return outcome_of(status);
  }
  if (step.plain_newlines) {
    if (auto status = leave_newlines_alone(terminal->get()); !status) return outcome_of(status);
  }
  if (step.bind_console) {
    if (Outcome outcome = bind_console(context, terminal->get()); outcome.error != 0) return outcome;
  }
  if (auto sent = produce(context, plan::slot::kConsole, master->get()); !sent) return outcome_of(sent);
  return become_terminal(terminal->get());
}

}  // namespace wherry::init
