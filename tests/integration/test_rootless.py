# SPDX-License-Identifier: Apache-2.0
"""Containers of an ordinary user: one id or many, with and without a cgroup of the user's own."""

import json
import os
import shutil
import subprocess

from itest import ConsoleSocket, Pty, known_differences, needs, sandbox, wherry_only
from itest.case import load, read
from itest.limits import need
from itest.terminal import read_until
from itest.user import ID, SUBORDINATE

MANY = [{"containerID": 0, "hostID": ID, "size": 1}, {"containerID": 1, "hostID": SUBORDINATE, "size": 65536}]
KINDS = {"pid": "pid", "network": "net", "ipc": "ipc", "uts": "uts", "mount": "mnt", "cgroup": "cgroup", "user": "user"}
BIND_FLAGS = {"ro": 1, "nosuid": 2, "nodev": 4, "noexec": 8}


def has_id_helpers():
    return shutil.which("newuidmap") and shutil.which("newgidmap")


def needs_id_helpers(test):
    return needs(has_id_helpers, "no newuidmap and newgidmap (Debian: uidmap)")(test)


def many_ids(t, *args, **more):
    b = t.bundle(*args, **more)
    b.linux["uidMappings"] = b.linux["gidMappings"] = MANY
    return b


def mount_lines(text, target):
    """The options of each mount at or below target, from a container's mountinfo."""
    fields = [line.split() for line in text.splitlines() if " - " in line]
    return {f[4]: f[5].split(",") for f in fields if f[4] == target or f[4].startswith(target + "/")}


# One id


@known_differences({"crun": "maps all subordinate ids"})
def test_default_spec_runs_as_it_is(t):
    t.as_user()
    out = t.output(t.bundle(script="id -u; id -g; cat /proc/self/uid_map /proc/self/gid_map; hostname"))
    t.equal(out.split(), ["0", "0", "0", str(ID), "1", "0", str(ID), "1", t.spec["hostname"]], "ids, maps and name")


def test_processes_belong_to_the_user(t):
    t.as_user()
    c = t.running()
    t.contains(read(f"/proc/{c.pid}/status"), f"Uid:\t{ID}\t{ID}\t{ID}\t{ID}\n", f"Gid:\t{ID}\t{ID}\t{ID}\t{ID}\n")


@known_differences({"crun": "its spec asks for a network namespace"})
def test_namespaces_are_the_containers_own(t):
    t.as_user()
    c = t.running()
    for kind in ("pid", "ipc", "uts", "mnt", "cgroup", "user"):
        t.true(c.ns(kind) != os.readlink(f"/proc/self/ns/{kind}"), f"a {kind} namespace of its own")
    t.equal(c.ns("net"), os.readlink("/proc/self/ns/net"), "network namespace")


def test_own_network_namespace(t):
    t.as_user()
    b = t.bundle(script="cat /proc/net/dev; ip -o addr show lo").namespace("network")
    out = t.output(b)
    t.contains(out, "127.0.0.1/8")
    t.lacks(out, "eth0")


def test_files_belong_to_the_user(t):
    t.as_user()
    b = t.bundle(script="touch /file && stat -c %u:%g /file")
    t.user.own_tree(b.own_rootfs())
    t.equal(t.output(b), "0:0\n", "owner inside")
    t.equal(os.stat(os.path.join(b.rootfs, "file")).st_uid, ID, "owner outside")


def test_capabilities_are_those_of_the_config(t):
    t.as_user()
    b = t.bundle("cat", "/proc/self/status").capabilities(["CAP_NET_BIND_SERVICE"])
    t.contains(t.output(b), "CapPrm:\t0000000000000400", "CapEff:\t0000000000000400", "CapBnd:\t0000000000000400",
               "CapInh:\t0000000000000000")


@wherry_only("runc and crun leave setgroups to the kernel's message")
def test_additional_groups_with_one_id_are_refused(t):
    t.as_user()
    b = t.bundle("true")
    b.process["user"] = {"uid": 0, "gid": 0, "additionalGids": [0]}
    t.refused(b, "/process/user", "setgroups", "additionalGids")


