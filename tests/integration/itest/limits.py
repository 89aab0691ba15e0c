# SPDX-License-Identifier: Apache-2.0
"""linux.resources of a container, and what the kernel then has of it."""

import os

from .case import read


def need(t, *controllers):
    missing = sorted(set(controllers) - t.box.controllers())
    if missing:
        t.skip(f"not in cgroup2 on this host: {' '.join(missing)}")


def limited(t, resources, *args):
    return t.running(t.bundle(*(args or ("sleep", "1000")), linux={"resources": resources}))


def value(t, c, name):
    """A file of the container's cgroup. Only where its controller is switched on, the kernel is to blame for a missing one."""
    cgroup = t.cgroup_dir(c.bundle)
    enabled = ["cgroup", *read(cgroup + "/cgroup.controllers").split()]
    if not os.path.exists(f"{cgroup}/{name}") and name.split(".")[0] in enabled:
        t.skip(f"this kernel has no {name}")
    return read(f"{cgroup}/{name}").strip()


def expect_files(t, c, **files):
    """Files of the container's cgroup and what is in them; "__" stands for "." in their names."""
    for name, wanted in files.items():
        file = name.replace("__", ".")
        t.equal(value(t, c, file), wanted, file)
