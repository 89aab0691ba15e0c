# SPDX-License-Identifier: Apache-2.0
"""The command lines of Podman with conmon, containerd's shim, Docker and CRI-O, word for word."""

import json
import os
import shutil

from itest import ConsoleSocket, known_differences, wherry_only
from itest.case import read

HOOKS = {"prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"}


def process_file(t, *args, **edit):
    process = dict({"user": {"uid": 0, "gid": 0}, "args": list(args), "env": ["PATH=/bin"], "cwd": "/"}, **edit)
    return t.file("exec-process", json.dumps(process))


def error_lines(path):
    return [entry for entry in map(json.loads, read(path).splitlines()) if entry.get("level") == "error"]


class Step:
    """One call with its own environment and working directory, which must succeed."""

    def __init__(self, t, prefix, env, cwd):
        self.t, self.prefix, self.env, self.cwd = t, prefix, env, cwd

    def __call__(self, *args, code=0, **spawn):
        result = self.t.runtime.call(*self.prefix, *args, root=False, env=self.env, cwd=self.cwd, **spawn)
        if code is not None:
            self.t.equal(result.code, code, f"exit code of {args[0]} ({result.err.strip()[-200:]})")
        return result


def test_podman_life_cycle(t):
    """No --root at all; log flags before the verb at create and exec only."""
    b = t.bundle("sleep", "1000")
    b.write()
    name, log = t.new_id(), t.path("oci-log")
    conmon = Step(t, ["--log-format=json", f"--log={log}"], dict(os.environ, _OCI_SYNCPIPE="3", _OCI_STARTPIPE="4"), "/")
    direct = Step(t, [], {"XDG_RUNTIME_DIR": "", "PATH": "/usr/bin:/bin"}, "/")
    bare = Step(t, [], {}, "/")
    pid_file = t.path("pidfile")
    conmon("create", "--bundle", b.path, "--pid-file", pid_file, name)
    t.true(int(read(pid_file)) > 1, "a pid in the pid file")
    direct("start", name)
    conmon("exec", "--pid-file", t.path("exec_pid"), "--process", process_file(t, "sleep", "2000"), "--detach", name)
    executed = int(read(t.path("exec_pid")))
    t.until(lambda: read(f"/proc/{executed}/cmdline") == "sleep\x002000\x00", "the executed process")
    bare("pause", name)
    bare("resume", name)
    bare("kill", name, "15")
    bare("kill", name, "9")
    t.until(lambda: json.loads(bare("state", name).out)["status"] == "stopped", "stopped")
    bare("delete", "--force", name)
    t.equal(bare("list", "-q").out, "", "ids left")
    t.clean()


def test_podman_terminal(t):
    b = t.bundle("sleep", "1000")
    b.process["terminal"] = True
    b.write()
    listener = t.keep(ConsoleSocket(t.path("conmon-term.X")))
    name = t.new_id()
    t.runtime.ok("create", "--bundle", b.path, "--pid-file", t.path("pidfile"), "--console-socket", listener.path, name)
    os.close(listener.receive())
    t.runtime.ok("delete", "--force", name)


def test_podman_kill_all(t):
    c = t.running(t.bundle(script="sleep 1000 & exec sleep 1000").namespace("pid", remove=True))
    t.until(lambda: len(t.runtime.ok("ps", "--format", "json", c.id).json()) == 2, "two processes")
    t.runtime.ok("kill", "--all", c.id, "9")
    c.wait()


def shim(t):
    log = t.path("log.json")
    return Step(t, ["--root", os.path.join(t.runtime.root, "default"), "--log", log, "--log-format", "json"],
                dict(os.environ, TTRPC_ADDRESS="/x", GOMAXPROCS="4"), t.dir)


def test_containerd_life_cycle(t):
    b = t.bundle("sleep", "1000")
    b.write()
    run = shim(t)
    name = t.new_id()
    run("create", "--bundle", b.path, "--pid-file", t.path("init.pid"), name)
    run("start", name)
    run("exec", "--process", process_file(t, "sleep", "2000"), "--detach", "--pid-file", t.path("e1.pid"), name)
    pids = json.loads(run("ps", "--format", "json", name).out)
    t.true({int(read(t.path("init.pid"))), int(read(t.path("e1.pid")))} <= set(pids), "both pids in ps")
    run("pause", name)
    run("resume", name)
    run("kill", name, "15")
    run("kill", "--all", name, "9", code=None)
    t.until(lambda: json.loads(run("state", name).out)["status"] == "stopped", "stopped")
    run("kill", "--all", name, "9", code=None)
    run("delete", name)
    run("delete", "--force", name)
    t.equal([n for n in os.listdir(os.path.join(t.runtime.root, "default")) if not n.startswith(".")], [], "state")
    shutil.rmtree(t.runtime.root)
    t.clean()


