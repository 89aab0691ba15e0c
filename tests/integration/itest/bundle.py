# SPDX-License-Identifier: Apache-2.0
"""A bundle on disk whose config.json a test edits as a dict."""

import copy
import json
import os
import sys

from . import sandbox

FALLBACK = {
    "ociVersion": "1.0.2",
    "process": {
        "terminal": False,
        "user": {"uid": 0, "gid": 0},
        "args": ["sh"],
        "env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"],
        "cwd": "/",
        "capabilities": {
            key: ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"]
            for key in ("bounding", "effective", "permitted", "ambient")
        },
        "rlimits": [{"type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024}],
        "noNewPrivileges": True,
    },
    "root": {"path": "rootfs", "readonly": True},
    "hostname": "itest",
    "mounts": [
        {"destination": "/proc", "type": "proc", "source": "proc"},
        {"destination": "/dev", "type": "tmpfs", "source": "tmpfs",
         "options": ["nosuid", "strictatime", "mode=755", "size=65536k"]},
        {"destination": "/dev/pts", "type": "devpts", "source": "devpts",
         "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]},
        {"destination": "/dev/shm", "type": "tmpfs", "source": "shm",
         "options": ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]},
        {"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue",
         "options": ["nosuid", "noexec", "nodev"]},
        {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["nosuid", "noexec", "nodev", "ro"]},
        {"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup",
         "options": ["nosuid", "noexec", "nodev", "relatime", "ro"]},
    ],
    "linux": {
        "resources": {"devices": [{"allow": False, "access": "rwm"}]},
        "namespaces": [{"type": kind} for kind in ("pid", "network", "ipc", "uts", "mount", "cgroup")],
        "maskedPaths": ["/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
                        "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/sys/firmware", "/proc/scsi"],
        "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
    },
}


def deep_merge(base, edit):
    """dicts are merged, None removes a key, everything else replaces."""
    for key, value in edit.items():
        if value is None:
            base.pop(key, None)
        elif isinstance(value, dict) and isinstance(base.get(key), dict):
            deep_merge(base[key], value)
        else:
            base[key] = copy.deepcopy(value)
    return base


class Bundle:
    """`config` is the dict; write() puts it down, which Runtime does before each use."""

    def __init__(self, path, config, box):
        self.path = path
        self.config = config
        self.box = box
        os.makedirs(path, exist_ok=True)

    @property
    def process(self):
        return self.config["process"]

    @property
    def linux(self):
        return self.config["linux"]

    @property
    def rootfs(self):
        return os.path.join(self.path, self.config["root"]["path"])

    def edit(self, **changes):
        deep_merge(self.config, changes)
        return self

    def write(self):
        with open(os.path.join(self.path, "config.json"), "w", encoding="utf-8") as file:
            json.dump(self.config, file)

    def own_rootfs(self, writable=True):
        """A root file system of this bundle's own; returns its path."""
        target = os.path.join(self.path, "rootfs")
        sandbox.copy_rootfs(self.box.rootfs, target)
        self.config["root"] = {"path": "rootfs", "readonly": not writable}
        return target

    def script(self, text):
        """The container runs `text` with sh."""
        self.process["args"] = ["sh", "-c", text]
        return self

    def python(self, text):
        """The container runs `text` with the host's Python, whose folders are bound read-only (no user namespace)."""
        self.own_rootfs(writable=False)
        places = ["/usr", "/lib", "/lib64", os.path.realpath(sys.base_prefix)]
        for place in places:
            if os.path.isdir(place) and not (place != "/usr" and place.startswith("/usr/")):
                self.mount(place, "none", os.path.realpath(place), ["rbind", "ro"])
        self.process["args"] = [os.path.realpath(sys.executable), "-S", "-c", text]
        return self

    def mount(self, destination, kind, source, options=()):
        self.config["mounts"].append(
            {"destination": destination, "type": kind, "source": source, "options": list(options)})
        return self

    def drop_mount(self, destination):
        self.config["mounts"] = [m for m in self.config["mounts"] if m["destination"] != destination]
        return self

    def namespace(self, kind, path=None, remove=False):
        """Replaces, adds or removes the entry of one namespace type."""
        kept = [n for n in self.linux["namespaces"] if n["type"] != kind]
        if not remove:
            kept.append({"type": kind, "path": path} if path else {"type": kind})
        self.linux["namespaces"] = kept
        return self

    def user_namespace(self, host=100000, size=65536):
        """Maps container ids 0.. to host ids `host`..; the root file system becomes one that these ids can enter."""
        self.namespace("user")
        mapping = [{"containerID": 0, "hostID": host, "size": size}]
        self.linux["uidMappings"] = mapping
        self.linux["gidMappings"] = mapping
        return self

    def hook(self, kind, path, args=None, **more):
        entry = dict({"path": path, "args": args if args is not None else [path]}, **more)
        self.config.setdefault("hooks", {}).setdefault(kind, []).append(entry)
        return self

    def capabilities(self, names, sets=("bounding", "effective", "permitted")):
        self.process["capabilities"] = {key: list(names) for key in sets}
        return self
