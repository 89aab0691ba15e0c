# SPDX-License-Identifier: Apache-2.0
"""update: other limits for a container that is there; events: what it uses."""

import json
import os
import signal

from itest import known_differences, wherry_only
from itest.case import read
from itest.limits import expect_files, limited, need, value

MIB = 1 << 20


def update_json(t, c, resources, call="ok"):
    return getattr(t.runtime, call)("update", "--resources", "-", c.id, input=json.dumps(resources))


# Flags


def test_memory_flags(t):
    need(t, "memory")
    c = limited(t, {})
    t.runtime.ok("update", "--memory", "64m", "--memory-reservation", "32MiB", "--memory-swap", "100663296", c.id)
    expect_files(t, c, memory__max=str(64 * MIB), memory__low=str(32 * MIB), memory__swap__max=str(32 * MIB))
    t.runtime.ok("update", "--memory", "-1", c.id)
    expect_files(t, c, memory__max="max", memory__swap__max="max", memory__low=str(32 * MIB))


@known_differences({"runc": "1.1 has the older formula, and no burst", "crun": "1.8 has the older formula, and no burst"})
def test_cpu_flags(t):
    need(t, "cpu", "cpuset")
    c = limited(t, {})
    t.runtime.ok("update", "--cpu-period", "50000", "--cpu-quota", "20000", "--cpu-share", "2048", "--cpuset-cpus", "0",
                 "--cpuset-mems", "0", c.id)
    expect_files(t, c, cpu__max="20000 50000", cpu__weight="174", cpuset__cpus="0", cpuset__mems="0")
    t.runtime.ok("update", "--cpu-burst", "10000", c.id)
    expect_files(t, c, cpu__max="20000 50000", cpu__max__burst="10000")
    t.runtime.ok("update", "--cpu-idle", "1", c.id)
    expect_files(t, c, cpu__idle="1")
    t.runtime.ok("update", "--cpu-idle", "0", "--cpu-share", "1024", c.id)
    expect_files(t, c, cpu__idle="0", cpu__weight="100")


def test_quota_and_period_alone_keep_the_other(t):
    need(t, "cpu")
    c = limited(t, {"cpu": {"quota": 20000, "period": 50000}})
    t.runtime.ok("update", "--cpu-quota", "30000", c.id)
    expect_files(t, c, cpu__max="30000 50000")
    t.runtime.ok("update", "--cpu-period", "60000", c.id)
    expect_files(t, c, cpu__max="30000 60000")
    t.runtime.ok("update", "--cpu-quota", "-1", c.id)
    expect_files(t, c, cpu__max="max 60000")


def test_pids_flag(t):
    need(t, "pids")
    c = limited(t, {"pids": {"limit": 20}})
    t.runtime.ok("update", "--pids-limit", "30", c.id)
    expect_files(t, c, pids__max="30")
    t.runtime.ok("update", "--pids-limit", "-1", c.id)
    expect_files(t, c, pids__max="max")


@wherry_only("the peers pass over some in silence")
def test_flags_that_cannot_be(t):
    c = t.running()
    for flag in ("--cpu-rt-period", "--cpu-rt-runtime"):
        t.contains(t.runtime.fails("update", flag, "100000", c.id).err, "cgroup v1 only")
    for flag in ("--l3-cache-schema", "--mem-bw-schema"):
        t.contains(t.runtime.fails("update", flag, "L3:0=1", c.id).err, "intelRdt")
    for flags in (("--memory", "lots"), ("--cpu-quota", "1.5"), ("--blkio-weight", "70000"), ("--blkio-weight", "5")):
        t.runtime.fails("update", *flags, c.id)
    t.contains(t.runtime.ok("update", "--kernel-memory", "1m", c.id).err, "ignored")


# Resources as JSON


def test_resources_from_a_file_and_from_stdin(t):
    need(t, "memory", "pids")
    c = limited(t, {"memory": {"limit": 64 * MIB}})
    path = t.file("resources.json", json.dumps({"memory": {"limit": 32 * MIB}, "pids": {"limit": 9}}))
    t.runtime.ok("update", "-r", path, c.id)
    expect_files(t, c, memory__max=str(32 * MIB), pids__max="9")
    update_json(t, c, {"pids": {"limit": 10}})
    expect_files(t, c, memory__max=str(32 * MIB), pids__max="10")


