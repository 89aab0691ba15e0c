# SPDX-License-Identifier: Apache-2.0
"""Podman as an ordinary user: the same tests as root's, but for what a user may not do."""

import functools
import os

from e2e.engine import SYSTEMD, Skip, equal, lines, ok, read, until, write
from engines import podman

NAME, UID, HOME, RUN = "user", 1000, "/home/user", "/run/user/1000"
BUS = f"unix:path={RUN}/bus"
AS_USER = ("setpriv", "--reuid", str(UID), "--regid", str(UID), "--clear-groups", "env", f"HOME={HOME}", f"USER={NAME}",
           f"XDG_RUNTIME_DIR={RUN}", *((f"DBUS_SESSION_BUS_ADDRESS={BUS}",) if SYSTEMD else ()))

# What root alone may do, or sees.
ROOTS_OWN = ("user_namespace", "user_namespace_volume_idmapped", "device", "privileged", "cgroups_split", "cgroups_disabled",
             "host_namespaces", "pod_with_a_cgroup_of_its_own", "checkpoint_is_refused", "two_hundred_runs")
# What freezes or limits: the user's own manager gives a cgroup for it.
WITH_A_CGROUP = ("pause", "limits", "stats", "update", "out_of_memory", "out_of_memory_is_told", "play_kube")


def make_user():
    if not os.path.isdir(HOME):
        for file, line in (("passwd", f"{NAME}:x:{UID}:{UID}::{HOME}:/bin/sh"), ("group", f"{NAME}:x:{UID}:"),
                           ("shadow", f"{NAME}:*:19000:0:99999:7:::"),
                           ("subuid", f"{NAME}:100000:65536"), ("subgid", f"{NAME}:100000:65536")):
            with open("/etc/" + file, "a", encoding="ascii") as table:
                table.write(line + "\n")
        os.makedirs(HOME)
        os.chown(HOME, UID, UID)
    if SYSTEMD:
        ok("systemctl", "start", f"user@{UID}.service")
        until(lambda: os.path.exists(RUN + "/bus"), "the user's bus")
    elif not os.path.isdir(RUN):
        os.makedirs(RUN, 0o700)
        os.chown(RUN, UID, UID)


class Engine(podman.Engine):
    def __init__(self, runtime):
        make_user()
        # Whatever a test calls by this name is the user's.
        write("/usr/local/bin/podman", f"#!/bin/sh\nexec {' '.join(AS_USER)} /usr/bin/podman \"$@\"\n", 0o755)
        super().__init__(runtime)

    def limits(self):
        return SYSTEMD and super().limits()

    def known(self):
        return ok(*AS_USER, self.runtime, "list", "-q").out.split()

    def install_unit(self, name, text):
        ok(*AS_USER, "mkdir", "-p", HOME + "/.config/systemd/user")
        write(f"{HOME}/.config/systemd/user/{name}", text)

    def systemctl(self, *words):
        return ok(*AS_USER, "systemctl", "--user", *words)


def without_v1(test):
    @functools.wraps(test)
    def run(engine):
        if SYSTEMD and len(lines(read("/proc/self/cgroup"))) > 1:
            raise Skip("this host has v1 hierarchies too, so Podman 4.3 leaves the unit's cgroup, and systemd ends the unit")
        test(engine)

    return run


def with_a_cgroup(test):
    @functools.wraps(test)
    def run(engine):
        if not SYSTEMD:
            raise Skip("a user has no cgroup of his own without systemd")
        test(engine)

    return run


WRAPPERS = {**dict.fromkeys(WITH_A_CGROUP, with_a_cgroup), "generate_systemd": without_v1}

for key, value in list(vars(podman).items()):
    name = key.removeprefix("test_")
    if key != name and name not in ROOTS_OWN:
        globals()[key] = WRAPPERS[name](value) if name in WRAPPERS else value


def test_ids_are_the_users(engine):
    """Root in the container is the user outside; the rest are his subordinate ids."""
    equal(engine.run("bb", "cat", "/proc/self/uid_map").out.split(), ["0", "1000", "1", "1", "100000", "65536"])
    equal(engine.run("--userns", "keep-id", "bb", "id", "-u").out, "1000\n")
    equal(engine.run("--uidmap", "0:1:1000", "bb", "cat", "/proc/self/uid_map").out.split()[0], "0")
