# SPDX-License-Identifier: Apache-2.0
"""Every property of linux.resources: what the kernel has of it, and what it does where that can be seen."""

import json
import os
import re
import shutil
import subprocess

from itest import known_differences, sandbox, wherry_only
from itest.case import read
from itest.limits import expect_files, limited, need, value

MIB = 1 << 20
OLD_SHARES = {"runc": "1.1 has the older formula for cpu.weight", "crun": "1.8 has the older formula for cpu.weight"}


def expect(t, controller, resources, **files):
    need(t, controller)
    c = limited(t, resources)
    expect_files(t, c, **files)
    return c


class Disk:
    """A loop device of 64 MiB of zeros, which are read from memory."""

    def __init__(self, t):
        if not os.path.exists("/dev/loop-control"):
            t.skip("no loop devices here")
        self.image = t.path("disk")
        with open(self.image, "wb") as file:
            file.truncate(64 * MIB)
        found = subprocess.run(["losetup", "--show", "-f", self.image], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, check=False)
        if found.returncode != 0:
            t.skip("no loop device could be set up: " + found.stderr.decode().strip())
        self.path = found.stdout.decode().strip()
        number = os.stat(self.path).st_rdev
        self.major, self.minor = os.major(number), os.minor(number)
        t.keep(self)

    def entry(self, **more):
        return {"major": self.major, "minor": self.minor, **more}

    def close(self):
        subprocess.run(["losetup", "-d", self.path], check=False)


# Memory


def test_memory(t):
    expect(t, "memory", {"memory": {"limit": 64 * MIB, "reservation": 32 * MIB, "swap": 96 * MIB}},
           memory__max=str(64 * MIB), memory__low=str(32 * MIB), memory__swap__max=str(32 * MIB))


def test_memory_without_swap(t):
    expect(t, "memory", {"memory": {"limit": 64 * MIB, "swap": 64 * MIB}}, memory__swap__max="0")


def test_memory_unlimited(t):
    expect(t, "memory", {"memory": {"limit": -1}}, memory__max="max", memory__swap__max="max")
    expect(t, "memory", {"memory": {"limit": 64 * MIB, "swap": -1}}, memory__max=str(64 * MIB),
           memory__swap__max="max")


def test_memory_zero_is_unset(t):
    expect(t, "memory", {"memory": {"limit": 0, "reservation": 0, "swap": 0}}, memory__max="max", memory__low="0",
           memory__swap__max="max")


@known_differences({"runc": "1.1 passes over what cgroup v2 has not", "crun": "1.8 passes over some"})
def test_properties_of_cgroup_v1_are_refused(t):
    for resources, name in (({"memory": {"kernel": 8 * MIB}}, "kernel"),
                            ({"memory": {"kernelTCP": 8 * MIB}}, "kernelTCP"),
                            ({"memory": {"swappiness": 60}}, "swappiness"),
                            ({"memory": {"disableOOMKiller": True}}, "disableOOMKiller"),
                            ({"memory": {"useHierarchy": False}}, "useHierarchy"),
                            ({"cpu": {"realtimeRuntime": 1000}}, "realtimeRuntime"),
                            ({"cpu": {"realtimePeriod": 1000000}}, "realtimePeriod"),
                            ({"blockIO": {"leafWeight": 100}}, "leafWeight"),
                            ({"network": {"classID": 5}}, "classID"),
                            ({"network": {"priorities": [{"name": "lo", "priority": 2}]}}, "priorities")):
        result = t.refused(t.bundle("true", linux={"resources": resources}), name, "v2")
        t.equal(len(result.err.strip().splitlines()), 1, f"lines of the message about {name}")


def test_memory_limit_kills(t):
    need(t, "memory")
    c = limited(t, {"memory": {"limit": 16 * MIB, "swap": 16 * MIB}}, "sh", "-c",
                "dd if=/dev/zero of=/dev/null bs=64M count=1; sleep 1000")
    directory = t.cgroup_dir(c.bundle)
    t.until(lambda: re.search(r"^oom_kill [1-9]", read(directory + "/memory.events"), re.MULTILINE), "an oom kill")


