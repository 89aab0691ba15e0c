// SPDX-License-Identifier: Apache-2.0
// The verbs that wherry-init executes. Each is an intent that a system administrator would say aloud, with
// ONE field list; encoding, decoding, printing and comparing all walk that list. No verb reads its neighbour.
//
// A verb is a template over its memory model: plan::Owned (std::string, std::vector) in the host,
// plan::Wired (views into the received plan) in wherry-init. Freestanding: nothing but integers here.
// The verbs of the host voice are in host_step.hpp.
#pragma once

#include <stdint.h>

namespace wherry::plan {

// Who executes a step. A change of lane is a sync point, except for kBeside: those steps are the host's as well, but it
// does them while the container's voice goes on, and is done with them before the next sync point. SpawnPid1 is the
// last step of the init lane.
enum class Lane : uint8_t { kHost, kInit, kPid1, kBeside };

// What does not exist yet when the plan is made has a name instead: a slot, which is bound to a descriptor later.
using Slot = uint16_t;
namespace slot {
inline constexpr Slot kNone = 0;
inline constexpr Slot kCgroup = 1;         // host → init: directory of the container's cgroup
inline constexpr Slot kUserNamespace = 2;  // init → host: the container's new user namespace
inline constexpr Slot kPid1 = 3;           // init → host: pidfd of pid 1
inline constexpr Slot kConsole = 4;        // pid 1 → host: pty master
inline constexpr Slot kHookState = 5;      // host → pid 1: memfd with the state document for hooks
inline constexpr Slot kStartSocket = 6;    // host → pid 1: listening start.sock
inline constexpr Slot kTarget = 7;         // host → init: pidfd of the container that exec joins
inline constexpr Slot kStatusPage = 8;     // pid 1 → start: the memory behind StatusPage
inline constexpr Slot kListener = 9;       // pid 1 → host: where the calls that a filter reports can be read
inline constexpr Slot kNetwork = 10;       // init → host: a netlink socket of the container's network namespace
inline constexpr Slot kFirstFree = 16;     // compile() numbers its own slots from here
}  // namespace slot

// A set of kernel flag bits; the tag says which table names them (explain.cpp).
template <class Tag>
struct Bits {
  uint64_t value = 0;
  bool operator==(const Bits&) const = default;
};
using Namespaces = Bits<struct NamespaceTag>;            // CLONE_NEW*
using MountAttributes = Bits<struct MountAttributeTag>;  // MOUNT_ATTR_*
using Propagation = Bits<struct PropagationTag>;         // MS_SHARED, MS_SLAVE, MS_PRIVATE, MS_UNBINDABLE, MS_REC
using CapabilityMask = Bits<struct CapabilityTag>;       // 1 << CAP_*
using Mode = Bits<struct ModeTag>;                       // st_mode
using ResourceLimit = Bits<struct RlimitTag>;            // RLIMIT_* number
using Amount = Bits<struct AmountTag>;                   // rlimit value; ~0 is RLIM_INFINITY

enum class HookKind : uint8_t { kPrestart, kCreateRuntime, kCreateContainer, kStartContainer, kPoststart, kPoststop };

// clang-format off
#define WHERRY_STEP(name, why)                        \
  static constexpr const char* kName = name;          \
  static constexpr const char* kWhy = why;            \
  template <class Self, class V> static constexpr void fields([[maybe_unused]] Self& s, [[maybe_unused]] V&& v)
// clang-format on

// --- init lane: from the host's namespaces to the clone of pid 1 ------------------------------------------------

template <class M>
struct SetOomScoreAdj {
  int32_t value = 0;
  WHERRY_STEP("set-oom-score-adj", "how readily the kernel kills this process when memory runs out") {
    v("value", s.value);
  }
};

// Non-dumpable: no process of a joined namespace can trace this one or open its /proc files (CVE-2016-9962).
template <class M>
struct HideFromTracers {
  WHERRY_STEP("hide-from-tracers", "nobody inside a joined namespace may trace the set-up") {}
};

// NS_GET_NSTYPE must give `types`, else EINVAL (config-linux.md "Namespaces": a path of another type is an error).
template <class M>
struct OpenNamespace {
  Namespaces types;
  typename M::Text path;
  Slot slot = 0;
  WHERRY_STEP("open-namespace", "hold the namespace before any path to it may disappear") {
    v("type", s.types);
    v("path", s.path);
    v("slot", s.slot);
  }
};

template <class M>
struct EnterNamespace {
  Namespaces types;
  Slot slot = 0;  // a namespace, or a pidfd (setns(2), 5.8)
  WHERRY_STEP("enter-namespace", "share what another process sees") {
    v("types", s.types);
    v("slot", s.slot);
  }
};

// A detached copy of a mount tree, opened with the host's rights: the container's user may not reach the path.
template <class M>
struct OpenTree {
  typename M::Text path;
  Slot slot = 0;
  bool recursive = false;
  Propagation propagation;
  Slot mapping = 0;  // slot::kNone, or a user namespace for MOUNT_ATTR_IDMAP
  bool map_recursive = false;
  bool shown = false;  // `path` is inside the root, and the host gets the tree too
  WHERRY_STEP("open-tree", "take a mount tree while the host's paths can still be reached") {
    v("path", s.path);
    v("slot", s.slot);
    v("recursive", s.recursive);
    v("propagation", s.propagation);
    v("mapping", s.mapping);
    v("map_recursive", s.map_recursive);
    v("shown", s.shown);
  }
};

// A new superblock whose mount shows other ids than it holds. mount_setattr(2): that takes CAP_SYS_ADMIN over the
// superblock's user namespace and over the one that is the mapping; pid 1 has neither.
template <class M>
struct OpenFilesystem {
  typename M::Text type;
  typename M::Text source;
  MountAttributes attributes;
  bool superblock_readonly = false;
  typename M::template List<typename M::Text> options;
  Slot slot = 0, mapping = 0;
  WHERRY_STEP("open-filesystem", "a file system whose owners are translated") {
    v("type", s.type);
    v("source", s.source);
    v("attributes", s.attributes);
    v("superblock_readonly", s.superblock_readonly);
    v("options", s.options);
    v("slot", s.slot);
    v("mapping", s.mapping);
  }
};

// As OpenTree for one device node, which is checked by its number before it is used.
template <class M>
struct OpenDevice {
  typename M::Text path;
  Slot slot = 0;
  Mode type;
  uint32_t major = 0, minor = 0;
  WHERRY_STEP("open-device", "the host's own node, checked by its number") {
    v("path", s.path);
    v("slot", s.slot);
    v("type", s.type);
    v("major", s.major);
    v("minor", s.minor);
  }
};

// A node with the wanted owner and mode, for a container that may make none. Rungs: the host's own, if it is all that
// is wanted; one made on a tmpfs that is mounted nowhere but in a child's namespace; the host's own with its own owner
// and mode, where mknod(2) is forbidden.
template <class M>
struct MakeDevice {
  typename M::Text path;
  Slot slot = 0;
  Mode mode;
  uint32_t major = 0, minor = 0, uid = 0, gid = 0;  // ids of the host
  WHERRY_STEP("make-device", "a user namespace may not make one") {
    v("path", s.path);
    v("slot", s.slot);
    v("mode", s.mode);
    v("major", s.major);
    v("minor", s.minor);
    v("uid", s.uid);
    v("gid", s.gid);
  }
};

// Stays dumpable until the next HideFromTracers, so that an unprivileged host may write the id maps.
template <class M>
struct CreateUserNamespace {
  WHERRY_STEP("create-user-namespace", "root inside is nobody outside") {}
};

// time_namespaces(7): the offsets are fixed once a process has entered, so they are written before the clone.
template <class M>
struct CreateTimeNamespace {
  int64_t monotonic_seconds = 0;
  uint32_t monotonic_nanoseconds = 0;
  int64_t boottime_seconds = 0;
  uint32_t boottime_nanoseconds = 0;
  WHERRY_STEP("create-time-namespace", "clocks of its own") {
    v("monotonic_s", s.monotonic_seconds);
    v("monotonic_ns", s.monotonic_nanoseconds);
    v("boottime_s", s.boottime_seconds);
    v("boottime_ns", s.boottime_nanoseconds);
  }
};

// unshare(2) of those namespaces that do not look at the caller's cgroup or pid: the kernel takes its time for a
// network namespace, and the host makes the cgroup meanwhile.
template <class M>
struct CreateNamespaces {
  Namespaces types;
  WHERRY_STEP("create-namespaces", "a network, names and message queues of its own") { v("types", s.types); }
};

// netlink(7): the socket stays in this namespace whoever uses it.
template <class M>
struct OpenNetworkSocket {
  WHERRY_STEP("open-network-socket", "the host configures through it what it moves into the namespace") {}
};

// sched_setaffinity(2), 64 processors per element; none: all that there are, which an outer sandbox may forbid.
template <class M>
struct SetCpuAffinity {
  typename M::template List<uint64_t> cpus;
  WHERRY_STEP("set-cpu-affinity", "which processors may run it, whatever the caller's own are") { v("cpus", s.cpus); }
};

// What the host makes meanwhile is needed from here on.
template <class M>
struct AwaitSlot {
  Slot slot = 0;
  WHERRY_STEP("await-slot", "the clone goes into a cgroup that must be there") { v("slot", s.slot); }
};

// clone3(CLONE_PARENT [| CLONE_INTO_CGROUP]): pid 1 is the host's own child and is born inside its cgroup.
template <class M>
struct SpawnPid1 {
  Namespaces fresh;
  Slot cgroup = 0;  // slot::kNone: stay in the caller's cgroup
  WHERRY_STEP("spawn-pid1", "the container's first process is born inside its cgroup and namespaces") {
    v("new", s.fresh);
    v("cgroup", s.cgroup);
  }
};

// --- pid1 lane: what the container looks like --------------------------------------------------------------------

template <class M>
struct BecomeRoot {
  WHERRY_STEP("become-root", "be id 0 of the user namespace, so that what is made belongs to its root") {}
};

template <class M>
struct StartSession {
  WHERRY_STEP("start-session", "no terminal or process group is shared with the caller") {}
};

// keyctl(KEYCTL_JOIN_SESSION_KEYRING); ENOSYS is tolerated: a kernel without keys has none to leak. Its user may search
// it, so that an exec finds it by its name.
template <class M>
struct JoinSessionKeyring {
  typename M::Text name;
  WHERRY_STEP("join-session-keyring", "the caller's keys stay outside") { v("name", s.name); }
};

template <class M>
struct BringUpLoopback {
  WHERRY_STEP("bring-up-loopback", "127.0.0.1 answers in the new network namespace") {}
};

template <class M>
struct SetHostname {
  typename M::Text name;
  WHERRY_STEP("set-hostname", "the name that the container sees") { v("name", s.name); }
};

template <class M>
struct SetDomainname {
  typename M::Text name;
  WHERRY_STEP("set-domainname", "the NIS domain name that the container sees") { v("name", s.name); }
};

// Of the mount at "/" of the calling process.
template <class M>
struct SetPropagation {
  Propagation propagation;
  WHERRY_STEP("set-propagation", "decides whether mounts made on one side appear on the other") {
    v("propagation", s.propagation);
  }
};

// The rootfs becomes a mount of its own. Rungs: on its own path, where hooks that enter the namespace look for it;
// over "/", where its path cannot be reached by the container's user.
template <class M>
struct MountRoot {
  typename M::Text path;
  Slot slot = 0;                // slot::kNone: open the path
  bool isolate_parent = false;  // the tree below is shared with the host: nothing mounted here may travel there
  WHERRY_STEP("mount-root", "pivot_root(2) needs the new root to be a mount") {
    v("path", s.path);
    v("slot", s.slot);
    v("isolate_parent", s.isolate_parent);
  }
};

// A new superblock. `options` go to the file system as they are; `fallback` is bound instead when the kernel forbids
// a fresh mount (EPERM: user namespace without own network namespace, or masked /proc).
template <class M>
struct Mount {
  typename M::Text target;
  typename M::Text type;
  typename M::Text source;
  MountAttributes attributes;
  bool superblock_readonly = false;
  typename M::template List<typename M::Text> options;
  Propagation propagation;
  bool copy_up = false;  // tmpcopyup: start with what the target directory holds
  typename M::Text fallback;
  typename M::Text label;  // security.selinux of its root, where the file system takes no context
  WHERRY_STEP("mount", "a file system of its own") {
    v("target", s.target);
    v("type", s.type);
    v("source", s.source);
    v("attributes", s.attributes);
    v("superblock_readonly", s.superblock_readonly);
    v("options", s.options);
    v("propagation", s.propagation);
    v("copy_up", s.copy_up);
    v("fallback", s.fallback);
    v("label", s.label);
  }
};

// overlayfs over the root. Layers are named from a directory that holds all of them, and changes from one that holds
// `upper` and `work`: descriptors serve where the container's user cannot reach the paths, and keep the option short.
// Rungs: "lowerdir+" for each layer (6.7); mount(2), whose one page takes about fifty layers.
template <class M>
struct MountOverlay {
  typename M::Text directory;
  Slot directory_slot = 0;                             // slot::kNone: open the path
  typename M::template List<typename M::Text> lowers;  // the topmost first
  typename M::Text changes;                            // empty: read-only
  Slot changes_slot = 0;
  typename M::Text upper, work;
  typename M::template List<typename M::Text> options;
  MountAttributes attributes;
  WHERRY_STEP("mount-overlay", "the layers of an image as one root, and a place for what changes") {
    v("directory", s.directory);
    v("directory_slot", s.directory_slot);
    v("lowers", s.lowers);
    v("changes", s.changes);
    v("changes_slot", s.changes_slot);
    v("upper", s.upper);
    v("work", s.work);
    v("options", s.options);
    v("attributes", s.attributes);
  }
};

// `set`/`clear` change the top mount only, the recursive pair the whole tree (mount_setattr(2), AT_RECURSIVE).
template <class M>
struct Bind {
  typename M::Text target;
  typename M::Text source;
  Slot slot = 0;  // slot::kNone: open the source path
  bool recursive = false;
  MountAttributes set, clear, recursive_set, recursive_clear;
  Propagation propagation;
  bool copy_up = false;  // tmpcopyup, for what OpenFilesystem has made
  WHERRY_STEP("bind", "a part of the host's tree, under the container's own flags") {
    v("target", s.target);
    v("source", s.source);
    v("slot", s.slot);
    v("recursive", s.recursive);
    v("set", s.set);
    v("clear", s.clear);
    v("recursive_set", s.recursive_set);
    v("recursive_clear", s.recursive_clear);
    v("propagation", s.propagation);
    v("copy_up", s.copy_up);
  }
};

// An existing node of the right type and number is kept with new owner and mode; any other is EEXIST.
template <class M>
struct CreateDevice {
  typename M::Text path;
  Mode mode;
  uint32_t major = 0, minor = 0, uid = 0, gid = 0;
  WHERRY_STEP("create-device", "config-linux.md asks for this node") {
    v("path", s.path);
    v("mode", s.mode);
    v("major", s.major);
    v("minor", s.minor);
    v("uid", s.uid);
    v("gid", s.gid);
  }
};

template <class M>
struct BindDevice {
  typename M::Text path;
  Slot slot = 0;
  WHERRY_STEP("bind-device", "the host's node, because a user namespace may not make one") {
    v("path", s.path);
    v("slot", s.slot);
  }
};

template <class M>
struct CreateSymlink {
  typename M::Text path;
  typename M::Text target;
  bool replace = false;  // an existing non-directory is removed first
  WHERRY_STEP("create-symlink", "runtime-linux.md asks for this link") {
    v("path", s.path);
    v("target", s.target);
    v("replace", s.replace);
  }
};

// A pty of the container's own devpts (TIOCGPTPEER, never a path: CVE-2025-52565); the master goes to slot::kConsole.
template <class M>
struct OpenConsole {
  uint32_t rows = 0, columns = 0;  // both 0: leave the size alone
  bool bind_console = false;       // also on /dev/console
  bool plain_newlines = false;     // termios(3) ONLCR off: what reads the master passes it on to a file or a terminal
  WHERRY_STEP("open-console", "standard input, output and error become a terminal") {
    v("rows", s.rows);
    v("columns", s.columns);
    v("bind_console", s.bind_console);
    v("plain_newlines", s.plain_newlines);
  }
};

// Written through the host's procfs: it acts on the namespaces of the writing task (CVE-2025-52881).
template <class M>
struct SetSysctl {
  typename M::Text path;  // relative to /proc/sys
  typename M::Text value;
  WHERRY_STEP("set-sysctl", "a kernel parameter of the container's namespaces") {
    v("path", s.path);
    v("value", s.value);
  }
};

template <class M>
struct PivotRoot {
  bool old_root_shared = false;  // rootfsPropagation is shared: its unmount must not travel to the host
  WHERRY_STEP("pivot-root", "the host's tree leaves; nothing above the root is left to reach") {
    v("old_root_shared", s.old_root_shared);
  }
};

// For a root file system on initramfs, where pivot_root(2) is EINVAL.
template <class M>
struct MoveRoot {
  WHERRY_STEP("move-root", "--no-pivot: the rootfs is moved over / and entered with chroot(2)") {}
};

// A procfs or sysfs of the host that a moved root leaves in the mount namespace: whoever sees one in full may mount
// another (mnt_already_visible(), fs/namespace.c). `cover`: hidden only, since an unmount would travel to the host.
template <class M>
struct HideMount {
  typename M::Text path;
  bool cover = false;
  WHERRY_STEP("hide-mount", "--no-pivot: the container could mount what it may not see in full") {
    v("path", s.path);
    v("cover", s.cover);
  }
};

template <class M>
struct ChangeRoot {
  typename M::Text path;
  WHERRY_STEP("change-root", "the mount namespace is another's: chroot(2) is all there is") { v("path", s.path); }
};

template <class M>
struct MakeRootReadonly {
  WHERRY_STEP("make-root-readonly", "root.readonly") {}
};

// config-linux.md "Readonly Paths"; a path that does not exist is skipped. Or a mount that had to take other mounts
// first: its flag alone is set.
template <class M>
struct MakeReadonly {
  typename M::Text path;
  bool is_mount = false;
  WHERRY_STEP("make-readonly", "kernel knobs that may be read but not turned") {
    v("path", s.path);
    v("is_mount", s.is_mount);
  }
};

// config-linux.md "Masked Paths"; a path that does not exist is skipped. A file is covered by the null device, whose
// number is checked (CVE-2025-31133), a directory by one shared empty read-only directory.
template <class M>
struct MaskPath {
  typename M::Text path;
  Slot null_device = 0;
  typename M::Text label;  // SELinux context of the directory
  WHERRY_STEP("mask-path", "tells too much about the host, or lets the container harm it") {
    v("path", s.path);
    v("null_device", s.null_device);
    v("label", s.label);
  }
};

// The state document comes on stdin, from slot::kHookState. args[0] is the hook's argv[0]; env is all it gets, but for
// the HOME that FindHome found, where the hook shares the program's environment.
template <class M>
struct RunHook {
  HookKind kind = HookKind::kPrestart;
  uint32_t index = 0;  // among the hooks of its kind
  typename M::Text path;
  typename M::template List<typename M::Text> args;
  typename M::template List<typename M::Text> env;
  uint32_t timeout_seconds = 0;  // 0: none
  bool with_home = false;
  WHERRY_STEP("run-hook", "the config's own program at this point of the life") {
    v("kind", s.kind);
    v("index", s.index);
    v("path", s.path);
    v("args", s.args);
    v("env", s.env);
    v("timeout_s", s.timeout_seconds);
    v("with_home", s.with_home);
  }
};

// --- pid1 lane: what the process may do --------------------------------------------------------------------------

template <class M>
struct SetRlimit {
  ResourceLimit resource;
  Amount soft, hard;
  WHERRY_STEP("set-rlimit", "process.rlimits") {
    v("resource", s.resource);
    v("soft", s.soft);
    v("hard", s.hard);
  }
};

// sched_setattr(2)
template <class M>
struct SetScheduler {
  uint32_t policy = 0;
  int32_t nice = 0;
  uint32_t priority = 0;
  uint64_t flags = 0, runtime_ns = 0, deadline_ns = 0, period_ns = 0;
  WHERRY_STEP("set-scheduler", "process.scheduler") {
    v("policy", s.policy);
    v("nice", s.nice);
    v("priority", s.priority);
    v("flags", s.flags);
    v("runtime_ns", s.runtime_ns);
    v("deadline_ns", s.deadline_ns);
    v("period_ns", s.period_ns);
  }
};

// ioprio_set(2) on the own process group, which is still this process alone.
template <class M>
struct SetIoPriority {
  uint32_t io_class = 0;
  uint32_t priority = 0;
  WHERRY_STEP("set-io-priority", "process.ioPriority") {
    v("class", s.io_class);
    v("priority", s.priority);
  }
};

template <class M>
struct SetPersonality {
  uint32_t persona = 0;
  WHERRY_STEP("set-personality", "linux.personality") { v("persona", s.persona); }
};

// set_mempolicy(2); `nodes` is the bit mask, 64 nodes per element.
template <class M>
struct SetMemoryPolicy {
  uint32_t mode = 0;
  typename M::template List<uint64_t> nodes;
  WHERRY_STEP("set-memory-policy", "linux.memoryPolicy") {
    v("mode", s.mode);
    v("nodes", s.nodes);
  }
};

// /proc/self/attr/<attribute>, through the host's procfs; takes effect at the exec.
template <class M>
struct SetProcessLabel {
  typename M::Text attribute;
  typename M::Text label;
  WHERRY_STEP("set-process-label", "the security module's profile of the program") {
    v("attribute", s.attribute);
    v("label", s.label);
  }
};

template <class M>
struct SetUmask {
  Mode mask;
  WHERRY_STEP("set-umask", "process.user.umask") { v("mask", s.mask); }
};

// Created when missing. Never through a magic link, so no descriptor can lead out of the root (CVE-2024-21626).
template <class M>
struct ChangeDirectory {
  typename M::Text path;
  bool may_be_closed = false;  // to the container's root: its user tries again...
  bool again = false;          // ...and this is that
  WHERRY_STEP("change-directory", "process.cwd, looked up inside the root") {
    v("path", s.path);
    v("may_be_closed", s.may_be_closed);
    v("again", s.again);
  }
};

template <class M>
struct LimitBoundingSet {
  CapabilityMask keep;
  WHERRY_STEP("limit-bounding-set", "no later exec can regain what is not in this set") { v("keep", s.keep); }
};

// Standard streams that the caller opened belong to its user; the program may want to reopen them through
// /proc/self/fd. Never the null device, never a regular file (CVE-2026-88265). EPERM, EINVAL and EROFS are tolerated.
template <class M>
struct OwnStandardStreams {
  uint32_t uid = 0;
  WHERRY_STEP("own-standard-streams", "the user may reopen its own terminal or pipe") { v("uid", s.uid); }
};

template <class M>
struct SetCredentials {
  uint32_t uid = 0, gid = 0;
  typename M::template List<uint32_t> groups;
  WHERRY_STEP("set-credentials", "process.user") {
    v("uid", s.uid);
    v("gid", s.gid);
    v("groups", s.groups);
  }
};

template <class M>
struct SetCapabilities {
  CapabilityMask effective, permitted, inheritable, ambient;
  WHERRY_STEP("set-capabilities", "what is left of root's power") {
    v("effective", s.effective);
    v("permitted", s.permitted);
    v("inheritable", s.inheritable);
    v("ambient", s.ambient);
  }
};

template <class M>
struct SetNoNewPrivileges {
  WHERRY_STEP("set-no-new-privileges", "no setuid program gains anything") {}
};

// HOME is taken from the container's /etc/passwd when env has none; "/" when that has none.
template <class M>
struct FindHome {
  uint32_t uid = 0;
  WHERRY_STEP("find-home", "env has no HOME") { v("uid", s.uid); }
};

// execvp(3) look-up, at create, so that a missing program fails there; the hit is remembered for Exec.
template <class M>
struct FindExecutable {
  typename M::Text name;
  typename M::Text search_path;
  WHERRY_STEP("find-executable", "a missing program is an error of create, not of start") {
    v("name", s.name);
    v("path", s.search_path);
  }
};

// Only 0, 1, 2 and the descriptors below `first` reach the program.
template <class M>
struct SealDescriptors {
  uint32_t first = 3;
  WHERRY_STEP("seal-descriptors", "no descriptor of the host crosses the exec") { v("first", s.first); }
};

// The cut between create and start.
template <class M>
struct AwaitStart {
  WHERRY_STEP("await-start", "created; the program has not run") {}
};

template <class M>
struct LoadSeccomp {
  typename M::Bytes filter;  // struct sock_filter[]
  uint32_t flags = 0;        // SECCOMP_FILTER_FLAG_*
  WHERRY_STEP("load-seccomp", "the system calls that are left") {
    v("filter", s.filter);
    v("flags", s.flags);
  }
};

// As LoadSeccomp, for a filter that hands calls to an agent. The sending of the listener might itself be handed over,
// so a process from before the filter does it: it shares the descriptors, and the listener's number comes by a store to
// the status page. Done when the host has answered that the agent has it; until then this process makes no call.
template <class M>
struct LoadSeccompWithListener {
  typename M::Bytes filter;
  uint32_t flags = 0;
  WHERRY_STEP("load-seccomp-with-listener", "the system calls that are left, and those that an agent decides") {
    v("filter", s.filter);
    v("flags", s.flags);
  }
};

template <class M>
struct Exec {
  typename M::template List<typename M::Text> args;
  typename M::template List<typename M::Text> env;
  WHERRY_STEP("exec", "the user's program takes over") {
    v("args", s.args);
    v("env", s.env);
  }
};

#undef WHERRY_STEP

template <template <class> class... Steps>
struct StepList {};

// The position in this list is the step's kind on the wire.
using ContainerSteps =
    StepList<SetOomScoreAdj, HideFromTracers, OpenNamespace, EnterNamespace, OpenTree, OpenFilesystem, OpenDevice,
             MakeDevice, CreateUserNamespace, CreateTimeNamespace, CreateNamespaces, OpenNetworkSocket, SetCpuAffinity,
             AwaitSlot, SpawnPid1, BecomeRoot, StartSession, JoinSessionKeyring, BringUpLoopback, SetHostname,
             SetDomainname, SetPropagation, MountRoot, MountOverlay, Mount, Bind, CreateDevice, BindDevice,
             CreateSymlink, OpenConsole, SetSysctl, PivotRoot, HideMount, MoveRoot, ChangeRoot, MakeRootReadonly,
             MakeReadonly, MaskPath, RunHook, SetRlimit, SetScheduler, SetIoPriority, SetPersonality, SetMemoryPolicy,
             SetProcessLabel, SetUmask, ChangeDirectory, LimitBoundingSet, OwnStandardStreams, SetCredentials,
             SetCapabilities, SetNoNewPrivileges, FindHome, FindExecutable, SealDescriptors, AwaitStart, LoadSeccomp,
             LoadSeccompWithListener, Exec>;

}  // namespace wherry::plan
