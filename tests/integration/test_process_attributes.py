# SPDX-License-Identifier: Apache-2.0
"""What a process and an exec get beside identity: processors, scheduling, keyrings, personality, labels."""

import ctypes
import errno
import json
import os
import platform
import subprocess

from itest import known_differences, needs, wherry_only, without

KEYCTL_JOIN = 1
OLD = {"runc": "1.1 does not know it", "crun": "1.8 does not know it"}


def several_cpus():
    return len(os.sched_getaffinity(0)) > 1


needs_cpus = needs(several_cpus, "more than one processor")
ALLOWED = "grep Cpus_allowed_list: /proc/self/status"


def cpus(text):
    return text.split()[1]


def all_cpus():
    return cpus(subprocess.run(["sh", "-c", ALLOWED], stdout=subprocess.PIPE, check=True, encoding="ascii").stdout)


@needs_cpus
@known_differences({"runc": "1.1 hands its own affinity on", "crun": "1.8 hands its own affinity on"})
def test_the_callers_affinity_is_not_the_containers(t):
    mine = all_cpus()
    before = os.sched_getaffinity(0)
    b = t.bundle(script=ALLOWED + "; sleep 1000")
    b.process["args"] = ["sh", "-c", ALLOWED]
    c = t.running()
    os.sched_setaffinity(0, {min(before)})
    try:
        t.equal(cpus(t.output(b)), mine, "processors of run")
        t.equal(cpus(c.exec("sh", "-c", ALLOWED).out), mine, "processors of exec")
    finally:
        os.sched_setaffinity(0, before)


@wherry_only("steps through the calls of this program")
def test_a_reset_of_the_affinity_that_fails_is_told(t):
    code, said = t.run_with_fault(t.bundle("true"), "sched_setaffinity", errno.ENOMEM, process=1)
    t.equal(code, 1, "exit code")
    t.contains(said, "set the CPU affinity", "ENOMEM")
    t.equal(t.run_with_fault(t.bundle("true"), "sched_setaffinity", errno.EPERM, process=1), (0, ""), "a sandbox forbids it")


def exec_process(t, c, **process):
    document = dict({"args": ["sh", "-c", ALLOWED], "cwd": "/", "env": ["PATH=/bin:/usr/bin"], "user": {"uid": 0, "gid": 0}},
                    **process)
    path = t.file(f"process-{t.new_id()}.json", json.dumps(document))
    return t.runtime.call("exec", "--process", path, c.id)


@needs_cpus
@known_differences(OLD)
def test_exec_cpu_affinity(t):
    c = t.running()
    one = str(max(os.sched_getaffinity(0)))
    t.equal(cpus(exec_process(t, c, execCPUAffinity={"final": one}).out), one, "final alone")
    t.equal(cpus(exec_process(t, c, execCPUAffinity={"initial": "0", "final": one}).out), one, "both")
    t.equal(cpus(exec_process(t, c, execCPUAffinity={"initial": one}).out), one, "initial alone")
    both = f"0,{one}"
    t.equal(cpus(exec_process(t, c, execCPUAffinity={"final": both}).out).replace("-", ","), both, "a list")


@wherry_only("as the debug log tells it")
def test_initial_exec_cpu_affinity_is_told(t):
    c = t.running()
    with open(t.path("process.json"), "w", encoding="utf-8") as file:
        json.dump({"cwd": "/", "args": ["true"], "execCPUAffinity": {"initial": "0"}}, file)
    t.contains(t.runtime.ok("--debug", "exec", "--process", t.path("process.json"), c.id).err,
               "init: set the CPU affinity: affinity: 0x1 [/execCPUAffinity/initial]")


