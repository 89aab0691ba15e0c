# SPDX-License-Identifier: Apache-2.0
"""The six kinds of hooks: when, where and with what they run."""

import json
import os

from itest import known_differences, wherry_only
from itest.case import read

EARLY = ("prestart", "createRuntime", "createContainer")
HOST_KINDS = ("prestart", "createRuntime", "createContainer", "poststart", "poststop")


def shell(log, word):
    return ["sh", "-c", f"cat > /dev/null; echo {word} >> {log}"]


def lines(path):
    return read(path).splitlines() if os.path.exists(path) else []


@known_differences({"runc": "1.1 runs poststart at create", "crun": "1.8 runs poststart before startContainer"})
def test_order(t):
    """startContainer runs inside, so the log is a file bound into the container."""
    log = t.file("log", mode=0o666)
    b = t.bundle(script="echo program >> /log").mount("/log", "bind", log, ["bind"])
    b.own_rootfs()
    for kind in HOST_KINDS:
        b.hook(kind, "/bin/sh", shell(log, kind))
    b.hook("startContainer", "/bin/sh", shell("/log", "startContainer"))
    c = t.created(b)
    t.equal(lines(log), ["prestart", "createRuntime", "createContainer"], "after create")
    c.start()
    t.until(lambda: {"program", "poststart"} <= set(lines(log)), "the program and poststart")
    t.equal(lines(log)[3], "startContainer", "before the program")
    c.wait()
    t.until(lambda: c.status() == "stopped", "stopped")
    t.true("poststop" not in lines(log), "no poststop before delete")
    c.delete()
    t.equal(lines(log)[-1], "poststop", "after delete")


def test_order_within_a_kind(t):
    log = t.path("log")
    b = t.bundle("true")
    for word in ("one", "two", "three"):
        b.hook("createRuntime", "/bin/sh", shell(log, word))
    t.output(b)
    t.equal(lines(log), ["one", "two", "three"], "order")


def hook_state(t, kind):
    """The JSON that a hook of this kind finds on its standard input, and the container."""
    out = t.path(f"{kind}.json")
    b = t.bundle("sleep", "1000", annotations={"k": "v"})
    b.hook(kind, "/bin/sh", ["sh", "-c", f"cat > {out}.new; mv {out}.new {out}"])
    c = t.running(b)
    pid = c.pid
    if kind == "poststop":
        c.delete("--force")
    t.until(lambda: os.path.exists(out), "the state")
    state = json.loads(read(out))
    t.equal(state["id"], c.id, "id")
    t.equal(state["bundle"], b.path, "bundle")
    t.equal(state["annotations"]["k"], "v", "annotation")
    t.matches(state["ociVersion"], r"^1\.")
    return state, pid


def test_state_of_prestart(t):
    state, pid = hook_state(t, "prestart")
    t.equal(state["pid"], pid, "pid")
    t.true(state["status"] in ("creating", "created"), f"status {state['status']}")


def test_state_of_create_runtime(t):
    state, pid = hook_state(t, "createRuntime")
    t.equal(state["pid"], pid, "pid")
    t.true(state["status"] in ("creating", "created"), f"status {state['status']}")


@known_differences({"crun": "1.8 gives another pid"})
def test_state_of_create_container(t):
    state, pid = hook_state(t, "createContainer")
    t.true(state["pid"] in (pid, 1), "pid")
    t.true(state["status"] in ("creating", "created"), f"status {state['status']}")


@known_differences({"runc": "1.1 runs poststart at create"})
def test_state_of_poststart(t):
    state, pid = hook_state(t, "poststart")
    t.equal(state["pid"], pid, "pid")
    t.equal(state["status"], "running", "status")


def test_state_of_poststop(t):
    state, _ = hook_state(t, "poststop")
    t.equal(state["status"], "stopped", "status")