def test_devices_are_the_hosts(t):
    t.as_user()
    b = t.bundle(script="echo x > /dev/null && stat -c %t:%T /dev/null /dev/zero /dev/tty && "
                        "head -c 1 /dev/zero | wc -c")
    t.equal(t.output(b).split(), ["1:3", "1:5", "5:0", "1"], "devices")


def test_nodes_cannot_be_made(t):
    t.as_user()
    b = t.bundle(script="mknod /dev/shm/disk b 8 0; echo $?").capabilities(["CAP_MKNOD", "CAP_SYS_ADMIN"])
    t.equal(t.output(b), "1\n", "exit code of mknod")


@wherry_only("the sentence is Wherry's")
def test_without_a_user_namespace_is_refused(t):
    t.as_user()
    b = t.bundle("true").namespace("user", remove=True)
    del b.linux["uidMappings"], b.linux["gidMappings"]
    t.refused(b, "/linux/namespaces", "EPERM", "spec --rootless")


@wherry_only("the sentence is Wherry's")
def test_group_of_devpts_that_is_not_mapped(t):
    t.as_user()
    b = t.bundle("true").drop_mount("/dev/pts")
    b.mount("/dev/pts", "devpts", "devpts", ["newinstance", "gid=5"])
    t.refused(b, "gid=5", "mapped")


def test_rootless_flag_is_accepted(t):
    t.as_user()
    for value in ("true", "auto"):
        t.runtime.global_flags = [f"--rootless={value}"]
        t.equal(t.run(t.bundle("true")).code, 0, f"exit code with {value}")


# The state


def test_state_is_in_the_runtime_directory(t):
    t.as_user()
    c = t.running()
    t.true(os.path.isdir(os.path.join(t.path("run"), t.kind, c.id)), "a directory below XDG_RUNTIME_DIR")


@wherry_only("the state directory is 0700")
def test_state_is_closed_to_others(t):
    t.as_user()
    t.running()
    for top, names, _ in os.walk(t.runtime.root):
        for name in [top] + [os.path.join(top, n) for n in names]:
            t.equal((os.stat(name).st_mode & 0o077, os.stat(name).st_uid), (0, ID), f"mode and owner of {name}")


@wherry_only("the sentence is Wherry's")
def test_without_a_runtime_directory(t):
    """/run/user/UID is not there, and /run is root's."""
    t.as_user()
    del t.runtime.env["XDG_RUNTIME_DIR"]
    result = t.run(t.bundle("true"))
    t.equal(result.code, 1, "exit code")
    t.contains(result.err, "state directory", "EACCES", "--root", "XDG_RUNTIME_DIR")


# Without a cgroup


def test_life_without_a_cgroup(t):
    t.as_user()
    b = t.bundle(script="echo ready; sleep 1000")
    c = t.created(b)
    t.equal(c.status(), "created", "status")
    t.equal(c.state()["pid"], c.pid, "pid")
    c.start()
    t.until(lambda: c.status() == "running", "running")
    t.contains(t.runtime.ok("list").out, c.id, "running")
    t.equal(t.runtime.ok("list", "-q").out, c.id + "\n", "list -q")
    t.equal(c.exec("sh", "-c", "id -u; exit 7").code, 7, "exit code of exec")
    t.equal(c.exec("id", "-u").out, "0\n", "user of exec")
    t.equal(c.stop(), 137, "exit code")
    c.delete()
    t.clean()


@wherry_only("runc and crun list nothing without a cgroup")
def test_ps_without_a_cgroup(t):
    t.as_user()
    c = t.running(t.bundle(script="sleep 1000 & exec sleep 2000"))
    t.until(lambda: len(json.loads(t.runtime.ok("ps", "--format", "json", c.id).out)) == 2, "two processes")
    t.true(c.pid in json.loads(t.runtime.ok("ps", "--format", "json", c.id).out), "pid 1 among them")