def test_containerd_kill_of_a_finished_container(t):
    """The shim maps these words to NotFound."""
    c = t.running()
    c.stop()
    result = t.runtime.fails("kill", c.id, "9")
    t.contains_any(result.text, "process already finished", "container not running", "no such process")


def test_delete_force_twice(t):
    c = t.running()
    c.delete("--force")
    t.runtime.ok("delete", "--force", c.id)
    t.runtime.ok("delete", "--force", c.id)


def test_flags_of_create_are_accepted(t):
    b = t.bundle("sleep", "1000")
    b.write()
    for flags in (["--no-new-keyring"], ["--no-pivot"], ["--preserve-fds", "0"]):
        name = t.new_id()
        t.runtime.ok("create", "--bundle", b.path, *flags, name)
        t.runtime.ok("delete", "--force", name)


def test_crio_exec_sync_is_attached(t):
    c = t.running()
    result = t.runtime.ok("exec", "--process", process_file(t, "sh", "-c", "echo out; exit 0"), c.id)
    t.equal(result.out, "out\n", "output")
    code = t.runtime.call("exec", "--process", process_file(t, "sh", "-c", "exit 3"), c.id).code
    t.equal(code, 3, "exit code")


def test_flags_in_equal_form(t):
    b = t.bundle("sleep", "1000")
    b.write()
    name = t.new_id()
    t.runtime.ok("create", f"--bundle={b.path}", f"--pid-file={t.path('pid')}", name)
    t.runtime.ok("delete", "--force", name)


def test_flags_with_one_dash(t):
    """go-runc calls `restore ... -no-subreaper`."""
    b = t.bundle("true")
    b.write()
    if t.kind == "crun":
        t.skip("crun takes short flags then")
    t.equal(t.runtime.call("run", "-bundle", b.path, "-no-subreaper", t.new_id()).code, 0, "exit code")


def test_global_flags_in_any_order(t):
    b = t.bundle("true")
    b.write()
    step = Step(t, ["--log-format", "json", "--root", t.runtime.root, "--log", t.path("log")], dict(os.environ), "/")
    step("run", "--bundle", b.path, t.new_id())


def test_debug_flag(t):
    b = t.bundle("true")
    b.write()
    Step(t, ["--debug", "--root", t.runtime.root, "--log", t.path("log")], dict(os.environ), "/")(
        "run", "--bundle", b.path, t.new_id())


def debug_lines(t, *words, code=0):
    log = t.path("debug.log")
    result = t.runtime.call("--debug", "--log-format", "json", "--log", log, *words)
    t.equal(result.code == 0, code == 0, f"exit code of {words[0]}")
    t.true("level=debug" not in result.err and '"debug"' not in result.err, "nothing but the error on standard error")
    with open(log, encoding="utf-8") as file:
        records = [json.loads(line) for line in file]
    os.unlink(log)
    return [record["msg"] for record in records if record["level"] == "debug"]


def in_order(t, lines, *wanted):
    rest = iter(lines)
    for words in wanted:
        t.true(any(words in line for line in rest), f"{words!r} in its place among {lines}")


@wherry_only("the landmarks have the words of runc's log")
def test_debug_tells_each_step(t):
    b = t.bundle("true")
    b.write()
    in_order(t, debug_lines(t, "run", "--bundle", b.path, t.new_id()), "nsexec container setup", "create cgroup",
             "child process in init(): ", "pid1: mount proc on /proc [/mounts/", "pid1: become user 0",
             "init: closing the pipe to signal completion: exec ")
    b = t.bundle("sleep", "1000").hook("startContainer", "/bin/true")
    b.write()
    name = t.new_id()
    in_order(t, debug_lines(t, "create", "--bundle", b.path, name), "nsexec container setup", "become user 0",
             "init: closing the pipe to signal completion: it waits for start")
    in_order(t, debug_lines(t, "start", name), "host: provide hook state", "pid1: error running", "completion: exec sleep")
    in_order(t, debug_lines(t, "exec", name, "true"), "nsexec container setup", "init: set the CPU affinity: affinity: all",
             "child process in init()", "setns_init: about to exec true")
    t.runtime.ok("delete", "--force", name)


@wherry_only("what was done before a failure is told")
def test_debug_tells_the_steps_before_a_failure(t):
    b = t.bundle("/no/such/program")
    b.write()
    lines = debug_lines(t, "run", "--bundle", b.path, t.new_id(), code=1)
    in_order(t, lines, "nsexec container setup", "pid1: become user 0")
    t.true(not any("completion" in line for line in lines), "it did not complete")