def test_zero_is_unset(t):
    """As Docker sends it: every number, those that nobody gave as 0."""
    need(t, "memory", "cpu", "pids")
    c = limited(t, {"memory": {"limit": 64 * MIB, "reservation": 32 * MIB}, "cpu": {"quota": 20000, "period": 50000},
                    "pids": {"limit": 20}})
    update_json(t, c, {"memory": {"limit": 0, "reservation": 0, "swap": 0}, "pids": {},
                       "cpu": {"shares": 0, "quota": 0, "period": 0, "realtimeRuntime": 0, "realtimePeriod": 0,
                               "cpus": "", "mems": ""}, "blockIO": {"weight": 0}})
    expect_files(t, c, memory__max=str(64 * MIB), memory__low=str(32 * MIB), cpu__max="20000 50000", pids__max="20")


def test_swap_follows_memory(t):
    need(t, "memory")
    c = limited(t, {"memory": {"limit": 64 * MIB, "swap": 96 * MIB}})
    t.runtime.ok("update", "--memory", "80m", c.id)
    expect_files(t, c, memory__max=str(80 * MIB), memory__swap__max=str(16 * MIB))
    t.runtime.ok("update", "--memory-swap", "128m", c.id)
    expect_files(t, c, memory__max=str(80 * MIB), memory__swap__max=str(48 * MIB))
    t.runtime.ok("update", "--memory", "64m", c.id)
    expect_files(t, c, memory__max=str(64 * MIB), memory__swap__max=str(64 * MIB))
    t.runtime.fails("update", "--memory", "129m", c.id)
    t.runtime.fails("update", "--memory-swap", "63m", c.id)
    expect_files(t, c, memory__max=str(64 * MIB), memory__swap__max=str(64 * MIB))


@known_differences({"runc": "1.1 has no such check", "crun": "1.8 has no such check"})
def test_check_before_update(t):
    need(t, "memory")
    c = limited(t, {}, "sh", "-c", "dd if=/dev/zero of=/dev/shm/x bs=1M count=8; sleep 1000")
    t.until(lambda: int(value(t, c, "memory.current")) > 8 * MIB, "8 MiB in use")
    result = update_json(t, c, {"memory": {"limit": 4 * MIB, "checkBeforeUpdate": True}}, "fails")
    t.contains(result.err, "/memory/limit", "in use", "rejecting memory limit")
    result = update_json(t, c, {"memory": {"limit": 4 * MIB, "swap": 5 * MIB, "checkBeforeUpdate": True}}, "fails")
    t.contains(result.err, "/memory/swap", "in use", "rejecting memory+swap limit")
    expect_files(t, c, memory__max="max")


@known_differences({"runc": "1.1 leaves what it has written", "crun": "1.8 leaves what it has written"})
def test_all_or_nothing(t):
    need(t, "memory", "pids", "cpu")
    c = limited(t, {"cpu": {"quota": 20000, "period": 50000}, "pids": {"limit": 20}})
    before = {name: value(t, c, name) for name in ("cpu.max", "pids.max", "memory.low", "memory.max", "cpu.weight")}
    result = update_json(t, c, {"cpu": {"quota": 40000, "shares": 2048}, "pids": {"limit": 30},
                                "memory": {"reservation": MIB}, "unified": {"memory.nosuch": "1"}}, "fails")
    t.contains(result.err, "memory.nosuch")
    t.equal({name: value(t, c, name) for name in before}, before, "files after the failed update")
    t.runtime.ok("update", "--pids-limit", "40", c.id)
    expect_files(t, c, pids__max="40")


@wherry_only("one line that names the place")
def test_bad_resources_are_refused(t):
    c = t.running()
    for text, word in (("{", "standard input"), ('{"memory": 5}', "/memory"), ('{"cpu": {"period": 5}}', "/cpu/period"),
                       ('{"memory": {"swappiness": 5}}', "/memory/swappiness"),
                       ('{"unified": {"../x.y": "1"}}', "/unified/")):
        result = t.runtime.fails("update", "--resources", "-", c.id, input=text)
        t.contains(result.err, word)
        t.equal(len(result.err.strip().splitlines()), 1, "lines of the message")
    t.runtime.fails("update", "--resources", "/nonexistent", c.id)


