# SPDX-License-Identifier: Apache-2.0
"""containerd-shim-wherry-v2 over its socket: no containerd is needed."""

import json
import os
import signal
import socket
import struct
import subprocess

from itest import wherry_only
from itest.case import read
from itest.limits import need
from itest.runtime import SLOW, Failure
from itest.shim import (CREATED, PAUSED, RUNNING, STOPPED, EventServer, ShimCase, ShimError, alive, client, decode,
                        encode, shim_program)

SHIM = "the shim is its own"
EXECS = int(10000 / SLOW)
V3 = "containerd.task.v3.Task"


def children_of(pid):
    found = []
    for task in os.listdir(f"/proc/{pid}/task"):
        try:
            found += read(f"/proc/{pid}/task/{task}/children").split()
        except FileNotFoundError:
            pass  # a thread that has ended meanwhile
    return [int(child) for child in found]


def share_of(shim):
    return int(read(f"/proc/{shim.pid}/smaps_rollup").split("\nPss:")[1].split()[0])


@wherry_only(SHIM)
def test_life_of_a_container(t):
    shim = ShimCase(t)
    bundle = t.bundle(script="echo out; echo err >&2; exit 7")
    out, err = shim.fifo(), shim.fifo()
    name = shim.create(bundle, out.path, err.path)
    t.equal(shim.status(name), CREATED, "status after Create")
    pid = shim.state(name)[3][0]
    t.equal(children_of(shim.pid), [pid], "children of the shim: the container's own and no other")
    waiting = shim.shim.begin("Wait", {1: name})
    t.equal(shim.call("Start", {1: name})[1], [pid], "pid")
    answer = shim.shim.result(waiting)
    t.equal(answer[1], [7], "exit status of Wait")
    t.equal(shim.status(name), STOPPED, "status at the end")
    t.equal(shim.wait(name), 7, "a Wait that comes late")
    t.until(lambda: out.ended and err.ended, "the end of the output")
    t.equal((out.data, err.data), (b"out\n", b"err\n"), "output")
    gone = shim.delete(name)
    t.equal((gone[1], gone[2]), ([pid], [7]), "pid and status of Delete")
    shim.refused(5, "State", {1: name}, "not found")
    shim.until_topic("/tasks/delete")
    t.equal(shim.events.topics(), ["/tasks/create", "/tasks/start", "/tasks/exit", "/tasks/delete"], "events")
    ended = shim.events.events[2][1]
    t.equal((ended[1], ended[2], ended[3], ended[4]), ([name.encode()], [name.encode()], [pid], [7]), "TaskExit")
    t.equal(os.listdir("/run/containerd/wherry/itest"), [], "state that is left")


@wherry_only(SHIM)
def test_the_third_version_of_the_service(t):
    shim = ShimCase(t)
    name = shim.running()
    t.equal(shim.call("State", {1: name}, service=V3)[4], [RUNNING], "status")
    for service, method in (("containerd.task.v4.Task", "State"), (V3, "Fly")):
        try:
            shim.call(method, {1: name}, service=service)
            raise Failure("an unknown method was answered")
        except ShimError as error:
            t.equal(error.code, 12, "code of an unknown service or method: containerd tries an older one")


@wherry_only(SHIM)
def test_errors_have_the_codes_that_callers_act_on(t):
    shim = ShimCase(t)
    name = shim.running()
    shim.refused(6, "Create", {1: name, 2: "/nowhere"})
    shim.refused(2, "Delete", {1: name}, "cannot delete a running process")
    shim.refused(9, "Start", {1: name}, "cannot start a running process")
    shim.refused(5, "Kill", {1: "nobody", 3: 9}, "not found")
    shim.refused(5, "Wait", {1: name, 2: "nothing"}, "not found")
    shim.refused(12, "Checkpoint", {1: name}, "not supported")
    t.equal(shim.call("Connect", {1: "nobody"}).get(2), None, "Connect for an unknown id: no task")
    shim.call("Kill", {1: name, 3: 9})
    t.equal(shim.wait(name), 137, "exit status")
    shim.refused(5, "Kill", {1: name, 3: 9}, "process already finished")
    shim.call("Kill", {1: name, 3: 9, 4: 1})  # CRI: all of them, before Delete
    shim.refused(9, "Exec", {1: name, 2: "e", 7: {2: "{}"}})
    shim.delete(name)


@wherry_only(SHIM)
def test_create_that_fails_leaves_nothing(t):
    shim = ShimCase(t)
    bundle = t.bundle("no-such-program")
    shim.start(bundle, "first")
    message = shim.refused(2, "Create", {1: "broken", 2: bundle.path}, "OCI runtime create failed: ")
    t.contains(message, "executable file not found")
    shim.refused(5, "Delete", {1: "broken"})
    t.equal(children_of(shim.pid), [], "children of the shim")
    t.equal(shim.events.topics(), [], "events")


@wherry_only(SHIM)
def test_delete_of_a_container_that_was_never_started(t):
    shim = ShimCase(t)
    name = shim.create()
    t.equal(shim.delete(name)[2], [137], "exit status")
    shim.until_topic("/tasks/delete")
    t.equal(shim.events.topics(), ["/tasks/create", "/tasks/exit", "/tasks/delete"], "events")