def test_systemd_cgroup_flag_is_accepted_by_delete(t):
    Step(t, ["--root", t.runtime.root, "--systemd-cgroup"], dict(os.environ), "/")("delete", "--force", "nobody")


def test_version(t):
    lines = t.runtime.ok("--version", root=False).out.splitlines()
    t.matches(lines[0], r"^\S+ version \S+$")
    t.true(any(line.startswith("commit: ") for line in lines), "a line commit:")
    t.matches("\n".join(lines), r"^spec: 1\.\d+\.\d+")


@known_differences({"crun": "1.8 is older than features"})
def test_features(t):
    features = t.runtime.ok("features", root=False).json()
    t.matches(features["ociVersionMin"], r"^1\.")
    t.matches(features["ociVersionMax"], r"^1\.")
    t.equal(set(features["hooks"]), HOOKS, "hooks")
    t.true({"bind", "ro", "rbind", "nosuid", "rprivate"} <= set(features["mountOptions"]), "mount options")
    linux = features["linux"]
    t.true({"mount", "pid", "user", "network", "ipc", "uts", "cgroup"} <= set(linux["namespaces"]), "namespaces")
    t.true("CAP_SYS_ADMIN" in linux["capabilities"], "capabilities")
    t.true(linux["seccomp"]["enabled"] is True, "seccomp")
    t.true(linux["cgroup"]["v2"] is True, "cgroup v2")


def leaves(value, path=""):
    if not isinstance(value, dict):
        return {path: value}
    return {key: leaf for name, below in value.items() for key, leaf in leaves(below, f"{path}/{name}").items()}


@wherry_only("runc and crun leave out what is newer than they are")
def test_features_is_the_whole_document(t):
    """features.md and features-linux.md: each property is there, and neither null nor an empty list."""
    found = leaves(t.runtime.ok("features", root=False).json())
    expected = {
        "/ociVersionMin": "1.0.0", "/ociVersionMax": "1.3.0", "/linux/cgroup/v1": False, "/linux/cgroup/v2": True,
        "/linux/cgroup/systemd": True, "/linux/cgroup/systemdUser": True, "/linux/cgroup/rdma": True,
        "/linux/seccomp/enabled": True, "/linux/apparmor/enabled": True, "/linux/selinux/enabled": True,
        "/linux/intelRdt/enabled": True, "/linux/intelRdt/schemata": True, "/linux/intelRdt/monitoring": True,
        "/linux/mountExtensions/idmap/enabled": True, "/linux/netDevices/enabled": True}
    t.equal({key: found.get(key) for key in expected}, expected, "values")
    members = {
        "/hooks": HOOKS, "/mountOptions": {"rro", "ridmap", "tmpcopyup", "nosymfollow", "runbindable"},
        "/potentiallyUnsafeConfigAnnotations": {"org.systemd.property."}, "/linux/namespaces": {"time", "user"},
        "/linux/capabilities": {"CAP_CHECKPOINT_RESTORE"}, "/linux/seccomp/actions": {"SCMP_ACT_NOTIFY"},
        "/linux/seccomp/operators": {"SCMP_CMP_MASKED_EQ"}, "/linux/seccomp/archs": {"SCMP_ARCH_X86_64"},
        "/linux/seccomp/knownFlags": {"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"},
        "/linux/seccomp/supportedFlags": {"SECCOMP_FILTER_FLAG_LOG"},
        "/linux/memoryPolicy/modes": {"MPOL_BIND", "MPOL_PREFERRED_MANY"},
        "/linux/memoryPolicy/flags": {"MPOL_F_STATIC_NODES"}}
    for key, some in members.items():
        t.true(some <= set(found.get(key) or []), f"{some} in {key}: {found.get(key)}")
    rest = {key for key in found if not key.startswith("/annotations/")} - set(expected) - set(members)
    t.equal(rest, set(), "properties that nobody expects")