@wherry_only("names the limit")
def test_too_small_a_memory_limit_is_named(t):
    need(t, "memory")
    result = t.refused(t.bundle("true", linux={"resources": {"memory": {"limit": 4096}}}))
    t.contains(result.err, "memory limit 4 KiB is too small", "/linux/resources/memory/limit")
    t.equal(len(result.err.strip().splitlines()), 1, "lines of the message")


@wherry_only("names the limit")
def test_too_small_a_memory_limit_for_exec_is_named(t):
    need(t, "memory")
    c = t.running(t.bundle("sleep", "1000", linux={"resources": {"memory": {"limit": 16 * MIB}}},
                           process={"oomScoreAdj": -1000}))
    with open(t.cgroup_dir(c.bundle) + "/memory.max", "w", encoding="ascii") as file:
        file.write("4096")  # the kernel takes from nobody here what is in use
    process = {"args": ["true"], "cwd": "/", "user": {"uid": 0, "gid": 0}, "oomScoreAdj": 0}
    result = t.runtime.call("exec", "--process", t.file("process.json", json.dumps(process)), c.id)
    t.equal(result.code, 255, "exit code")
    t.contains(result.err, "memory limit", "is too small", "raise it")


@wherry_only("what is done before the container's program is hardly charged to it")
def test_default_bundle_in_a_quarter_of_a_mebibyte(t):
    need(t, "memory")
    b = t.bundle("true", linux={"resources": {"memory": {"limit": 262144}}})
    t.true(len(b.config["mounts"]) >= 7, "the mounts of the default bundle")
    for _ in range(5):
        t.equal(t.run(b).code, 0, "exit code")


# CPU


def test_cpu(t):
    expect(t, "cpu", {"cpu": {"quota": 20000, "period": 50000}}, cpu__max="20000 50000", cpu__max__burst="0")
    expect(t, "cpu", {"cpu": {"quota": 20000}}, cpu__max="20000 100000")
    expect(t, "cpu", {"cpu": {"period": 50000}}, cpu__max="max 50000")
    expect(t, "cpu", {"cpu": {"quota": -1, "period": 50000}}, cpu__max="max 50000")
    expect(t, "cpu", {"cpu": {"quota": 0, "period": 0, "shares": 0}}, cpu__max="max 100000", cpu__weight="100")


@known_differences(OLD_SHARES)
def test_cpu_weight_keeps_the_defaults(t):
    for shares, weight in ((2, 1), (1024, 100), (2048, 174), (262144, 10000)):
        expect(t, "cpu", {"cpu": {"shares": shares}}, cpu__weight=str(weight))


@known_differences({"runc": "1.1 writes the weight of an idle cgroup", "crun": "1.8 writes the weight first"})
def test_cpu_idle_with_shares(t):
    expect(t, "cpu", {"cpu": {"idle": 1, "shares": 2048}}, cpu__idle="1")


@known_differences({"runc": "1.1 knows no burst", "crun": "1.8 has another unit"})
def test_cpu_burst(t):
    expect(t, "cpu", {"cpu": {"quota": 20000, "period": 100000, "burst": 15000}}, cpu__max="20000 100000",
           cpu__max__burst="15000")


def test_cpu_quota_throttles(t):
    need(t, "cpu")
    c = limited(t, {"cpu": {"quota": 10000, "period": 100000}}, "sh", "-c", "while :; do :; done")
    directory = t.cgroup_dir(c.bundle)
    t.until(lambda: re.search(r"^nr_throttled [1-9]", read(directory + "/cpu.stat"), re.MULTILINE), "throttled time")


def test_cpuset(t):
    expect(t, "cpuset", {"cpu": {"cpus": "0", "mems": "0"}}, cpuset__cpus="0", cpuset__mems="0",
           cpuset__cpus__effective="0")


