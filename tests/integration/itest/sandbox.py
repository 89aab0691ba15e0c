# SPDX-License-Identifier: Apache-2.0
"""The private place that the tests run in: a mount namespace, a tmpfs, a parent cgroup and a root file system."""

import ctypes
import os
import shutil
import subprocess
import sys
import tempfile
import time

from . import reaper, user

LIBC = ctypes.CDLL(None, use_errno=True)
CGROUP_ROOT = "/sys/fs/cgroup"
CGROUP2_MAGIC = 0x63677270
PR_SET_CHILD_SUBREAPER = 36
MARK = "WHERRY_ITEST_WORK"


def check(result, what):
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def mount(source, target, fstype=None, flags=0, data=None):
    def text(value):
        return value.encode() if value is not None else None

    check(LIBC.mount(text(source), text(target), text(fstype), ctypes.c_ulong(flags), text(data)), f"mount {target}")


def umount(target, flags=0):
    check(LIBC.umount2(target.encode(), flags), f"umount {target}")


MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT, MS_BIND, MS_SHARED, MNT_DETACH = 1, 2, 4, 8, 0x20, 0x1000, 1 << 20, 2


def reexec_in_private_mount_namespace(script):
    """Runs `script` again, as the only child, in a mount namespace of its own; returns there only.

    The outer process stays to remove the work directory, which no mount outlives.
    """
    if MARK in os.environ:
        return os.environ.pop(MARK)
    if os.geteuid() != 0:
        sys.exit("the integration tests need root")
    work = tempfile.mkdtemp(prefix="wherry-it.")
    env = dict(os.environ, **{MARK: work})
    command = ["unshare", "--mount", "--propagation", "private", sys.executable, script] + sys.argv[1:]
    try:
        code = subprocess.call(command, env=env)
    except KeyboardInterrupt:
        code = 130
    finally:
        os.rmdir(work)
    sys.exit(code)


def statfs_magic(path):
    out = subprocess.run(["stat", "-f", "-c", "%t", path], stdout=subprocess.PIPE, check=True).stdout
    return int(out, 16)


def cgroup2_mount():
    """The first cgroup2 mount of this mount namespace that is visible under its own path."""
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        for line in file:
            left, right = line.split(" - ", 1)
            path = left.split()[4]
            if right.split()[0] == "cgroup2" and statfs_magic(path) == CGROUP2_MAGIC:
                return path
    sys.exit("no cgroup2 file system is mounted here")


class Sandbox:
    """Owns the tmpfs at `work`, the shared root file system and the parent cgroup of all tests."""

    def __init__(self, work):
        self.work = work
        check(LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), "prctl")
        mount("wherry-it", work, "tmpfs", data="mode=0755,size=1g")
        mount("wherry-it", "/run", "tmpfs", data="mode=0755")  # default state directories are the tests' own
        self.unify_cgroups()
        self.cgroup = "/" + os.path.basename(work)  # pids are unique in their own namespace only
        os.mkdir(CGROUP_ROOT + self.cgroup)
        self.rootfs = os.path.join(work, "rootfs")
        make_rootfs(self.rootfs)
        mount(self.rootfs, self.rootfs, flags=MS_BIND)  # all tests share it, so none may write into it
        mount("none", self.rootfs, flags=MS_BIND | MS_REMOUNT | MS_RDONLY)
        self.user = user.OrdinaryUser(work)

    @staticmethod
    def unify_cgroups():
        """On a hybrid host, shows cgroup2 where a pure host has it: the peers know no other place."""
        if statfs_magic(CGROUP_ROOT) != CGROUP2_MAGIC:
            mount(cgroup2_mount(), CGROUP_ROOT, flags=MS_BIND)

    def controllers(self):
        with open(CGROUP_ROOT + "/cgroup.controllers", encoding="ascii") as file:
            return set(file.read().split())

    def close(self):
        remove_cgroup_tree(CGROUP_ROOT + self.cgroup)
        self.user.close()
        umount("/run", MNT_DETACH)
        umount(self.rootfs, MNT_DETACH)
        umount(self.work, MNT_DETACH)


def remove_cgroup_tree(path):
    if not os.path.isdir(path):
        return
    kill = os.path.join(path, "cgroup.kill")
    if os.path.exists(kill):
        with open(kill, "w", encoding="ascii") as file:
            file.write("1")
    for name in os.listdir(path):
        child = os.path.join(path, name)
        if os.path.isdir(child):
            remove_cgroup_tree(child)
    for _ in range(100):
        try:
            os.rmdir(path)
            return
        except OSError:
            reaper.collect()
            time.sleep(0.05)


def make_rootfs(path):
    busybox = shutil.which("busybox")
    if busybox is None:
        sys.exit("the tests need a static busybox (Debian: busybox-static)")
    for name in ("bin", "dev", "etc", "home", "mnt", "proc", "root", "run", "sys", "tmp", "usr", "var"):
        os.makedirs(os.path.join(path, name))
    os.chmod(os.path.join(path, "tmp"), 0o1777)
    binary = os.path.join(path, "bin", "busybox")
    shutil.copy(busybox, binary)
    applets = subprocess.run([busybox, "--list"], stdout=subprocess.PIPE, check=True).stdout.decode().split()
    for applet in applets:
        if applet != "busybox":
            os.symlink("busybox", os.path.join(path, "bin", applet))
    files = {
        "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000::/home/user:/bin/sh\n1000:x:0:0::/:/bin/sh\n",
        "etc/group": "root:x:0:\nuser:x:1000:\nextra:x:2000:user\n",
        "etc/hostname": "",
    }
    for name, text in files.items():
        with open(os.path.join(path, name), "w", encoding="ascii") as file:
            file.write(text)
    with open(os.path.join(path, "bin", "notexec"), "w", encoding="ascii") as file:
        file.write("#!/bin/sh\n")
    os.chmod(os.path.join(path, "bin", "notexec"), 0o644)


def copy_rootfs(source, target):
    """A copy that a test may write into."""
    shutil.copytree(source, target, symlinks=True)