@known_differences({"crun": "1.8 gives the status starting"})
def test_state_of_start_container(t):
    b = t.bundle("cat", "/dev/shm/state")
    b.hook("startContainer", "/bin/sh", ["sh", "-c", "cat > /dev/shm/state"])
    state = json.loads(t.output(b))
    t.true(state["status"] in ("created", "creating"), f"status {state['status']}")


def ns_of_hook(t, kind):
    out = t.path("ns")
    b = t.bundle("sleep", "1000").hook(kind, "/bin/sh",
                                       ["sh", "-c", f"for n in mnt uts net ipc; do readlink /proc/self/ns/$n; done > {out}"])
    c = t.running(b)
    if kind == "poststop":
        names = {n: c.ns(n) for n in ("mnt", "uts", "net", "ipc")}
        c.delete("--force")
    else:
        names = {n: c.ns(n) for n in ("mnt", "uts", "net", "ipc")}
    t.until(lambda: len(lines(out)) == 4, "the hook's namespaces")
    return dict(zip(("mnt", "uts", "net", "ipc"), lines(out))), names


def in_runtime_namespaces(t, kind):
    found, _ = ns_of_hook(t, kind)
    for name, value in found.items():
        t.equal(value, os.readlink(f"/proc/self/ns/{name}"), f"{name} namespace of {kind}")


def test_prestart_runs_in_the_runtimes_namespaces(t):
    in_runtime_namespaces(t, "prestart")


def test_create_runtime_runs_in_the_runtimes_namespaces(t):
    in_runtime_namespaces(t, "createRuntime")


def test_poststart_runs_in_the_runtimes_namespaces(t):
    in_runtime_namespaces(t, "poststart")


def test_poststop_runs_in_the_runtimes_namespaces(t):
    in_runtime_namespaces(t, "poststop")


def test_create_container_runs_in_the_containers_namespaces(t):
    found, container = ns_of_hook(t, "createContainer")
    t.equal(found, container, "namespaces of createContainer")


def test_create_container_sees_the_hosts_files(t):
    """Its path is resolved in the runtime's namespace, and the pivot has not happened yet."""
    out = t.path("out")
    script = t.file("hook.sh", f"#!/bin/sh\necho host > {out}\n", 0o755)
    t.output(t.bundle("true").hook("createContainer", script))
    t.equal(lines(out), ["host"], "what the hook wrote")


def test_create_container_finds_the_mounts_made(t):
    out = t.path("out")
    b = t.bundle("true").hook("createContainer", "/bin/sh",
                              ["sh", "-c", f"grep -c ' {t.box.rootfs}/proc ' /proc/self/mountinfo > {out}"])
    t.output(b)
    t.equal(lines(out), ["1"], "the container's /proc under the root file system")


def test_create_runtime_may_mount_into_the_container(t):
    source = t.directory("source")
    t.file("source/file", "from the hook\n")
    b = t.bundle("cat", "/mnt/file")
    root = b.own_rootfs()
    b.hook("createContainer", "/bin/sh", ["sh", "-c", f"mount --bind {source} {root}/mnt"])
    t.equal(t.output(b), "from the hook\n", "what the container sees")


def test_start_container_runs_inside(t):
    b = t.bundle("cat", "/dev/shm/seen")
    b.hook("startContainer", "/bin/sh", ["sh", "-c", "echo root is $(ls / | grep -c notes) pid $(ls -d /proc/1) > /dev/shm/seen"])
    t.contains(t.output(b), "pid /proc/1")


def test_start_container_path_is_resolved_inside(t):
    b = t.bundle("cat", "/dev/shm/seen")
    root = b.own_rootfs()
    with open(os.path.join(root, "bin", "only-here"), "w", encoding="ascii") as file:
        file.write("#!/bin/sh\necho inside > /dev/shm/seen\n")
    os.chmod(os.path.join(root, "bin", "only-here"), 0o755)
    b.hook("startContainer", "/bin/only-here")
    t.equal(t.output(b), "inside\n", "what the hook wrote")


