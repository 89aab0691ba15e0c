# SPDX-License-Identifier: Apache-2.0
"""The box: a Debian root with the engines in it, in namespaces and a cgroup of its own.

Nothing in it is the host's: mounts, processes, network and cgroups end with it. The root is read-only below an overlay
in memory, so each box begins as `scripts/make-rootfs engines` left it.
"""

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

LIBC = ctypes.CDLL(None, use_errno=True)
MS_BIND, MS_REC, MS_PRIVATE, MS_RDONLY, MS_REMOUNT, MNT_DETACH = 0x1000, 0x4000, 1 << 18, 1, 0x20, 2
SYS_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}[os.uname().machine]
NAMESPACES = 0x00020000 | 0x02000000 | 0x20000000 | 0x40000000 | 0x04000000 | 0x08000000  # mnt cgroup pid net uts ipc
PR_SET_PDEATHSIG = 1
INSIDE = "WHERRY_E2E_BOX"
REPOSITORY = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
sys.path.append(os.path.join(REPOSITORY, "tests"))

from memlock import lift_memlock  # noqa: E402

DEVICES = ("null", "zero", "full", "random", "urandom", "tty", "fuse", "kmsg", "net/tun")
# Where overlay cannot have its upper directory on an overlay, and what an engine keeps.
IN_MEMORY = ("/run", "/tmp", "/var/tmp", "/var/lib/docker", "/var/lib/containerd", "/var/lib/containers", "/home")
# What would reach beyond the box, and the engines' own services: a test starts its own.
UNITS_OFF = tuple("""systemd-udevd.service systemd-udevd-kernel.socket systemd-udevd-control.socket systemd-udev-trigger.service
systemd-sysctl.service apparmor.service systemd-modules-load.service systemd-binfmt.service systemd-random-seed.service
systemd-pstore.service systemd-networkd.service systemd-timesyncd.service kmod-static-nodes.service getty@tty1.service e2scrub_reap.service
apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer fstrim.timer e2scrub_all.timer
containerd.service docker.service docker.socket podman.service podman.socket podman-restart.service
podman-auto-update.service podman-auto-update.timer""".split())


def check(result, what):
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def mount(source, target, fstype=None, flags=0, data=None):
    def text(value):
        return value.encode() if value is not None else None

    check(LIBC.mount(text(source), text(target), text(fstype), ctypes.c_ulong(flags), text(data)), f"mount {target}")


def cgroup2_mount():
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        for line in file:
            left, right = line.split(" - ", 1)
            if right.split()[0] == "cgroup2" and left.split()[3] == "/":
                return left.split()[4]
    sys.exit("there is no cgroup2 mount")


def write(path, text):
    with open(path, "w", encoding="ascii") as file:
        file.write(text)


def remove_cgroup(path):
    """Kills what is in it, waits for its end and removes it with all below."""
    if os.path.exists(path + "/cgroup.kill"):
        write(path + "/cgroup.kill", "1")
    end = time.monotonic() + 20
    while os.path.isdir(path):
        for top, _, _ in os.walk(path, topdown=False):
            try:
                os.rmdir(top)
            except OSError:
                pass
        if time.monotonic() > end:
            sys.exit(f"{path} cannot be removed")
        time.sleep(0.05)


def is_inside():
    return INSIDE in os.environ


def enter(root, script, runtime, systemd=False):
    """Runs `script` again in a box around `root`, with systemd as its pid 1 or without; returns only there."""
    if is_inside():
        del os.environ[INSIDE]
        return
    if os.geteuid() != 0:
        sys.exit("the end-to-end tests need root")
    unified = cgroup2_mount()
    cgroup = f"{unified}/wherry-e2e-{os.getpid()}"
    os.mkdir(cgroup)
    os.mkdir(cgroup + "/init")
    work = tempfile.mkdtemp(prefix="wherry-e2e.")
    child = os.fork()
    if child == 0:
        os._exit(separate(cgroup, lambda: run_tests(work, root, runtime, script, systemd)))
    ended_with_us = os.pidfd_open(child)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: signal.pidfd_send_signal(ended_with_us, signal.SIGKILL))
    _, status = os.waitpid(child, 0)
    remove_cgroup(cgroup)
    os.rmdir(work)
    sys.exit(os.waitstatus_to_exitcode(status) & 0xFF)


def separate(cgroup, inside):
    """Calls inside() as pid 1 of new namespaces and returns its exit code. The new cgroup root is left empty."""
    write(cgroup + "/cgroup.procs", "0")
    check(LIBC.unshare(NAMESPACES), "unshare")
    write(cgroup + "/init/cgroup.procs", "0")  # a controller can be enabled only where no process is
    child = os.fork()
    if child == 0:
        check(LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0), "prctl")
        try:
            code = inside()
        except OSError as error:
            print(f"make the box: {error}", file=sys.stderr)
            code = 1
        sys.stdout.flush()
        os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) & 0xFF


def run_tests(work, root, runtime, script, systemd):
    build(work, root, runtime)
    if os.path.sep not in runtime:  # a peer; Wherry runs without such help
        print("RLIMIT_MEMLOCK: " + lift_memlock(), flush=True)
    command = ["/usr/bin/python3", "/wherry/" + os.path.relpath(script, REPOSITORY)] + sys.argv[1:]
    return boot(command) if systemd else serve(command)