@wherry_only(SHIM)
def test_exec(t):
    shim = ShimCase(t)
    name = shim.running()
    out = shim.fifo()
    shim.exec(name, "e1", ["sh", "-c", "echo hello; exit 3"], out=out.path)
    t.equal(shim.status(name, "e1"), CREATED, "status before Start")
    t.equal(shim.state(name, "e1").get(3), None, "pid before Start")
    shim.refused(6, "Exec", {1: name, 2: "e1", 7: {2: "{}"}})
    shim.refused(9, "Kill", {1: name, 2: "e1", 3: 9}, "process not created")
    waiting = shim.shim.begin("Wait", {1: name, 2: "e1"})
    pid = shim.call("Start", {1: name, 2: "e1"})[1][0]
    t.equal(shim.shim.result(waiting)[1], [3], "exit status")
    t.until(lambda: out.ended, "the end of the output")
    t.equal(out.data, b"hello\n", "output")
    shim.refused(5, "Kill", {1: name, 2: "e1", 3: 9}, "process already finished")  # CRI expects it
    gone = shim.call("Delete", {1: name, 2: "e1"})
    t.equal((gone[1], gone[2]), ([pid], [3]), "pid and status of Delete")
    shim.refused(5, "State", {1: name, 2: "e1"})
    shim.until_topic("/tasks/exit")
    t.equal(shim.events.topics()[2:], ["/tasks/exec-added", "/tasks/exec-started", "/tasks/exit"], "events")
    t.equal(shim.events.events[-1][1][2], [b"e1"], "id of the exit")
    t.equal(shim.status(name), RUNNING, "status of the container")


@wherry_only(SHIM)
def test_exec_that_fails(t):
    shim = ShimCase(t)
    name = shim.running()
    shim.exec(name, "e", ["no-such-program"])
    shim.refused(2, "Start", {1: name, 2: "e"}, "executable file not found")
    t.equal(shim.status(name, "e"), STOPPED, "status")
    shim.call("Delete", {1: name, 2: "e"})
    shim.exec(name, "e", ["true"])  # the name is free again
    shim.call("Start", {1: name, 2: "e"})
    t.equal(shim.wait(name, "e"), 0, "exit status")


@wherry_only(SHIM)
def test_exits_of_added_processes_come_before_that_of_the_container(t):
    shim = ShimCase(t)
    name = shim.running()
    for i in range(8):
        shim.exec(name, f"e{i}", ["sleep", "1000"])
        shim.call("Start", {1: name, 2: f"e{i}"})
    shim.call("Kill", {1: name, 3: 9})
    shim.wait(name)
    shim.until_topic("/tasks/exit", 9)
    ids = [event[2][0].decode() for topic, event in shim.events.events if topic == "/tasks/exit"]
    t.equal(sorted(ids[:8]), [f"e{i}" for i in range(8)], "the first eight")
    t.equal(ids[8], name, "the last one")


@wherry_only(SHIM)
def test_a_short_life_is_told_in_order(t):
    """The program may have ended before Start is answered."""
    shim = ShimCase(t)
    for _ in range(10):
        name = shim.running(t.bundle("true"))
        t.equal(shim.wait(name), 0, "exit status")
        shim.delete(name)
        shim.call("Shutdown", {1: name})
        t.until(lambda: not alive(shim.pid), "the end of the shim")
        order = [topic.rsplit("/", 1)[1] for topic in shim.events.topics()]
        t.equal(order, ["create", "start", "exit", "delete"], "events")
        shim.events.events.clear()
        shim.address = None


@wherry_only(SHIM)
def test_processes_of_a_shared_pid_namespace_end_with_the_container(t):
    shim = ShimCase(t)
    bundle = t.bundle(script="sleep 1000 & exec sleep 1000")
    bundle.linux["namespaces"] = [ns for ns in bundle.linux["namespaces"] if ns["type"] != "pid"]
    name = shim.running(bundle)
    t.until(lambda: len(shim.call("Pids", {1: name})[1]) == 2, "two processes")
    pids = [decode(info)[1][0] for info in shim.call("Pids", {1: name})[1]]
    shim.call("Kill", {1: name, 3: 9})
    shim.wait(name)
    t.until(lambda: not any(alive(pid) for pid in pids), "the end of both")
    shim.delete(name)


@wherry_only(SHIM)
def test_pids_names_added_processes(t):
    shim = ShimCase(t)
    name = shim.running()
    shim.exec(name, "e", ["sleep", "1000"])
    pid = shim.call("Start", {1: name, 2: "e"})[1][0]
    infos = {decode(info)[1][0]: decode(info) for info in shim.call("Pids", {1: name})[1]}
    t.equal(sorted(infos), sorted([shim.state(name)[3][0], pid]), "pids")
    details = decode(infos[pid][2][0])
    t.equal((details[1], decode(details[2][0])[1]), ([b"containerd.runc.v1.ProcessDetails"], [b"e"]), "details")


@wherry_only(SHIM)
def test_pause_and_resume(t):
    shim = ShimCase(t)
    name = shim.running()
    shim.call("Pause", {1: name})
    t.equal(shim.status(name), PAUSED, "status")
    shim.refused(2, "Exec", {1: name, 2: "e", 7: {2: "{}"}}, "paused")
    shim.refused(2, "Delete", {1: name}, "paused")
    shim.call("Resume", {1: name})
    t.equal(shim.status(name), RUNNING, "status")
    shim.refused(2, "Resume", {1: name})
    shim.until_topic("/tasks/resumed")
    t.equal(shim.events.topics()[2:], ["/tasks/paused", "/tasks/resumed"], "events")
    shim.call("Pause", {1: name})
    shim.call("Kill", {1: name, 3: 9})  # also of a paused one
    t.equal(shim.wait(name), 137, "exit status")


@wherry_only(SHIM)
def test_stats(t):
    shim = ShimCase(t)
    name = shim.running()
    stats = decode(shim.call("Stats", {1: name})[1][0])
    t.equal(stats[1], [b"io.containerd.cgroups.v2.Metrics"], "type")
    metrics = decode(stats[2][0])
    t.true(decode(metrics[2][0]).get(1, [0])[0] > 0, "a CPU usage")
    if "pids" in t.box.controllers():
        t.equal(decode(metrics[1][0])[1], [1], "pids.current")