def test_hook_gets_its_own_environment_only(t):
    out = t.path("env")
    b = t.bundle("true")
    b.process["env"].append("FROM_PROCESS=1")
    b.hook("createRuntime", "/bin/sh", ["sh", "-c", f"/usr/bin/env > {out}"], env=["PATH=/usr/bin:/bin", "FROM_HOOK=2"])
    b.write()
    t.runtime.ok("run", "--bundle", b.path, t.new_id(), env=dict(os.environ, FROM_CALLER="3"))
    t.contains(read(out), "FROM_HOOK=2")
    t.lacks(read(out), "FROM_PROCESS", "FROM_CALLER")


@known_differences({"crun": "passes the runtime's own environment", "runc": "passes the runtime's own environment"})
def test_hook_without_env_gets_none(t):
    out = t.path("env")
    b = t.bundle("true").hook("createRuntime", "/bin/sh", ["sh", "-c", f"/usr/bin/env > {out}"])
    b.write()
    t.runtime.ok("run", "--bundle", b.path, t.new_id(), env=dict(os.environ, FROM_CALLER="3"))
    t.lacks(read(out), "FROM_CALLER")


def test_args_begin_with_argv_0(t):
    out = t.path("out")
    b = t.bundle("true").hook("createRuntime", "/bin/sh", ["other-name", "-c", f'echo "$0" "$1" > {out}', "zero", "one"])
    t.output(b)
    t.equal(lines(out), ["zero one"], "arguments")


def test_args_zero_names_the_process(t):
    out = t.path("out")
    b = t.bundle("true").hook("createRuntime", "/bin/sh", ["other-name", "-c", f"tr '\\0' ' ' < /proc/$$/cmdline > {out}"])
    t.output(b)
    t.contains(read(out), "other-name -c")


def test_hook_without_args(t):
    out = t.path("out")
    script = t.file("hook.sh", f"#!/bin/sh\necho $# > {out}\n", 0o755)
    b = t.bundle("true")
    b.config["hooks"] = {"createRuntime": [{"path": script}]}
    t.output(b)
    t.equal(lines(out), ["0"], "number of arguments")


def failing(t, kind):
    """A failing hook of an early kind: create fails, names it, and leaves nothing; later hooks do not run."""
    log = t.path("log")
    b = t.bundle("true").hook(kind, "/bin/sh", ["sh", "-c", "echo reason >&2; exit 3"])
    b.hook(kind, "/bin/sh", shell(log, "later"))
    result = t.refused(b)
    t.equal(lines(log), [], "hooks after the failing one")
    return result


def test_failing_prestart_aborts(t):
    failing(t, "prestart")


def test_failing_create_runtime_aborts(t):
    failing(t, "createRuntime")


def test_failing_create_container_aborts(t):
    failing(t, "createContainer")


def test_missing_hook_aborts(t):
    t.refused(t.bundle("true").hook("createRuntime", t.path("absent")))


def test_relative_hook_path_is_refused(t):
    t.refused(t.bundle("true").hook("createRuntime", "bin/true"))


@wherry_only("poststop hooks run when an early hook fails, as runtime.md's steps 12 and 13 say")
def test_poststop_runs_after_a_failing_create_runtime(t):
    log = t.path("log")
    b = t.bundle("true").hook("createRuntime", "/bin/false").hook("poststop", "/bin/sh", shell(log, "poststop"))
    t.refused(b)
    t.equal(lines(log), ["poststop"], "poststop hooks")


KINDS = ("prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop")


def logged_hooks(t, failing=None, args=("sleep", "1000")):
    """A bundle with a hook of each kind that writes its kind to a log; `failing` then fails. Returns both."""
    log = t.file("log", mode=0o666)
    b = t.bundle(*args).mount("/log", "bind", log, ["bind"])
    b.own_rootfs()
    for kind in KINDS:
        where = "/log" if kind == "startContainer" else log
        end = "exit 3" if kind == failing else "true"
        b.hook(kind, "/bin/sh", ["sh", "-c", f"cat > /dev/null; echo {kind} >> {where}; {end}"])
    return b, log