def test_hugetlb_update(t):
    need(t, "hugetlb")
    c = limited(t, {"hugepageLimits": [{"pageSize": "2MB", "limit": 4194304}]})
    if t.kind == "wherry":
        update_json(t, c, {"hugepageLimits": [{"pageSize": "2MB", "limit": 8388608}]})
    else:
        update_json(t, c, {"unified": {"hugetlb.2MB.max": "8388608"}})
    expect_files(t, c, hugetlb__2MB__max="8388608")


# Devices

OPEN_FUSE = "mknod /dev/shm/fuse c 10 229; (exec 3< /dev/shm/fuse) 2>&1"


def exec_open(c):
    return c.exec("sh", "-c", OPEN_FUSE + "; rm /dev/shm/fuse").out


def with_mknod(t, rules):
    b = t.bundle("sleep", "1000").capabilities(["CAP_MKNOD", "CAP_SYS_ADMIN"])
    b.drop_mount("/dev/shm").mount("/dev/shm", "tmpfs", "shm", ["mode=1777"])
    b.linux["resources"] = {"devices": rules}
    return t.running(b)


DENY = {"allow": False, "access": "rwm"}
FUSE = {"allow": True, "type": "c", "major": 10, "minor": 229, "access": "rwm"}


@wherry_only("the peers change no device rules")
def test_device_rules_are_replaced(t):
    c = with_mknod(t, [DENY])
    t.contains(exec_open(c), "not permitted")
    update_json(t, c, {"devices": [DENY, FUSE]})
    t.lacks(exec_open(c), "not permitted")
    update_json(t, c, {"devices": [DENY]})
    t.contains(exec_open(c), "not permitted")
    update_json(t, c, {"devices": [{"allow": True, "access": "rwm"}]})
    t.lacks(exec_open(c), "not permitted")
    update_json(t, c, {"devices": [DENY, FUSE, dict(FUSE, allow=False)]})
    t.contains(exec_open(c), "not permitted")


def test_update_without_devices_leaves_them(t):
    c = with_mknod(t, [DENY, FUSE])
    update_json(t, c, {"unified": {"cgroup.max.depth": "5"}})
    t.lacks(exec_open(c), "not permitted")


# States


def test_created_and_paused_containers(t):
    c = t.created(t.bundle("sleep", "1000"))
    update_json(t, c, {"unified": {"cgroup.max.depth": "5"}})
    expect_files(t, c, cgroup__max__depth="5")
    c.start()
    t.runtime.ok("pause", c.id)
    update_json(t, c, {"unified": {"cgroup.max.depth": "6"}})
    expect_files(t, c, cgroup__max__depth="6")
    t.equal(c.status(), "paused", "status")
    c.delete("--force")
    t.clean()


def test_stopped_and_unknown_containers(t):
    c = t.running(t.bundle("sleep", "1000"))
    c.stop()
    t.contains(t.runtime.fails("update", "--pids-limit", "5", c.id).err, "not running")
    t.contains(t.runtime.fails("update", "--pids-limit", "5", "nobody").err, "does not exist")


# Events


def events(t, c, *flags):
    return [json.loads(line) for line in t.runtime.ok("events", *flags, c.id).out.splitlines()]


def test_stats_once(t):
    c = t.running(t.bundle(script="i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; sleep 1000"))
    found = events(t, c, "--stats")
    t.equal([(e["type"], e["id"]) for e in found], [("stats", c.id)], "events")
    data = found[0]["data"]
    wanted = {"cpu", "cpuset", "memory", "pids", "blkio", "hugetlb", "intel_rdt", "network_interfaces"}
    t.equal(set(data), wanted, "parts of the statistics")
    t.equal(data["pids"]["current"], len(read(t.cgroup_dir(c.bundle) + "/cgroup.procs").split()), "pids")
    t.equal(data["network_interfaces"], None, "network_interfaces")
    t.equal(data["cpuset"]["cpu_exclusive"], 0, "cpu_exclusive")
    t.true("kernel" in data["cpu"]["usage"] and "user" in data["cpu"]["usage"], "CPU time of both kinds")


