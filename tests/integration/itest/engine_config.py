# SPDX-License-Identifier: Apache-2.0
"""Turns a config.json that an engine wrote elsewhere into one that this host can run, changing no more than it must."""

import os
import re
import resource
import subprocess

from .runtime import Failure

CAP_SYS_RESOURCE = 24
FILE_NAMES = re.compile(r"(hosts|hostname|resolv\.conf|\.containerenv|passwd|group)$")
RESOURCES = {"memory": ("memory",), "cpu": ("cpu",), "cpuset": ("cpu",), "pids": ("pids",), "io": ("blockIO",)}


def host_capabilities():
    with open("/proc/self/status", encoding="ascii") as file:
        return int(next(line for line in file if line.startswith("CapEff:")).split()[1], 16)


def can_raise_limits():
    return bool(host_capabilities() >> CAP_SYS_RESOURCE & 1)


def capability_names():
    """{name: number} from the kernel header."""
    path = "/usr/include/linux/capability.h"
    if not os.path.exists(path):
        return {}
    with open(path, encoding="utf-8") as file:
        return {m[1]: int(m[2]) for m in re.finditer(r"#define (CAP_\w+)\s+(\d+)$", file.read(), re.MULTILINE)}


def adapt(t, config):
    """A Bundle of the config with places, namespaces, hooks and unreachable limits of this host."""
    b = t.bundle()
    cgroup = b.linux["cgroupsPath"]
    b.config = config
    b.own_rootfs(writable=not config["root"].get("readonly", False))
    b.linux["cgroupsPath"] = cgroup
    sources(t, b)
    namespaces(t, b)
    hooks(b)
    limits(t, b)
    owners(b)
    return b


def sources(t, b):
    """Bind sources become empty files and directories of the test's own."""
    for number, mount in enumerate(b.config["mounts"]):
        options = mount.get("options") or []
        if mount["source"].startswith("/") and ("bind" in options or "rbind" in options):
            name = f"sources/{number}"
            plain = FILE_NAMES.search(mount["source"])
            mount["source"] = t.file(name, "") if plain else t.directory(name, 0o1777)


def namespaces(t, b):
    """Paths become those of a running container; Docker's name for the host's network becomes the host's."""
    holder = None
    for entry in b.linux["namespaces"]:
        if not entry.get("path"):
            continue
        if holder is None:
            holder = t.running(t.bundle("sleep", "1000"))
        name = {"network": "net", "mount": "mnt"}.get(entry["type"], entry["type"])
        pid = "self" if entry["path"].endswith("/netns/default") else holder.pid
        entry["path"] = f"/proc/{pid}/ns/{name}"


def hooks(b):
    for entries in (b.config.get("hooks") or {}).values():
        for entry in entries or []:
            entry["path"] = "/bin/cat"
            entry["args"] = ["cat"]


def limits(t, b):
    """Without CAP_SYS_RESOURCE nobody can raise a limit above the caller's own, or lower an OOM score."""
    if not can_raise_limits():
        for entry in b.process.get("rlimits") or []:
            hard = resource.getrlimit(getattr(resource, entry["type"]))[1]
            if hard != resource.RLIM_INFINITY:
                entry["hard"], entry["soft"] = min(entry["hard"], hard), min(entry["soft"], hard)
        if b.process.get("oomScoreAdj", 0) < 0:
            b.process.pop("oomScoreAdj")
    if t.kind == "crun":  # 1.8 knows the versions of its time only
        b.config["ociVersion"] = "1.0.2"
    if t.kind != "wherry":  # the spec asks for a warning, the older peers fail
        numbers, have = capability_names(), host_capabilities()
        for key, names in (b.process.get("capabilities") or {}).items():
            b.process["capabilities"][key] = [n for n in names or [] if have >> numbers.get(n, 63) & 1]


def owners(b):
    """A root file system for a user namespace belongs to the user that is root there."""
    mapping = b.linux.get("uidMappings")
    if mapping:
        host = mapping[0]["hostID"]
        subprocess.run(["chown", "-hR", f"{host}:{host}", b.rootfs], check=True)


def create_without_missing_controllers(t, b, *flags):
    """create; a refusal that names an absent controller takes that limit away and is tried again."""
    absent = set(RESOURCES) - t.box.controllers()
    while True:
        try:
            return t.created(b, *flags)
        except Failure as failure:
            line = str(failure)
            named = [name for name in sorted(absent, reverse=True) if re.search(rf"\b{name}\b", line.split("gave", 1)[-1])
                     and any(key in b.linux.get("resources", {}) for key in RESOURCES[name])]
            if not named:
                raise
            if t.kind == "wherry":
                t.true(not os.path.exists(t.cgroup_dir(b)), "no cgroup after the refusal")
            for key in RESOURCES[named[0]]:
                b.linux["resources"].pop(key, None)
