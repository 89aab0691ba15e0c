# SPDX-License-Identifier: Apache-2.0
"""create, start, state, kill, delete, run, list, ps, pause and resume, as a user sees them."""

import json
import os
import signal

from itest import known_differences, wherry_only
from itest.case import read

BAD_IDS = ["", ".", "..", "../x", "a/b", "x" * 1025, "-x", "a\nb", "a b"]


def test_create_does_not_run_the_program(t):
    mark = t.directory("mark")
    b = t.bundle(script="echo ran > /mnt/ran").mount("/mnt", "bind", mark, ["bind"])
    c = t.created(b)
    t.equal(os.listdir(mark), [], "files made before start")
    c.start()
    t.until_file(os.path.join(mark, "ran"))


def test_state_of_a_created_container(t):
    b = t.bundle("sleep", "1000", annotations={"com.example.key": "value"})
    c = t.created(b)
    state = c.state()
    t.equal(state["status"], "created", "status")
    t.equal(state["id"], c.id, "id")
    t.equal(state["pid"], c.pid, "pid against the pid file")
    t.equal(state["bundle"], b.path, "bundle")
    t.equal(state["annotations"]["com.example.key"], "value", "annotation")
    t.matches(state["ociVersion"], r"^1\.\d+\.\d+")


def test_state_is_running_then_stopped(t):
    c = t.created(t.bundle("sleep", "1000"))
    c.start()
    t.equal(c.status(), "running", "status after start")
    c.stop()
    state = c.state()
    t.equal(state["status"], "stopped", "status after the end")
    t.true(state.get("pid", 0) == 0, "no pid of a stopped container")
    c.delete()
    t.clean()


@known_differences({"crun": "1.8 reports the missing file instead"})
def test_state_of_an_unknown_id(t):
    t.contains_any(t.runtime.fails("state", "nobody").text, "does not exist")


@known_differences({"crun": "1.8 reports the missing file instead"})
def test_start_of_an_unknown_id(t):
    t.contains_any(t.runtime.fails("start", "nobody").text, "does not exist")


@known_differences({"crun": "1.8 reports the missing file instead"})
def test_kill_of_an_unknown_id(t):
    t.contains_any(t.runtime.fails("kill", "nobody", "9").text, "does not exist")


@known_differences({"crun": "1.8 reports the missing file instead"})
def test_delete_of_an_unknown_id(t):
    t.contains_any(t.runtime.fails("delete", "nobody").text, "does not exist")


def test_delete_force_of_an_unknown_id_succeeds(t):
    t.runtime.ok("delete", "--force", "nobody")


def test_duplicate_id_is_refused_and_the_first_lives(t):
    b = t.bundle("sleep", "1000")
    c = t.running(b)
    second = t.bundle("sleep", "1000")
    second.write()
    result = t.runtime.fails("create", "--bundle", second.path, c.id)
    t.contains_any(result.text, "already exists", "exists", "already in use")
    t.equal(c.status(), "running", "status of the first")
    t.true(not os.path.exists(t.cgroup_dir(second)), "no cgroup of the refused one")


@known_differences({"crun": "1.8 checks ids for little more than a slash", "runc": "1.1 takes an id that begins with a dash"})
def test_bad_ids_are_refused_by_create(t):
    b = t.bundle("true")
    b.write()
    for name in BAD_IDS:
        result = t.runtime.call("create", "--bundle", b.path, "--", name)
        t.true(result.code != 0, f"create refuses the id {name[:20]!r}")
        t.clean()


@known_differences({"crun": "1.8 takes ../NAME as a path and removes what is there"})
def test_bad_ids_are_refused_by_every_verb(t):
    sentinel = t.file("sentinel/file", "x")
    os.makedirs(t.runtime.root)
    for name in ("..", "../sentinel", "a/b", "."):
        for verb in (["state"], ["start"], ["delete"], ["kill"], ["pause"]):
            t.runtime.fails(*verb, "--", name)
    t.equal(read(sentinel), "x", "sentinel")


