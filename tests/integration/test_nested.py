# SPDX-License-Identifier: Apache-2.0
"""The runtime inside containers: with all rights, behind masks and filters, as root of a user namespace."""

import copy
import json
import os
import shutil
import subprocess

from itest import wherry_only
from itest.bundle import deep_merge
from itest.user import ID

ALL = ["bounding", "effective", "permitted"]


def all_capabilities():
    names = """CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE
        NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN
        SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE
        MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE""".split()
    return ["CAP_" + name for name in names]


class Outer:
    """A running container that holds the runtime at /wherry and bundles of inner containers below /inner."""

    def __init__(self, t, masks=True, writable_cgroup=True, capabilities=None, **edit):
        self.t = t
        b = self.bundle = t.bundle("sleep", "1000", **edit)
        b.own_rootfs()
        shutil.copy(t.runtime.path, os.path.join(b.rootfs, "wherry"))
        b.mount("/run", "tmpfs", "tmpfs").mount("/tmp", "tmpfs", "tmpfs")
        os.mkdir(os.path.join(b.rootfs, "inner"))
        os.mkdir(os.path.join(b.rootfs, "rootfs"))
        b.mount("/rootfs", "none", t.box.rootfs, ["rbind"])
        b.process["noNewPrivileges"] = False
        b.capabilities(capabilities or all_capabilities(), ALL)
        if not masks:
            b.edit(linux={"maskedPaths": None, "readonlyPaths": None})
        if writable_cgroup:
            for mount in b.config["mounts"]:
                if mount["destination"] in ("/sys/fs/cgroup", "/sys"):
                    mount["options"] = [o for o in mount["options"] if o not in ("ro", "rro")]
        self.inner = copy.deepcopy(t.spec)
        self.count = 0

    def start(self):
        self.container = self.t.running(self.bundle)
        return self

    def config(self, *args, **edit):
        config = deep_merge(copy.deepcopy(self.inner), {"root": {"path": "/rootfs", "readonly": True}})
        config["process"]["args"] = list(args)
        return deep_merge(config, edit)

    def run(self, config, *flags):
        """A foreground run of the inner container; the outer one's rootfs is written from the host."""
        self.count += 1
        place = os.path.join(self.bundle.rootfs, "inner", str(self.count))
        os.mkdir(place)
        with open(os.path.join(place, "config.json"), "w", encoding="utf-8") as file:
            json.dump(config, file)
        return self.container.exec("/wherry", *flags, "run", "--bundle", f"/inner/{self.count}", f"inner{self.count}")

    def output(self, config, *flags):
        result = self.run(config, *flags)
        self.t.equal((result.code, result.err), (0, ""), "exit code and errors")
        return result.out


def open_devices(b):
    b.linux["resources"] = {"devices": [{"allow": True, "access": "rwm"}]}


SHOW = ("sh", "-c", "id -u; hostname; cat /proc/self/cgroup; echo x > /dev/null; ls /proc/1/exe; ps | wc -l")


def privileged(t, **edit):
    outer = Outer(t, masks=False, **edit)
    open_devices(outer.bundle)
    return outer.start()


@wherry_only("it runs in a container of itself")
def test_in_a_privileged_container(t):
    outer = privileged(t)
    t.contains(outer.output(outer.config(*SHOW, hostname="inner")), "0\ninner\n", "0::/\n")


@wherry_only("it runs in a container of itself")
def test_verbs_in_a_privileged_container(t):
    outer = privileged(t)
    place = os.path.join(outer.bundle.rootfs, "inner", "config.json")
    with open(place, "w", encoding="utf-8") as file:
        json.dump(outer.config("sleep", "1000"), file)
    script = """set -e
w=/wherry
$w create --bundle /inner x; $w state x | grep created; $w start x; $w state x | grep running
$w exec x echo in exec; $w ps --format json x; $w pause x; $w state x | grep paused; $w resume x
$w list -q; $w kill x KILL
while ! $w state x | grep stopped; do :; done
$w delete x; $w list -q; ls /run/wherry; ls -d /sys/fs/cgroup/*/ || echo no cgroup left"""
    result = outer.container.exec("sh", "-c", script)
    t.equal(result.code, 0, f"exit code ({result.err})")
    t.contains(result.out, '"created"', '"running"', "in exec\n", '"paused"', '"stopped"')
    t.contains(result.out, "no cgroup left")


@wherry_only("it runs in a container of itself")
def test_three_deep(t):
    outer = privileged(t)
    config = outer.config("/mnt/wherry", "--root", "/dev/shm/w", "run", "--bundle", "/mnt/inner/third", "third")
    config["mounts"].append({"destination": "/mnt", "type": "bind", "source": "/", "options": ["rbind"]})
    for mount in config["mounts"]:
        if mount["destination"] == "/sys/fs/cgroup":
            mount["options"] = ["nosuid"]
    config["process"]["capabilities"] = {key: all_capabilities() for key in ALL}
    for key in ("maskedPaths", "readonlyPaths"):
        config["linux"].pop(key)
    config["linux"]["resources"] = {"devices": [{"allow": True, "access": "rwm"}]}
    third = outer.config("echo", "third", root={"path": "/mnt/rootfs"})
    os.makedirs(os.path.join(outer.bundle.rootfs, "inner", "third"))
    with open(os.path.join(outer.bundle.rootfs, "inner", "third", "config.json"), "w", encoding="utf-8") as file:
        json.dump(third, file)
    t.equal(outer.output(config), "third\n", "output")


