# SPDX-License-Identifier: Apache-2.0
"""An ordinary user for the tests: an entry in passwd, subordinate ids, and what it takes to run a command as it."""

import os
import subprocess

from . import sandbox

NAME, ID = "wherry-it", 20777
SUBORDINATE, SUBORDINATE_COUNT = 300000, 65536
DELEGATED = ("", "cgroup.procs", "cgroup.subtree_control", "cgroup.threads")  # cgroups(7) "Delegation"


def add_line(work, path, line):
    """Shows the system's file with one more line; the file on disk stays as it is."""
    if not os.path.exists(path):
        return []
    copy = os.path.join(work, path.replace("/", "."))
    with open(path, encoding="utf-8", errors="surrogateescape") as old, \
            open(copy, "w", encoding="utf-8", errors="surrogateescape") as new:
        text = old.read()
        new.write(text + ("" if not text or text.endswith("\n") else "\n") + line + "\n")
    sandbox.mount(copy, path, flags=sandbox.MS_BIND)
    return [path]


class OrdinaryUser:
    """Exists in this mount namespace only."""

    def __init__(self, work):
        self.delegations = f"/wherry-it-user-{os.getpid()}"
        self.mounted = []
        for path, line in (("/etc/passwd", f"{NAME}:x:{ID}:{ID}::/:/bin/sh"), ("/etc/group", f"{NAME}:x:{ID}:"),
                           ("/etc/subuid", f"{NAME}:{SUBORDINATE}:{SUBORDINATE_COUNT}"),
                           ("/etc/subgid", f"{NAME}:{SUBORDINATE}:{SUBORDINATE_COUNT}")):
            self.mounted += add_line(work, path, line)

    def has_subordinate_ids(self):
        return "/etc/subuid" in self.mounted and "/etc/subgid" in self.mounted

    @staticmethod
    def command(cgroup=None):
        """What to put before a command; `cgroup` is the directory of the cgroup to start in."""
        become = ["setpriv", f"--reuid={ID}", f"--regid={ID}", "--clear-groups", "--inh-caps=-all"]
        return ["sh", "-c", 'echo $$ > "$0/cgroup.procs" && exec "$@"', cgroup] + become if cgroup else become

    @staticmethod
    def own(path):
        os.chown(path, ID, ID, follow_symlinks=False)

    @staticmethod
    def own_tree(path):
        subprocess.run(["chown", "-hR", f"{ID}:{ID}", path], check=True)

    def close(self):
        for path in self.mounted:
            sandbox.umount(path, sandbox.MNT_DETACH)


class Delegation:
    """A cgroup that is the user's, and in it the one that the user's commands start in."""

    def __init__(self, path, controllers=()):
        self.path = path  # below the mount of cgroup2
        self.dir = sandbox.CGROUP_ROOT + path
        self.caller = self.dir + "/caller"
        os.makedirs(self.caller)
        for controller in controllers:
            for level in (sandbox.CGROUP_ROOT, self.dir):
                with open(level + "/cgroup.subtree_control", "w", encoding="ascii") as file:
                    file.write("+" + controller)
        for directory in (self.dir, self.caller):
            for name in DELEGATED:
                OrdinaryUser.own(os.path.join(directory, name))

    def groups(self):
        return sorted(name for name in os.listdir(self.dir) if os.path.isdir(os.path.join(self.dir, name)))

    def close(self):
        sandbox.remove_cgroup_tree(self.dir)
