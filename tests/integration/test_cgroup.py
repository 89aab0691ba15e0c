# SPDX-License-Identifier: Apache-2.0
"""The control group of a container, on cgroup2."""

import errno
import os

from itest import known_differences, sandbox, wherry_only
from itest.case import read
from itest.limits import limited, need, value

OPEN_FUSE = "mknod /dev/shm/fuse c 10 229 && echo made; exec 3< /dev/shm/fuse"
MKNOD_SDA = "mknod /dev/shm/disk b 8 0 && head -c 1 /dev/shm/disk; echo $?"


def test_process_is_in_its_cgroup(t):
    c = t.running()
    t.contains(read(f"/proc/{c.pid}/cgroup"), f"0::{c.bundle.linux['cgroupsPath']}\n")


def test_created_process_is_in_its_cgroup(t):
    c = t.created(t.bundle("true"))
    t.contains(read(f"/proc/{c.pid}/cgroup"), f"0::{c.bundle.linux['cgroupsPath']}\n")


def test_deep_path_is_made(t):
    b = t.bundle("sleep", "1000")
    b.linux["cgroupsPath"] = t.cgroup_path("x") + "/a/b/c"
    c = t.running(b)
    t.contains(read(f"/proc/{c.pid}/cgroup"), "/a/b/c\n")
    c.delete("--force")
    t.true(not os.path.exists(t.cgroup_dir(b)), "the leaf is gone")
    for _ in range(3):
        parent = os.path.dirname(b.linux["cgroupsPath"])
        b.linux["cgroupsPath"] = parent
        if os.path.isdir(sandbox.CGROUP_ROOT + parent):
            os.rmdir(sandbox.CGROUP_ROOT + parent)


def test_cgroups_made_inside_are_removed_at_delete(t):
    b = t.bundle("sleep", "1000")
    c = t.running(b)
    os.makedirs(os.path.join(t.cgroup_dir(b), "a/b/c"))
    os.makedirs(os.path.join(t.cgroup_dir(b), "a/d"))
    c.delete("--force")
    t.clean()


@known_differences({"runc": "1.1 leaves the cgroup behind"})
def test_processes_in_cgroups_inside_are_killed_at_delete(t):
    b = t.bundle(script="sleep 1000 & sleep 1000 & wait").namespace("pid", remove=True)
    c = t.running(b)
    inner = os.path.join(t.cgroup_dir(b), "inner")
    os.mkdir(inner)
    t.until(lambda: len(read(os.path.join(t.cgroup_dir(b), "cgroup.procs")).split()) == 3, "three processes")
    victim = [p for p in read(os.path.join(t.cgroup_dir(b), "cgroup.procs")).split() if int(p) != c.pid][0]
    with open(os.path.join(inner, "cgroup.procs"), "w", encoding="ascii") as file:
        file.write(victim)
    c.delete("--force")
    t.clean()


def test_default_path_without_cgroups_path(t):
    b = t.bundle("sleep", "1000")
    b.linux.pop("cgroupsPath")
    c = t.running(b)
    path = read(f"/proc/{c.pid}/cgroup").split("0::", 1)[1].strip()
    t.contains(path, c.id)
    c.delete("--force")
    t.true(not os.path.exists(sandbox.CGROUP_ROOT + path), "the cgroup is gone")


def test_path_that_climbs_stays_inside(t):
    b = t.bundle("true")
    b.linux["cgroupsPath"] = "/../../.." + t.cgroup_path("y")
    result = t.run(b)
    t.clean()
    t.true(result.code >= 0, "an answer")


def test_two_containers_in_one_cgroup(t):
    b = t.bundle("sleep", "1000")
    t.running(b)
    second = t.bundle("true")
    second.linux["cgroupsPath"] = b.linux["cgroupsPath"]
    second.write()
    if t.runtime.call("create", "--bundle", second.path, "second").code == 0:
        t.runtime.ok("delete", "--force", "second")
        t.skip("a cgroup that is in use is accepted here")


def test_paused_state_is_frozen(t):
    c = t.running()
    t.runtime.ok("pause", c.id)
    t.equal(read(os.path.join(t.cgroup_dir(c.bundle), "cgroup.freeze")).strip(), "1", "cgroup.freeze")
    t.runtime.ok("resume", c.id)
    t.equal(read(os.path.join(t.cgroup_dir(c.bundle), "cgroup.freeze")).strip(), "0", "cgroup.freeze")


# Devices