@wherry_only("it runs in a container of itself")
def test_new_user_namespace_in_a_privileged_container(t):
    outer = privileged(t)
    config = outer.config("cat", "/proc/self/uid_map")
    config["linux"]["namespaces"].append({"type": "user"})
    mapping = [{"containerID": 0, "hostID": 100000, "size": 1000}]
    config["linux"]["uidMappings"] = config["linux"]["gidMappings"] = mapping
    t.equal(outer.output(config).split(), ["0", "100000", "1000"], "map")


# Behind masks: CAP_SYS_ADMIN, but /proc and /sys as an engine shows them


@wherry_only("it runs in a container of itself")
def test_behind_masks(t):
    outer = Outer(t)
    open_devices(outer.bundle)
    outer.start()
    t.contains(outer.output(outer.config(*SHOW)), "0::/\n")


@wherry_only("it runs in a container of itself")
def test_without_mknod(t):
    """As Podman's containers are: the outer container's nodes are bound, those it does not have are refused."""
    outer = Outer(t, capabilities=[c for c in all_capabilities() if c != "CAP_MKNOD"])
    open_devices(outer.bundle)
    outer.start()
    script = "echo x > /dev/null && stat -c %t:%T /dev/null /dev/zero && head -c 1 /dev/zero | wc -c"
    t.equal(outer.output(outer.config("sh", "-c", script)).split(), ["1:3", "1:5", "1"], "devices")
    devices = [{"path": "/dev/other", "type": "c", "major": 1, "minor": 3}]
    result = outer.run(outer.config("true", linux={"devices": devices}))
    t.equal(result.code, 1, "exit code")
    t.contains(result.err, "/linux/devices/0", "EPERM", "--cap-add MKNOD")


@wherry_only("the sentence is Wherry's")
def test_without_net_admin(t):
    outer = Outer(t, capabilities=[c for c in all_capabilities() if c != "CAP_NET_ADMIN"])
    open_devices(outer.bundle)
    outer.start()
    result = outer.run(outer.config("true"))
    t.equal(result.code, 1, "exit code")
    t.contains(result.err, "loopback", "EPERM", "CAP_NET_ADMIN")
    t.equal(outer.container.exec("sh", "-c", "ls /run/wherry; ls -d /sys/fs/cgroup/*/ || echo none").out, "none\n",
            "what is left")


@wherry_only("it runs in a container of itself")
def test_sysctl_where_proc_sys_is_read_only(t):
    outer = Outer(t)
    open_devices(outer.bundle)
    outer.start()
    config = outer.config("cat", "/proc/sys/net/ipv4/ip_forward", "/proc/sys/kernel/shm_rmid_forced",
                          linux={"sysctl": {"net.ipv4.ip_forward": "1", "kernel.shm_rmid_forced": "1"}})
    t.equal(outer.output(config).split(), ["1", "1"], "values")
    t.equal(outer.container.exec("cat", "/proc/sys/net/ipv4/ip_forward").out, "0\n", "the outer container's value")


@wherry_only("the sentence is Wherry's")
def test_read_only_cgroups(t):
    outer = Outer(t, writable_cgroup=False)
    open_devices(outer.bundle)
    outer.start()
    result = outer.run(outer.config("true"))
    t.equal(result.code, 1, "exit code")
    t.contains(result.err, "/linux/cgroupsPath", "EROFS", "hierarchy writable", "--cgroup-manager disabled")
    t.equal(outer.output(outer.config("echo", "in"), "--cgroup-manager", "disabled"), "in\n", "output")
    t.equal(outer.container.exec("ls", "/run/wherry").out, "", "state left")


# Without CAP_SYS_ADMIN, behind a filter


@wherry_only("the sentence is Wherry's")
def test_without_sys_admin(t):
    outer = Outer(t, capabilities=["CAP_CHOWN", "CAP_KILL", "CAP_SETUID", "CAP_SETGID", "CAP_MKNOD"]).start()
    result = outer.run(outer.config("true"))
    t.equal(result.code, 1, "exit code")
    t.contains(result.err, "EPERM", "no CAP_SYS_ADMIN", "--privileged", "--cap-add SYS_ADMIN")
    t.equal(len(result.err.splitlines()), 1, "lines")
    t.equal(outer.container.exec("ls", "/run").out, "", "state left")