# Tasks


def test_pids(t):
    expect(t, "pids", {"pids": {"limit": 20}}, pids__max="20")
    expect(t, "pids", {"pids": {"limit": -1}}, pids__max="max")


@known_differences({"runc": "1.1 reads 0 as no limit", "crun": "1.8 reads 0 as no limit"})
def test_pids_zero_is_a_limit(t):
    need(t, "pids")
    b = t.bundle(script="true; (sleep 0) || echo alone; exit 0", linux={"resources": {"pids": {"limit": 0}}})
    t.contains(t.run(b).err, "can't fork")


def test_fork_bomb_is_stopped(t):
    need(t, "pids")
    c = limited(t, {"pids": {"limit": 30}}, "sh", "-c", "bomb() { bomb | bomb & }; bomb; sleep 1000")
    directory = t.cgroup_dir(c.bundle)
    t.until(lambda: re.search(r"^max [1-9]", read(directory + "/pids.events"), re.MULTILINE), "a fork that was refused")
    t.true(int(read(directory + "/pids.current")) <= 30, "at most 30 tasks")
    c.delete("--force")
    t.clean()


# Block I/O


def test_throttles_of_one_device_meet_in_one_line(t):
    need(t, "io")
    disk = Disk(t)
    c = limited(t, {"blockIO": {"throttleReadBpsDevice": [disk.entry(rate=MIB)],
                                "throttleWriteBpsDevice": [disk.entry(rate=2 * MIB)],
                                "throttleReadIOPSDevice": [disk.entry(rate=300)],
                                "throttleWriteIOPSDevice": [disk.entry(rate=400)]}})
    t.equal(value(t, c, "io.max"), f"{disk.major}:{disk.minor} rbps=1048576 wbps=2097152 riops=300 wiops=400", "io.max")


def test_throttled_reads(t):
    need(t, "io")
    disk = Disk(t)
    reader = f"dd if={disk.path} of=/dev/null bs=1M"
    rules = [{"allow": True, "type": "b", "major": disk.major, "minor": disk.minor, "access": "r"}]

    def bytes_read(resources, script):
        """The most that io.stat says until the script has ended or all is read."""
        b = t.bundle("sh", "-c", script, linux={"resources": dict(resources, devices=rules)})
        b.mount(disk.path, "bind", disk.path, ["bind", "ro"])
        c = t.running(b)
        pattern = re.compile(rf"^{disk.major}:{disk.minor} rbytes=(\d+)", re.MULTILINE)
        most = 0

        def is_over():
            nonlocal most
            stopped = c.status() == "stopped"
            found = pattern.search(read(t.cgroup_dir(b) + "/io.stat"))
            most = int(found.group(1)) if found else 0
            return stopped or most >= 64 * MIB

        t.until(is_over, "the end of dd")
        c.delete("--force")
        return most

    drop_caches()
    t.equal(bytes_read({}, reader + "; sleep 1000"), 64 * MIB, "bytes without a limit")
    drop_caches()
    # pid 1 of a pid namespace would not be ended by SIGTERM, so dd is not to be it.
    limit = {"blockIO": {"throttleReadBpsDevice": [disk.entry(rate=MIB)]}}
    read_in_time = bytes_read(limit, f"timeout 3 {reader}; exit 0")
    t.true(0 < read_in_time < 32 * MIB, f"few bytes in three seconds at 1 MiB/s, not {read_in_time}")


def drop_caches():
    with open("/proc/sys/vm/drop_caches", "w", encoding="ascii") as file:
        file.write("1")


def test_block_weight(t):
    need(t, "io")
    c = limited(t, {})
    directory = t.cgroup_dir(c.bundle)
    if os.path.exists(directory + "/io.bfq.weight"):
        name, wanted = "io.bfq.weight", "default 500"
    elif os.path.exists(directory + "/io.weight"):
        name, wanted = "io.weight", "default 4950"
    else:
        t.skip("this kernel has neither io.bfq.weight nor io.weight")
    t.contains(value(t, limited(t, {"blockIO": {"weight": 500}}), name) + "\n", wanted + "\n")