def with_mknod(t, script, rules):
    b = t.bundle(script=script).capabilities(["CAP_MKNOD", "CAP_SYS_ADMIN"])
    b.drop_mount("/dev/shm").mount("/dev/shm", "tmpfs", "shm", ["mode=1777"])
    b.linux["resources"] = {"devices": rules} if rules is not None else {}
    return b


@known_differences({"crun": "1.8 allows everything when the list is empty or absent"})
def test_devices_are_denied_by_default(t):
    for rules in ([], None, [{"allow": False, "access": "rwm"}]):
        result = t.run(with_mknod(t, MKNOD_SDA, rules))
        t.contains(result.err, "Operation not permitted")


def test_default_devices_can_be_opened(t):
    b = with_mknod(t, "echo x > /dev/null && head -c 1 /dev/zero | wc -c && head -c 1 /dev/urandom | wc -c",
                   [{"allow": False, "access": "rwm"}])
    t.equal(t.output(b).split(), ["1", "1"], "output")


def test_nodes_can_be_made_but_not_opened(t):
    """The peers and engines allow mknod of everything by a rule of their own; Wherry follows the config."""
    rules = [{"allow": False, "access": "rwm"}, {"allow": True, "type": "b", "access": "m"}]
    result = t.run(with_mknod(t, "mknod /dev/shm/disk b 8 0 && echo made; head -c 1 /dev/shm/disk", rules))
    t.contains(result.out, "made")
    t.contains(result.err, "Operation not permitted")


def test_allowed_device_can_be_opened(t):
    rules = [{"allow": False, "access": "rwm"},
             {"allow": True, "type": "c", "major": 10, "minor": 229, "access": "rwm"}]
    t.lacks(t.run(with_mknod(t, OPEN_FUSE, rules)).err, "Operation not permitted")


def test_later_rules_win(t):
    rules = [{"allow": False, "access": "rwm"},
             {"allow": True, "type": "c", "major": 10, "minor": 229, "access": "rwm"},
             {"allow": False, "type": "c", "major": 10, "minor": 229, "access": "r"}]
    result = t.run(with_mknod(t, OPEN_FUSE, rules))
    t.contains(result.out, "made")
    t.contains(result.err, "Operation not permitted")


def test_allow_everything(t):
    t.lacks(t.run(with_mknod(t, OPEN_FUSE, [{"allow": True, "access": "rwm"}])).err, "Operation not permitted")


@wherry_only("steps through the calls of this program")
def test_a_device_program_whose_check_was_interrupted_is_loaded_again(t):
    t.equal(t.run_with_fault(t.bundle("true"), "bpf", errno.EAGAIN), (0, ""), "exit code, stderr")


def test_devices_are_denied_for_exec_too(t):
    c = t.running(with_mknod(t, "sleep 1000", [{"allow": False, "access": "rwm"}]))
    t.contains(c.exec("sh", "-c", MKNOD_SDA).err, "Operation not permitted")


# Limits


def test_pids_limit(t):
    need(t, "pids")
    t.equal(value(t, limited(t, {"pids": {"limit": 20}}), "pids.max"), "20", "pids.max")


def test_memory_limit(t):
    need(t, "memory")
    c = limited(t, {"memory": {"limit": 33554432, "reservation": 16777216, "swap": 67108864}})
    t.equal(value(t, c, "memory.max"), "33554432", "memory.max")
    t.equal(value(t, c, "memory.low"), "16777216", "memory.low")


def test_cpu_quota(t):
    need(t, "cpu")
    t.equal(value(t, limited(t, {"cpu": {"quota": 20000, "period": 100000}}), "cpu.max"), "20000 100000", "cpu.max")


def test_cpu_shares(t):
    need(t, "cpu")
    t.true(int(value(t, limited(t, {"cpu": {"shares": 2048}}), "cpu.weight")) > 50, "cpu.weight")


def test_cpuset(t):
    need(t, "cpuset")
    t.equal(value(t, limited(t, {"cpu": {"cpus": "0"}}), "cpuset.cpus"), "0", "cpuset.cpus")


def test_hugetlb_limit(t):
    need(t, "hugetlb")
    c = limited(t, {"hugepageLimits": [{"pageSize": "2MB", "limit": 4194304}]})
    directory = t.cgroup_dir(c.bundle)
    if not os.path.exists(os.path.join(directory, "hugetlb.2MB.max")):
        t.skip("no huge pages of 2 MB here")
    names = [n for n in ("hugetlb.2MB.rsvd.max", "hugetlb.2MB.max") if os.path.exists(os.path.join(directory, n))]
    t.true("4194304" in [value(t, c, n) for n in names], "the limit in one of " + ", ".join(names))