@wherry_only("the sentence is Wherry's")
def test_pause_without_a_cgroup(t):
    t.as_user()
    c = t.running()
    t.contains(t.runtime.fails("pause", c.id).err, "pause", "it has no cgroup")
    t.equal(c.status(), "running", "status")


@known_differences({"crun": "runs without the limit"})
def test_limit_without_a_cgroup_is_refused(t):
    t.as_user()
    t.refused(t.bundle("true", linux={"resources": {"pids": {"limit": 10}}}))


def test_path_that_is_not_the_users_is_refused(t):
    t.as_user()
    t.refused(t.bundle("true", linux={"cgroupsPath": "/wherry-it-not-mine/x"}))


@wherry_only("one line says what would do")
def test_what_needs_no_cgroup_is_said(t):
    t.as_user()
    t.contains(t.run(t.bundle("true", linux={"resources": {"pids": {"limit": 10}}})).err,
               "rootless needs no limits + no cgrouppath when no permission is granted for cgroups")


@known_differences({"runc": "1.1 does not warn", "crun": "1.8 does not warn"})
def test_neither_cgroup_nor_pid_namespace_is_a_warning(t):
    t.as_user()
    b = t.bundle("true").namespace("pid", remove=True)
    b.drop_mount("/proc").mount("/proc", "none", "/proc", ["rbind"])
    result = t.run(b)
    t.equal(result.code, 0, "exit code")
    t.contains(result.err, "level=warning", "strongly discouraged")


@wherry_only("what is no limit needs no cgroup")
def test_no_limit_needs_no_cgroup(t):
    t.as_user()
    b = t.bundle("true", linux={"resources": {"pids": {"limit": -1}, "memory": {"limit": -1}}})
    t.equal(t.run(b).code, 0, "exit code")


def test_end_of_pid_1_ends_the_rest(t):
    t.as_user()
    t.equal(t.run(t.bundle(script="sleep 1000 & sleep 1000 & exit 3")).code, 3, "exit code")
    t.clean()


# With a cgroup


@known_differences({"crun": "1.8 leaves the process in the caller's"})
def test_default_cgroup_is_beside_the_callers(t):
    delegation = t.as_user(delegated=True)
    c = t.running()
    t.contains(read(f"/proc/{c.pid}/cgroup"), f"0::{delegation.path}/{c.id}\n")
    c.delete("--force")
    t.equal(delegation.groups(), ["caller"], "cgroups left")


@known_differences({"runc": "leaves new parents behind", "crun": "leaves new parents behind"})
def test_life_with_a_cgroup(t):
    delegation = t.as_user(delegated=True)
    b = t.bundle(script="sleep 1000 & exec sleep 2000")
    b.linux["cgroupsPath"] = delegation.path + "/a/b"
    c = t.created(b)
    c.start()
    t.until(lambda: len(json.loads(t.runtime.ok("ps", "--format", "json", c.id).out)) == 2, "two processes")
    t.runtime.ok("pause", c.id)
    t.equal(c.status(), "paused", "status")
    t.runtime.ok("resume", c.id)
    t.equal(c.status(), "running", "status")
    t.equal(c.exec("true").code, 0, "exit code of exec")
    t.runtime.ok("kill", "--all", c.id, "KILL")
    t.equal(c.wait(), 137, "exit code")
    t.until(lambda: c.status() == "stopped", "stopped")
    c.delete()
    t.equal(delegation.groups(), ["caller"], "cgroups left")


@known_differences({"crun": "1.8 makes none by default"})
def test_exec_is_in_the_containers_cgroup(t):
    delegation = t.as_user(delegated=True)
    c = t.running()
    child = t.runtime.spawn("exec", c.id, "sh", "-c", "echo here; exec sleep 1000")
    t.until_file(child.result.out_path)
    pids = read(f"{delegation.dir}/{c.id}/cgroup.procs").split()
    t.equal(len(pids), 2, "processes in the cgroup")
    c.delete("--force")
    t.runtime.finish(child)