@wherry_only(SHIM)
def test_input_that_is_closed_before_the_start(t):
    """As ctr does it when its own input has ended at once."""
    shim = ShimCase(t)
    name = shim.running()
    path = t.path("stdin")
    os.mkfifo(path)
    writer = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    out = shim.fifo()
    shim.exec(name, "e", ["cat"], out=out.path, stdin=path)
    os.write(writer, b"words")
    shim.call("CloseIO", {1: name, 2: "e", 3: 1})
    shim.call("Start", {1: name, 2: "e"})
    t.until(lambda: out.data == b"words", "the words")
    os.close(writer)
    t.equal(shim.wait(name, "e"), 0, "exit status")


@wherry_only(SHIM)
def test_update(t):
    shim = ShimCase(t)
    name = shim.running()
    t.contains(shim.refused(2, "Update", {1: name, 2: {1: "x", 2: '{"pids":{"limit":"many"}}'}}), "/pids/limit")
    need(t, "pids")
    shim.call("Update", {1: name, 2: {1: "types.containerd.io/opencontainers/runtime-spec/1/LinuxResources",
                                      2: '{"pids":{"limit":23}}'}})
    metrics = decode(decode(shim.call("Stats", {1: name})[1][0])[2][0])
    t.equal(decode(metrics[1][0])[2], [23], "pids.max")


@wherry_only(SHIM)
def test_a_kill_for_want_of_memory_is_told_before_the_exit(t):
    need(t, "memory")
    shim = ShimCase(t)
    bundle = t.bundle("sh", "-c", "x=a; while true; do x=$x$x; done")
    bundle.linux.setdefault("resources", {})["memory"] = {"limit": 16 << 20, "swap": 16 << 20}
    name = shim.running(bundle)
    t.equal(shim.wait(name), 137, "exit status")
    shim.until_topic("/tasks/exit")
    t.equal(shim.events.topics()[-2:], ["/tasks/oom", "/tasks/exit"], "events")


@wherry_only(SHIM)
def test_standard_input_ends_when_it_is_closed(t):
    shim = ShimCase(t)
    path = t.path("stdin")
    os.mkfifo(path)
    reader = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    out = shim.fifo()
    name = shim.running(t.bundle("cat"), out=out.path, stdin=path)
    os.write(reader, b"one\n")
    t.until(lambda: out.data == b"one\n", "the first line")
    os.close(reader)  # a client that detaches: the shim holds the other side
    writer = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
    os.write(writer, b"two\n")
    t.until(lambda: out.data == b"one\ntwo\n", "the second line")
    os.close(writer)
    t.equal(shim.status(name), RUNNING, "status before CloseIO")
    shim.call("CloseIO", {1: name, 3: 1})
    t.equal(shim.wait(name), 0, "exit status")


@wherry_only(SHIM)
def test_output_that_nobody_reads_stops_the_writer_and_nothing_else(t):
    """No EPIPE, no lost byte, and the shim answers on; a reader that comes back gets it all."""
    shim = ShimCase(t)
    out = shim.fifo(reads=False)
    name = shim.running(t.bundle("sh", "-c", "head -c 1000000 /dev/zero; echo end"), out=out.path)
    waiting = shim.connect()
    stream = waiting.begin("Wait", {1: name})
    t.equal(shim.status(name), RUNNING, "status")
    shim.exec(name, "e", ["true"])
    shim.call("Start", {1: name, 2: "e"})
    t.equal(shim.wait(name, "e"), 0, "exit status of an exec beside it")
    out.open()
    t.equal(waiting.result(stream).get(1, [0]), [0], "exit status")
    t.until(lambda: out.ended, "the end of the output")
    t.equal(len(out.data), 1000004, "bytes")


@wherry_only(SHIM)
def test_much_output(t):
    shim = ShimCase(t)
    out = shim.fifo()
    size = int(1e9 / SLOW)
    out.keeps = False
    name = shim.running(t.bundle("sh", "-c", f"head -c {size} /dev/zero"), out=out.path)
    t.equal(shim.wait(name), 0, "exit status")
    t.until(lambda: out.ended, "the end of the output")
    t.equal(out.size, size, "bytes")
    resident = int(read(f"/proc/{shim.pid}/status").split("VmHWM:")[1].split()[0])
    t.true(resident < 16384, f"a shim that holds none of it: at most {resident} KiB were resident")


@wherry_only(SHIM)
def test_delete_does_not_wait_for_who_inherited_the_output(t):
    shim = ShimCase(t)
    bundle = t.bundle("sleep", "1000")
    name = shim.running(bundle)
    out = shim.fifo()
    shim.exec(name, "e", ["sh", "-c", "sleep 1000 & echo done"], out=out.path)
    shim.call("Start", {1: name, 2: "e"})
    t.equal(shim.wait(name, "e"), 0, "exit status")
    shim.call("Delete", {1: name, 2: "e"}, timeout=10)
    t.until(lambda: out.ended, "the end of the output")
    t.equal(out.data, b"done\n", "output")