def test_limits_below_new_groups(t):
    need(t, "pids")
    b = t.bundle("sleep", "1000", linux={"resources": {"pids": {"limit": 20}}})
    parent = b.linux["cgroupsPath"]
    b.linux["cgroupsPath"] = parent + "/a/b"
    c = t.running(b)
    t.equal(value(t, c, "pids.max"), "20", "pids.max")
    c.delete("--force")
    for path in (parent + "/a", parent):
        if os.path.isdir(sandbox.CGROUP_ROOT + path):
            os.rmdir(sandbox.CGROUP_ROOT + path)


def test_pids_limit_holds(t):
    need(t, "pids")
    b = t.bundle(script="i=0; while [ $i -lt 20 ]; do sleep 1000 & i=$((i+1)); done",
                 linux={"resources": {"pids": {"limit": 10}}})
    t.contains(t.run(b).err, "can't fork")


def test_memory_limit_holds(t):
    need(t, "memory")
    limits = {"memory": {"limit": 16777216, "swap": 16777216}}
    b = t.bundle("dd", "if=/dev/zero", "of=/dev/null", "bs=64M", "count=1", linux={"resources": limits})
    t.equal(t.run(b).code, 128 + 9, "exit code after the end of memory")


@wherry_only("what is done before the container's program is hardly charged to it")
def test_very_small_memory_limit(t):
    need(t, "memory")
    t.equal(t.run(t.bundle("true", linux={"resources": {"memory": {"limit": 262144}}})).code, 0, "exit code")


def test_memory_and_swap_are_apart(t):
    """config.json says memory and swap together, cgroup2 wants the swap alone."""
    need(t, "memory")
    c = limited(t, {"memory": {"limit": 33554432, "swap": 50331648}})
    if not os.path.exists(os.path.join(t.cgroup_dir(c.bundle), "memory.swap.max")):
        t.skip("this kernel does not count swap")
    t.equal(value(t, c, "memory.swap.max"), "16777216", "memory.swap.max")


@known_differences({"runc": "1.1 knows no burst", "crun": "1.8 knows burst with the unit of cgroup v1 only"})
def test_cpu_burst(t):
    need(t, "cpu")
    c = limited(t, {"cpu": {"quota": 20000, "period": 100000, "burst": 10000}})
    t.equal(value(t, c, "cpu.max.burst"), "10000", "cpu.max.burst")


def test_cpu_idle(t):
    need(t, "cpu")
    t.equal(value(t, limited(t, {"cpu": {"idle": 1}}), "cpu.idle"), "1", "cpu.idle")


def test_cpuset_mems(t):
    need(t, "cpuset")
    c = limited(t, {"cpu": {"cpus": "0", "mems": "0"}})
    t.equal(value(t, c, "cpuset.mems"), "0", "cpuset.mems")


def test_throttled_device(t):
    need(t, "io")
    disks = sorted(os.listdir("/sys/block"))
    if not disks:
        t.skip("there is no block device")
    major, minor = (int(n) for n in read(f"/sys/block/{disks[0]}/dev").split(":"))
    entry = {"major": major, "minor": minor, "rate": 1048576}
    c = limited(t, {"blockIO": {"throttleReadBpsDevice": [entry], "throttleWriteIOPSDevice": [entry]}})
    t.equal(value(t, c, "io.max"), f"{major}:{minor} rbps=1048576 wbps=max riops=max wiops=1048576", "io.max")


def test_own_limit_cannot_be_lifted(t):
    """With a cgroup namespace and a writable cgroup mount, the namespace's root is still the host's."""
    need(t, "pids")
    if " - cgroup2 " in read("/proc/self/mountinfo") and "nsdelegate" not in read("/proc/self/mountinfo"):
        t.skip("cgroup2 is mounted without nsdelegate")
    b = t.bundle(script="cd /sys/fs/cgroup && mkdir sub && echo made; echo max > pids.max; cat pids.max",
                 linux={"resources": {"pids": {"limit": 20}}})
    b.drop_mount("/sys/fs/cgroup").mount("/sys/fs/cgroup", "cgroup", "cgroup", ["nosuid", "noexec", "nodev"])
    t.equal(t.run(b).out.split(), ["made", "20"], "output")