def test_limits_with_a_cgroup(t):
    need(t, "pids")
    delegation = t.as_user(delegated=True, controllers=("pids", "memory"))
    c = t.running(t.bundle("sleep", "1000", linux={"resources": {"pids": {"limit": 7}, "memory": {"limit": 1 << 25}}}))
    t.equal(read(f"{delegation.dir}/{c.id}/pids.max"), "7\n", "pids.max")
    t.equal(read(f"{delegation.dir}/{c.id}/memory.max"), f"{1 << 25}\n", "memory.max")
    t.runtime.ok("update", "--pids-limit", "9", c.id)
    t.equal(read(f"{delegation.dir}/{c.id}/pids.max"), "9\n", "pids.max after update")


@known_differences({"runc": "1.1 leaves the cgroup behind", "crun": "runs without the limit"})
def test_limit_of_a_controller_that_is_not_delegated(t):
    delegation = t.as_user(delegated=True)
    if "pids" in read(f"{delegation.dir}/cgroup.controllers").split():
        t.skip("all controllers are delegated here")
    b = t.bundle("true", linux={"resources": {"pids": {"limit": 7}}})
    t.refused(b, "/linux/resources/pids/limit" if t.kind == "wherry" else "")
    t.equal(delegation.groups(), ["caller"], "cgroups left")


@wherry_only("the sentence is Wherry's")
def test_cgroup_that_the_caller_is_not_in(t):
    """cgroups(7): to move a process takes the right to write cgroup.procs of the common ancestor."""
    delegation = t.as_user(delegated=True)
    t.runtime.prefix = t.user.command()
    t.refused(t.bundle("true", linux={"cgroupsPath": delegation.path + "/x"}), "EACCES", "delegated")
    t.equal(delegation.groups(), ["caller"], "cgroups left")


@known_differences({"runc": "1.1 leaves the cgroup behind", "crun": "1.8 makes no cgroup by default"})
def test_container_without_a_pid_namespace_is_killed_whole(t):
    delegation = t.as_user(delegated=True)
    b = t.bundle(script="sleep 1000 & sleep 1000 & exec sleep 1000").namespace("pid", remove=True)
    b.drop_mount("/proc").mount("/proc", "none", "/proc", ["rbind"])
    c = t.running(b)
    t.until(lambda: len(read(f"{delegation.dir}/{c.id}/cgroup.procs").split()) == 3, "three processes")
    c.delete("--force")
    t.equal(delegation.groups(), ["caller"], "cgroups left")
    t.clean()


def test_own_cgroup_namespace_shows_its_root(t):
    t.as_user(delegated=True)
    b = t.bundle(script="cat /proc/self/cgroup; ls /sys/fs/cgroup; mkdir /sys/fs/cgroup/x; echo $?")
    out = t.output(b)
    t.contains(out, "0::/\n", "cgroup.procs", "\n1\n")
    t.lacks(out, "caller")


@known_differences({"runc": "1.1.5 binds what the user may write", "crun": "binds what the user may write"})
def test_cgroup_mount_without_a_cgroup_namespace_cannot_be_written(t):
    """CVE-2023-25809"""
    delegation = t.as_user(delegated=True)
    b = t.bundle(script="d=/sys/fs/cgroup$(sed -n 's/^0:://p' /proc/self/cgroup)/..; ls $d && "
                        "mkdir $d/escaped; echo $$ > $d/caller/cgroup.procs; mkdir /sys/fs/cgroup/escaped; echo done")
    b.namespace("cgroup", remove=True).drop_mount("/sys/fs/cgroup")
    b.mount("/sys/fs/cgroup", "cgroup", "cgroup", ["nosuid", "noexec", "nodev", "rw"])
    result = t.run(b)
    t.contains(result.out, "caller", "done")
    t.equal(result.err.count("Read-only file system"), 3, "refused writes")
    t.equal(delegation.groups(), ["caller"], "cgroups")


# Many ids


@needs_id_helpers
def test_many_ids(t):
    t.as_user()
    b = many_ids(t, script="cat /proc/self/uid_map /proc/self/gid_map /proc/self/setgroups")
    expected = ["0", str(ID), "1", "1", str(SUBORDINATE), "65536"]
    t.equal(t.output(b).split(), expected * 2 + ["allow"], "maps")