def test_no_such_block_device_is_refused(t):
    need(t, "io")
    t.refused(t.bundle("true", linux={"resources": {"blockIO": {"throttleReadBpsDevice": [
        {"major": 511, "minor": 77, "rate": 1000}]}}}))


# Huge pages, RDMA


@known_differences({"runc": "1.1 writes no limit of reservations", "crun": "writes no limit of reservations"})
def test_hugetlb(t):
    need(t, "hugetlb")
    c = limited(t, {"hugepageLimits": [{"pageSize": "2MB", "limit": 4 * MIB}]})
    t.equal(value(t, c, "hugetlb.2MB.max"), str(4 * MIB), "hugetlb.2MB.max")
    t.equal(value(t, c, "hugetlb.2MB.rsvd.max"), str(4 * MIB), "hugetlb.2MB.rsvd.max")


def test_hugetlb_of_no_such_size_is_refused(t):
    need(t, "hugetlb")
    t.refused(t.bundle("true", linux={"resources": {"hugepageLimits": [{"pageSize": "3MB", "limit": 3 * MIB}]}}))


class RdmaLink:
    """An RDMA device of software on a network device that leads nowhere."""

    def __init__(self, t):
        if shutil.which("rdma") is None or shutil.which("ip") is None:
            t.skip("no ip and rdma (Debian: iproute2)")
        for command in (["ip", "link", "add", "wherry-rdma0", "type", "dummy"], ["ip", "link", "set", "wherry-rdma0", "up"],
                        ["rdma", "link", "add", "wherry0", "type", "rxe", "netdev", "wherry-rdma0"]):
            made = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
            if made.returncode != 0:
                self.close()
                t.skip(f"no RDMA device of software: {command[0]}: {made.stderr.decode().strip()}")
        t.keep(self)

    def close(self):
        for command in (["rdma", "link", "delete", "wherry0"], ["ip", "link", "delete", "wherry-rdma0"]):
            subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)


@known_differences({"crun": "passes over rdma"})
def test_rdma(t):
    need(t, "rdma")
    RdmaLink(t)
    c = limited(t, {"rdma": {"wherry0": {"hcaHandles": 3, "hcaObjects": 10000}}})
    t.equal(value(t, c, "rdma.max"), "wherry0 hca_handle=3 hca_object=10000", "rdma.max")


# Unified


def test_unified_wins_and_takes_several_lines(t):
    need(t, "memory")
    disk = Disk(t)
    c = limited(t, {"memory": {"limit": 64 * MIB},
                    "unified": {"memory.max": str(48 * MIB), "memory.high": str(40 * MIB), "memory.oom.group": "1",
                                "io.max": f"{disk.major}:{disk.minor} rbps=1048576\n{disk.major}:{disk.minor} wiops=7"}})
    t.equal(value(t, c, "memory.max"), str(48 * MIB), "memory.max")
    t.equal(value(t, c, "memory.high"), str(40 * MIB), "memory.high")
    t.equal(value(t, c, "memory.oom.group"), "1", "memory.oom.group")
    t.equal(value(t, c, "io.max"), f"{disk.major}:{disk.minor} rbps=1048576 wbps=max riops=max wiops=7", "io.max")


# Controllers without limits


def test_use_is_counted_without_limits(t):
    """`docker stats` reads these files."""
    need(t, "memory", "pids", "io", "cpu")
    b = t.bundle("sleep", "1000")
    b.linux["cgroupsPath"] += "/a/b"
    c = t.running(b)
    directory = t.cgroup_dir(b)
    for name in ("memory.current", "memory.stat", "pids.current", "io.stat", "cpu.stat"):
        t.true(os.path.exists(os.path.join(directory, name)), name)
    t.contains(read(directory + "/cpu.stat"), "nr_throttled")
    c.delete("--force")
    t.clean()