@wherry_only(SHIM)
def test_terminal(t):
    shim = ShimCase(t)
    path = t.path("stdin")
    os.mkfifo(path)
    writer = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    out = shim.fifo()
    bundle = t.bundle("sh", "-c", "read x; stty size; test -t 0 && test -t 1 && test -t 2 && echo tty $x")
    bundle.process["terminal"] = True
    name = shim.create(bundle, out=out.path, stdin=path, terminal=True)
    shim.call("ResizePty", {1: name, 3: 91, 4: 37})
    shim.call("Start", {1: name})
    os.write(writer, b"yes\n")
    t.equal(shim.wait(name), 0, "exit status")
    t.until(lambda: out.ended, "the end of the output")
    t.contains(out.data.decode(), "37 91\r\n", "tty yes\r\n")
    shim.refused(2, "ResizePty", {1: name, 3: 1, 4: 1}, "cannot resize a stopped container")
    os.close(writer)


@wherry_only(SHIM)
def test_terminal_of_an_exec_whose_child_keeps_it_open(t):
    shim = ShimCase(t)
    name = shim.running()
    out = shim.fifo()
    shim.exec(name, "e", ["sh", "-c", "trap '' HUP; (trap '' HUP; sleep 1000) & echo bye"], out=out.path, terminal=True)
    shim.call("Start", {1: name, 2: "e"})
    shim.wait(name, "e")
    t.until(lambda: out.ended, "the end of the output")
    t.equal(out.data, b"bye\r\n", "output")


@wherry_only(SHIM)
def test_file_as_output(t):
    shim = ShimCase(t)
    log = t.path("deep/er/log")
    name = shim.running(t.bundle(script="echo out; echo err >&2"), out=f"file://{log}", err=f"file://{log}")
    shim.wait(name)
    shim.delete(name)
    t.equal(sorted(read(log).split()), ["err", "out"], "log")


@wherry_only(SHIM)
def test_logger_program(t):
    shim = ShimCase(t)
    logger = t.file("logger", mode=0o755, text="""#!/bin/sh
echo "$CONTAINER_ID $CONTAINER_NAMESPACE $*" >"$2"
exec 5>&-
cat <&3 >>"$2"
""")
    log = t.path("logged")
    name = shim.running(t.bundle("echo", "words"), out=f"binary://{logger}?file={log}")
    shim.wait(name)
    t.until(lambda: os.path.exists(log) and "words" in read(log), "the logged words")
    t.equal(read(log), f"{name} itest file {log}\nwords\n", "log")
    shim.delete(name)
    other = t.bundle("true")
    other.write()
    shim.refused(2, "Create", {1: "other", 2: other.path, 6: "binary:///no/such/program"}, "logger")


@wherry_only(SHIM)
def test_root_file_system_by_mounts(t):
    shim = ShimCase(t)
    bundle = t.bundle("sh", "-c", "cat /mark; echo new >/written")
    bundle.config["root"] = {"path": "rootfs", "readonly": False}
    layers = [t.directory(f"layer{i}" + "x" * 60) for i in range(6)]
    t.file(os.path.basename(layers[0]) + "/mark", "marked\n")
    upper, work = t.directory("upper"), t.directory("work")
    mounts = [{1: "overlay", 2: "overlay",
               4: [f"lowerdir={':'.join(layers + [t.box.rootfs])}", f"upperdir={upper}", f"workdir={work}"]}]
    out = shim.fifo()
    name = shim.running(bundle, out=out.path, rootfs=mounts)
    t.equal(shim.wait(name), 0, "exit status")
    shim.delete(name)
    t.until(lambda: out.ended, "the end of the output")
    t.equal((out.data, read(os.path.join(upper, "written"))), (b"marked\n", "new\n"), "what was read and written")
    t.lacks(read("/proc/self/mountinfo"), bundle.path)
    bound = t.bundle("sh", "-c", "touch /x")
    bound.config["root"] = {"path": "rootfs", "readonly": False}
    bound.write()
    name = shim.running(bound, rootfs=[{1: "bind", 2: t.box.rootfs, 4: ["rbind", "ro"]}], start=False)
    t.equal(shim.wait(name), 1, "exit status of a write to a read-only root")
    shim.delete(name)
    broken = t.bundle("true")
    broken.write()
    message = shim.refused(2, "Create", {1: "broken", 2: broken.path, 3: [{1: "overlay", 2: "overlay", 4: ["sise=1"]}]})
    t.contains(message, "mount overlay", "sise")
    t.lacks(read("/proc/self/mountinfo"), broken.path)


@wherry_only(SHIM)
def test_slow_hook_stops_no_other_answer(t):
    shim = ShimCase(t)
    name = shim.running()
    gate = t.path("gate")
    os.mkfifo(gate)
    slow = t.bundle("true", hooks={"createRuntime": [{"path": "/bin/sh", "args": ["sh", "-c", f"read x <{gate}"]}]})
    slow.write()
    other = shim.connect()
    creating = other.begin("Create", {1: "slow", 2: slow.path})
    shim.ids.append("slow")
    t.equal(shim.status(name), RUNNING, "status of another container")
    shim.refused(5, "State", {1: "slow"})
    with open(gate, "w", encoding="ascii") as file:
        file.write("go\n")
    t.true(other.result(creating)[1][0] > 0, "a pid")
    shim.call("Start", {1: "slow"})
    t.equal(shim.wait("slow"), 0, "exit status")


@wherry_only(SHIM)
def test_containers_of_a_pod_share_a_shim(t):
    shim = ShimCase(t)
    bundles = [t.bundle("sleep", "1000", annotations={"io.kubernetes.cri.sandbox-id": "pod"}) for _ in range(2)]
    alone = t.bundle("sleep", "1000")
    first = shim.running(bundles[0])
    t.equal(shim.start(bundles[1], "second"), shim.address, "address for the second")
    second = shim.running(bundles[1], start=False)
    alone.write()
    other = ShimCase(t)
    other.events = shim.events
    third = other.running(alone)
    t.true(other.address != shim.address and other.pid != shim.pid, "a shim of its own for a container of no pod")
    shim.call("Shutdown", {1: first})
    t.equal((shim.status(first), shim.status(second)), (RUNNING, RUNNING), "both run on after a Shutdown")
    bundles[0].write()
    done = shim.verb("-namespace", "itest", "-address", "x", "-id", second, "-bundle", "/nowhere", "delete")
    t.equal(done.returncode, 0, "delete verb")
    t.equal(shim.status(first), RUNNING, "the first container")
    other.events = None
    t.equal(other.status(third), RUNNING, "the third container")