@wherry_only("the sentence is Wherry's")
def test_behind_a_filter(t):
    refused = {"defaultAction": "SCMP_ACT_ALLOW",
               "syscalls": [{"names": ["unshare", "mount", "setns", "fsopen"], "action": "SCMP_ACT_ERRNO"},
                            {"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38}]}
    outer = Outer(t, masks=False, linux={"seccomp": refused}).start()
    for user in (False, True):
        config = outer.config("true")
        if user:
            config["linux"]["namespaces"].append({"type": "user"})
            config["linux"]["uidMappings"] = config["linux"]["gidMappings"] = [
                {"containerID": 0, "hostID": 0, "size": 1000}]
        result = outer.run(config)
        t.equal(result.code, 1, "exit code")
        t.contains(result.err, "EPERM", "a seccomp filter is on wherry", "seccomp=unconfined")
        t.equal(len(result.err.splitlines()), 1, "lines")
    t.equal(outer.container.exec("ls", "/run/wherry").out, "", "state left")
    t.equal(outer.container.exec("sh", "-c", "ls -d /sys/fs/cgroup/*/ || echo none").out, "none\n", "cgroups left")


# As root of a user namespace


def mapped_outer(t, **edit):
    outer = Outer(t, **edit)
    outer.bundle.user_namespace()
    subprocess.run(["chown", "-hR", "100000:100000", outer.bundle.rootfs], check=True)
    return outer


@wherry_only("it runs in a container of itself")
def test_in_a_user_namespace(t):
    outer = mapped_outer(t, masks=False).start()
    t.contains(outer.output(outer.config(*SHOW)), "0\n")
    b = outer.config("sh", "-c", "mknod /dev/shm/x b 8 0; echo $?; stat -c %t:%T /dev/null; cat /proc/self/uid_map")
    b["process"]["capabilities"] = {key: ["CAP_MKNOD"] for key in ALL}
    t.equal(outer.run(b).out.split(), ["1", "1:3", "0", "100000", "65536"], "mknod, null device and map")


@wherry_only("it runs in a container of itself")
def test_user_namespace_in_a_user_namespace(t):
    outer = mapped_outer(t, masks=False).start()
    config = outer.config("sh", "-c", "cat /proc/self/uid_map; id -u")
    config["linux"]["namespaces"].append({"type": "user"})
    config["linux"]["uidMappings"] = config["linux"]["gidMappings"] = [{"containerID": 0, "hostID": 1000, "size": 100}]
    t.equal(outer.output(config).split(), ["0", "1000", "100", "0"], "map and user")


@wherry_only("the sentence is Wherry's")
def test_new_user_namespace_behind_masks(t):
    """mount_namespaces(7): masks of a more privileged mount namespace are locked."""
    outer = Outer(t)
    open_devices(outer.bundle)
    outer.start()
    config = outer.config("true")
    config["linux"]["namespaces"].append({"type": "user"})
    config["linux"]["uidMappings"] = config["linux"]["gidMappings"] = [{"containerID": 0, "hostID": 0, "size": 1}]
    result = outer.run(config)
    t.equal(result.code, 1, "exit code")
    t.contains(result.err, "mount proc on /proc", "EPERM", "systempaths=unconfined")
    t.equal(outer.container.exec("ls", "/run/wherry").out, "", "state left")


@wherry_only("it runs in a container of itself")
def test_in_a_rootless_container(t):
    t.as_user()
    outer = Outer(t, masks=False)
    t.user.own_tree(outer.bundle.rootfs)
    outer.start()
    config = outer.config("sh", "-c", "cat /proc/self/uid_map; hostname")
    for key in ("uidMappings", "gidMappings"):
        config["linux"][key] = [{"containerID": 0, "hostID": 0, "size": 1}]
    t.equal(outer.output(config).split(), ["0", "0", "1", config["hostname"]], "map and name")
    config["linux"]["namespaces"] = [n for n in config["linux"]["namespaces"] if n["type"] != "user"]
    for key in ("uidMappings", "gidMappings"):
        del config["linux"][key]
    t.equal(outer.output(config).split(), ["0", str(ID), "1", config["hostname"]], "map and name")


def as_root_of_a_user_namespace(t, *unshare):
    """As Podman calls a runtime for an ordinary user: root of a user namespace and a mount namespace of its own."""
    t.as_user()
    t.runtime.prefix = t.user.command() + ["unshare", "--user", "--map-root-user", *unshare]
    t.spec["linux"]["namespaces"] = [n for n in t.spec["linux"]["namespaces"] if n["type"] != "user"]
    for key in ("uidMappings", "gidMappings"):
        t.spec["linux"].pop(key, None)


@wherry_only("runc and crun have their own ideas of the state root")
def test_called_by_root_of_a_user_namespace(t):
    as_root_of_a_user_namespace(t, "--mount")
    b = t.bundle(script="id -u; cat /proc/self/uid_map; ls -d /proc/1; stat -c %t:%T /dev/null")
    t.equal(t.output(b).split(), ["0", "0", str(ID), "1", "/proc/1", "1:3"], "user, map and files")
    t.true(os.path.isdir(os.path.join(t.path("run"), "wherry")), "the state root is below XDG_RUNTIME_DIR")


@wherry_only("runc and crun have their own ideas of the state root")
def test_called_by_root_of_a_user_namespace_and_of_no_mount_namespace(t):
    as_root_of_a_user_namespace(t)
    t.equal(t.output(t.bundle("id", "-u")), "0\n", "user")