def test_exec_counts_for_the_limit(t):
    need(t, "pids")
    c = limited(t, {"pids": {"limit": 1}})
    t.true(c.exec("true").code != 0, "no room for a second process")
    t.equal(c.status(), "running", "status")


def test_update_pids(t):
    need(t, "pids")
    c = limited(t, {"pids": {"limit": 20}})
    t.runtime.ok("update", "--pids-limit", "30", c.id)
    t.equal(value(t, c, "pids.max"), "30", "pids.max")


def test_unified(t):
    need(t, "hugetlb")
    c = limited(t, {"unified": {"hugetlb.2MB.max": "8388608"}})
    t.equal(value(t, c, "hugetlb.2MB.max"), "8388608", "hugetlb.2MB.max")


def test_unified_core_file(t):
    c = limited(t, {"unified": {"cgroup.max.descendants": "7"}})
    t.equal(value(t, c, "cgroup.max.descendants"), "7", "cgroup.max.descendants")


@known_differences({"crun": "1.8 leaves the cgroup behind"})
def test_unified_unknown_file_is_refused(t):
    t.refused(t.bundle("true", linux={"resources": {"unified": {"nosuch.file": "1"}}}))


@known_differences({"crun": "1.8 leaves the cgroup behind"})
def test_unified_name_with_a_slash_is_refused(t):
    t.refused(t.bundle("true", linux={"resources": {"unified": {"../cgroup.freeze": "1"}}}))


LIMITS = {"memory": {"memory": {"limit": 33554432}}, "pids": {"pids": {"limit": 10}},
          "cpu": {"cpu": {"quota": 10000, "period": 100000}}, "cpuset": {"cpu": {"cpus": "0"}},
          "io": {"blockIO": {"throttleReadBpsDevice": [{"major": 1, "minor": 0, "rate": 1000000}]}}}


@wherry_only("a limit that restricts and cannot be set refuses the container in one line")
def test_limit_without_its_controller_is_refused(t):
    missing = sorted(set(LIMITS) - t.box.controllers())
    if not missing:
        t.skip("every controller is in cgroup2 on this host")
    for name in missing:
        result = t.refused(t.bundle("true", linux={"resources": LIMITS[name]}))
        t.equal(len(result.err.strip().splitlines()), 1, f"lines of the message about {name}")
        t.contains(result.err, name)


@known_differences({
    "runc": "1.1 wants the memory controller for -1",
    "crun": "1.8 wants the memory controller for -1",
})
def test_no_limit_is_no_error(t):
    for resources in ({"memory": {}, "cpu": {}}, {"memory": {"limit": -1}}, {"pids": {"limit": -1}},
                      {"cpu": {"shares": 0}, "blockIO": {"weight": 0}}, {"cpu": {"quota": -1}}):
        t.equal(t.run(t.bundle("true", linux={"resources": resources})).code, 0, f"exit code with {resources}")


@known_differences({"runc": "1.1 puts both into one cgroup", "crun": "puts both into one cgroup"})
def test_cgroup_of_another_container_is_refused_and_left_alone(t):
    first = t.running(t.bundle("sleep", "1000"))
    second = t.bundle("true")
    second.config["linux"]["cgroupsPath"] = first.bundle.config["linux"]["cgroupsPath"]
    t.true(t.run(second).code != 0, "a populated cgroup is refused")
    t.equal(first.status(), "running", "status of the container that was there")


@wherry_only("the message is one line, and names the remedy")
def test_systemd_manager_where_there_is_none(t):
    if os.path.isdir("/run/systemd/system"):
        t.skip("systemd is this host's init")
    b = t.bundle("true")
    b.linux["cgroupsPath"] = "system.slice:it:a"
    t.runtime.global_flags = ["--systemd-cgroup"]
    result = t.refused(b, "systemd")
    t.equal(len(result.err.strip().splitlines()), 1, f"lines of {result.err!r}")
    t.lacks(result.err.lower(), "no such file", "permission denied")


@wherry_only("the form of the path is Wherry's to explain")
def test_path_of_the_other_manager_is_refused(t):
    b = t.bundle("true")
    b.linux["cgroupsPath"] = "system.slice:it:a"
    t.refused(b, "--systemd-cgroup")
    b.linux["cgroupsPath"] = "/a/b"
    t.runtime.global_flags = ["--systemd-cgroup"]
    t.refused(b, "slice:prefix:name")