def test_stats_of_limits(t):
    need(t, "memory", "pids", "cpu")
    c = limited(t, {"memory": {"limit": 64 * MIB, "swap": 96 * MIB}, "pids": {"limit": 20},
                    "cpu": {"quota": 10000, "period": 100000}}, "sh", "-c", "while :; do :; done")
    t.until(lambda: "throttled_usec 0" not in value(t, c, "cpu.stat"), "throttled time")
    data = events(t, c, "--stats")[0]["data"]
    t.equal(data["pids"], {"current": 1, "limit": 20}, "pids")
    t.equal(data["memory"]["usage"]["limit"], 64 * MIB, "memory limit")
    t.equal(data["memory"]["usage"]["failcnt"], 0, "failcnt")
    t.true(data["memory"]["usage"]["usage"] > 0, "memory in use")
    if os.path.exists(t.cgroup_dir(c.bundle) + "/memory.swap.max"):
        t.equal(data["memory"]["swap"]["limit"], 96 * MIB, "limit of memory and swap")
    t.equal(data["memory"]["raw"].keys(),
            {line.split()[0] for line in value(t, c, "memory.stat").splitlines()}, "counters of memory.stat")
    t.true(data["cpu"]["throttling"]["throttledPeriods"] > 0, "throttled periods")
    t.true(data["cpu"]["throttling"]["throttledTime"] > 0, "throttled time")


@wherry_only("1.1 shows no pressure")
def test_stats_of_pressure(t):
    need(t, "cpu")
    c = limited(t, {"cpu": {"quota": 10000, "period": 100000}}, "sh", "-c", "while :; do :; done")
    if not os.path.exists(t.cgroup_dir(c.bundle) + "/cpu.pressure"):
        t.skip("this kernel measures no pressure")
    t.until(lambda: "total=0" not in value(t, c, "cpu.pressure").splitlines()[0], "pressure")
    psi = events(t, c, "--stats")[0]["data"]["cpu"]["psi"]
    t.true(psi["some"]["total"] > 0, "pressure of some")
    t.equal(set(psi["some"]), {"avg10", "avg60", "avg300", "total"}, "averages")


def test_events_go_on_until_the_end(t):
    c = t.running()
    watcher = t.runtime.spawn("events", "--interval", "50ms", c.id)
    t.until(lambda: len(watcher.result.out.splitlines()) >= 2, "two statistics")
    os.kill(c.pid, signal.SIGKILL)
    result = t.runtime.finish(watcher)
    t.equal(result.code, 0, "exit code")
    t.equal({json.loads(line)["type"] for line in result.out.splitlines()}, {"stats"}, "kinds of events")


def test_events_tell_of_oom(t):
    need(t, "memory")
    wait = "until [ -e /go/{} ]; do sleep 0.1; done; "
    script = wait.format("go") + "dd if=/dev/zero of=/dev/null bs=64M count=1; " + wait.format("end")
    b = t.bundle("sh", "-c", script, linux={"resources": {"memory": {"limit": 16 * MIB, "swap": 16 * MIB}}})
    place = t.directory("go")
    own = b.own_rootfs(writable=False)
    os.mkdir(own + "/go")
    b.mount("/go", "bind", place, ["bind", "ro"])
    c = t.running(b)
    watcher = t.runtime.spawn("events", "--interval", "50ms", c.id)
    t.until(lambda: watcher.result.out, "the watcher")
    open(os.path.join(place, "go"), "w", encoding="ascii").close()
    t.until(lambda: "oom_kill 0" not in value(t, c, "memory.events"), "an oom kill")
    t.until(lambda: f'{{"type":"oom","id":"{c.id}"}}' in watcher.result.out, "the event")
    open(os.path.join(place, "end"), "w", encoding="ascii").close()
    t.equal(t.runtime.finish(watcher).code, 0, "exit code")


def test_events_of_a_stopped_container(t):
    c = t.running()
    c.stop()
    t.contains(t.runtime.fails("events", "--stats", c.id).err, "not running")
    t.runtime.fails("events", "--interval", "0s", c.id)