# Ownership (config-linux.md "Cgroup ownership")

NOT_DELEGATED = ("memory.max", "cgroup.events", "pids.max", "cpu.max", "cgroup.max.depth")


def owners(t, b):
    directory = t.cgroup_dir(b)
    return {name: os.stat(os.path.join(directory, name)).st_uid for name in ["."] + sorted(os.listdir(directory))}


def writable_cgroup(b):
    return b.drop_mount("/sys/fs/cgroup").mount("/sys/fs/cgroup", "cgroup", "cgroup", ["nosuid", "noexec", "nodev"])


@known_differences({"runc": "only with systemd", "crun": "not without an annotation"})
def test_cgroup_is_given_to_the_containers_user(t):
    b = writable_cgroup(t.bundle("sleep", "1000")).user_namespace()
    b.process["user"] = {"uid": 1000, "gid": 1000}
    c = t.running(b)
    found = owners(t, b)
    listed = read("/sys/kernel/cgroup/delegate").split()
    for name, uid in found.items():
        t.equal(uid, 101000 if name == "." or name in listed else 0, f"owner of {name}")
    t.true("cgroup.procs" in listed and found["cgroup.procs"] == 101000, "cgroup.procs is the user's")
    for name in set(NOT_DELEGATED) & set(found):
        t.equal(found[name], 0, f"owner of {name}")
    t.equal(c.exec("true").code, 0, "exec into a cgroup that is the user's")


@known_differences({"runc": "only with systemd", "crun": "not without an annotation"})
def test_user_divides_the_cgroup_and_lifts_no_limit(t):
    need(t, "pids")
    b = writable_cgroup(t.bundle(script="cd /sys/fs/cgroup && mkdir sub && echo $$ > sub/cgroup.procs && echo moved; "
                                        "echo max > pids.max; cat pids.max"))
    b.linux["resources"] = {"pids": {"limit": 20}}
    b.process["user"] = {"uid": 1000, "gid": 1000}
    t.equal(t.run(b).out.split(), ["moved", "20"], "output")


def test_cgroup_stays_with_root_otherwise(t):
    for edit in (lambda b: b, lambda b: writable_cgroup(b).namespace("cgroup", remove=True)):
        b = edit(t.bundle("sleep", "1000"))
        b.process["user"] = {"uid": 1000, "gid": 1000}
        c = t.running(b)
        t.equal(set(owners(t, b).values()), {0}, "owners")
        c.delete("--force")


# exec


def test_exec_in_a_cgroup_below(t):
    c = t.running()
    os.mkdir(os.path.join(t.cgroup_dir(c.bundle), "below"))
    for path in ("below", "/below", "./below"):
        t.contains(t.runtime.ok("exec", "--cgroup", path, c.id, "cat", "/proc/self/cgroup").out, "0::/below\n")


@wherry_only("the message is Wherry's")
def test_exec_in_no_cgroup_outside(t):
    c = t.running()
    outside = os.path.join(sandbox.CGROUP_ROOT + t.box.cgroup, "outside")
    os.mkdir(outside)
    try:
        for path in ("../outside", "/../outside", "below/../../outside", "..", "missing", outside):
            result = t.runtime.fails("exec", "--cgroup", path, c.id, "true")
            t.contains(result.err, "below the container's own")
    finally:
        os.rmdir(outside)


# Hybrid hosts


@wherry_only("doctor is Wherry's")
def test_doctor_names_the_missing_controllers(t):
    names = {"cpu", "cpuset", "io", "memory", "pids", "hugetlb", "rdma"}
    missing = names - t.box.controllers()
    if not missing:
        t.skip("every controller is in cgroup2 on this host")
    lines = [line for line in t.runtime.call("doctor").out.splitlines() if "cgroup controllers" in line]
    t.equal(len(lines), 1, "lines about controllers")
    t.contains(lines[0], *sorted(missing), "cgroup_no_v1=all")