def test_json_log_of_an_error(t):
    log = t.path("log.json")
    b = t.bundle("no-such-program")
    b.write()
    step = Step(t, ["--root", t.runtime.root, "--log", log, "--log-format", "json"], dict(os.environ), "/")
    t.true(step("create", "--bundle", b.path, t.new_id(), code=None).code != 0, "create fails")
    lines = [json.loads(line) for line in read(log).splitlines()]
    t.true(lines, "a line in the log")
    last = lines[-1]
    for key in ("level", "msg", "time"):
        t.true(key in last, f"{key} in the last line: {last}")
    t.equal(last["level"], "error", "level")
    t.contains_any(last["msg"], "executable file not found", "no such file or directory")
    t.matches(last["time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")


def test_json_log_is_appended(t):
    log = t.file("log.json", '{"level":"info","msg":"before","time":"2026-01-01T00:00:00Z"}\n')
    step = Step(t, ["--root", t.runtime.root, "--log", log, "--log-format", "json"], dict(os.environ), "/")
    step("state", "nobody", code=None)
    lines = read(log).splitlines()
    t.contains(lines[0], "before")
    t.true(len(lines) >= 2, "a line after it")


@wherry_only("the text format has one line per error on standard error")
def test_text_error_is_one_line(t):
    t.equal(len(t.runtime.fails("state", "nobody").err.strip().splitlines()), 1, "lines")


def test_errors_reach_the_log_for_state_start_and_kill(t):
    for verb in ("state", "start", "kill"):
        log = t.path(f"{verb}.json")
        step = Step(t, ["--root", t.runtime.root, "--log", log, "--log-format", "json"], dict(os.environ), "/")
        step(verb, "nobody", code=None)
        t.true(error_lines(log), f"an error line for {verb}")


def test_unknown_verb_and_flag_are_errors(t):
    t.runtime.fails("frobnicate")
    t.runtime.fails("state", "--frobnicate", "x")
    t.runtime.fails("--frobnicate", "list")


def test_missing_id_is_an_error(t):
    for verb in ("create", "start", "state", "kill", "delete", "exec", "ps", "pause", "resume"):
        t.true(t.runtime.call(verb, cwd=t.dir).code != 0, f"{verb} without an id")


@wherry_only("too many arguments are an error")
def test_too_many_arguments_are_an_error(t):
    for verb in ("start", "state", "pause"):
        t.runtime.fails(verb, "a", "b")


def test_help_of_each_verb(t):
    for verb in ("create", "start", "run", "exec", "state", "kill", "delete", "list", "ps", "pause", "resume"):
        t.true(t.runtime.ok(verb, "--help").text.strip(), f"help of {verb}")


def test_spec_writes_a_config_that_runs(t):
    place = t.directory("fresh")
    t.runtime.ok("spec", root=False, cwd=place)
    config = json.loads(read(os.path.join(place, "config.json")))
    t.equal(config["root"]["path"], "rootfs", "root.path")
    t.equal(config["process"]["args"], ["sh"], "process.args")
    t.equal(config["process"]["terminal"], True, "process.terminal")


def test_spec_does_not_overwrite(t):
    place = t.directory("fresh")
    t.file("fresh/config.json", "mine")
    t.true(t.runtime.call("spec", root=False, cwd=place).code != 0, "spec refuses")
    t.equal(read(os.path.join(place, "config.json")), "mine", "content")


@known_differences({"runc": "has no such flag"})
def test_spec_by_another_name(t):
    place = t.directory("fresh")
    t.runtime.ok("spec", "--bundle", place, "--file", "other.json", root=False)
    t.equal(os.listdir(place), ["other.json"], "what is written")
    t.equal(json.loads(read(os.path.join(place, "other.json")))["process"]["args"], ["sh"], "args")
    t.contains(t.runtime.fails("spec", "--bundle", place, "-f", "other.json", root=False).err, "other.json")


def test_output_is_not_lost_on_a_closed_reader(t):
    with open("/dev/full", "wb") as full:
        result = t.runtime.call("list", stdout=full)
    t.true(result.code in (0, 1, 255), "an ordinary exit code")


@wherry_only("Podman takes exit code 0 of `checkpoint --help` for support")
def test_checkpoint_and_restore_are_refused(t):
    for verb in ("checkpoint", "restore"):
        for arguments in (["--help"], ["-h"], ["some-id"], []):
            t.contains(t.runtime.fails(verb, *arguments).err, f"{verb} is not supported by this version")


def test_relative_pid_file_is_the_callers(t):
    b = t.bundle("true")
    b.write()
    here = t.directory("here")
    name = t.new_id()
    t.runtime.ok("create", "--bundle", b.path, "--pid-file", "the.pid", name, cwd=here)
    t.true(read(os.path.join(here, "the.pid")).isdigit(), "a number in the caller's directory")
    t.true(not os.path.exists(os.path.join(b.path, "the.pid")), "none in the bundle's")
    t.runtime.ok("delete", "--force", name)


@known_differences({"crun": "1.8 has other words"})
def test_help_of_no_command(t):
    t.contains(t.runtime.fails("foo", "-h").err, "No help topic for 'foo'")