@wherry_only("delete --force of an invalid id touches nothing and fails")
def test_delete_force_of_a_bad_id_touches_nothing(t):
    sentinel = t.file("sentinel/file", "x")
    os.makedirs(t.runtime.root)
    for name in ("..", "../sentinel", "a/b", ".", "", "-x"):
        t.runtime.fails("delete", "--force", "--", name)
        t.equal(read(sentinel), "x", "sentinel")
    t.true(os.path.isdir(t.runtime.root), "state root")


def test_ids_of_every_allowed_character(t):
    b = t.bundle("true")
    b.write()
    for name in ("a", "A9_+.-z", "0", "_x", "a" * 200):
        t.equal(t.runtime.call("run", "--bundle", b.path, name).code, 0, f"run with id {name[:20]!r}")


def test_second_start_is_an_error(t):
    c = t.created(t.bundle("sleep", "1000"))
    c.start()
    t.runtime.fails("start", c.id)
    t.equal(c.status(), "running", "status after the refused start")


def test_start_of_a_stopped_container_is_an_error(t):
    c = t.running()
    c.stop()
    t.runtime.fails("start", c.id)


def test_kill_of_a_stopped_container_says_not_running(t):
    c = t.running()
    c.stop()
    t.contains_any(t.runtime.fails("kill", c.id, "9").text, "container not running", "no such process")


def test_kill_of_a_created_container(t):
    c = t.created(t.bundle("sleep", "1000"))
    c.kill("KILL")
    c.wait()
    t.until(lambda: c.status() == "stopped", "stopped")
    c.delete()
    t.clean()


def test_delete_of_a_running_container_is_refused(t):
    c = t.running()
    t.runtime.fails("delete", c.id)
    t.equal(c.status(), "running", "status after the refused delete")


def test_delete_force_of_a_running_container(t):
    c = t.running(t.bundle(script="sleep 1000 & sleep 1000"))
    c.delete("--force")
    t.clean()


def test_delete_force_of_a_created_container(t):
    t.created(t.bundle("true")).delete("--force")
    t.clean()


def test_delete_of_a_created_container(t):
    t.created(t.bundle("true")).delete()
    t.clean()


def test_id_can_be_used_again_after_delete(t):
    c = t.running()
    c.delete("--force")
    again = t.container(t.bundle("sleep", "1000"), c.id)
    again.create()
    t.equal(again.status(), "created", "status of the second life")


def test_config_changed_after_create_does_not_matter(t):
    mark = t.directory("mark")
    b = t.bundle(script="echo first > /mnt/out").mount("/mnt", "bind", mark, ["bind"])
    c = t.created(b)
    b.script("echo second > /mnt/out").write()
    c.start()
    t.equal(t.until_file(os.path.join(mark, "out")), "first\n", "what ran")


def test_config_removed_after_create_does_not_matter(t):
    b = t.bundle("sleep", "1000")
    c = t.created(b)
    os.unlink(os.path.join(b.path, "config.json"))
    c.start()
    t.equal(c.status(), "running", "status")
    c.stop()
    c.delete()
    t.clean()


def test_missing_config_is_an_error(t):
    t.runtime.fails("create", "--bundle", t.directory("empty"), "x1")
    t.clean()


def test_missing_bundle_is_an_error(t):
    t.runtime.fails("create", "--bundle", t.path("absent"), "x1")
    t.clean()


def test_broken_json_is_an_error(t):
    b = t.bundle("true")
    for text in ("", "{", "[]", "null", '{"ociVersion": 1}', '{"ociVersion":"1.0.2"} trailing'):
        with open(os.path.join(b.path, "config.json"), "w", encoding="utf-8") as file:
            file.write(text)
        t.true(t.runtime.call("create", "--bundle", b.path, "x1").code != 0, f"refusal of {text!r}")
        t.clean()


def test_missing_rootfs_is_an_error(t):
    t.refused(t.bundle("true", root={"path": "absent"}))


def test_unknown_properties_are_ignored(t):
    b = t.bundle("true", futureProperty={"x": [1, None]})
    b.linux["futureProperty"] = 1
    b.process["futureProperty"] = "x"
    t.equal(t.run(b).code, 0, "exit code")