@wherry_only("runtime.md: after a failing hook the container is stopped and deleted, and poststop hooks run")
def test_hooks_that_run_when_one_fails(t):
    for count, kind in enumerate(KINDS[:5], 1):
        expected = [*KINDS[:count], "poststop"]
        b, log = logged_hooks(t, kind)
        result = t.run(b)
        t.true(result.code != 0, f"run fails with a failing {kind}")
        t.contains(result.err, f"/hooks/{kind}/0", "status 3")
        t.equal(lines(log), expected, f"hooks of run when {kind} fails")
        t.clean()
        b, log = logged_hooks(t, kind)
        c = t.container(b)
        if count <= 3:
            t.true(t.runtime.call("create", *c.flags(), c.id).code != 0, f"create fails with a failing {kind}")
        else:
            c.create()
            t.runtime.fails("start", c.id)
            t.alive.remove(c)
        t.equal(lines(log), expected, f"hooks of create and start when {kind} fails")
        t.clean()


@wherry_only("what the first hooks have made is taken back by poststop hooks, whatever fails behind them")
def test_poststop_runs_when_a_later_step_fails(t):
    b, log = logged_hooks(t, args=("/no/such/program",))
    t.refused(b)
    t.equal(lines(log), ["prestart", "createRuntime", "createContainer", "poststop"], "hooks")
    os.truncate(log, 0)
    b.mount("/x", "nosuchfs", "none")
    t.refused(b)
    t.equal(lines(log), [], "no hook had run")


@wherry_only("its own copy of config.json")
def test_poststop_hooks_that_cannot_be_read_are_a_warning(t):
    b, log = logged_hooks(t)
    c = t.created(b)
    os.remove(os.path.join(t.runtime.root, c.id, "config.json"))
    result = c.delete("--force")
    t.contains(result.err, "level=warning", "/hooks/poststop: none was run", "config.json: ENOENT")
    t.true("poststop" not in lines(log), "no poststop hook")


def test_poststop_runs_once_whatever_deletes(t):
    def deleted(way):
        b, log = logged_hooks(t)
        way(b)
        t.equal(lines(log).count("poststop"), 1, f"poststop hooks after {way.__name__}")
        t.clean()

    def delete_of_a_stopped_container(b):
        c = t.running(b)
        c.stop()
        c.delete()

    def delete_of_a_created_container(b):
        t.created(b).delete("--force")

    def delete_of_a_running_container(b):
        t.running(b).delete("--force")

    def delete_of_a_paused_container(b):
        c = t.running(b)
        t.runtime.ok("pause", c.id)
        c.delete("--force")

    def the_end_of_run(b):
        b.process["args"] = ["true"]
        t.output(b)

    deleted(delete_of_a_stopped_container)
    deleted(delete_of_a_created_container)
    deleted(delete_of_a_running_container)
    deleted(delete_of_a_paused_container)
    deleted(the_end_of_run)


def test_failing_start_container_aborts(t):
    b = t.bundle(script="echo ran > /dev/shm/ran; sleep 1000").hook("startContainer", "/bin/false")
    c = t.created(b)
    result = t.runtime.call("start", c.id)
    c.wait()
    t.true(result.code != 0 or t.kind != "wherry", "start fails")
    t.runtime.ok("delete", "--force", c.id)
    t.alive.remove(c)
    t.clean()


@wherry_only("a failing poststart fails start, stops and removes the container")
def test_failing_poststart(t):
    c = t.created(t.bundle("sleep", "1000").hook("poststart", "/bin/false"))
    t.runtime.fails("start", c.id)
    t.alive.remove(c)
    t.runtime.ok("delete", "--force", c.id)
    t.clean()


@known_differences({"runc": "1.1 stops at the first failing one"})
def test_failing_poststop_only_warns(t):
    log = t.path("log")
    b = t.bundle("sleep", "1000").hook("poststop", "/bin/false").hook("poststop", "/bin/sh", shell(log, "second"))
    c = t.running(b)
    c.stop()
    c.delete()
    t.clean()
    t.equal(lines(log), ["second"], "the hook after the failing one")