@needs_id_helpers
@known_differences({"runc": "1.1 refuses additional groups", "crun": "runs exec as root"})
def test_many_ids_user_and_groups(t):
    t.as_user()
    b = many_ids(t, script="id -u; id -g; sed -n 's/^Groups:\\t//p' /proc/self/status; exec sleep 1000")
    b.process["user"] = {"uid": 1000, "gid": 1001, "additionalGids": [7, 8]}
    c = t.running(b)
    out = t.until_file(t.path(f"{t.runtime.calls}.out"), "7 8")
    t.equal(out.split(), ["1000", "1001", "7", "8"], "ids")
    t.equal(os.stat(f"/proc/{c.pid}").st_uid in (0, SUBORDINATE + 999), True, "owner of the process")
    t.equal(c.exec("id", "-u").out, "1000\n", "user of exec")
    t.equal(c.stop(), 137, "exit code")


@needs_id_helpers
def test_many_ids_files(t):
    t.as_user()
    b = many_ids(t, script="touch /a && chown 1000:1000 /a && stat -c %u:%g /a")
    t.user.own_tree(b.own_rootfs())
    b.capabilities(["CAP_CHOWN"])
    t.equal(t.output(b), "1000:1000\n", "owner inside")
    t.equal(os.stat(os.path.join(b.rootfs, "a")).st_uid, SUBORDINATE + 999, "owner outside")


@needs_id_helpers
def test_ids_that_are_not_the_users_are_refused(t):
    t.as_user()
    b = t.bundle("true")
    b.linux["uidMappings"] = b.linux["gidMappings"] = [{"containerID": 0, "hostID": 0, "size": 1}]
    t.refused(b, *(["newgidmap", "/etc/subgid"] if t.kind == "wherry" else []))


@wherry_only("the sentence is Wherry's")
@needs_id_helpers
def test_without_the_helpers(t):
    t.as_user()
    t.mask("/usr/bin/newgidmap")
    t.refused(many_ids(t, "true"), "newgidmap", "uidmap")


# Terminals, hooks, filters


def test_terminal(t):
    t.as_user()
    pty = t.keep(Pty())
    b = t.bundle(script="tty; stat -c %t:%T /dev/console; echo the end")
    b.process["terminal"] = True
    b.write()
    child = t.runtime.spawn("run", "--bundle", b.path, t.new_id(), **pty.stdio())
    pty.started()
    t.contains(pty.read_until("the end"), "/dev/pts/0", "88:0")
    t.equal(t.runtime.finish(child).code, 0, "exit code")


def test_console_socket(t):
    t.as_user()
    listener = t.keep(ConsoleSocket(t.path("tty.sock")))
    os.chmod(listener.path, 0o666)
    b = t.bundle(script="tty; exec sleep 1000")
    b.process["terminal"] = True
    c = t.created(b, "--console-socket", listener.path)
    master = listener.receive()
    c.start()
    t.contains(read_until(master, "/dev/pts/0"), "/dev/pts/0")
    os.close(master)


def test_exec_with_a_terminal(t):
    t.as_user()
    c = t.running()
    pty = t.keep(Pty())
    child = t.runtime.spawn("exec", "-t", c.id, "sh", "-c", "tty; echo the end", **pty.stdio())
    pty.started()
    t.contains(pty.read_until("the end"), "/dev/pts/")
    t.equal(t.runtime.finish(child).code, 0, "exit code")


def test_hooks_run_as_the_user(t):
    t.as_user()
    log = t.file("log", mode=0o666)
    b = t.bundle("true")
    for kind in ("prestart", "createRuntime", "createContainer", "poststart", "poststop"):
        b.hook(kind, "/bin/sh", ["sh", "-c", f"cat > /dev/null; echo {kind} $(id -u) $(env | grep -c XDG) >> {log}"],
               env=["PATH=/usr/bin:/bin"])
    t.output(b)
    inside = "0"  # createContainer runs in the container's namespaces, the user namespace among them
    t.equal(read(log).splitlines(),
            [f"prestart {ID} 0", f"createRuntime {ID} 0", f"createContainer {inside} 0", f"poststart {ID} 0",
             f"poststop {ID} 0"], "hooks")


