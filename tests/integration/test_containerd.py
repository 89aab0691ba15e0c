# SPDX-License-Identifier: Apache-2.0
"""The shim under a real containerd."""

import concurrent.futures
import json
import os
import shutil
import signal
import subprocess

from itest import Pty, needs, wherry_only
from itest.containerd import IMAGE, Containerd
from itest.terminal import read_until

SHIM = "the shim is its own"
INSTALLED = needs(lambda: shutil.which("containerd") and shutil.which("ctr"), "containerd and ctr are not installed")


@INSTALLED
@wherry_only(SHIM)
def test_run(t):
    containerd = Containerd(t)
    done = containerd.run("c", "sh", "-c", "echo out; echo err >&2; exit 7")
    t.equal((done.stdout, done.returncode), (b"out\n", 7), "output and exit status")
    t.contains(done.stderr.decode(), "err\n")
    t.until(lambda: not containerd.shims(), "the end of the shim")
    t.contains(containerd.run("d", "no-such-program").stderr.decode(), "OCI runtime create failed", "not found in $PATH")


@INSTALLED
@wherry_only(SHIM)
def test_end_of_standard_input(t):
    """Once the container runs: ctr itself forgets an input that has ended before it has made the task, with every shim."""
    containerd = Containerd(t)
    with containerd.begin("c", "sh", "-c", "echo ready; cat; exit 5") as process:
        t.equal(process.stdout.readline(), b"ready\n", "first line")
        out, _ = process.communicate(b"words\n", 30)
    t.equal((out, process.returncode), (b"words\n", 5), "output and exit status")


@INSTALLED
@wherry_only(SHIM)
def test_commands_for_a_running_container(t):
    containerd = Containerd(t)
    containerd.detached("c", "sleep", "1000")
    t.equal(containerd.tasks(), {"c": "RUNNING"}, "tasks")
    done = containerd.call("tasks", "exec", "--exec-id", "e", "c", "sh", "-c", "echo in; exit 3")
    t.equal((done.stdout, done.returncode), (b"in\n", 3), "output and exit status of exec")
    t.equal(containerd.call("tasks", "exec", "--exec-id", "i", "c", "cat", input=b"words").returncode, 0, "exec of cat")
    t.contains(containerd.ctr("tasks", "ps", "c"), "PID")
    t.contains(containerd.ctr("tasks", "metrics", "c"), "cpu.usage_usec")
    containerd.ctr("tasks", "pause", "c")
    t.equal(containerd.tasks(), {"c": "PAUSED"}, "tasks")
    containerd.ctr("tasks", "resume", "c")
    containerd.ctr("tasks", "kill", "-s", "KILL", "c")
    t.until(lambda: containerd.tasks() == {"c": "STOPPED"}, "the end of the task")
    containerd.ctr("tasks", "rm", "c")
    t.until(lambda: not containerd.shims(), "the end of the shim")


@INSTALLED
@wherry_only(SHIM)
def test_terminal(t):
    containerd = Containerd(t)
    terminal = t.keep(Pty())
    process = subprocess.Popen([*containerd.words, "run", "--rm", "-t", *containerd.flags(), IMAGE,
                                "c", "sh", "-c", "tty; read x; echo got $x"], **terminal.stdio())
    terminal.started()
    read_until(terminal.master, "/dev/pts/0")
    os.write(terminal.master, b"line\n")
    read_until(terminal.master, "got line")
    t.equal(process.wait(30), 0, "exit status")


@INSTALLED
@wherry_only(SHIM)
def test_containerd_that_dies_and_comes_back(t):
    """It finds all that lives, and what has ended meanwhile; their exits are seen from then on."""
    containerd = Containerd(t)
    shared = t.directory("shared")
    names = [f"c{i}" for i in range(20)]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(containerd.detached, name, "sleep", "1000") for name in names]:
            done.result()
    containerd.detached("gone", "sh", "-c", "while test ! -e /mnt/stop; do sleep 0.05; done; exit 4",
                        flags=["--mount", f"type=bind,src={shared},dst=/mnt,options=rbind:rw"])
    shims = containerd.shims()
    containerd.kill()
    t.file("shared/stop")  # one ends while nobody listens
    containerd.start()
    expected = dict({name: "RUNNING" for name in names}, gone="STOPPED")
    t.until(lambda: containerd.tasks() == expected, "all tasks as they are")
    t.equal(sorted(containerd.shims()), sorted(shims), "shims")
    containerd.ctr("tasks", "exec", "--exec-id", "e", "c0", "true")
    with containerd.events() as events:
        for name in names:
            containerd.ctr("tasks", "kill", "-s", "KILL", name)
        t.until(lambda: all(f'"container_id":"{name}","id":"{name}"' in events.text() for name in names), "all exits")
    t.until(lambda: set(containerd.tasks().values()) == {"STOPPED"}, "the end of all tasks")
    t.contains(containerd.call("tasks", "delete", "gone").stderr.decode(), "exit code 4")


@INSTALLED
@wherry_only(SHIM)
def test_containerd_that_dies_while_it_makes_a_container(t):
    """When it comes back it finds the container that was made meanwhile, or, from 1.7 on, ends the shim: no leak."""
    containerd = Containerd(t)
    gate = t.path("gate")
    os.mkfifo(gate)
    spec = json.loads(containerd.ctr("oci", "spec"))
    spec["hooks"] = {"createRuntime": [{"path": "/bin/sh", "args": ["sh", "-c", f"touch {gate}.here; read x <{gate}"]}]}
    spec["root"] = {"path": t.box.rootfs}
    spec["linux"]["cgroupsPath"] = f"/{containerd.namespace}/c"
    spec["process"].update(args=["sleep", "1000"], terminal=False)
    config = t.file("spec.json", json.dumps(spec))
    making = subprocess.Popen([*containerd.words, "run", "-d", "--runtime", containerd.shim,
                               "--config", config, "c"], stdout=subprocess.DEVNULL)
    t.until(lambda: os.path.exists(gate + ".here"), "a create that waits for its hook")
    containerd.kill()
    making.wait(30)
    containerd.start()
    writer = os.open(gate, os.O_RDWR | os.O_NONBLOCK)  # the hook may be gone already
    os.write(writer, b"go\n")
    t.until(lambda: containerd.tasks() == {"c": "CREATED"} or not containerd.shims(), "the container, or no shim")
    os.close(writer)
    containerd.call("tasks", "rm", "-f", "c")
    t.until(lambda: not containerd.shims(), "the end of the shim")
    t.equal(containerd.tasks(), {}, "tasks")


@INSTALLED
@wherry_only(SHIM)
def test_shim_that_is_killed(t):
    containerd = Containerd(t)
    containerd.detached("c", "sleep", "1000")
    with containerd.events() as events:
        shim, = containerd.shims()
        os.kill(shim, signal.SIGKILL)
        t.until(lambda: "/tasks/delete" in events.text(), "the task's end in containerd's eyes")
        t.contains(events.text(), '"exit_status":137')
    t.equal(containerd.tasks(), {}, "tasks")