def test_newer_minor_version_is_accepted(t):
    t.equal(t.run(t.bundle("true", ociVersion="1.0.1")).code, 0, "exit code with 1.0.1")


@wherry_only("any 1.x config is accepted")
def test_future_minor_version_is_accepted(t):
    for version in ("1.3.0", "1.3.0+dev", "1.9.0"):
        t.equal(t.run(t.bundle("true", ociVersion=version)).code, 0, f"exit code with {version}")


@known_differences({"runc": "1.1 does not check the version"})
def test_version_that_is_no_version_is_refused(t):
    t.refused(t.bundle("true", ociVersion="one"))


def test_relative_root_is_relative_to_the_bundle(t):
    b = t.bundle("true")
    b.own_rootfs()
    b.write()
    result = t.runtime.call("run", "--bundle", b.path, t.new_id(), cwd="/")
    t.equal(result.code, 0, "exit code")


def test_bundle_defaults_to_the_working_directory(t):
    b = t.bundle("echo", "here")
    b.write()
    t.equal(t.runtime.ok("run", t.new_id(), cwd=b.path).out, "here\n", "output")


def test_state_bundle_is_absolute_for_a_relative_flag(t):
    b = t.bundle("sleep", "1000")
    b.write()
    c = t.container(b)
    t.runtime.ok("create", "--bundle", os.path.basename(b.path), c.id, cwd=os.path.dirname(b.path))
    t.alive.append(c)
    t.equal(c.state()["bundle"], b.path, "bundle")


# run


def test_run_passes_the_exit_code(t):
    for code in (0, 1, 42, 126, 127, 255):
        t.equal(t.run(t.bundle(script=f"exit {code}")).code, code, "exit code")


def test_run_gives_128_plus_the_signal(t):
    t.equal(t.run(t.bundle(script="kill -KILL $$; sleep 1000").namespace("pid", remove=True)).code, 137, "exit code")


def test_run_passes_stdio(t):
    b = t.bundle(script="read x; echo out-$x; echo err-$x >&2")
    b.write()
    result = t.runtime.ok("run", "--bundle", b.path, t.new_id(), input="in\n")
    t.equal(result.out, "out-in\n", "standard output")
    t.contains(result.err, "err-in")


def test_run_removes_the_container_at_the_end(t):
    t.run(t.bundle("false"))
    t.clean()


@known_differences({"crun": "1.8 has no --keep"})
def test_run_keep_leaves_a_stopped_container(t):
    b = t.bundle("true")
    b.write()
    name = t.new_id()
    result = t.runtime.call("run", "--keep", "--bundle", b.path, name)
    t.equal(result.code, 0, "exit code")
    t.equal(t.runtime.ok("state", name).json()["status"], "stopped", "status")
    t.runtime.ok("delete", name)
    t.clean()


def test_run_detached_writes_the_pid_file(t):
    c = t.running()
    t.equal(c.state()["pid"], c.pid, "pid against the pid file")
    t.equal(c.status(), "running", "status")
    t.equal(os.stat(f"/proc/{c.pid}").st_uid, 0, "owner of the process")


def test_pid_file_has_no_newline(t):
    c = t.running()
    text = read(os.path.join(c.bundle.path, "pid"))
    t.true(text.strip().isdigit(), "a number in the pid file")


def test_run_forwards_signals_to_the_container(t):
    mark = t.directory("mark")
    b = t.bundle(script="trap 'exit 7' TERM; echo up > /mnt/up; while :; do sleep 0.05; done")
    b.mount("/mnt", "bind", mark, ["bind"]).write()
    child = t.runtime.spawn("run", "--bundle", b.path, t.new_id())
    t.until_file(os.path.join(mark, "up"))
    child.terminate()
    t.equal(t.runtime.finish(child).code, 7, "exit code after SIGTERM to the runtime")


def test_run_of_a_failing_config_leaves_nothing(t):
    b = t.bundle("absent-program")
    t.true(t.run(b).code != 0, "run fails")
    t.clean()