@wherry_only(SHIM)
def test_delete_verb_after_the_shim_was_killed(t):
    shim = ShimCase(t)
    bundle = t.bundle("sleep", "1000")
    bundle.config["root"] = {"path": "rootfs", "readonly": True}
    name = shim.running(bundle, rootfs=[{1: "bind", 2: t.box.rootfs, 4: ["rbind", "ro"]}])
    pid = shim.state(name)[3][0]
    os.kill(shim.pid, signal.SIGKILL)
    t.until(lambda: not alive(shim.pid), "the end of the shim")
    t.true(alive(pid), "a container that runs on")
    done = shim.verb("-namespace", "itest", "-address", "x", "-id", name, "-bundle", bundle.path, "delete",
                     cwd=bundle.path)
    answer = decode(done.stdout)
    t.equal((answer[1], answer[2]), ([pid], [137]), "pid and status")
    t.until(lambda: not alive(pid), "the end of the container")
    t.lacks(read("/proc/self/mountinfo"), bundle.path)
    again = shim.verb("-namespace", "itest", "-address", "x", "-id", name, "-bundle", bundle.path, "delete",
                      cwd=bundle.path)
    t.equal(again.returncode, 0, "a second time")
    # The dead shim's socket is in the way of nobody.
    t.equal(ShimCase.start(shim, bundle, name), shim.address, "address")
    shim.shim = client.Shim(shim.address)
    shim.pid = shim.call("Connect", {1: name})[1][0]
    shim.ids.clear()


@wherry_only(SHIM)
def test_events_wait_for_containerd(t):
    shim = ShimCase(t)
    shim.events.close()
    name = shim.running(t.bundle("true"))
    t.equal(shim.wait(name), 0, "exit status, although nobody hears the events")
    shim.delete(name)
    shim.events = EventServer(t.path("events.sock"))
    shim.until_topic("/tasks/delete")
    t.equal(shim.events.topics(), ["/tasks/create", "/tasks/start", "/tasks/exit", "/tasks/delete"], "events")


@wherry_only(SHIM)
def test_clients_that_go_away(t):
    shim = ShimCase(t)
    name = shim.running()
    for i in range(50):
        gone = shim.connect()
        gone.begin("Wait", {1: name})
        gone.begin("State", {1: name})
        gone.socket.sendall(struct.pack(">IIBB", 4000000, 99, 1, 0) + b"x" * i)  # a frame that never ends
        gone.socket.close()
    t.equal(shim.status(name), RUNNING, "status")
    descriptors = len(os.listdir(f"/proc/{shim.pid}/fd"))
    t.until(lambda: len(os.listdir(f"/proc/{shim.pid}/fd")) < 25, f"few descriptors, not {descriptors}")


@wherry_only(SHIM)
def test_bytes_that_are_no_protocol(t):
    shim = ShimCase(t)
    name = shim.running()
    peer = shim.connect()
    for data, code in ((struct.pack(">IIBB", 3, 2, 1, 0) + b"abc", 3),  # an even stream
                       (struct.pack(">IIBB", 3, 1, 1, 0) + b"\xff\xff\xff", 3),  # no protobuf
                       (struct.pack(">IIBB", 0, 1, 1, 0), 3),  # a stream for the second time
                       (struct.pack(">IIBB", 0, 77, 3, 4), 3)):  # data
        peer.socket.sendall(data)
        stream = struct.unpack(">IIBB", data[:10])[1]
        try:
            peer.result(stream)
            raise Failure("an answer")
        except ShimError as error:
            t.equal(error.code, code, "code")
    peer.socket.sendall(struct.pack(">IIBB", 5000000, 79, 1, 0) + b"x" * 5000000)
    try:
        peer.result(79)
        raise Failure("an answer")
    except ShimError as error:
        t.equal(error.code, 8, "code of a frame that is too large")
    peer.stream = 101
    t.equal(peer.call("State", {1: name})[4], [RUNNING], "status over the same connection")
    resident = int(read(f"/proc/{shim.pid}/status").split("VmHWM:")[1].split()[0])
    t.true(resident < 16384, f"no memory for it: at most {resident} KiB were resident")


@wherry_only(SHIM)
def test_a_call_whose_time_runs_out(t):
    shim = ShimCase(t)
    name = shim.running()
    try:
        shim.call("Wait", {1: name}, timeout=0.05)
        raise Failure("an answer")
    except ShimError as error:
        t.equal(error.code, 4, "code")


@wherry_only(SHIM)
def test_start_holds_no_pipe_and_says_nothing_else(t):
    """containerd reads both streams of `start` as one, to the end."""
    shim = ShimCase(t)
    bundle = t.bundle("true")
    bundle.write()
    done = subprocess.run([shim_program(t.runtime.path), "-namespace", "itest", "-id", "x", "-address", "/a",
                           "-publish-binary", "/bin/true", "start"], cwd=bundle.path, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=True, timeout=30)
    address = done.stdout.decode()
    t.matches(address, r"\Aunix:///run/containerd/s/[0-9a-f]{64}\Z")
    shim.address, shim.shim = address, client.Shim(address)
    shim.pid = shim.call("Connect", {1: "x"})[1][0]
    t.equal({os.readlink(f"/proc/{shim.pid}/fd/{fd}") for fd in (0, 1)}, {"/dev/null"}, "its streams")
    path = address[len("unix://"):]
    t.equal(os.stat(path).st_mode & 0o777, 0o600, "mode of the socket")
    shim.call("Shutdown", {1: "x"})
    t.until(lambda: not alive(shim.pid), "the end of the shim")
    t.true(not os.path.exists(path), "no socket left")


