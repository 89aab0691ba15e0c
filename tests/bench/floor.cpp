// SPDX-License-Identifier: Apache-2.0
// The physical limit: the kernel calls that `run` of the default bundle cannot do without, and nothing else.
// No config.json, no state file, no libc start-up: what a runtime takes beyond this program is its own cost.
//
//   floor [--times N] run  ROOTFS CGROUP [ARG0 ...]   ARG0 default /bin/true; CGROUP is made and removed
//   floor [--times N] exec PID    CGROUP [ARG0 ...]
//
// Every call must succeed, apart from the tolerated errno written beside it: a floor that skips a step
// in silence is a wrong floor. Exit code: that of ARG0, or 1 after one line on stderr.
// With FLOOR_HAS_LIBC it is an ordinary static program: what the start of a libc takes, and nothing else, is added.
// ROOTFS.empty, a directory, is made beside the rootfs if it is missing: the one source of all masked
// directories.
#include <asm/unistd.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/if.h>
#include <linux/keyctl.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <linux/sockios.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

// ---------------------------------------------------------------------------------------------------------
// The machine: system calls and the entry point, for the program links nothing.

#if defined(FLOOR_HAS_LIBC)
// main() is at the end.
#elif defined(__x86_64__)
asm(".globl _start\n_start:\n  xor %ebp,%ebp\n  mov %rsp,%rdi\n  and $-16,%rsp\n  call floor_start\n");
#elif defined(__aarch64__)
asm(".globl _start\n_start:\n  mov x29,#0\n  mov x30,#0\n  mov x0,sp\n  b floor_start\n");
#else
#error "floor knows x86-64 and aarch64"
#endif

#if !defined(FLOOR_HAS_LIBC)
// The compiler may call these two for copies and clears it makes up itself.
extern "C" void* memset(void* to, int byte, size_t size) {
  volatile char* out = static_cast<char*>(to);
  for (size_t i = 0; i < size; ++i) out[i] = static_cast<char>(byte);
  return to;
}
extern "C" void* memcpy(void* to, const void* from, size_t size) {
  volatile char* out = static_cast<char*>(to);
  for (size_t i = 0; i < size; ++i) out[i] = static_cast<const char*>(from)[i];
  return to;
}
#endif