def test_run_detached_does_not_keep_the_callers_pipe_but_the_containers(t):
    c = t.running(t.bundle(script="echo hello; sleep 1000"))
    t.equal(c.status(), "running", "status")


# kill


def killed_by(t, spelling):
    c = t.running(t.bundle(script="trap 'exit 33' USR1; echo up; while :; do sleep 0.05; done"))
    t.until(lambda: "up" in read(os.path.join(t.dir, "1.out")) if t.runtime.calls == 1 else True, "the trap")
    c.kill(spelling)
    return c.wait()


def test_kill_by_name(t):
    t.equal(killed_by(t, "USR1"), 33, "exit code of the trap")


def test_kill_by_name_with_prefix(t):
    t.equal(killed_by(t, "SIGUSR1"), 33, "exit code of the trap")


def test_kill_by_number(t):
    t.equal(killed_by(t, "10"), 33, "exit code of the trap")


@known_differences({"crun": "1.8 knows upper case only"})
def test_kill_by_lower_case_name(t):
    t.equal(killed_by(t, "usr1"), 33, "exit code of the trap")


def test_kill_defaults_to_term(t):
    c = t.running(t.bundle(script="trap 'exit 34' TERM; echo up; while :; do sleep 0.05; done"))
    t.until(lambda: "up" in read(os.path.join(t.dir, "1.out")), "the trap")
    t.runtime.ok("kill", c.id)
    t.equal(c.wait(), 34, "exit code of the trap")


@known_differences({"crun": "1.8 sends signal 0 for an unknown name"})
def test_kill_with_a_bad_signal_has_no_effect(t):
    c = t.running()
    for text in ("NOSUCH", "SIG", "9x", "99999", "-5"):
        t.true(t.runtime.call("kill", c.id, text).code != 0, f"signal {text!r} is refused")
    t.equal(c.status(), "running", "status")


def test_kill_all_reaches_every_process(t):
    b = t.bundle(script="sleep 1000 & sleep 1000 & wait").namespace("pid", remove=True)
    c = t.running(b)
    t.until(lambda: len(procs(t, b)) == 3, "three processes")
    t.runtime.ok("kill", "--all", c.id, "KILL")
    t.until(lambda: procs(t, b) == [], "an empty cgroup")


def procs(t, bundle):
    return read(os.path.join(t.cgroup_dir(bundle), "cgroup.procs")).split()


@known_differences({"runc": "1.1 leaves the cgroup behind"})
def test_delete_kills_the_rest_of_a_shared_pid_namespace(t):
    b = t.bundle(script="sleep 1000 & sleep 1000 & exec sleep 1000").namespace("pid", remove=True)
    c = t.running(b)
    t.until(lambda: len(procs(t, b)) == 3, "three processes")
    c.delete("--force")
    t.clean()


# list, ps, pause


def test_list_of_nothing(t):
    os.mkdir(t.runtime.root)
    t.equal(t.runtime.ok("list", "-q").out, "", "ids")
    t.contains(t.runtime.ok("list").out, "ID", "PID", "STATUS", "BUNDLE")


def test_list_quiet_prints_ids(t):
    first, second = t.running(), t.created(t.bundle("true"))
    t.equal(sorted(t.runtime.ok("list", "-q").out.split()), sorted([first.id, second.id]), "ids")


def test_list_table_shows_each_container(t):
    c = t.running()
    lines = t.runtime.ok("list").out.splitlines()
    t.equal(len(lines), 2, "lines")
    for part in (c.id, str(c.pid), "running", c.bundle.path):
        t.contains(lines[1], part)


def test_list_json(t):
    c = t.running()
    entries = t.runtime.ok("list", "-f", "json").json()
    t.equal([e["id"] for e in entries], [c.id], "ids")
    t.equal(entries[0]["status"], "running", "status")
    t.equal(entries[0]["pid"], c.pid, "pid")
    t.equal(entries[0]["bundle"], c.bundle.path, "bundle")


@known_differences({"crun": "1.8 makes the directory"})
def test_list_of_a_root_that_is_not_there(t):
    t.runtime.fails("list")
    t.runtime.ok("list", root=False)  # the default root may be missing