@wherry_only(SHIM)
def test_bootstrap_by_protobuf(t):
    shim = ShimCase(t)
    bundle = t.bundle("true")
    bundle.write()
    sockets = t.directory("s")
    params = encode({1: "x", 2: "itest", 9: sockets})
    done = shim.verb("-namespace", "itest", "-id", "x", "-address", "/a", "start", cwd=bundle.path, stdin=params, env={})
    answer = decode(done.stdout)
    t.equal((answer[1], answer[3]), ([3], [b"ttrpc"]), "version and protocol")
    shim.address = answer[2][0].decode()
    t.contains(shim.address, f"unix://{sockets}/")
    shim.shim = client.Shim(shim.address)
    shim.pid = shim.call("Connect", {1: "x"}, service=V3)[1][0]


@wherry_only(SHIM)
def test_bootstrap_by_json(t):
    shim = ShimCase(t)
    bundle = t.bundle("true")
    bundle.write()
    done = shim.verb("-namespace", "itest", "-id", "x", "-address", "/a", "start", cwd=bundle.path,
                     env={"WHERRY_SHIM_BOOTSTRAP": "json"})
    answer = json.loads(done.stdout)
    t.equal((answer["version"], answer["protocol"]), (3, "ttrpc"), "version and protocol")
    shim.address = answer["address"]
    shim.shim = client.Shim(shim.address)
    shim.pid = shim.call("Connect", {1: "x"}, service=V3)[1][0]


@wherry_only(SHIM)
def test_information(t):
    shim = ShimCase(t)
    options = encode({1: "containerd.runc.v1.Options", 2: encode({9: 1})})
    info = decode(shim.verb("-info", stdin=options).stdout)
    t.equal(info[1], [b"io.containerd.wherry.v2"], "name")
    t.equal(info[3], [options], "options")
    features = decode(info[4][0])
    t.equal(features[1], [b"types.containerd.io/opencontainers/runtime-spec/1/features/Features"], "type")
    t.true(json.loads(features[2][0])["ociVersionMax"], "features")
    t.contains(shim.verb("-v").stdout.decode(), "containerd-shim-wherry-v2 ")
    wrong = shim.verb("-fly")
    t.equal(wrong.returncode, 1, "exit status of an unknown flag")
    t.contains(wrong.stderr.decode(), "there is no flag -fly")


@wherry_only(SHIM)
def test_options_of_runc(t):
    shim = ShimCase(t)
    root = t.path("other-root")
    noted = t.bundle("sleep", "1000")
    noted.write()
    os.mkfifo(os.path.join(noted.path, "log"))
    log = os.open(os.path.join(noted.path, "log"), os.O_RDWR | os.O_NONBLOCK)
    name = shim.create(noted, options={7: root, 6: "/usr/bin/ignored"})
    t.contains(os.read(log, 4096).decode(), "level=info", "BinaryName /usr/bin/ignored is not used")
    os.close(log)
    t.equal(os.listdir(os.path.join(root, "itest")), [name], "state below the root of the options")
    shim.delete(name)
    bundle = t.bundle("sleep", "1000")
    bundle.write()
    shim.refused(2, "Create", {1: "x", 2: bundle.path, 10: {1: "containerd.runc.v1.Options", 2: b"\xff"}}, "options")
    out = shim.fifo()
    script = t.bundle("stat", "-Lc", "%u %g", "/proc/self/fd/1")
    name = shim.create(script, out=out.path, options={4: 1000, 5: 1001}, start=False)
    shim.call("Start", {1: name})
    t.equal(shim.wait(name), 0, "exit status")
    t.until(lambda: out.ended, "the end of the output")
    t.equal(out.data, b"1000 1001\n", "owner of the output")


@wherry_only(SHIM)
def test_small(t):
    shim = ShimCase(t)
    name = shim.running()
    t.until(lambda: share_of(shim) <= 1536, "a proportional set of at most 1.5 MiB at rest")
    t.until(lambda: len(os.listdir(f"/proc/{shim.pid}/task")) == 1, "one thread at rest")
    t.equal(children_of(shim.pid), shim.state(name)[3], "children")


@wherry_only(SHIM)
def test_the_example_client(t):
    bundle = t.bundle(script="echo hello; exit 5")
    bundle.write()
    done = subprocess.run([client.__spec__.origin, shim_program(t.runtime.path), bundle.path, "example"],
                          stdout=subprocess.PIPE, check=False, timeout=30)
    t.equal((done.stdout, done.returncode), (b"hello\n", 5), "output and exit status")


@wherry_only(SHIM)
def test_socket_without_a_server_is_replaced(t):
    shim = ShimCase(t)
    name = shim.running(t.bundle("sleep", "1000"))
    path = shim.address[len("unix://"):]
    shim.call("Kill", {1: name, 3: 9})
    shim.wait(name)
    shim.delete(name)
    shim.call("Shutdown", {1: name})
    t.until(lambda: not alive(shim.pid), "the end of the shim")
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(path)
    bundle = t.bundle("sleep", "1000")
    bundle.write()
    shim.address = None
    address = shim.start(bundle, name)
    t.equal(address, "unix://" + path, "address")