@needs_cpus
@known_differences(OLD)
def test_exec_cpu_affinity_of_the_config(t):
    b = t.bundle("sleep", "1000")
    one = str(max(os.sched_getaffinity(0)))
    b.process["execCPUAffinity"] = {"initial": "0", "final": one}
    c = t.running(b)
    with open(f"/proc/{c.pid}/status", encoding="ascii") as file:
        t.contains(file.read(), f"Cpus_allowed_list:\t{all_cpus()}\n")
    t.equal(cpus(c.exec("sh", "-c", ALLOWED).out), one, "processors of exec")
    t.equal(cpus(exec_process(t, c).out), one, "processors of exec with a document")


@known_differences(OLD)
def test_processors_that_are_not_there_are_refused(t):
    c = t.running()
    result = exec_process(t, c, execCPUAffinity={"final": "8000"})
    t.true(result.code != 0, "exec fails")
    t.contains(result.err, "/execCPUAffinity/final")
    t.true(exec_process(t, c, execCPUAffinity={"final": "1-x"}).code != 0, "no list")


def test_exec_inherits_what_its_document_leaves_out(t):
    b = t.bundle("sleep", "1000")
    b.process["scheduler"] = {"policy": "SCHED_BATCH", "nice": 5}
    b.process["rlimits"] = [{"type": "RLIMIT_NOFILE", "soft": 77, "hard": 88}]
    c = t.running(b)
    show = "grep -E '^(CapEff|CapBnd)' /proc/self/status; cut -d' ' -f19,41 /proc/self/stat; ulimit -n"
    same = c.exec("sh", "-c", show)
    t.equal(exec_process(t, c, args=["sh", "-c", show]).out, same.out, "capabilities, nice, policy, limit")
    t.contains(same.out, "5 3\n", "77\n")


@needs(lambda: os.path.exists("/proc/keys"), "/proc/keys")
def test_the_session_keyring_is_the_containers(t):
    if "keyctl" in without.taken_away:
        t.skip("keyctl is taken away")
    b = t.bundle("sleep", "1000", linux={"maskedPaths": []})
    b.capabilities(["CAP_SYS_ADMIN"])
    c = t.running(b)
    find = ["grep", "-F", f" _ses.{c.id}:", "/proc/keys"]
    first, second = c.exec(*find).out, c.exec(*find).out
    t.equal(len(first.splitlines()), 1, "keyrings of that name")
    t.equal(second.split()[0], first.split()[0], "each exec is in the one keyring")


@needs(lambda: os.path.exists("/proc/keys"), "/proc/keys")
def test_no_new_keyring(t):
    c = t.running(t.bundle("sleep", "1000", linux={"maskedPaths": []}), "--no-new-keyring")
    t.lacks(c.exec("cat", "/proc/keys").out, f" _ses.{c.id}:")


def test_personality(t):
    if platform.machine() != "x86_64":
        t.skip("uname says the same for 32 bits here")
    b = t.bundle("sleep", "1000", linux={"personality": {"domain": "LINUX32"}})
    c = t.running(b)
    t.equal(c.exec("uname", "-m").out, "i686\n", "machine of an exec")
    b = t.bundle("uname", "-m", linux={"personality": {"domain": "LINUX"}})
    t.equal(t.output(b), "x86_64\n", "machine")


@needs(lambda: os.path.exists("/proc/self/numa_maps"), "a kernel with NUMA")
@known_differences(OLD)
def test_memory_policy(t):
    b = t.bundle("sleep", "1000", linux={"memoryPolicy": {"mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_STATIC_NODES"]}})
    c = t.running(b)
    with open(f"/proc/{c.pid}/numa_maps", encoding="utf-8") as file:
        t.contains(file.read(), "bind=static:0")
    t.contains(c.exec("cat", "/proc/self/numa_maps").out, "bind=static:0")
    b = t.bundle("true", linux={"memoryPolicy": {"mode": "MPOL_BIND", "nodes": "1000"}})
    result = t.run(b)
    t.true(result.code != 0, "run fails")
    t.contains(result.err, "/linux/memoryPolicy")