def test_timeout_kills_the_hook(t):
    out = t.path("out")
    b = t.bundle("true").hook("createRuntime", "/bin/sh", ["sh", "-c", f"echo begun > {out}; exec sleep 60"], timeout=1)
    t.refused(b)
    t.equal(lines(out), ["begun"], "what the hook wrote")


def test_timeout_not_reached(t):
    out = t.path("out")
    t.output(t.bundle("true").hook("createRuntime", "/bin/sh", shell(out, "x"), timeout=25))
    t.equal(lines(out), ["x"], "what the hook wrote")


@known_differences({"runc": "1.1 does not check", "crun": "does not check"})
def test_timeout_of_zero_is_refused(t):
    t.refused(t.bundle("true").hook("createRuntime", "/bin/true", timeout=0))


def test_hook_that_does_not_read_its_input(t):
    t.equal(t.run(t.bundle("true").hook("createRuntime", "/bin/true")
                  .edit(annotations={f"key{i}": "x" * 2000 for i in range(100)})).code, 0, "exit code")


def test_hook_descriptors(t):
    out = t.path("fds")
    b = t.bundle("true").hook("createRuntime", "/bin/sh", ["sh", "-c", f"ls -l /proc/self/fd > {out}"])
    t.output(b)
    numbers = [line.split(" -> ")[0].split()[-1] for line in lines(out) if " -> " in line]
    t.equal(sorted(set(numbers) - {"3"}), ["0", "1", "2"], "descriptors, 3 being that of ls")


def test_hooks_run_for_run_too(t):
    log = t.path("log")
    b = t.bundle("true")
    for kind in HOST_KINDS:
        b.hook(kind, "/bin/sh", shell(log, kind))
    t.output(b)
    t.equal(sorted(lines(log)), sorted(HOST_KINDS), "hooks that ran")


def test_early_hooks_find_the_network_namespace(t):
    """How engines set up networks: the hook enters /proc/PID/ns/net of the pid in the state."""
    out = t.path("out")
    script = "import json,sys,os; p=json.load(sys.stdin)['pid']; print(os.readlink(f'/proc/{p}/ns/net'), file=open('%s','w'))"
    b = t.bundle("sleep", "1000").hook("createRuntime", "/usr/bin/env", ["env", "python3", "-c", script % out],
                                       env=[f"PATH={os.environ.get('PATH', '/usr/bin:/bin')}"])
    c = t.running(b)
    t.equal(lines(out), [c.ns("net")], "network namespace")


@known_differences({"crun": "1.8 gives the runtime's own environment", "runc": "1.1 adds no HOME"})
def test_start_container_hook_has_the_programs_environment(t):
    """As with runc: where the hook names none. A hook outside the container gets nothing of it."""
    outside = t.path("outside")
    b = t.bundle("true")
    b.process["env"] = ["PATH=/bin", "ONE=two", "HOME="]
    b.hook("startContainer", "/bin/sh", ["sh", "-c", "env > /dev/shm/env; grep -c HOME= /dev/shm/env; cat /dev/shm/env"])
    b.hook("createRuntime", "/bin/sh", shell(outside, "$ONE"))
    result = t.run(b)
    t.equal(result.code, 0, "exit code")
    t.contains(result.out, "ONE=two\n", "HOME=/")
    t.equal(result.out.split()[0], "1", "lines with HOME")
    t.equal(lines(outside), [""], "what a hook outside sees")


@known_differences({"crun": "1.8 has other words"})
def test_failing_hook_is_named_by_kind_and_number(t):
    for kind in ("prestart", "createRuntime", "createContainer", "startContainer", "poststart"):
        b = t.bundle("sleep", "1000").hook(kind, "/bin/true").hook(kind, "/bin/false")
        result = t.run(b)
        t.true(result.code != 0, f"failure of {kind}")
        t.contains(result.err, f"error running {kind} hook #1")