@wherry_only(SHIM)
def test_streams_that_nobody_opens_hold_up_nothing(t):
    """containerd may be away, or go before it has opened its ends; the log is such a stream, too."""
    shim = ShimCase(t)
    bundle = t.bundle("echo", "words")
    bundle.write()
    os.mkfifo(os.path.join(bundle.path, "log"))
    stdin = t.path("stdin")
    os.mkfifo(stdin)
    name = shim.running(bundle, out=shim.fifo(reads=False).path, err=shim.fifo(reads=False).path, stdin=stdin)
    t.equal(shim.wait(name), 0, "exit status")
    shim.delete(name)


@wherry_only(SHIM)
def test_log_whose_reader_goes_away(t):
    shim = ShimCase(t)
    bundle = t.bundle("true")
    bundle.process["capabilities"] = {"bounding": ["CAP_NEVER_HEARD_OF"]}
    bundle.write()
    path = os.path.join(bundle.path, "log")
    os.mkfifo(path)
    reader = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    name = shim.create(bundle)
    t.contains(os.read(reader, 65536).decode(), "level=warning", "CAP_NEVER_HEARD_OF")
    shim.delete(name)
    os.close(reader)  # what is written now meets EPIPE
    shim.delete(shim.create(bundle, start=False))
    keeper = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    for _ in range(16):  # and now the FIFO is full
        os.write(keeper, b"x" * 4096)
    shim.delete(shim.create(bundle, start=False))
    os.close(keeper)


@wherry_only(SHIM)
def test_output_that_cannot_be_written_is_taken_all_the_same(t):
    shim = ShimCase(t)
    name = shim.running(t.bundle("head", "-c", "1000000", "/dev/zero"), out="/dev/full", err="file:///dev/full")
    t.equal(shim.wait(name), 0, "exit status")
    shim.delete(name)


@wherry_only(SHIM)
def test_delete_does_not_wait_for_a_reader(t):
    """CRI gives a delete ten seconds, and the runtime's part of it must happen."""
    shim = ShimCase(t)
    out = shim.fifo(reads=False)
    name = shim.running(t.bundle("sh", "-c", "head -c 1000000 /dev/zero"), out=out.path)
    shim.call("Kill", {1: name, 3: 9})
    t.equal(shim.wait(name), 137, "exit status")
    shim.call("Delete", {1: name}, timeout=9)
    shim.ids.remove(name)
    t.equal(os.listdir("/run/containerd/wherry/itest"), [], "state that is left")


@wherry_only(SHIM)
def test_no_exit_is_lost_when_the_container_ends_among_starts(t):
    shim = ShimCase(t)
    for _ in range(3):
        name = shim.running() if shim.address is None else shim.create(start=False)
        if shim.status(name) == CREATED:
            shim.call("Start", {1: name})
        for i in range(24):
            shim.exec(name, f"e{i}", ["sleep", "1000"])
        starter, killer = shim.connect(), shim.connect()
        streams = [starter.begin("Start", {1: name, 2: f"e{i}"}) for i in range(24)]
        killer.call("Kill", {1: name, 3: 9})
        pids = {}
        for i, stream in enumerate(streams):
            try:
                pids[f"e{i}"] = starter.result(stream)[1][0]
            except ShimError as error:
                t.true(error.code in (2, 9), f"code 2 or 9: {error}")
        t.equal(shim.wait(name), 137, "exit status")
        for exec_id in pids:
            t.equal(shim.wait(name, exec_id), 137, f"exit status of {exec_id}")
        shim.delete(name)
        shim.until_topic("/tasks/delete")
        told = [event[2][0].decode() for topic, event in shim.events.events if topic == "/tasks/exit"]
        t.equal(told[-1], name, "the last exit")
        t.equal(sorted(told[:-1]), sorted(pids), "exits of those that were started")
        t.equal(children_of(shim.pid), [], "children of the shim")
        shim.events.events.clear()


@wherry_only(SHIM)
def test_many_execs_whose_clients_go_away(t):
    """None is left, none is lost, and the shim is as small and quick as before."""
    shim = ShimCase(t)
    name = shim.running()

    def one(number):
        gone = shim.connect()
        shim.shim = gone
        shim.exec(name, f"e{number}", ["true"])
        gone.begin("Wait", {1: name, 2: f"e{number}"})
        gone.begin("Start", {1: name, 2: f"e{number}"})
        gone.socket.close()

    for number in range(EXECS):
        one(number)
        if number % 250 == 249:  # the queue of events holds 4,096, and this listener is slow
            shim.until_topic("/tasks/exit", number - 250)
    shim.shim = shim.connect()
    for number in range(EXECS):
        t.until(lambda number=number: shim.status(name, f"e{number}") == STOPPED, "the end of an exec")
        t.equal(shim.call("Delete", {1: name, 2: f"e{number}"}).get(2, [0]), [0], "exit status")
    t.equal(children_of(shim.pid), shim.state(name)[3], "children of the shim")
    t.until(lambda: len(os.listdir(f"/proc/{shim.pid}/fd")) < 25, "few descriptors")
    shim.until_topic("/tasks/exit", EXECS)
    t.until(lambda: share_of(shim) <= 1536, "a proportional set of at most 1.5 MiB at rest")


@wherry_only(SHIM)
def test_pids_of_nested_cgroups(t):
    """containerd takes a shim whose list is empty for a leaked one."""
    shim = ShimCase(t)
    bundle = t.bundle("sleep", "1000")
    name = shim.running(bundle)
    pid = shim.state(name)[3][0]
    nested = os.path.join(t.cgroup_dir(bundle), "below", "deeper")
    os.makedirs(nested)
    with open(nested + "/cgroup.procs", "w", encoding="ascii") as file:
        file.write(str(pid))
    t.equal([decode(info)[1][0] for info in shim.call("Pids", {1: name})[1]], [pid], "pids")
    shim.call("Kill", {1: name, 3: 9})
    shim.wait(name)
    shim.delete(name)
    t.true(not os.path.exists(t.cgroup_dir(bundle)), "no cgroup left")