def test_hook_finds_the_state(t):
    t.as_user()
    b = t.bundle("sleep", "1000")
    b.hook("createRuntime", "/bin/sh", ["sh", "-c", f"cat > {t.path('state.json')}"])
    c = t.running(b)
    state = load(t.path("state.json"))
    t.equal((state["id"], state["pid"], state["bundle"]), (c.id, c.pid, b.path), "id, pid and bundle")


def test_failing_hook_leaves_nothing(t):
    t.as_user()
    t.refused(t.bundle("true").hook("createRuntime", "/bin/false"))


def test_seccomp(t):
    t.as_user()
    rule = {"defaultAction": "SCMP_ACT_ALLOW",
            "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}]}
    for no_new_privileges in (True, False):
        b = t.bundle(script="mkdir /dev/shm/x; grep Seccomp: /proc/self/status", linux={"seccomp": rule})
        b.process["noNewPrivileges"] = no_new_privileges
        result = t.run(b)
        t.contains(result.err, "Operation not permitted")
        t.contains(result.out, "Seccomp:\t2")


# What the kernel lets a user namespace mount


@known_differences({"runc": "has no fall-back", "crun": "1.8 binds it writable"})
def test_sysfs_of_the_hosts_network_is_bound_read_only(t):
    """A fresh sysfs takes a network namespace of the user's own. All below it is read-only as well."""
    t.as_user()
    b = t.bundle("cat", "/proc/self/mountinfo").drop_mount("/sys").drop_mount("/sys/fs/cgroup")
    b.mount("/sys", "sysfs", "sysfs", ["nosuid", "noexec", "nodev", "ro", "noatime"])
    lines = mount_lines(t.output(b), "/sys")
    t.true("/sys" in lines and len(lines) > 1, f"/sys and what is mounted in it, not {list(lines)}")
    for path, options in lines.items():
        if path != "/sys/firmware":  # masked
            t.true({"ro", "nosuid", "nodev", "noexec"} <= set(options), f"flags of {path}: {options}")


@known_differences({"runc": "what is mounted in /sys stays writable"})
def test_sys_of_the_default_spec_is_read_only_all_through(t):
    t.as_user()
    lines = mount_lines(t.output(t.bundle("cat", "/proc/self/mountinfo")), "/sys")
    t.true(len(lines) > 1, "mounts below /sys")
    for path, options in lines.items():
        t.true("ro" in options, f"{path} is {options}")


@known_differences({"runc": "1.1 cannot", "crun": "1.8 cannot"})
def test_proc_of_the_hosts_pid_namespace(t):
    t.as_user()
    b = t.bundle("cat", "/proc/self/mountinfo").namespace("pid", remove=True)
    b.edit(linux={"maskedPaths": None, "readonlyPaths": None})
    t.contains(t.output(b), " /proc ")


@known_differences({"runc": "1.1 cannot"})
def test_mqueue_of_the_hosts_ipc_namespace(t):
    if not os.path.ismount("/dev/mqueue"):
        t.skip("nothing is mounted on /dev/mqueue here")
    t.as_user()
    t.contains(t.output(t.bundle("cat", "/proc/self/mountinfo").namespace("ipc", remove=True)), " /dev/mqueue ")


@wherry_only("the sentence is Wherry's")
def test_masked_proc(t):
    """user_namespaces(7): no procfs where parts of the host's are covered; the host's own would show its pids."""
    t.as_user()
    t.mask("/proc/timer_list" if os.path.exists("/proc/timer_list") else "/proc/meminfo")
    t.refused(t.bundle("true"), "mount proc on /proc", "EPERM", "systempaths=unconfined", "unmask=ALL")


def locked_source(t, *flags):
    """A directory mounted by root with these flags, which the user's mount namespace locks."""
    path = t.directory("source")
    t.file("source/file", "text\n")
    bits = sum(BIND_FLAGS[flag] for flag in flags)
    t.mount(path, path, flags=sandbox.MS_BIND | bits)
    return path


def bound(t, source, *options):
    b = t.bundle(script="cat /mnt/file && cat /proc/self/mountinfo").mount("/mnt", "bind", source, options)
    return set(mount_lines(t.output(b), "/mnt")["/mnt"])


@known_differences({"runc": "1.1 fails", "crun": "1.8 does not know remount"})
def test_locked_flags_stay(t):
    t.as_user()
    source = locked_source(t, "ro", "nosuid", "nodev", "noexec")
    locked = {"ro", "nosuid", "nodev", "noexec"}
    for options in (["bind"], ["rbind"], ["bind", "ro"], ["rbind", "nosuid", "nodev"], ["bind", "remount", "noexec"],
                    ["rbind", "rprivate", "ro", "nosuid"]):
        t.true(locked <= bound(t, source, *options), f"flags with {options}")


@known_differences({"runc": "1.1 fails"})
def test_flags_are_added_to_locked_ones(t):
    t.as_user()
    t.true({"nosuid", "noexec", "ro"} <= bound(t, locked_source(t, "nosuid"), "bind", "noexec", "ro"), "flags")


@wherry_only("the sentence is Wherry's")
def test_locked_flags_cannot_be_taken_away(t):
    t.as_user()
    source = locked_source(t, "ro", "nosuid", "nodev", "noexec")
    for option in ("rw", "suid", "dev", "exec"):
        b = t.bundle("true").mount("/mnt", "bind", source, ["bind", option])
        t.refused(b, f"/mounts/{len(b.config['mounts']) - 1}", "EPERM", "may not take away")


@wherry_only("the sentence is Wherry's")
def test_locked_mounts_below_cannot_be_left_away(t):
    t.as_user()
    above = t.directory("above")
    t.mount("wherry-it", t.directory("above/below"), "tmpfs")
    b = t.bundle("true").mount("/mnt", "bind", above, ["bind"])
    t.refused(b, f"/mounts/{len(b.config['mounts']) - 1}", "EINVAL", "rbind")
    b = t.bundle("ls", "/mnt").mount("/mnt", "bind", above, ["rbind"])
    t.equal(t.output(b), "below\n", "what is there")


def test_read_only_root(t):
    t.as_user()
    b = t.bundle(script="touch /file; echo $?")
    t.user.own_tree(b.own_rootfs(writable=False))
    t.equal(t.output(b), "1\n", "exit code of touch")


# Joined namespaces


def joining(t, other, *args, without=()):
    b = t.bundle(*args)
    del b.config["hostname"], b.linux["uidMappings"], b.linux["gidMappings"]
    b.linux["namespaces"] = [{"type": kind, "path": f"/proc/{other.pid}/ns/{name}"} for kind, name in KINDS.items()
                             if kind not in without] + [{"type": kind} for kind in without]
    return b


@known_differences({"runc": "1.1 wants mappings together with the path", "crun": "its spec has no mappings"})
def test_join_all_namespaces_but_mount(t):
    t.as_user()
    other = t.running(t.bundle("sleep", "1000").namespace("network"))
    script = "for n in pid net ipc uts cgroup user; do readlink /proc/self/ns/$n; done"
    b = joining(t, other, "sh", "-c", script, without=("mount",))
    t.equal(t.output(b).split(), [other.ns(n) for n in ("pid", "net", "ipc", "uts", "cgroup", "user")], "namespaces")


@wherry_only("the sentence is Wherry's")
def test_namespace_of_another_user_namespace(t):
    t.as_user()
    holder = subprocess.Popen(["unshare", "--net", "sh", "-c", "echo; exec cat"], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE)
    try:
        holder.stdout.readline()
        t.mount(f"/proc/{holder.pid}/ns/net", t.file("netns"), flags=sandbox.MS_BIND)
    finally:
        holder.communicate()
    t.refused(t.bundle("true").namespace("network", path=t.path("netns")), "network", "EPERM", "another user namespace")


@needs(lambda: os.path.exists("/proc/self/ns/time"), "no time namespaces in this kernel")
@known_differences({"runc": "1.1 is older than time namespaces", "crun": "1.8 fails to write them"})
def test_time_offsets(t):
    t.as_user()
    b = t.bundle("sleep", "1000").namespace("time")
    b.linux["timeOffsets"] = {"monotonic": {"secs": 172800, "nanosecs": 5}, "boottime": {"secs": -1}}
    c = t.running(b)
    expected = ["monotonic", "172800", "5", "boottime", "-1", "0"]
    t.equal(read(f"/proc/{c.pid}/timens_offsets").split(), expected, "offsets")
    t.equal(c.exec("cat", "/proc/self/timens_offsets").out.split(), expected, "offsets of exec")


# Before start


def enters_before_start(t, bundle):
    c = t.created(bundle)
    result = c.exec("sh", "-c", "id -u; cat /proc/1/comm; hostname; for n in user pid net ipc uts mnt cgroup time; do "
                                "readlink /proc/self/ns/$n; done")
    t.equal(result.code, 0, f"exit code of {result.text}")
    first = c.exec("true")
    t.equal((first.code, first.err), (0, ""), "another exec")
    t.equal(c.status(), "created", "status")
    c.start()
    t.until(lambda: c.exec("cat", "/proc/1/comm").out == "sleep\n", "the program")
    lines = result.out.split()
    t.equal(lines[0], str(bundle.process["user"].get("uid", 0)), "user")
    t.equal(lines[2], t.spec["hostname"], "hostname")
    t.equal(lines[3:], [c.ns(kind) for kind in ("user", "pid", "net", "ipc", "uts", "mnt", "cgroup", "time")],
            "namespaces")


def test_exec_before_start(t):
    t.as_user()
    enters_before_start(t, t.bundle("sleep", "1000"))


def test_exec_before_start_with_every_namespace(t):
    t.as_user()
    enters_before_start(t, t.bundle("sleep", "1000").namespace("network").namespace("time"))


@needs_id_helpers
def test_exec_before_start_as_another_user_of_many(t):
    t.as_user()
    b = many_ids(t, "sleep", "1000")
    b.process["user"] = {"uid": 1000, "gid": 1000}
    enters_before_start(t, b)


@wherry_only("runc's waiting pid 1 is open to whoever enters")
def test_exec_before_start_does_not_open_pid_1(t):
    """An exec that may trace whatever it can see (CVE-2016-9962): not the wait for start, whose descriptors are the host's."""
    t.as_user()
    b = t.bundle("sleep", "1000").capabilities(["CAP_SYS_PTRACE", "CAP_SYS_ADMIN", "CAP_DAC_OVERRIDE"])
    c = t.created(b)
    result = c.exec("sh", "-c", "ls /proc/1/fd; ls /proc/1/root/; readlink /proc/1/ns/net; readlink /proc/1/exe; true")
    t.equal((result.code, result.out), (0, ""), "what an exec reads of pid 1")


# Other users


def test_another_user_cannot_reach_the_container(t):
    t.as_user()
    c = t.running()
    t.runtime.prefix = ["setpriv", f"--reuid={ID + 1}", f"--regid={ID + 1}", "--clear-groups", "--inh-caps=-all"]
    for verb in (("state",), ("kill",), ("exec",), ("delete", "--force")):
        t.runtime.call(*verb, c.id, *(["true"] if verb == ("exec",) else []))
    t.runtime.prefix = t.user.command()
    t.equal(c.status(), "running", "status")


@known_differences({"runc": "1.1 keeps them"})
def test_groups_of_the_caller_do_not_reach_a_container_of_many_ids(t):
    if not has_id_helpers():
        t.skip("no newuidmap and newgidmap (Debian: uidmap)")
    t.as_user()
    t.runtime.prefix = ["setpriv", f"--reuid={ID}", f"--regid={ID}", "--groups=4", "--inh-caps=-all"]
    t.contains(t.output(many_ids(t, "cat", "/proc/self/status")), "Groups:\t \n")