@wherry_only("runc's words, at their place")
def test_memory_policies_that_are_invalid_are_named_so(t):
    for policy, words in (({}, "invalid memory policy mode: is required"),
                          ({"nodes": "0-7"}, "invalid memory policy mode: is required"),
                          ({"mode": "INTERLEAVE", "nodes": "0"}, "invalid memory policy mode: must be one of MPOL_DEFAULT"),
                          ({"mode": "MPOL_BIND", "nodes": "0", "flags": ["x"]}, "invalid memory policy flag: must be one of"),
                          ({"mode": "MPOL_DEFAULT", "nodes": "0-7,6,9"}, "mode requires 0 nodes but got 9"),
                          ({"mode": "MPOL_BIND", "nodes": "0-9876543210"}, "invalid memory policy nodes: must be a list")):
        result = t.run(t.bundle("true", linux={"memoryPolicy": policy}))
        t.true(result.code != 0, f"{policy} is refused")
        t.contains(result.err, "/linux/memoryPolicy/", words)


def may_raise_limits():
    with open("/proc/self/status", encoding="ascii") as file:
        effective = next(line for line in file if line.startswith("CapEff")).split()[1]
    return int(effective, 16) >> 24 & 1 == 1  # CAP_SYS_RESOURCE


@needs(may_raise_limits, "CAP_SYS_RESOURCE")
def test_limits_are_raised_by_who_may_raise_them(t):
    for user_namespace in (False, True):
        b = t.bundle(script="ulimit -Hn")
        if user_namespace:
            b.user_namespace()
        b.process["rlimits"] = [{"type": "RLIMIT_NOFILE", "soft": 600, "hard": 700}]
        b.write()
        command = f"ulimit -n 500; exec {t.runtime.path} --root {t.runtime.root} run --bundle {b.path} {t.new_id()}"
        done = subprocess.run(["sh", "-c", command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False, encoding="utf-8")
        t.equal((done.stdout, done.stderr), ("700\n", ""), "the hard limit")


def apparmor():
    try:
        with open("/sys/module/apparmor/parameters/enabled", encoding="ascii") as file:
            return file.read().startswith("Y")
    except OSError:
        return False


def selinux():
    return os.path.isdir("/sys/fs/selinux") and os.path.exists("/sys/fs/selinux/enforce")


@needs(lambda: not apparmor(), "a kernel without AppArmor")
def test_a_profile_without_apparmor_is_refused(t):
    b = t.bundle("true")
    b.process["apparmorProfile"] = "some-profile"
    result = t.run(b)
    t.true(result.code != 0, "run fails")
    t.contains(result.err, "/process/apparmorProfile", "some-profile")
    c = t.running()
    failed = c.exec("true")
    t.equal(failed.code, 0, "an exec without one")
    t.true(t.runtime.call("exec", "--apparmor", "some-profile", c.id, "true").code != 0, "an exec with one")


@needs(lambda: not selinux(), "a kernel without SELinux")
@wherry_only("labels that cannot be set are refused where they stand")
def test_labels_without_selinux_are_refused(t):
    b = t.bundle("true")
    b.process["selinuxLabel"] = "system_u:system_r:container_t:s0:c1,c2"
    result = t.run(b)
    t.true(result.code != 0, "run fails")
    t.contains(result.err, "/process/selinuxLabel")
    b = t.bundle("true", linux={"mountLabel": "system_u:object_r:container_file_t:s0:c1,c2"})
    result = t.run(b)
    t.true(result.code != 0, "run fails")
    t.contains(result.err, "/mounts/", "SELinux is not active")


@needs(apparmor, "a kernel with AppArmor")
def test_apparmor_profile(t):
    name = "wherry-itest"
    rules = (f"profile {name} flags=(attach_disconnected,mediate_deleted) "
             "{ file, capability, network, signal, ptrace, umount, mount, deny /forbidden w, }")
    loaded = subprocess.run(["apparmor_parser", "-r", "-K"], input=rules.encode(), stderr=subprocess.PIPE, check=False)
    if loaded.returncode != 0:
        t.skip("apparmor_parser cannot load a profile: " + loaded.stderr.decode(errors="replace")[-200:])
    for no_new_privileges in (False, True):
        b = t.bundle(script="cat /proc/self/attr/apparmor/current; echo x > /forbidden || echo refused; sleep 1000")
        b.own_rootfs()
        b.process["apparmorProfile"] = name
        b.process["noNewPrivileges"] = no_new_privileges
        out = t.path("out")
        with open(out, "w", encoding="ascii") as file:
            c = t.running(b, stdout=file)
        content = t.until_file(out, "refused")
        t.contains(content, f"{name} (enforce)")
        t.contains(c.exec("cat", "/proc/self/attr/apparmor/current").out, f"{name} (enforce)")
        t.contains(exec_process(t, c, args=["cat", "/proc/self/attr/apparmor/current"]).out, f"{name} (enforce)")
        t.true(c.exec("sh", "-c", "echo x > /forbidden").code != 0, "the profile forbids")


@needs(apparmor, "a kernel with AppArmor")
@wherry_only("names the property")
def test_a_profile_that_is_not_loaded_is_refused(t):
    b = t.bundle("true")
    b.process["apparmorProfile"] = "no-such-profile"
    t.refused(b, "/process/apparmorProfile", "no-such-profile")


@needs(selinux, "a kernel with SELinux and a policy")
def test_selinux_labels(t):
    process, mounts = "system_u:system_r:init_t:s0", "system_u:object_r:tmp_t:s0"
    b = t.bundle("sleep", "1000", linux={"mountLabel": mounts})
    b.process["selinuxLabel"] = process
    c = t.running(b)
    with open(f"/proc/{c.pid}/attr/current", encoding="ascii") as file:
        t.equal(file.read().rstrip("\0\n"), process, "label of the process")
    with open(f"/proc/{c.pid}/mountinfo", encoding="utf-8") as file:
        lines = {line.split()[4]: line for line in file}
    for place in ("/dev", "/dev/shm", "/dev/pts"):
        t.contains(lines[place], f"context={mounts}")
    for place in ("/proc", "/sys", "/sys/fs/cgroup", "/dev/mqueue"):
        t.lacks(lines[place], "context=")
    found = os.getxattr(f"/proc/{c.pid}/root/dev/mqueue", "security.selinux").rstrip(b"\0").decode()
    t.equal(found, mounts, "label of mqueue")
    masked = [line for place, line in lines.items() if place in b.linux["maskedPaths"] and " tmpfs " in line]
    t.true(masked, "masked directories")
    for line in masked:
        t.contains(line, f"context={mounts}")
    t.contains(c.exec("cat", "/proc/self/attr/current").out, process)
    t.contains(exec_process(t, c, args=["cat", "/proc/self/attr/current"]).out, process)
    other = "system_u:system_r:kernel_t:s0"
    t.contains(t.runtime.call("exec", "--process-label", other, c.id, "cat", "/proc/self/attr/current").out, other)


@needs(selinux, "a kernel with SELinux and a policy")
def test_labels_that_the_policy_does_not_know_are_refused(t):
    b = t.bundle("true")
    b.process["selinuxLabel"] = "nobody_u:nobody_r:nobody_t:s0"
    t.refused(b)
    t.refused(t.bundle("true", linux={"mountLabel": "nobody_u:object_r:nobody_t:s0"}))


def resctrl():
    with open("/proc/mounts", encoding="utf-8") as file:
        return any(line.split()[2] == "resctrl" for line in file)


@needs(lambda: not resctrl(), "a host without resctrl")
@wherry_only("what cannot be done is refused where it stands")
def test_intel_rdt_without_resctrl_is_refused(t):
    b = t.bundle("true", linux={"intelRdt": {"l3CacheSchema": "L3:0=f"}})
    t.refused(b, "/linux/intelRdt", "resctrl")
