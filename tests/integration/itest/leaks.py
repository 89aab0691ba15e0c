# SPDX-License-Identifier: Apache-2.0
"""What a container must not leave behind, and how to get rid of it so that the next test starts clean."""

import os
import shutil
import signal
import time

from . import reaper, sandbox
from .runtime import SLOW

GRACE = 10 * SLOW  # seconds in which dying processes may finish


def mountinfo():
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        return file.read().splitlines()


def host_names():
    """What a step in the wrong namespace would change for the host."""
    return [read_line(f"/proc/sys/kernel/{name}") for name in ("hostname", "domainname")]


def read_line(path):
    with open(path, encoding="utf-8") as file:
        return file.read().strip()


def cgroups_below(path):
    return [os.path.join(top, name)[len(path):] for top, names, _ in os.walk(path) for name in names]


def children():
    """Living children of this process, which adopts every orphan of the tests: {pid: name}."""
    found = {}
    with open(f"/proc/self/task/{os.getpid()}/children", encoding="ascii") as file:
        for pid in file.read().split():
            try:
                with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stat:
                    name, rest = stat.read().split("(", 1)[1].rsplit(")", 1)
            except OSError:
                continue
            if rest.split()[0] not in "ZX":
                found[int(pid)] = name
    return found


class Watch:
    """The state before a test; leaks() tells the differences afterwards, purge() removes them."""

    def __init__(self, cgroup, state_root):
        self.cgroup = sandbox.CGROUP_ROOT + cgroup
        self.state_root = state_root
        self.mounts = mountinfo()
        self.processes = set(children())

    def new_processes(self):
        reaper.collect()
        return {pid: name for pid, name in children().items() if pid not in self.processes}

    def entries(self):
        """Names under the state root; a runtime may keep files of its own there if their name begins with a dot."""
        if not os.path.isdir(self.state_root):
            return []
        return [name for name in os.listdir(self.state_root) if not name.startswith(".")]

    def leaks(self, grace=GRACE):
        end = time.monotonic() + grace
        while self.new_processes() and time.monotonic() < end:
            time.sleep(0.01)
        found = [f"process {name} ({pid})" for pid, name in self.new_processes().items()]
        found += [f"cgroup {name}" for name in cgroups_below(self.cgroup)]
        found += [f"state {name}" for name in self.entries()]
        now = mountinfo()
        found += [f"mount {line.split(' - ')[0].split()[4]}" for line in now if line not in self.mounts]
        found += [f"mount gone {line.split()[4]}" for line in self.mounts if line not in now]
        return found

    def purge(self):
        for pid in self.new_processes():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        for name in os.listdir(self.cgroup):
            path = os.path.join(self.cgroup, name)
            if os.path.isdir(path):
                sandbox.remove_cgroup_tree(path)
        end = time.monotonic() + GRACE
        while self.new_processes() and time.monotonic() < end:
            time.sleep(0.01)
        for line in reversed(mountinfo()):
            if line not in self.mounts:
                try:
                    sandbox.umount(line.split()[4], sandbox.MNT_DETACH)
                except OSError:
                    pass
        shutil.rmtree(self.state_root, ignore_errors=True)