def build(work, root, runtime):
    """In the new namespaces, as pid 1: makes the root at `work` and goes into it."""
    mount("none", "/", flags=MS_REC | MS_PRIVATE)
    mount("wherry-e2e", work, "tmpfs", data="mode=0755,size=75%")
    upper, scratch, new = (os.path.join(work, name) for name in ("upper", "work", "root"))
    for directory in (upper, scratch, new):
        os.mkdir(directory)
    mount("overlay", new, "overlay", data=f"lowerdir={root},upperdir={upper},workdir={scratch}")
    bind(REPOSITORY, new + "/wherry", readonly=True)
    install_runtime(runtime, new)
    mount("proc", new + "/proc", "proc")
    mount("sysfs", new + "/sys", "sysfs")
    mount("cgroup2", new + "/sys/fs/cgroup", "cgroup2")
    make_dev(new + "/dev")
    for directory in IN_MEMORY:
        os.makedirs(new + directory, exist_ok=True)
        mount("wherry-e2e", new + directory, "tmpfs", data="mode=1777" if "tmp" in directory else "mode=0755")
    os.mkdir(new + "/old")
    os.chdir(new)
    check(LIBC.syscall(SYS_PIVOT_ROOT, b".", b"old"), "pivot_root")
    os.chdir("/")
    check(LIBC.umount2(b"/old", MNT_DETACH), "umount /old")
    os.rmdir("/old")
    os.makedirs("/run/lock", exist_ok=True)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    subprocess.run(["hostname", "box"], check=True)


def bind(source, target, readonly=False):
    if os.path.isdir(source):
        os.makedirs(target, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        open(target, "ab").close()
    mount(source, target, flags=MS_BIND)
    if readonly:
        mount("none", target, flags=MS_BIND | MS_REMOUNT | MS_RDONLY)


def install_runtime(runtime, new):
    """The runtime under test is /usr/local/bin/NAME; one of the root's own is there by its name already."""
    if os.path.sep in runtime:
        shutil.copy(runtime, new + "/usr/local/bin/" + os.path.basename(runtime))
    helper = os.path.join(os.path.dirname(runtime), "..", "systemd", "wherry-systemd")
    if os.path.exists(helper):
        os.makedirs(new + "/usr/local/libexec/wherry", exist_ok=True)
        shutil.copy(helper, new + "/usr/local/libexec/wherry/")


def settle(runtime):
    """Makes of this machine, which nobody else uses, what the box is."""
    if not os.path.exists("/wherry"):
        os.symlink(REPOSITORY, "/wherry")
    install_runtime(runtime, "")


def make_dev(dev):
    mount("wherry-e2e", dev, "tmpfs", data="mode=0755")
    for name in DEVICES:
        if os.path.exists("/dev/" + name):
            bind("/dev/" + name, f"{dev}/{name}")
    for name, fstype, data in (("pts", "devpts", "newinstance,ptmxmode=0666,mode=620"), ("shm", "tmpfs", "mode=1777"),
                               ("mqueue", "mqueue", None)):
        os.mkdir(f"{dev}/{name}")
        mount(fstype, f"{dev}/{name}", fstype, data=data)
    for name, target in (("ptmx", "pts/ptmx"), ("fd", "/proc/self/fd"), ("stdin", "/proc/self/fd/0"),
                         ("stdout", "/proc/self/fd/1"), ("stderr", "/proc/self/fd/2")):
        os.symlink(target, f"{dev}/{name}")


def clean_environment():
    slow = os.environ.get("WHERRY_ITEST_SLOW", "1")
    os.environ.clear()
    os.environ.update(WHERRY_ITEST_SLOW=slow, PATH="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                      HOME="/root", TERM="xterm", LANG="C.UTF-8", **{INSIDE: "1"})


def boot(command):
    """Pid 1 of the box becomes systemd, with the tests as one of its services; it ends with them."""
    for unit in UNITS_OFF:
        path = "/etc/systemd/system/" + unit
        if os.path.lexists(path):
            os.remove(path)
        os.symlink("/dev/null", path)
    write("/sys/fs/cgroup/cgroup.procs", "0")  # where systemd begins is the root of all its cgroups
    clean_environment()
    if os.fork() == 0:
        os.setsid()
        os._exit(run_as_service(command))
    os.execve("/lib/systemd/systemd", ["systemd", "--unit=multi-user.target", "--show-status=0", "--log-target=journal"],
              {"container": "wherry-e2e", "PATH": os.environ["PATH"]})


def run_as_service(command):
    """Asks systemd, once it has booted, to run the command with our streams, then to end with its exit code."""
    while subprocess.run(["systemctl", "is-system-running", "--wait"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                         check=False).stdout.strip() not in (b"running", b"degraded"):
        time.sleep(0.1)
    variables = [f"--setenv={key}={value}" for key, value in os.environ.items()]
    code = subprocess.call(["systemd-run", "--quiet", "--pipe", "--wait", "--collect", "--property=Delegate=yes", *variables,
                            *command])
    return subprocess.call(["systemctl", "exit", str(code)])


def serve(command):
    """Pid 1 of the box: starts the tests, reaps whatever is orphaned, and ends with the tests."""
    main = os.fork()
    if main == 0:
        clean_environment()
        os.setsid()
        os.execvp(command[0], command)
    while True:
        pid, status = os.wait()
        if pid == main:
            return os.waitstatus_to_exitcode(status) & 0xFF