namespace {

long raw(long number, long a, long b, long c, long d, long e, long f) {
#if defined(__x86_64__)
  register long r10 asm("r10") = d;
  register long r8 asm("r8") = e;
  register long r9 asm("r9") = f;
  long result;
  asm volatile("syscall"
               : "=a"(result)
               : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
               : "rcx", "r11", "memory");
  return result;
#else
  register long x8 asm("x8") = number;
  register long x0 asm("x0") = a;
  register long x1 asm("x1") = b;
  register long x2 asm("x2") = c;
  register long x3 asm("x3") = d;
  register long x4 asm("x4") = e;
  register long x5 asm("x5") = f;
  asm volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
  return x0;
#endif
}

template <typename Value>
long word(Value value) {
  return static_cast<long>(value);
}
template <typename Value>
long word(Value* pointer) {
  return reinterpret_cast<long>(pointer);
}
long word(decltype(nullptr)) { return 0; }

template <typename... Args>
long sys(long number, Args... args) {
  const long a[6] = {word(args)...};
  return raw(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

// ---------------------------------------------------------------------------------------------------------
// Text on stderr and stdout.

struct Line {
  char text[512];
  size_t size = 0;

  Line& put(const char* part) {
    while (*part != '\0' && size < sizeof text) text[size++] = *part++;
    return *this;
  }
  Line& put(uint64_t number, size_t width = 0) {
    char digits[24];
    size_t count = 0;
    do digits[count++] = static_cast<char>('0' + number % 10);
    while ((number /= 10) != 0);
    for (size_t i = count; i < width; ++i) put(" ");
    while (count > 0 && size < sizeof text) text[size++] = digits[--count];
    return *this;
  }
  // Nanoseconds as microseconds with one decimal.
  Line& put_us(uint64_t ns) {
    const uint64_t tenths = (ns + 50) / 100;
    return put(tenths / 10, 8).put(".").put(tenths % 10);
  }
  void to(int fd) { (void)sys(__NR_write, fd, text, size); }
};

[[noreturn]] void leave(int code) {
  for (;;) (void)sys(__NR_exit_group, code);
}

constexpr const char* kErrors[] = {"",        "EPERM",  "ENOENT",  "ESRCH",  "EINTR",   "EIO",    "ENXIO",  "E2BIG",
                                   "ENOEXEC", "EBADF",  "ECHILD",  "EAGAIN", "ENOMEM",  "EACCES", "EFAULT", "ENOTBLK",
                                   "EBUSY",   "EEXIST", "EXDEV",   "ENODEV", "ENOTDIR", "EISDIR", "EINVAL", "ENFILE",
                                   "EMFILE",  "ENOTTY", "ETXTBSY", "EFBIG",  "ENOSPC",  "ESPIPE", "EROFS"};

// `error` is a negative errno, or 0: there is none.
[[noreturn]] void fail(const char* what, long error) {
  Line line;
  line.put("floor: ").put(what);
  const size_t number = static_cast<size_t>(-error);
  if (number >= sizeof kErrors / sizeof *kErrors) {
    line.put(": errno ").put(number);
  } else if (number > 0) {
    line.put(": ").put(kErrors[number]);
  }
  line.put("\n").to(2);
  leave(1);
}

uint64_t parse(const char* text) {
  uint64_t number = 0;
  if (*text == '\0') fail("empty number", 0);
  for (; *text != '\0'; ++text) {
    if (*text < '0' || *text > '9') fail("not a number", 0);
    number = number * 10 + static_cast<uint64_t>(*text - '0');
  }
  return number;
}

// ---------------------------------------------------------------------------------------------------------
// --times: how long each call took. Parent and child write rows of their own into shared memory.

constexpr size_t kMaxRows = 320;
constexpr size_t kMaxRounds = 1000;

struct Row {
  const char* name;
  uint64_t ns;
};
struct Round {
  size_t count[2];  // by voice: 0 parent, 1 child
  Row rows[2][kMaxRows];
  uint64_t exec_began;
};

Round* g_round = nullptr;  // null: no --times
int g_voice = 0;

uint64_t now() {
  timespec time{};
  (void)sys(__NR_clock_gettime, CLOCK_MONOTONIC, &time);
  return static_cast<uint64_t>(time.tv_sec) * 1000000000U + static_cast<uint64_t>(time.tv_nsec);
}

void record(const char* name, uint64_t ns) {
  size_t& count = g_round->count[g_voice];
  if (count < kMaxRows) g_round->rows[g_voice][count++] = {name, ns};
}

template <typename... Args>
long timed(const char* name, long number, Args... args) {
  if (g_round == nullptr) return sys(number, args...);
  const uint64_t start = now();
  const long result = sys(number, args...);
  record(name, now() - start);
  return result;
}

template <typename... Args>
long call(const char* name, long number, Args... args) {
  const long result = timed(name, number, args...);
  if (result < 0) fail(name, result);
  return result;
}

// As call(), but `tolerated` (an errno) is an answer: returns -1 for it.
template <typename... Args>
long call_or(long tolerated, const char* name, long number, Args... args) {
  const long result = timed(name, number, args...);
  if (result < 0 && result != -tolerated) fail(name, result);
  return result < 0 ? -1 : result;
}

// ---------------------------------------------------------------------------------------------------------
// The cgroup and its device program.

// linux.resources.devices of the default config denies all; these character devices stay allowed, as runtimes
// do: the runtime-spec's default devices (null zero full random urandom tty console ptmx) and all of
// /dev/pts.
struct Device {
  int major;
  int minor;
};
constexpr Device kAllowed[] = {{1, 3}, {1, 5}, {1, 7}, {1, 8}, {1, 9}, {5, 0}, {5, 1}, {5, 2}};
constexpr int kPtsMajor = 136;

struct Program {
  bpf_insn code[32];
  uint32_t size = 0;

  void add(unsigned opcode, unsigned to, unsigned from, int offset, int value) {
    bpf_insn& insn = code[size++];
    insn.code = static_cast<uint8_t>(opcode);
    insn.dst_reg = static_cast<uint8_t>(to & 15U);
    insn.src_reg = static_cast<uint8_t>(from & 15U);
    insn.off = static_cast<int16_t>(offset);
    insn.imm = value;
  }
  // The jump's target is the last but one instruction; finish() knows how far that is.
  void allow_if(unsigned condition, unsigned reg, int value) {
    add(BPF_JMP | BPF_K | condition, reg, 0, kAllow, value);
  }
  void finish() {
    add(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 0);
    add(BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
    for (uint32_t i = 0; i < size; ++i) {
      if (code[i].off == kAllow) code[i].off = static_cast<int16_t>(size - i - 1);
      if (code[i].off == kDeny) code[i].off = static_cast<int16_t>(size - i - 3);
    }
    add(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 1);
    add(BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
  }
  static constexpr int16_t kAllow = 1000;
  static constexpr int16_t kDeny = 1001;
};

// The fewest branches (the verifier walks each of them): one 64-bit key, major << 20 | minor, one compare a
// device.
Program device_program() {
  Program program;
  program.add(BPF_LDX | BPF_MEM | BPF_W, 2, 1, offsetof(bpf_cgroup_dev_ctx, access_type), 0);
  program.add(BPF_ALU64 | BPF_MOV | BPF_X, 3, 2, 0, 0);
  program.add(BPF_ALU64 | BPF_RSH | BPF_K, 3, 0, 0, 16);
  program.allow_if(BPF_JLE, 3, BPF_DEVCG_ACC_MKNOD);  // nothing but mknod, of any device
  program.add(BPF_ALU64 | BPF_AND | BPF_K, 2, 0, 0, 0xffff);
  program.add(BPF_JMP | BPF_JNE | BPF_K, 2, 0, Program::kDeny, BPF_DEVCG_DEV_CHAR);
  program.add(BPF_LDX | BPF_MEM | BPF_W, 4, 1, offsetof(bpf_cgroup_dev_ctx, major), 0);
  program.allow_if(BPF_JEQ, 4, kPtsMajor);
  program.add(BPF_LDX | BPF_MEM | BPF_W, 5, 1, offsetof(bpf_cgroup_dev_ctx, minor), 0);
  program.add(BPF_ALU64 | BPF_LSH | BPF_K, 4, 0, 0, 20);
  program.add(BPF_ALU64 | BPF_OR | BPF_X, 4, 5, 0, 0);
  for (const Device& device : kAllowed) program.allow_if(BPF_JEQ, 4, device.major << 20 | device.minor);
  program.finish();
  return program;
}

void restrict_devices(int cgroup) {
  const Program program = device_program();
  bpf_attr load{};
  load.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
  load.insn_cnt = program.size;
  load.insns = reinterpret_cast<uint64_t>(program.code);
  load.license = reinterpret_cast<uint64_t>("Apache-2.0");
  const long loaded = call("bpf PROG_LOAD", __NR_bpf, BPF_PROG_LOAD, &load, sizeof load);
  bpf_attr attach{};
  attach.target_fd = static_cast<uint32_t>(cgroup);
  attach.attach_bpf_fd = static_cast<uint32_t>(loaded);
  attach.attach_type = BPF_CGROUP_DEVICE;
  attach.attach_flags = BPF_F_ALLOW_MULTI;
  (void)call("bpf PROG_ATTACH", __NR_bpf, BPF_PROG_ATTACH, &attach, sizeof attach);
}

// ---------------------------------------------------------------------------------------------------------
// The root filesystem. Nothing is closed one by one: execve does that for less.

long open_in(int root, const char* path, long tolerated = 0) {
  open_how how{};
  how.flags = O_PATH | O_CLOEXEC;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  return call_or(tolerated, "openat2 in rootfs", __NR_openat2, root, path, &how, sizeof how);
}

void attach(const char* name, long tree, long target) {
  (void)call(name, __NR_move_mount, tree, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
}

void restrict_tree(const char* name, long tree, uint64_t flags, unsigned recursive) {
  mount_attr attr{};
  attr.attr_set = flags;
  (void)call(name, __NR_mount_setattr, tree, "", AT_EMPTY_PATH | recursive, &attr, sizeof attr);
}

struct Option {
  const char* key;
  const char* value;
};
struct Mount {
  const char* target;
  const char* type;
  const char* source;
  uint64_t flags;
  Option options[4];
  const char *open, *create, *mount, *move;  // names for --times
};

constexpr uint64_t kQuiet = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NODEV;

#define NAMES(what) "fsopen " what, "fsconfig CREATE " what, "fsmount " what, "move_mount " what
constexpr Mount kProc = {"proc", "proc", "proc", 0, {}, NAMES("proc")};
constexpr Mount kDev = {"dev",
                        "tmpfs",
                        "tmpfs",
                        MOUNT_ATTR_NOSUID | MOUNT_ATTR_STRICTATIME,
                        {{"mode", "755"}, {"size", "65536k"}},
                        NAMES("tmpfs dev")};
constexpr Mount kBelowDev[] = {
    {"pts",
     "devpts",
     "devpts",
     MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC,
     {{"ptmxmode", "0666"}, {"mode", "0620"}, {"gid", "5"}},
     NAMES("devpts")},
    {"shm", "tmpfs", "shm", kQuiet, {{"mode", "1777"}, {"size", "65536k"}}, NAMES("tmpfs shm")},
    {"mqueue", "mqueue", "mqueue", kQuiet, {}, NAMES("mqueue")},
};
constexpr Mount kSys = {"sys", "sysfs", "sysfs", kQuiet | MOUNT_ATTR_RDONLY, {}, NAMES("sysfs")};
constexpr Mount kCgroup = {"sys/fs/cgroup", "cgroup2", "cgroup", kQuiet | MOUNT_ATTR_RDONLY, {}, NAMES("cgroup2")};
#undef NAMES

// Returns the mount's fd.
long mount_on(const Mount& mount, long target) {
  const long context = call(mount.open, __NR_fsopen, mount.type, FSOPEN_CLOEXEC);
  (void)call("fsconfig source", __NR_fsconfig, context, FSCONFIG_SET_STRING, "source", mount.source, 0);
  for (const Option& option : mount.options) {
    if (option.key == nullptr) break;
    (void)call("fsconfig option", __NR_fsconfig, context, FSCONFIG_SET_STRING, option.key, option.value, 0);
  }
  (void)call(mount.create, __NR_fsconfig, context, FSCONFIG_CMD_CREATE, nullptr, nullptr, 0);
  const long tree = call(mount.mount, __NR_fsmount, context, FSMOUNT_CLOEXEC, mount.flags);
  attach(mount.move, tree, target);
  return tree;
}

long mount_in(int root, const Mount& mount) {
  const long target = open_in(root, mount.target);
  const long tree = mount_on(mount, target);
  return tree;
}

struct Node {
  const char* name;
  unsigned device;  // old encoding: major << 8 | minor
};
constexpr Node kNodes[] = {{"null", 0x103},   {"zero", 0x105},    {"full", 0x107},
                           {"random", 0x108}, {"urandom", 0x109}, {"tty", 0x500}};

struct Link {
  const char* name;
  const char* to;
};
constexpr Link kLinks[] = {{"fd", "/proc/self/fd"},
                           {"stdin", "/proc/self/fd/0"},
                           {"stdout", "/proc/self/fd/1"},
                           {"stderr", "/proc/self/fd/2"},
                           {"ptmx", "pts/ptmx"}};

// Returns the fd of the new /dev.
long make_dev(int root) {
  const long dev = mount_in(root, kDev);
  for (const Mount& mount : kBelowDev) {
    (void)call("mkdirat dev", __NR_mkdirat, dev, mount.target, 0755);
    const long target = open_in(static_cast<int>(dev), mount.target);
    (void)mount_on(mount, target);
  }
  for (const Node& node : kNodes) {
    (void)call("mknodat dev", __NR_mknodat, dev, node.name, S_IFCHR | 0666, node.device);
  }
  for (const Link& link : kLinks) (void)call("symlinkat dev", __NR_symlinkat, link.to, dev, link.name);
  return dev;
}

constexpr const char* kMasked[] = {
    "proc/acpi",       "proc/asound",      "proc/kcore",       "proc/keys",    "proc/latency_stats",
    "proc/timer_list", "proc/timer_stats", "proc/sched_debug", "sys/firmware", "proc/scsi",
};
constexpr const char* kReadOnly[] = {"proc/bus", "proc/fs", "proc/irq", "proc/sys", "proc/sysrq-trigger"};

bool is_directory(long fd) {
  struct stat status {};
  (void)call("fstat mask", __NR_fstat, fd, &status);
  return (status.st_mode & S_IFMT) == S_IFDIR;
}

// A path that this kernel does not have needs no mask: ENOENT is tolerated, as runtimes do.
void mask_paths(int root, long dev, const char* empty_directory) {
  const long null = open_in(static_cast<int>(dev), "null");
  long empty = -1;
  for (const char* path : kMasked) {
    const long target = open_in(root, path, /*ENOENT*/ 2);
    if (target < 0) continue;
    long tree = -1;
    if (!is_directory(target)) {
      tree = call("open_tree mask", __NR_open_tree, null, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
    } else if (empty < 0) {
      tree = call("open_tree mask", __NR_open_tree, AT_FDCWD, empty_directory, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
      restrict_tree("mount_setattr mask", tree, MOUNT_ATTR_RDONLY | kQuiet, 0);
      empty = tree;
    } else {
      tree = call("open_tree mask", __NR_open_tree, empty, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
    }
    attach("move_mount mask", tree, target);
  }
}

void protect_paths(int root) {
  for (const char* path : kReadOnly) {
    const long target = open_in(root, path, /*ENOENT*/ 2);
    if (target < 0) continue;
    const long tree = call("open_tree read-only", __NR_open_tree, target, "",
                           OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | AT_RECURSIVE);
    restrict_tree("mount_setattr read-only", tree, MOUNT_ATTR_RDONLY, AT_RECURSIVE);
    attach("move_mount read-only", tree, target);
  }
}

void enter_root(long root) {
  (void)call("fchdir", __NR_fchdir, root);
  (void)call("pivot_root", __NR_pivot_root, ".", ".");
  // The old root lies on top of the new one; the mounts in it are slaves, so the host keeps its own.
  (void)call("umount2 old root", __NR_umount2, ".", /*MNT_DETACH*/ 2);
  (void)call("chdir", __NR_chdir, "/");
}

void make_root(const char* rootfs, const char* empty_directory) {
  (void)call("umask", __NR_umask, 0);
  (void)call("mount rslave", __NR_mount, nullptr, "/", nullptr, /*MS_REC|MS_SLAVE*/ 0x4000 | 0x80000, nullptr);
  const long tree =
      call("open_tree rootfs", __NR_open_tree, AT_FDCWD, rootfs, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
  (void)call("move_mount rootfs", __NR_move_mount, tree, "", AT_FDCWD, rootfs, MOVE_MOUNT_F_EMPTY_PATH);
  const int root = static_cast<int>(tree);
  (void)mount_in(root, kProc);
  const long dev = make_dev(root);
  (void)mount_in(root, kSys);
  (void)mount_in(root, kCgroup);
  mask_paths(root, dev, empty_directory);
  protect_paths(root);
  restrict_tree("mount_setattr rootfs", tree, MOUNT_ATTR_RDONLY, 0);
  enter_root(tree);
}

// ---------------------------------------------------------------------------------------------------------
// The process.

void bring_up_loopback() {
  const long fd = call("socket lo", __NR_socket, AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  ifreq request{};
  request.ifr_name[0] = 'l';
  request.ifr_name[1] = 'o';
  request.ifr_flags = IFF_UP;
  (void)call("ioctl lo up", __NR_ioctl, fd, SIOCSIFFLAGS, &request);
}

constexpr uint64_t kCaps = 1U << CAP_AUDIT_WRITE | 1U << CAP_KILL | 1U << CAP_NET_BIND_SERVICE;

// The default config's ambient set cannot be raised without an inheritable one (capabilities(7)), so it is
// cleared.
void drop_capabilities() {
  for (long cap = 0; cap <= CAP_LAST_CAP; ++cap) {
    if ((kCaps >> cap & 1U) == 0) (void)call("prctl CAPBSET_DROP", __NR_prctl, PR_CAPBSET_DROP, cap, 0, 0, 0);
  }
  (void)call("setgroups", __NR_setgroups, 0, nullptr);
  (void)call("setresgid", __NR_setresgid, 0, 0, 0);
  (void)call("setresuid", __NR_setresuid, 0, 0, 0);
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2]{};
  data[0].effective = data[0].permitted = static_cast<uint32_t>(kCaps);
  (void)call("capset", __NR_capset, &header, data);
  (void)call("prctl AMBIENT_CLEAR", __NR_prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
}

[[noreturn]] void become_user_program(const char* const* args) {
  static const char* const kEnvironment[] = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                                             "TERM=xterm", "HOME=/", nullptr};
  const rlimit limit{1024, 1024};
  (void)call("keyctl JOIN_SESSION", __NR_keyctl, KEYCTL_JOIN_SESSION_KEYRING, "floor");
  (void)call("prlimit64", __NR_prlimit64, 0, RLIMIT_NOFILE, &limit, nullptr);
  (void)call("umask", __NR_umask, 022);
  drop_capabilities();
  (void)call("prctl NO_NEW_PRIVS", __NR_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  (void)call("close_range", __NR_close_range, 3, ~0U, /*CLOSE_RANGE_CLOEXEC*/ 4);
  if (g_round != nullptr) g_round->exec_began = now();
  const long error = sys(__NR_execve, args[0], args, kEnvironment);
  fail("execve", error);
}

struct Job {
  const char* place;   // run: rootfs; exec: pid
  const char* cgroup;  // path
  const char* const* args;
};

[[noreturn]] void container(const Job& job, const char* empty_directory) {
  (void)call("setsid", __NR_setsid);
  make_root(job.place, empty_directory);
  (void)call("sethostname", __NR_sethostname, "runc", 4);
  bring_up_loopback();
  become_user_program(job.args);
}

// ---------------------------------------------------------------------------------------------------------
// The parent.

struct Child {
  long pid;
  int pidfd;
};

Child clone_into(int cgroup, uint64_t namespaces) {
  Child child{0, -1};
  clone_args args{};
  args.flags = namespaces | CLONE_INTO_CGROUP | CLONE_PIDFD;
  args.pidfd = reinterpret_cast<uint64_t>(&child.pidfd);
  args.exit_signal = 17;  // SIGCHLD
  args.cgroup = static_cast<uint64_t>(cgroup);
  const uint64_t start = g_round != nullptr ? now() : 0;
  child.pid = sys(__NR_clone3, &args, sizeof args);
  if (child.pid < 0) fail("clone3", child.pid);
  if (child.pid == 0) {
    g_voice = 1;
  } else if (g_round != nullptr) {
    record("clone3", now() - start);
  }
  return child;
}

// The user program's life is one row, from execve to reaped: its scheduling beside the parent's moves any
// finer cut.
int await(const Child& child) {
  siginfo_t info{};
  const long error = sys(__NR_waitid, P_PIDFD, child.pidfd, &info, WEXITED, nullptr);
  if (error < 0) fail("waitid", error);
  if (g_round != nullptr) record("execve, user program, exit, reaped", now() - g_round->exec_began);
  return info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
}

struct Path {
  char text[4096];
  Path(const char* start, const char* end) {
    size_t size = 0;
    for (; *start != '\0' && size < sizeof text - 1; ++size) text[size] = *start++;
    for (; *end != '\0' && size < sizeof text - 1; ++size) text[size] = *end++;
    text[size] = '\0';
  }
};

int run(const Job& job) {
  constexpr uint64_t kNamespaces =
      CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP;
  const Path empty(job.place, ".empty");
  (void)call_or(/*EEXIST*/ 17, "mkdirat empty", __NR_mkdirat, AT_FDCWD, empty.text, 0555);
  (void)call("mkdirat cgroup", __NR_mkdirat, AT_FDCWD, job.cgroup, 0755);
  const int cgroup =
      static_cast<int>(call("openat cgroup", __NR_openat, AT_FDCWD, job.cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0));
  restrict_devices(cgroup);
  const Child child = clone_into(cgroup, kNamespaces);
  if (child.pid == 0) container(job, empty.text);
  const int code = await(child);
  (void)call("rmdir cgroup", __NR_unlinkat, AT_FDCWD, job.cgroup, /*AT_REMOVEDIR*/ 0x200);
  return code;
}

// The cgroup namespace comes last: after it the caller could not name the target cgroup (clone3 gives
// ENOENT).
int exec(const Job& job) {
  constexpr uint64_t kNamespaces = CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS;
  const long init = call("pidfd_open", __NR_pidfd_open, parse(job.place), 0);
  const int cgroup =
      static_cast<int>(call("openat cgroup", __NR_openat, AT_FDCWD, job.cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0));
  (void)call("setns pidfd", __NR_setns, init, kNamespaces);
  const Child child = clone_into(cgroup, 0);
  if (child.pid == 0) {
    (void)call("setns cgroup", __NR_setns, init, CLONE_NEWCGROUP);
    (void)call("setsid", __NR_setsid);
    (void)call("chdir", __NR_chdir, "/");
    become_user_program(job.args);
  }
  return await(child);
}

// ---------------------------------------------------------------------------------------------------------
// --times: many rounds, each in a process of its own, and a table of medians.

struct Sum {
  const char* name;
  size_t calls;
  uint64_t median;
};
struct Table {
  Sum sums[kMaxRows];
  size_t size = 0;
  uint64_t wall;
  uint64_t samples[kMaxRounds];
};

void sort(uint64_t* values, size_t size) {
  for (size_t i = 1; i < size; ++i) {
    const uint64_t value = values[i];
    size_t j = i;
    for (; j > 0 && values[j - 1] > value; --j) values[j] = values[j - 1];
    values[j] = value;
  }
}

bool same(const char* a, const char* b) {
  for (; *a == *b; ++a, ++b) {
    if (*a == '\0') return true;
  }
  return false;
}

// The sum of the calls of one name in one round; `calls` counts them.
uint64_t sum_of(const Round& round, const char* name, size_t& calls) {
  uint64_t ns = 0;
  calls = 0;
  for (int voice = 0; voice < 2; ++voice) {
    for (size_t i = 0; i < round.count[voice]; ++i) {
      if (!same(round.rows[voice][i].name, name)) continue;
      ns += round.rows[voice][i].ns;
      ++calls;
    }
  }
  return ns;
}

void add_name(Table& table, const Round* rounds, size_t count, const char* name) {
  for (size_t i = 0; i < table.size; ++i) {
    if (same(table.sums[i].name, name)) return;
  }
  Sum& sum = table.sums[table.size++];
  sum.name = name;
  for (size_t i = 0; i < count; ++i) table.samples[i] = sum_of(rounds[i], name, sum.calls);
  sort(table.samples, count);
  sum.median = table.samples[count / 2];
}

void print(Table& table) {
  for (size_t done = 0; done < table.size; ++done) {
    size_t best = done;
    for (size_t i = done; i < table.size; ++i) {
      if (table.sums[i].median > table.sums[best].median) best = i;
    }
    const Sum sum = table.sums[best];
    table.sums[best] = table.sums[done];
    Line{}.put_us(sum.median).put(sum.calls, 6).put("  ").put(sum.name).put("\n").to(1);
  }
}

void* shared_memory(size_t size) {
  const long address =
      sys(__NR_mmap, nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  if (address < 0 && address > -4096) fail("mmap", address);
  return reinterpret_cast<void*>(address);
}

int round_in_child(int (*mode)(const Job&), const Job& job) {
  clone_args args{};
  args.exit_signal = 17;  // SIGCHLD
  const long pid = sys(__NR_clone3, &args, sizeof args);
  if (pid < 0) fail("clone3", pid);
  if (pid == 0) leave(mode(job));
  siginfo_t info{};
  const long error = sys(__NR_waitid, P_PID, pid, &info, WEXITED, nullptr);
  if (error < 0) fail("waitid", error);
  return info.si_status;
}

int with_times(int (*mode)(const Job&), const Job& job, size_t rounds) {
  if (rounds == 0 || rounds > kMaxRounds) fail("--times takes 1 to 1000", 0);
  Round* all = static_cast<Round*>(shared_memory(rounds * sizeof(Round)));
  Table& table = *static_cast<Table*>(shared_memory(sizeof(Table)));
  uint64_t* walls = static_cast<uint64_t*>(shared_memory(rounds * sizeof(uint64_t)));
  for (size_t i = 0; i < rounds; ++i) {
    g_round = &all[i];
    const uint64_t start = now();
    const int code = round_in_child(mode, job);
    walls[i] = now() - start;
    if (code != 0) return code;
  }
  for (int voice = 0; voice < 2; ++voice) {
    for (size_t i = 0; i < all[0].count[voice]; ++i) add_name(table, all, rounds, all[0].rows[voice][i].name);
  }
  sort(walls, rounds);
  Line{}.put("medians of ").put(rounds).put(" rounds, microseconds\n      us calls  name\n").to(1);
  Line{}.put_us(walls[rounds / 2]).put("     1  the whole round, fork and exit of its process included\n").to(1);
  print(table);
  return 0;
}

[[noreturn]] void usage() {
  Line{}.put("usage: floor [--times N] run ROOTFS CGROUP [ARG...] | exec PID CGROUP [ARG...]\n").to(2);
  leave(1);
}

int start(long argc, const char* const* argv) {
  static const char* const kTrue[] = {"/bin/true", nullptr};
  size_t rounds = 0;
  bool times = false;
  if (argc > 2 && same(argv[1], "--times")) {
    times = true;
    rounds = parse(argv[2]);
    argc -= 2;
    argv += 2;
  }
  if (argc < 4) usage();
  const bool runs = same(argv[1], "run");
  if (!runs && !same(argv[1], "exec")) usage();
  const Job job{argv[2], argv[3], argc > 4 ? argv + 4 : kTrue};
  int (*mode)(const Job&) = runs ? run : exec;
  return times ? with_times(mode, job, rounds) : mode(job);
}

}  // namespace

#if defined(FLOOR_HAS_LIBC)
int main(int count, char** words) { leave(start(count, words)); }
#else
// `stack` as the kernel leaves it: argc, argv..., null, envp...
extern "C" [[noreturn]] void floor_start(const long* stack) {
  leave(start(stack[0], reinterpret_cast<const char* const*>(stack + 1)));
}
#endif
