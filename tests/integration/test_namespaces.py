# SPDX-License-Identifier: Apache-2.0
"""New, inherited and joined namespaces, and what is set inside them."""

import json
import os
import subprocess

from itest import known_differences, needs, sandbox, wherry_only
from itest.case import read

KINDS = {"pid": "pid", "network": "net", "ipc": "ipc", "uts": "uts", "mount": "mnt", "cgroup": "cgroup",
         "user": "user", "time": "time"}


def host(kind):
    return os.readlink(f"/proc/self/ns/{kind}")


def inside(t, bundle, kind):
    bundle.process["args"] = ["readlink", f"/proc/self/ns/{kind}"]
    return t.output(bundle).strip()


class Holder:
    """A process of its own that keeps namespaces open: Holder("--net").path("net")."""

    def __init__(self, *flags, script="true"):
        self.child = subprocess.Popen(["unshare", *flags, "sh", "-c", script + "; echo; exec cat"],
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.child.stdout.readline()

    def path(self, kind, pid=None):
        return f"/proc/{pid or self.child.pid}/ns/{kind}"

    def close(self):
        self.child.stdin.close()
        self.child.wait()
        self.child.stdout.close()


def is_new(t, kind):
    t.true(inside(t, t.bundle(), KINDS[kind]) != host(KINDS[kind]), f"a {kind} namespace of its own")


def is_the_hosts(t, kind, **edit):
    b = t.bundle(**edit).namespace(kind, remove=True)
    t.equal(inside(t, b, KINDS[kind]), host(KINDS[kind]), f"{kind} namespace")


def joins(t, kind, flag, **edit):
    holder = t.keep(Holder(flag))
    path = holder.path(KINDS[kind])
    b = t.bundle(**edit).namespace(kind, path=path)
    t.equal(inside(t, b, KINDS[kind]), os.readlink(path), f"{kind} namespace")


def test_new_pid_namespace(t):
    is_new(t, "pid")


def test_new_network_namespace(t):
    is_new(t, "network")


def test_new_ipc_namespace(t):
    is_new(t, "ipc")


def test_new_uts_namespace(t):
    is_new(t, "uts")


def test_new_mount_namespace(t):
    is_new(t, "mount")


def test_new_cgroup_namespace(t):
    is_new(t, "cgroup")


def test_inherited_pid_namespace(t):
    is_the_hosts(t, "pid")


def test_inherited_network_namespace(t):
    b = t.bundle()
    b.drop_mount("/sys").drop_mount("/sys/fs/cgroup")
    b.mount("/sys", "none", "/sys", ["rbind", "ro"])
    b.namespace("network", remove=True)
    t.equal(inside(t, b, "net"), host("net"), "network namespace")


def test_inherited_ipc_namespace(t):
    is_the_hosts(t, "ipc")


def test_inherited_uts_namespace(t):
    is_the_hosts(t, "uts", hostname=None)


def test_inherited_cgroup_namespace(t):
    is_the_hosts(t, "cgroup")


def test_inherited_cgroup_namespace_shows_the_path(t):
    b = t.bundle("cat", "/proc/self/cgroup").namespace("cgroup", remove=True)
    t.contains(t.output(b), f"0::{b.linux['cgroupsPath']}\n")


def test_join_network_namespace(t):
    joins(t, "network", "--net")


def test_join_ipc_namespace(t):
    joins(t, "ipc", "--ipc")


def test_join_uts_namespace(t):
    holder = t.keep(Holder("--uts", script="hostname joined"))
    b = t.bundle("hostname", hostname=None).namespace("uts", path=holder.path("uts"))
    t.equal(t.output(b), "joined\n", "host name")


def test_join_pid_namespace(t):
    c = t.running()
    b = t.bundle("ps").namespace("pid", path=f"/proc/{c.pid}/ns/pid")
    t.contains(t.output(b), "sleep 1000")


def test_join_pid_namespace_does_not_get_pid_1(t):
    c = t.running()
    b = t.bundle(script="echo $$").namespace("pid", path=f"/proc/{c.pid}/ns/pid")
    t.true(int(t.output(b)) > 1, "a pid above 1")


def test_join_mount_namespace(t):
    holder = t.keep(Holder("--mount", "--propagation", "private"))
    b = t.bundle().namespace("mount", path=holder.path("mnt"))
    b.own_rootfs()
    b.config["mounts"] = [m for m in b.config["mounts"] if m["destination"] in ("/proc", "/dev")]
    b.process["args"] = ["true"]
    t.equal(t.run(b).code, 0, "exit code")


@known_differences({"runc": "1.1 wants mappings together with the path"})
def test_join_user_namespace(t):
    c = t.running(mapped(t, "sleep", "1000"))
    b = t.bundle("cat", "/proc/self/uid_map")
    b.namespace("user", path=f"/proc/{c.pid}/ns/user")
    b.drop_mount("/sys").drop_mount("/sys/fs/cgroup").drop_mount("/dev/mqueue")
    t.equal(t.output(b).split(), ["0", "100000", "65536"], "uid map")


@known_differences({"runc": "1.1 wants mappings together with the path"})
def test_join_user_and_network_of_the_same_container(t):
    c = t.running(mapped(t, "sleep", "1000"))
    b = t.bundle()
    for kind in ("user", "network", "ipc", "uts"):
        b.namespace(kind, path=f"/proc/{c.pid}/ns/{KINDS[kind]}")
    b.edit(hostname=None)
    t.equal(inside(t, b, "net"), c.ns("net"), "network namespace")


def test_join_time_namespace(t):
    if not os.path.exists("/proc/self/ns/time"):
        t.skip("no time namespaces")
    if t.kind in ("runc", "crun"):
        t.skip("the peers tested here are older than time namespaces")
    holder = t.keep(Holder("--time", "--fork", "--monotonic", "1000"))
    b = t.bundle().namespace("time", path=holder.path("time_for_children"))
    t.equal(inside(t, b, "time"), os.readlink(holder.path("time_for_children")), "time namespace")


def test_join_cgroup_namespace(t):
    c = t.running()
    b = t.bundle().namespace("cgroup", path=f"/proc/{c.pid}/ns/cgroup")
    t.equal(inside(t, b, "cgroup"), c.ns("cgroup"), "cgroup namespace")


def sharing(t, c, kinds, *args):
    """A bundle that joins namespaces of the container c."""
    b = t.bundle(*args, hostname=None)
    for kind in kinds:
        b.namespace(kind, path=f"/proc/{c.pid}/ns/{KINDS[kind]}")
    return b


ALL_BUT_MOUNT = ("pid", "network", "ipc", "uts", "cgroup")
SHOW_ALL = "for n in pid net ipc uts cgroup user; do readlink /proc/self/ns/$n; done"


def test_join_all_namespaces_at_once(t):
    c = t.running()
    out = t.output(sharing(t, c, ALL_BUT_MOUNT, "sh", "-c", SHOW_ALL))
    t.equal(out.split(), [c.ns(n) for n in ("pid", "net", "ipc", "uts", "cgroup")] + [host("user")], "namespaces")


@known_differences({"runc": "1.1 wants mappings together with the path"})
def test_join_all_namespaces_and_the_user_namespace(t):
    c = t.running(mapped(t, "sleep", "1000"))
    out = t.output(sharing(t, c, ALL_BUT_MOUNT + ("user",), "sh", "-c", SHOW_ALL))
    t.equal(out.split(), [c.ns(n) for n in ("pid", "net", "ipc", "uts", "cgroup", "user")], "namespaces")


def test_exec_where_namespaces_are_joined(t):
    c = t.running()
    other = t.running(sharing(t, c, ALL_BUT_MOUNT, "sleep", "1000"))
    out = other.exec("sh", "-c", SHOW_ALL).out.split()
    t.equal(out[:5], [c.ns(n) for n in ("pid", "net", "ipc", "uts", "cgroup")], "namespaces of exec")


def test_no_namespace_but_mount(t):
    b = t.bundle("sh", "-c", SHOW_ALL, hostname=None)
    b.linux["namespaces"] = [{"type": "mount"}]
    for target in ("/proc", "/sys", "/sys/fs/cgroup", "/dev/mqueue"):
        b.drop_mount(target)
    b.mount("/proc", "none", "/proc", ["rbind", "ro"])
    b.edit(linux={"maskedPaths": None, "readonlyPaths": None})
    t.equal(t.output(b).split(), [host(n) for n in ("pid", "net", "ipc", "uts", "cgroup", "user")], "namespaces")


# A pid namespace that two containers share


def test_shared_pid_namespace_outlives_the_second(t):
    c = t.running()
    other = t.running(sharing(t, c, ("pid",), "sh", "-c", "sleep 3000 & exec sleep 2000"))
    t.until(lambda: len(json.loads(t.runtime.ok("ps", "--format", "json", other.id).out)) == 2, "two processes")
    t.equal(json.loads(t.runtime.ok("ps", "--format", "json", c.id).out), [c.pid], "processes of the first")
    t.runtime.ok("kill", "--all", other.id, "KILL")
    other.wait()
    t.until(lambda: other.status() == "stopped", "the second stopped")
    other.delete()
    t.equal(c.status(), "running", "status of the first")
    t.lacks(c.exec("ps").out, "sleep 2000", "sleep 3000")


@known_differences({"runc": "1.1 leaves the cgroup behind"})
def test_forced_delete_ends_all_in_a_shared_pid_namespace(t):
    c = t.running()
    other = t.running(sharing(t, c, ("pid",), "sh", "-c", "sleep 3000 & sleep 3000 & exec sleep 2000"))
    t.until(lambda: c.exec("ps").out.count("sleep 3000") == 2, "two children")
    other.delete("--force")
    t.lacks(c.exec("ps").out, "sleep 2000", "sleep 3000")


def test_end_of_a_shared_pid_namespace_ends_both(t):
    c = t.running()
    other = t.running(sharing(t, c, ("pid",), "sleep", "1000"))
    c.kill("KILL")
    t.equal(other.wait(), 137, "exit code of the second")
    c.wait()
    t.until(lambda: c.status() == other.status() == "stopped", "both stopped")
    other.delete()
    c.delete()


def test_joining_a_pid_namespace_that_has_ended(t):
    holder = Holder("--pid", "--fork")
    try:
        t.mount(f"/proc/{holder.child.pid}/ns/pid_for_children", t.file("ns"), flags=sandbox.MS_BIND)
    finally:
        holder.close()
    t.refused(t.bundle("true").namespace("pid", path=t.path("ns")))


@known_differences({"crun": "1.8 leaves the cgroup behind", "runc": "1.1 leaves the cgroup behind now and then"})
def test_path_of_the_wrong_type_is_an_error(t):
    t.refused(t.bundle("true").namespace("network", path="/proc/self/ns/uts"))


@known_differences({"crun": "1.8 leaves the cgroup behind", "runc": "1.1 leaves the cgroup behind now and then"})
def test_path_that_is_no_namespace_is_an_error(t):
    t.refused(t.bundle("true").namespace("ipc", path="/etc/passwd"))


@known_differences({"crun": "1.8 leaves the cgroup behind", "runc": "1.1 leaves the cgroup behind now and then"})
def test_missing_path_is_an_error(t):
    t.refused(t.bundle("true").namespace("ipc", path="/proc/self/ns/absent"))


@known_differences({"crun": "1.8 leaves the cgroup behind"})
def test_relative_path_is_an_error(t):
    b = t.bundle("true").namespace("ipc", path="ns")
    os.symlink("/proc/1/ns/ipc", os.path.join(b.path, "ns"))
    t.refused(b)


@known_differences({"crun": "1.8 accepts it"})
def test_duplicate_type_is_an_error(t):
    b = t.bundle("true")
    b.linux["namespaces"].append({"type": "ipc"})
    t.refused(b)


@known_differences({"crun": "1.8 leaves the cgroup behind"})
def test_unknown_type_is_an_error(t):
    b = t.bundle("true")
    b.linux["namespaces"].append({"type": "galaxy"})
    t.refused(b)


def test_hostname(t):
    t.equal(t.output(t.bundle("hostname", hostname="boat")), "boat\n", "host name")


@known_differences({"runc": "1.1 is older than domainname"})
def test_domainname(t):
    b = t.bundle("cat", "/proc/sys/kernel/domainname", domainname="river.example")
    t.equal(t.output(b), "river.example\n", "domain name")


def test_hostname_without_uts_namespace_is_refused(t):
    before = os.uname().nodename
    t.refused(t.bundle("true", hostname="boat").namespace("uts", remove=True))
    t.equal(os.uname().nodename, before, "the host's name")


def test_loopback_is_up(t):
    t.contains(t.output(t.bundle("ip", "-o", "addr", "show", "lo")), "127.0.0.1/8")


def test_new_network_namespace_has_only_loopback(t):
    lines = t.output(t.bundle(script="tail -n +3 /proc/net/dev | cut -d: -f1")).split()
    t.true("lo" in lines and "eth0" not in lines, f"devices {lines}")


# sysctl


def test_sysctl(t):
    b = t.bundle("cat", "/proc/sys/net/ipv4/ip_forward", "/proc/sys/kernel/shm_rmid_forced",
                 linux={"sysctl": {"net.ipv4.ip_forward": "1", "kernel.shm_rmid_forced": "1"}})
    t.equal(t.output(b).split(), ["1", "1"], "values")


def test_sysctl_with_a_newline_keeps_the_range(t):
    b = t.bundle("cat", "/proc/sys/net/ipv4/ip_local_port_range",
                 linux={"sysctl": {"net.ipv4.ip_local_port_range": "10000 20000"}})
    t.equal(t.output(b).split(), ["10000", "20000"], "values")


def test_sysctl_outside_namespaces_is_refused(t):
    for name in ("kernel.core_pattern", "vm.overcommit_memory", "fs.file-max", "kernel.panic"):
        t.refused(t.bundle("true", linux={"sysctl": {name: "1"}}))


def test_sysctl_names_that_try_to_leave(t):
    before = read("/proc/sys/kernel/core_pattern")
    for name in ("net.ipv4/../../kernel/core_pattern", "net/../kernel/core_pattern",
                 "kernel.shm_rmid_forced+kernel.core_pattern", "net.", ""):
        t.refused(t.bundle("true", linux={"sysctl": {name: "x"}}))
    t.equal(read("/proc/sys/kernel/core_pattern"), before, "core_pattern")


def test_sysctl_of_an_inherited_namespace_is_refused(t):
    t.refused(t.bundle("true", linux={"sysctl": {"kernel.msgmax": "8192"}}).namespace("ipc", remove=True))


def test_missing_sysctl_is_an_error(t):
    t.refused(t.bundle("true", linux={"sysctl": {"net.ipv4.no_such_thing": "1"}}))


# User namespaces


def mapped(t, *args):
    b = t.bundle(*args).user_namespace()
    b.own_rootfs()
    subprocess.run(["chown", "-hR", "100000:100000", b.rootfs], check=True)
    return b


def test_user_namespace_maps(t):
    b = mapped(t, "sh", "-c", "cat /proc/self/uid_map /proc/self/gid_map")
    t.equal(t.output(b).split(), ["0", "100000", "65536"] * 2, "maps")


def test_user_namespace_with_several_ranges(t):
    b = mapped(t, "cat", "/proc/self/uid_map")
    b.linux["uidMappings"] = [{"containerID": 0, "hostID": 100000, "size": 1000},
                              {"containerID": 1000, "hostID": 300000, "size": 1},
                              {"containerID": 1001, "hostID": 101001, "size": 5000}]
    t.equal(t.output(b).split(), ["0", "100000", "1000", "1000", "300000", "1", "1001", "101001", "5000"], "map")


def test_user_namespace_files_and_process_are_owned_by_the_mapping(t):
    b = mapped(t, "sh", "-c", "touch /file; stat -c %u:%g /file; id -u; exec sleep 1000")
    c = t.running(b)
    t.until_file(os.path.join(t.dir, "1.out"), "\n0\n")
    t.equal(os.stat(f"/proc/{c.pid}").st_uid in (100000, 0), True, "owner of the process")
    t.equal(os.stat(os.path.join(b.rootfs, "file")).st_uid, 100000, "owner of the file on the host")
    t.contains(read(f"/proc/{c.pid}/status"), "Uid:\t100000\t100000\t100000\t100000")


def test_user_namespace_devices(t):
    b = mapped(t, "sh", "-c", "echo x > /dev/null && stat -c %t:%T /dev/null /dev/zero && head -c 1 /dev/zero | wc -c")
    t.equal(t.output(b).split(), ["1:3", "1:5", "1"], "devices")


def test_user_namespace_default_mounts(t):
    b = mapped(t, "cat", "/proc/self/mountinfo")
    out = t.output(b)
    t.contains(out, " /proc ", " /dev ", " /dev/pts ", " /sys ", " /dev/mqueue ")


def test_user_namespace_user_other_than_root(t):
    b = mapped(t, "sh", "-c", "id -u; id -g")
    b.process["user"] = {"uid": 1000, "gid": 1000, "additionalGids": [2000]}
    t.equal(t.output(b).split(), ["1000", "1000"], "ids")


@known_differences({"runc": "1.1 ignores them"})
def test_mappings_without_a_user_namespace_are_refused(t):
    mapping = [{"containerID": 0, "hostID": 100000, "size": 10}]
    b = t.bundle("true", linux={"uidMappings": mapping, "gidMappings": mapping})
    if t.kind == "crun":
        t.skip("crun makes a user namespace of its own then")
    t.refused(b)


@known_differences({"crun": "1.8 leaves the cgroup behind", "runc": "1.1 leaves the cgroup behind now and then"})
def test_overlapping_mappings_are_refused(t):
    b = mapped(t, "true")
    b.linux["uidMappings"] = [{"containerID": 0, "hostID": 100000, "size": 10},
                              {"containerID": 5, "hostID": 200000, "size": 10}]
    t.refused(b)


@wherry_only("the sentence is Wherry's")
def test_more_mappings_than_the_kernel_takes(t):
    """CVE-2021-43784: a long list is taken as it is, or refused."""
    for count, phrase in ((340, "uid_map: EINVAL; the kernel takes 340 ranges"), (341, "340"), (6000, "340")):
        b = mapped(t, "true")
        b.linux["uidMappings"] = [{"containerID": 2 * n, "hostID": 200000 + 2 * n, "size": 1} for n in range(count)]
        t.refused(b, "/linux/uidMappings", phrase)


def test_many_mappings(t):
    b = mapped(t, "cat", "/proc/self/uid_map")
    b.linux["uidMappings"] = [{"containerID": 2 * n, "hostID": 100000 + 2 * n, "size": 1} for n in range(200)]
    t.equal(len(t.output(b).splitlines()), 200, "lines of the map")


def peeping(t, b):
    """A container that looks at each process it can see, and what it saw of those that `exec` put there."""
    log = os.path.join(t.directory("logs", 0o777), "log")
    b.script("while :; do for p in /proc/[0-9]*; do ls -l $p/exe $p/root $p/cwd $p/fd/; done; done > /mnt/log 2>&1")
    b.mount("/mnt", "bind", os.path.dirname(log), ["bind"])
    c = t.running(b)
    t.until(lambda: os.path.exists(log) and read(log).count("busybox") > 1, "the first look")
    for _ in range(40):
        t.equal(c.exec("true").code, 0, "exit code of exec")
    c.delete("--force")
    return read(log)


def test_joining_process_cannot_be_looked_at(t):
    """CVE-2016-9962"""
    t.lacks(peeping(t, t.bundle()), "wherry-init", "memfd:", "socket:", "state")


def test_joining_process_cannot_be_looked_at_by_a_tracer_in_a_user_namespace(t):
    b = mapped(t).capabilities(["CAP_SYS_PTRACE", "CAP_DAC_OVERRIDE"])
    t.lacks(peeping(t, b), "wherry-init", "memfd:", "socket:", "state")


def test_user_unmapped_in_the_namespace_is_refused(t):
    b = mapped(t, "true")
    b.process["user"] = {"uid": 70000, "gid": 0}
    t.refused(b)


# Time namespaces


def has_time_namespaces():
    return os.path.exists("/proc/self/ns/time")


@needs(has_time_namespaces, "no time namespaces in this kernel")
@known_differences({"runc": "1.1 is older than time namespaces", "crun": "1.8 fails to write them"})
def test_time_offsets(t):
    b = t.bundle("cat", "/proc/self/timens_offsets").namespace("time")
    b.linux["timeOffsets"] = {"monotonic": {"secs": 172800, "nanosecs": 5}, "boottime": {"secs": 604800}}
    out = t.output(b).split()
    t.equal(out, ["monotonic", "172800", "5", "boottime", "604800", "0"], "offsets")


@needs(has_time_namespaces, "no time namespaces in this kernel")
@known_differences({"runc": "1.1 is older than time namespaces", "crun": "1.8 fails to write them"})
def test_time_offsets_move_the_clocks(t):
    """/proc/uptime shows CLOCK_BOOTTIME of its reader."""
    b = t.bundle("sleep", "1000").namespace("time")
    b.linux["timeOffsets"] = {"boottime": {"secs": 10_000_000}}
    c = t.running(b)
    t.true(float(c.exec("cat", "/proc/uptime").out.split()[0]) > 10_000_000, "the container's uptime, in exec")
    t.true(float(read("/proc/uptime").split()[0]) < 10_000_000, "the host's uptime")


@needs(has_time_namespaces, "no time namespaces in this kernel")
@known_differences({"runc": "1.1 is older than time namespaces", "crun": "1.8 fails to write them"})
def test_time_offsets_with_a_user_namespace(t):
    b = mapped(t, "cat", "/proc/self/timens_offsets").namespace("time")
    b.linux["timeOffsets"] = {"monotonic": {"secs": 1}, "boottime": {"secs": 2}}
    t.equal(t.output(b).split(), ["monotonic", "1", "0", "boottime", "2", "0"], "offsets")


@needs(has_time_namespaces, "no time namespaces in this kernel")
@known_differences({"runc": "1.1 is older than time namespaces", "crun": "1.8 fails to write them"})
def test_new_time_namespace_in_a_joined_user_namespace(t):
    c = t.running(mapped(t, "sleep", "1000"))
    b = sharing(t, c, ("user", "network"), "cat", "/proc/self/timens_offsets").namespace("time")
    b.linux["timeOffsets"] = {"monotonic": {"secs": 1}}
    t.equal(t.output(b).split(), ["monotonic", "1", "0", "boottime", "0", "0"], "offsets")


@known_differences({"runc": "1.1 is older than time namespaces", "crun": "does not check"})
@needs(has_time_namespaces, "no time namespaces in this kernel")
def test_time_offsets_without_a_namespace_are_refused(t):
    b = t.bundle("true")
    b.linux["timeOffsets"] = {"monotonic": {"secs": 1}}
    t.refused(b)


# The host stays as it is


@known_differences({"runc": "1.1 leaves a mount on the host"})
def test_container_without_a_mount_namespace_is_refused_or_harmless(t):
    b = t.bundle("true").namespace("mount", remove=True)
    b.config["mounts"] = []
    b.linux.pop("maskedPaths", None)
    b.linux.pop("readonlyPaths", None)
    b.config["root"]["readonly"] = False
    t.run(b)
    t.clean()


def test_names_of_the_host_do_not_change(t):
    before = os.uname().nodename
    t.output(t.bundle("true", hostname="elsewhere"))
    t.equal(os.uname().nodename, before, "the host's name")


@wherry_only("the state directory is 0700")
def test_state_root_is_closed_to_others(t):
    t.running()
    for top, names, _ in os.walk(t.runtime.root):
        for name in [top] + [os.path.join(top, n) for n in names]:
            t.equal(os.stat(name).st_mode & 0o077, 0, f"rights of others on {name}")



def without_mount_namespace(t, *args, writable=True, **edit):
    b = t.bundle(*args, **edit).namespace("mount", remove=True)
    return b, b.own_rootfs(writable)


@wherry_only("runc and crun leave the mounts on the host")
def test_inherited_mount_namespace(t):
    """All that is mounted lies below the rootfs, and goes with the container."""
    b, root = without_mount_namespace(t, script="readlink /proc/self/ns/mnt; ls /dev/null; echo x > /dev/shm/x; pwd")
    t.equal(t.output(b), f"{host('mnt')}\n/dev/null\n/\n", "output")
    t.lacks(read("/proc/self/mountinfo"), root)
    b, root = without_mount_namespace(t, "sleep", "1000", writable=False)
    c = t.running(b)
    t.contains(read("/proc/self/mountinfo"), f" {root} ", f" {root}/proc ", f" {root}/dev ")
    t.equal(c.exec("cat", "/proc/1/comm").code, 0, "exec")
    t.contains(c.exec("touch", "/x").err, "Read-only file system")
    c.kill()
    c.wait()
    c.delete()
    t.lacks(read("/proc/self/mountinfo"), root)
    t.true(os.access(os.path.join(root, "bin"), os.W_OK), "the rootfs is as before")


@wherry_only("runc and crun leave the mounts on the host")
def test_failure_in_an_inherited_mount_namespace_leaves_no_mount(t):
    b, root = without_mount_namespace(t, "true")
    t.refused(b.mount("/mnt", "nosuchfs", "none", []))
    t.lacks(read("/proc/self/mountinfo"), root)
    sandbox.mount(root, root, flags=sandbox.MS_BIND)  # as an engine's overlay: it is not the container's
    try:
        t.runtime.fails("run", "--bundle", b.path, t.new_id())
        t.contains(read("/proc/self/mountinfo"), f" {root} ")
    finally:
        sandbox.umount(root, sandbox.MNT_DETACH)