def test_list_json_of_nothing_is_json(t):
    os.mkdir(t.runtime.root)
    t.true(json.loads(t.runtime.ok("list", "--format", "json").out) in (None, []), "an empty JSON value")


@known_differences({"crun": "1.8 prints pids only"})
def test_ps_table(t):
    c = t.running(t.bundle("sleep", "1234"))
    t.contains(t.runtime.ok("ps", c.id).out, "PID", str(c.pid), "sleep 1234")


def test_ps_json_is_an_array_of_pids(t):
    c = t.running(t.bundle(script="sleep 1000 & sleep 1000 & wait"))
    t.until(lambda: len(t.runtime.ok("ps", "--format", "json", c.id).json()) == 3, "three pids")
    t.true(c.pid in t.runtime.ok("ps", "-f", "json", c.id).json(), "the first process among them")


def test_pause_and_resume(t):
    c = t.running()
    t.runtime.ok("pause", c.id)
    t.equal(c.status(), "paused", "status after pause")
    t.runtime.ok("resume", c.id)
    t.equal(c.status(), "running", "status after resume")


def test_pause_stops_the_program(t):
    mark = t.directory("mark")
    b = t.bundle(script="while :; do echo x >> /mnt/out; sleep 0.01; done").mount("/mnt", "bind", mark, ["bind"])
    c = t.running(b)
    t.until_file(os.path.join(mark, "out"))
    t.runtime.ok("pause", c.id)
    t.until(lambda: "frozen 1" in read(os.path.join(t.cgroup_dir(b), "cgroup.events")), "a frozen cgroup")
    t.runtime.ok("resume", c.id)
    t.until(lambda: "frozen 0" in read(os.path.join(t.cgroup_dir(b), "cgroup.events")), "a thawed cgroup")


def test_paused_container_can_be_deleted_by_force(t):
    c = t.running()
    t.runtime.ok("pause", c.id)
    c.delete("--force")
    t.clean()


def test_pause_of_a_stopped_container_is_an_error(t):
    c = t.running()
    c.stop()
    t.runtime.fails("pause", c.id)


def test_start_of_two_containers_at_once(t):
    bundles = [t.bundle("true") for _ in range(4)]
    for b in bundles:
        b.write()
    children = [t.runtime.spawn("run", "--bundle", b.path, f"par-{t.number}-{i}") for i, b in enumerate(bundles)]
    for child in children:
        t.equal(t.runtime.finish(child).code, 0, "exit code")


def test_same_id_at_once_gives_one_container(t):
    bundles = [t.bundle("sleep", "1000") for _ in range(4)]
    for b in bundles:
        b.write()
    name = t.new_id()
    children = [t.runtime.spawn("create", "--bundle", b.path, name) for b in bundles]
    codes = [t.runtime.finish(child).code for child in children]
    t.equal(codes.count(0), 1, "successful creates")
    t.runtime.ok("delete", "--force", name)
    t.clean()


# --regex and --config


def named(t, *names):
    """Running containers whose ids begin with an id of this test."""
    prefix = t.new_id()
    containers = []
    for name in names:
        c = t.container(t.bundle("sleep", "1000"), f"{prefix}-{name}")
        c.run_detached()
        containers.append(c)
    return prefix, containers


def trapping(t, name):
    c = t.container(t.bundle(script="trap 'exit 3' TERM; echo ready; while :; do sleep 0.05; done"), name)
    t.until_file(c.run_detached().out_path, "ready\n")  # before its trap, pid 1 ignores the signal
    return c


@known_differences({"runc": "has no --regex", "crun": "1.8 has no kill --regex"})
def test_kill_regex_reaches_all_that_match(t):
    prefix, (a, b, other) = named(t, "a1", "a2", "b1")
    t.runtime.ok("kill", "--regex", f"^{prefix}-a[0-9]$", "KILL")
    t.equal((a.wait(), b.wait()), (137, 137), "exit codes")
    t.equal(other.status(), "running", "status of the one that does not match")