@wherry_only(SHIM)
def test_delete_of_what_somebody_else_has_deleted(t):
    shim = ShimCase(t)
    name = shim.running()
    subprocess.run([t.runtime.path, "--root", "/run/containerd/wherry/itest", "delete", "--force", name], check=True,
                   timeout=30)
    t.equal(shim.wait(name), 137, "exit status")
    t.equal(shim.delete(name)[2], [137], "status of Delete")


@wherry_only(SHIM)
def test_hook_that_says_much_before_it_fails(t):
    shim = ShimCase(t)
    bundle = t.bundle("true", hooks={"createRuntime": [
        {"path": "/bin/sh", "args": ["sh", "-c", "head -c 300000 /dev/zero | tr '\\0' x >&2; exit 9"]}]})
    shim.start(bundle, "much")
    shim.refused(2, "Create", {1: "much", 2: bundle.path}, "OCI runtime create failed")
    t.equal(children_of(shim.pid), [], "children of the shim")


@wherry_only(SHIM)
def test_cgroup_that_is_another_containers(t):
    shim = ShimCase(t)
    first = t.bundle("sleep", "1000")
    name = shim.running(first)
    second = t.bundle("sleep", "1000")
    second.linux["cgroupsPath"] = first.linux["cgroupsPath"]
    second.write()
    shim.refused(2, "Create", {1: "other", 2: second.path}, "cgroup")
    t.equal(shim.status(name), RUNNING, "status of the first")


@wherry_only(SHIM)
def test_shim_without_a_container_is_found_and_ended(t):
    """What containerd does when it died between the start of a shim and Create, and comes back."""
    shim = ShimCase(t)
    bundle = t.bundle("true")
    shim.start(bundle, "x")
    t.equal(read(os.path.join(bundle.path, "address")), shim.address, "where containerd 1.x looks for it")
    shim.refused(5, "Pids", {1: "x"}, "not found")
    shim.refused(5, "Delete", {1: "x"}, "not found")
    shim.call("Shutdown", {1: "x"})
    t.until(lambda: not alive(shim.pid), "the end of the shim")


@wherry_only(SHIM)
def test_shutdown_while_a_container_is_made(t):
    """The caller has given up: nobody will ask for that container again."""
    shim = ShimCase(t)
    gate = t.path("gate")
    os.mkfifo(gate)
    bundle = t.bundle("sleep", "1000", hooks={"createRuntime": [{"path": "/bin/sh", "args": ["sh", "-c", f"read x <{gate}"]}]})
    shim.start(bundle, "slow")
    gone = shim.connect()
    gone.begin("Create", {1: "slow", 2: bundle.path})
    t.until(lambda: len(os.listdir(f"/proc/{shim.pid}/task")) > 1, "the worker")
    gone.socket.close()
    shim.refused(5, "Delete", {1: "slow"}, "not found")
    shim.call("Shutdown", {1: "slow"})
    t.true(alive(shim.pid), "a shim that makes a container")
    with open(gate, "w", encoding="ascii") as file:
        file.write("go\n")
    t.until(lambda: not alive(shim.pid), "the end of the shim")
    t.equal(os.listdir("/run/containerd/wherry/itest"), [], "state that is left")
    t.true(not os.path.exists(t.cgroup_dir(bundle)), "no cgroup left")
    shim.until_topic("/tasks/delete")


@wherry_only(SHIM)
def test_oom_score_that_may_not_be_lowered(t):
    """CRI's sandboxes ask for -998; where CAP_SYS_RESOURCE is missing, one line says what is."""
    shim = ShimCase(t)
    bundle = t.bundle("true")
    bundle.process["oomScoreAdj"] = -998
    shim.start(bundle, "x")
    try:
        shim.call("Create", {1: "x", 2: bundle.path})
        shim.ids.append("x")
        t.equal(read(f"/proc/{shim.state('x')[3][0]}/oom_score_adj").strip(), "-998", "score")
    except ShimError as error:
        t.contains(error.message, "oomScoreAdj", "CAP_SYS_RESOURCE")


@wherry_only(SHIM)
def test_cgroup_of_systemds(t):
    """CRI sends runc's options to no other shim: the path alone tells that the cgroup is systemd's to make."""
    shim = ShimCase(t)
    bundle = t.bundle("sleep", "1000")
    bundle.linux["cgroupsPath"] = "itest.slice:shim:one"
    try:
        name = shim.running(bundle)
        t.contains(read(f"/proc/{shim.state(name)[3][0]}/cgroup"), "itest.slice/shim-one.scope")
    except ShimError as error:
        t.contains(error.message, "systemd")
        shim.ids.clear()


@wherry_only(SHIM)
def test_output_of_a_short_life_waits_for_its_reader(t):
    """An engine opens its end of a FIFO when it gets to it, which may be behind the end of the process."""
    shim = ShimCase(t)
    out, err = shim.fifo(reads=False), shim.fifo(reads=False)
    name = shim.running(t.bundle("echo", "words"), out=out.path, err=err.path)
    t.equal(shim.wait(name), 0, "exit status")
    out.open()
    err.open()
    t.until(lambda: out.ended and err.ended, "the end of the output")
    t.equal((out.data, err.data), (b"words\n", b""), "output")
    shim.delete(name)