@known_differences({"runc": "has no --regex", "crun": "1.8 has no kill --regex"})
def test_kill_regex_defaults_to_term(t):
    prefix = t.new_id()
    a, b = trapping(t, f"{prefix}-a"), trapping(t, f"{prefix}-b")
    t.runtime.ok("kill", "--regex", prefix)
    t.equal((a.wait(), b.wait()), (3, 3), "exit codes")


@wherry_only("one that cannot be killed does not keep the others from it, and the exit code tells")
def test_kill_regex_goes_on_after_a_failure(t):
    prefix, (a, b, c) = named(t, "a", "b", "c")
    b.stop()
    result = t.runtime.fails("kill", "--regex", prefix, "KILL")
    t.contains(result.err, "not running", "1 container")
    t.equal((a.wait(), c.wait()), (137, 137), "exit codes")


@wherry_only("no match is no error")
def test_regex_without_a_match(t):
    c = t.running()
    t.runtime.ok("kill", "--regex", "^nothing-is-called-so$", "KILL")
    t.runtime.ok("delete", "--regex", "--force", "^nothing-is-called-so$")
    t.equal(c.status(), "running", "status")


@wherry_only("a regular expression that is none does nothing")
def test_bad_regex_is_an_error(t):
    c = t.running()
    for verb in (["kill", "--regex", "["], ["delete", "--force", "--regex", "["]):
        t.contains(t.runtime.fails(*verb).err, "regular expression")
    t.equal(c.status(), "running", "status")


@known_differences({"runc": "has no --regex"})
def test_delete_regex_removes_all_that_match(t):
    prefix, (a, b, other) = named(t, "a1", "a2", "b1")
    t.runtime.ok("delete", "--force", "--regex", f"^{prefix}-a")
    for c in (a, b):
        t.runtime.fails("state", c.id)
        t.alive.remove(c)
    t.equal(other.status(), "running", "status of the one that does not match")


@wherry_only("a running one is refused, the stopped ones are deleted all the same")
def test_delete_regex_without_force(t):
    prefix, (a, b, c) = named(t, "a", "b", "c")
    a.stop()
    c.stop()
    result = t.runtime.fails("delete", "--regex", prefix)
    t.contains(result.err, b.id, "1 container")
    for gone in (a, c):
        t.runtime.fails("state", gone.id)
        t.alive.remove(gone)
    t.equal(b.status(), "running", "status")


@known_differences({"runc": "has no --config"})
def test_config_by_another_name(t):
    b = t.bundle("echo", "other")
    b.write()
    os.rename(os.path.join(b.path, "config.json"), os.path.join(b.path, "other.json"))
    for name in ("other.json", os.path.join(b.path, "other.json")):
        for flag in (["--config", name], ["-f", name], [f"--config={name}"]):
            t.equal(t.runtime.ok("run", "--bundle", b.path, *flag, t.new_id()).out, "other\n", "output")
    name = t.new_id()
    t.runtime.ok("create", "--bundle", b.path, "--config", "other.json", name)
    t.runtime.ok("delete", "--force", name)
    t.runtime.fails("create", "--bundle", b.path, t.new_id())
    t.clean()


def test_signal_0_tells_whether_it_runs(t):
    c = t.running()
    t.runtime.ok("kill", c.id, "0")
    c.stop()
    t.contains(t.runtime.fails("kill", c.id, "0").text, "not running")


@known_differences({"crun": "1.8 says that it is not running", "runc": "1.1 does the same"})
def test_kill_reaches_those_whom_pid_1_left(t):
    """Without a pid namespace of its own, pid 1 dies alone."""
    b = t.bundle(script="sleep 1001 & sleep 1002; true").namespace("pid", remove=True)
    c = t.running(b)
    processes = os.path.join(t.cgroup_dir(b), "cgroup.procs")
    t.until(lambda: len(read(processes).split()) == 3, "three processes")
    os.kill(c.pid, signal.SIGKILL)
    c.wait()
    t.until(lambda: c.status() == "stopped", "status stopped")
    t.runtime.ok("kill", c.id, "KILL")
    t.until(lambda: not read(processes).split(), "nobody left")
    t.contains(t.runtime.fails("kill", c.id, "KILL").text, "container not running")
