# SPDX-License-Identifier: Apache-2.0
"""A second process in a running container."""

import json
import os

from itest import ConsoleSocket, Pty, known_differences, reaper, wherry_only
from itest.case import load, read
from itest.terminal import read_until

PROCESS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "golden", "process")


def parse_status(text):
    return {key: value.strip() for key, _, value in (line.partition(":") for line in text.splitlines())}


def exec_flags(t, c, *args, **spawn):
    """exec with flags before the id."""
    flags, command = list(args[:-1]), args[-1]
    return t.runtime.call("exec", *flags, c.id, *command, **spawn)


def test_output_and_exit_code(t):
    c = t.running()
    result = c.exec("sh", "-c", "echo out; echo err >&2; exit 17")
    t.equal(result.out, "out\n", "standard output")
    t.contains(result.err, "err\n")
    t.equal(result.code, 17, "exit code")


def test_exit_code_of_a_signal(t):
    t.equal(t.running().exec("sh", "-c", "kill -KILL $$").code, 137, "exit code")


def test_standard_input(t):
    c = t.running()
    t.equal(c.exec("cat", input="words\n").out, "words\n", "output")


def test_runs_in_every_namespace_of_the_container(t):
    c = t.running()
    for kind in ("pid", "net", "ipc", "uts", "mnt", "cgroup"):
        t.equal(c.exec("readlink", f"/proc/self/ns/{kind}").out.strip(), c.ns(kind), f"{kind} namespace")


def test_runs_in_the_cgroup_of_the_container(t):
    c = t.running()
    t.contains(c.exec("cat", "/proc/self/cgroup").out, "0::/\n")


def test_sees_the_containers_processes(t):
    t.contains(t.running().exec("ps").out, "sleep 1000")


def test_runs_in_a_user_namespace(t):
    c = t.running(t.bundle("sleep", "1000").user_namespace())
    result = c.exec("sh", "-c", "id -u; cat /proc/self/uid_map")
    t.equal(result.out.split(), ["0", "0", "100000", "65536"], "uid and map")
    t.equal(c.exec("readlink", "/proc/self/ns/user").out.strip(), c.ns("user"), "user namespace")


def test_runs_with_inherited_namespaces(t):
    b = t.bundle("sleep", "1000").namespace("pid", remove=True).namespace("ipc", remove=True)
    c = t.running(b)
    t.equal(c.exec("readlink", "/proc/self/ns/pid").out.strip(), os.readlink("/proc/self/ns/pid"), "pid namespace")


def test_user_flag(t):
    c = t.running()
    for text, uid, gid in (("1000:2000", "1000", "2000"), ("0", "0", "0"), ("1", "1", None), ("65534", "65534", None)):
        out = exec_flags(t, c, "--user", text, ["sh", "-c", "id -u; id -g"]).out.split()
        t.equal(out[0], uid, f"uid with -u {text}")
        if gid:
            t.equal(out[1], gid, f"gid with -u {text}")


def test_user_flag_is_a_number_not_a_name(t):
    """The container's passwd has a line named 1000 with uid 0 (CVE-2016-3697)."""
    c = t.running()
    t.equal(exec_flags(t, c, "-u", "1000", ["id", "-u"]).out, "1000\n", "uid")


@known_differences({"crun": "1.8 takes 4294967296", "runc": "1.1 takes 4294967296"})
def test_user_flag_garbage_is_an_error(t):
    c = t.running()
    for text in ("4294967296", "-1", "1000:0x0", "1e3", "+1", "", " ", "1:2:3"):
        result = t.runtime.call("exec", f"--user={text}", c.id, "id", "-u")
        t.true(result.code != 0, f"refusal of -u {text!r}")


@known_differences({"crun": "1.8 replaces the environment, PATH included"})
def test_env_flag(t):
    c = t.running()
    for flag in ("-e", "--env"):
        out = exec_flags(t, c, flag, "A=1", flag, "B=2 3", ["env"]).out
        t.contains(out, "A=1\n", "B=2 3\n", "PATH=")


def test_environment_comes_from_the_config(t):
    b = t.bundle("sleep", "1000")
    b.process["env"].append("FROM_CONFIG=yes")
    t.contains(t.running(b).exec("env").out, "FROM_CONFIG=yes", "HOME=/root")


def test_cwd_flag(t):
    c = t.running()
    t.equal(exec_flags(t, c, "--cwd", "/etc", ["pwd"]).out, "/etc\n", "working directory")


def test_cwd_that_is_a_descriptor_is_refused(t):
    c = t.running()
    for number in range(3, 31):
        result = exec_flags(t, c, "--cwd", f"/proc/self/fd/{number}", ["pwd"])
        t.true(result.code != 0, f"refusal of /proc/self/fd/{number}")


def test_capability_flag(t):
    c = t.running(t.bundle("sleep", "1000").capabilities(["CAP_KILL"]))
    plain = parse_status(c.exec("cat", "/proc/self/status").out)
    more = parse_status(exec_flags(t, c, "--cap", "CAP_CHOWN", ["cat", "/proc/self/status"]).out)
    t.equal(int(plain["CapEff"], 16), 1 << 5, "effective without the flag")
    t.equal(int(more["CapEff"], 16) & 1, 1, "CAP_CHOWN with the flag")
    t.equal(int(more["CapInh"], 16), 0, "inheritable with the flag")


def test_inheritable_is_empty(t):
    c = t.running()
    t.equal(int(parse_status(c.exec("cat", "/proc/self/status").out)["CapInh"], 16), 0, "inheritable")


@known_differences({"crun": "1.8 does not"})
def test_no_new_privileges_is_inherited_from_the_config(t):
    c = t.running(t.bundle("sleep", "1000", process={"noNewPrivileges": True}))
    t.equal(parse_status(c.exec("cat", "/proc/self/status").out)["NoNewPrivs"], "1", "NoNewPrivs")


def test_only_three_descriptors(t):
    c = t.running()
    t.equal(set(c.exec("ls", "/proc/self/fd").out.split()) - {"3"}, {"0", "1", "2"}, "descriptors")


def test_detach_and_pid_file(t):
    c = t.running()
    pid_file = t.path("exec.pid")
    t.equal(exec_flags(t, c, "--detach", "--pid-file", pid_file, ["sleep", "2000"]).code, 0, "exit code")
    pid = int(read(pid_file))
    t.until(lambda: read(f"/proc/{pid}/cmdline") == "sleep\x002000\x00", "the command line of the pid in the file")
    t.equal(os.readlink(f"/proc/{pid}/ns/pid"), c.ns("pid"), "its pid namespace")


def test_exit_code_of_a_detached_process_goes_to_the_subreaper(t):
    c = t.running()
    pid_file = t.path("exec.pid")
    exec_flags(t, c, "--detach", "--pid-file", pid_file, ["sh", "-c", "exit 21"])
    pid = int(read(pid_file))
    codes = []
    t.until(lambda: codes.append(reaper.exit_code(pid)) or codes[-1] is not None, "the end of the process")
    t.equal(codes[-1], 21, "exit code")


def process_file(t, **edit):
    process = {"terminal": False, "user": {"uid": 0, "gid": 0}, "args": ["cat", "/proc/self/status"],
               "env": ["PATH=/bin"], "cwd": "/"}
    process.update(edit)
    return t.file("process.json", json.dumps(process))


def test_process_file(t):
    c = t.running()
    path = process_file(t, args=["sh", "-c", "pwd; id -u; env; ulimit -n"], cwd="/etc",
                        user={"uid": 1000, "gid": 1000}, env=["PATH=/bin", "X=y"],
                        rlimits=[{"type": "RLIMIT_NOFILE", "soft": 77, "hard": 77}])
    out = t.runtime.ok("exec", "--process", path, c.id).out
    t.contains(out, "/etc\n1000\n", "X=y\n", "77\n")


def test_process_file_capabilities_are_exact(t):
    c = t.running()
    caps = ["CAP_KILL", "CAP_AUDIT_WRITE"]
    path = process_file(t, capabilities={"bounding": caps, "permitted": caps, "effective": caps})
    found = parse_status(t.runtime.ok("exec", "--process", path, c.id).out)
    for key in ("CapBnd", "CapPrm", "CapEff"):
        t.equal(int(found[key], 16), 1 << 5 | 1 << 29, key)
    for key in ("CapInh", "CapAmb"):
        t.equal(int(found[key], 16), 0, key)


def test_process_file_groups(t):
    c = t.running()
    path = process_file(t, user={"uid": 1000, "gid": 1000, "additionalGids": [3, 9]})
    found = parse_status(t.runtime.ok("exec", "--process", path, c.id).out)
    t.equal(found["Groups"].split(), ["3", "9"], "groups")


def test_engine_process_files(t):
    """process.json as engines write it; only the program and the terminal are ours."""
    if not os.path.isdir(PROCESS):
        t.skip("tests/golden/process is absent")
    c = t.running()
    for name in sorted(n for n in os.listdir(PROCESS) if n.endswith(".json")):
        process = load(os.path.join(PROCESS, name))
        if process.get("terminal"):
            continue
        process["args"] = ["cat", "/proc/self/status"]
        path = t.file(name, json.dumps(process))
        found = parse_status(t.runtime.ok("exec", "--process", path, c.id).out)
        wanted = process.get("capabilities", {})
        t.equal(bin(int(found["CapInh"], 16)).count("1"), len(wanted.get("inheritable") or []), f"{name}: inheritable")
        t.equal(bin(int(found["CapEff"], 16)).count("1"), len(wanted.get("effective") or []), f"{name}: effective")


def test_missing_program(t):
    c = t.running()
    result = c.exec("no-such-program")
    t.true(result.code != 0, "exec fails")
    t.contains_any(result.text, "executable file not found", "no such file or directory")


def test_not_executable_program(t):
    result = t.running().exec("/bin/notexec")
    t.true(result.code != 0, "exec fails")
    t.contains_any(result.text, "permission denied")


@known_differences({"crun": "1.8 ends with 1"})
def test_stopped_container_gives_255(t):
    c = t.running()
    c.stop()
    result = c.exec("true")
    t.equal(result.code, 255, "exit code")
    t.true(result.text.strip(), "an error message")


@known_differences({"crun": "1.8 ends with 1"})
def test_unknown_container_gives_255(t):
    result = t.runtime.call("exec", "nobody", "true")
    t.equal(result.code, 255, "exit code")
    t.contains_any(result.text, "does not exist")


def test_paused_container_refuses(t):
    c = t.running()
    t.runtime.ok("pause", c.id)
    child = t.runtime.spawn("exec", c.id, "true")
    try:
        t.true(t.runtime.finish(child).code != 0, "exec fails")
    finally:
        t.runtime.call("resume", c.id)


def test_terminal_through_a_console_socket(t):
    c = t.running()
    listener = t.keep(ConsoleSocket(t.path("tty.sock")))
    path = process_file(t, terminal=True, args=["sh", "-c", "tty; echo up; read x; echo got-$x; sleep 1000"])
    pid_file = t.path("exec.pid")
    t.runtime.ok("exec", "--process", path, "--detach", "--pid-file", pid_file, "--console-socket", listener.path, c.id)
    fd = listener.receive()
    t.contains(read_until(fd, "up"), "/dev/pts/")
    os.write(fd, b"in\n")
    read_until(fd, "got-in")
    os.close(fd)


def test_terminal_in_the_foreground(t):
    c = t.running()
    pty = t.keep(Pty(40, 100))
    child = t.runtime.spawn("exec", "-t", c.id, "sh", "-c", "sleep 0.3; tty; stty size; exit 12", **pty.stdio())
    pty.started()
    t.contains(pty.read_until("40 100"), "/dev/pts/")
    t.equal(t.runtime.finish(child).code, 12, "exit code")


def test_preserve_fds(t):
    c = t.running()
    path = t.file("given", "content\n")

    def give():
        fd = os.open(path, os.O_RDONLY)
        high = os.dup2(fd, 50)
        os.dup2(high, 3, inheritable=True)

    result = t.runtime.call("exec", "--preserve-fds", "1", c.id, "sh", "-c", "cat <&3", preexec_fn=give, close_fds=False)
    t.equal(result.out, "content\n", "what descriptor 3 gives")


def test_exec_in_a_created_container(t):
    c = t.created(t.bundle("sleep", "1000"))
    result = c.exec("echo", "early")
    if result.code == 0:
        t.equal(result.out, "early\n", "output")


def test_many_at_once(t):
    c = t.running()
    children = [t.runtime.spawn("exec", c.id, "sh", "-c", f"exit {i}") for i in range(8)]
    t.equal([t.runtime.finish(child).code for child in children], list(range(8)), "exit codes")


@known_differences({"runc": "1.1 reads config.json of the bundle again"})
def test_config_changed_after_create_does_not_matter(t):
    c = t.running()
    c.bundle.process["env"].append("LATE=1")
    c.bundle.write()
    t.lacks(c.exec("env").out, "LATE")


@wherry_only("a missing command is an error of the command line")
def test_without_a_command(t):
    t.true(t.running().exec().code != 0, "exec without a command fails")


@known_differences({"runc": "1.1 has no umask for exec", "crun": "1.8 keeps the umask of the caller"})
def test_umask_of_the_config(t):
    b = t.bundle("sleep", "1000")
    b.process["user"]["umask"] = 0o027
    t.equal(t.running(b).exec("sh", "-c", "umask").out, "0027\n", "umask")


@known_differences({"crun": "1.8 does not"})
def test_seccomp_and_rlimits_of_the_config(t):
    b = t.bundle("sleep", "1000")
    b.process["rlimits"] = [{"type": "RLIMIT_NOFILE", "soft": 123, "hard": 123}]
    t.equal(t.running(b).exec("sh", "-c", "ulimit -n").out, "123\n", "limit")


@known_differences({"crun": "1.8 says nothing of ambient", "runc": "1.1 does the same"})
def test_cap_flag_is_ambient_where_it_is_inheritable(t):
    b = t.bundle("sleep", "1000")
    b.process["capabilities"] = {"bounding": ["CAP_SYSLOG"], "inheritable": ["CAP_SYSLOG"]}
    c = t.running(b)
    status = parse_status(exec_flags(t, c, "--cap", "CAP_SYSLOG", ["cat", "/proc/self/status"]).out)
    t.equal(int(status["CapAmb"], 16), 1 << 34, "ambient set")
    status = parse_status(exec_flags(t, c, "--cap", "CAP_KILL", ["cat", "/proc/self/status"]).out)
    t.equal(int(status["CapAmb"], 16), 0, "ambient set")


@known_differences({"crun": "1.8 fails with the cgroup", "runc": "1.1 does not look where pid 1 is"})
def test_goes_where_pid_1_went(t):
    """pid 1 has left the container's cgroup, and the cgroup was removed."""
    b = t.bundle("sleep", "1000")
    c = t.running(b)
    other = t.cgroup_dir(b) + ".other"
    os.mkdir(other)
    with open(os.path.join(other, "cgroup.procs"), "w", encoding="ascii") as file:
        file.write(str(c.pid))
    os.rmdir(t.cgroup_dir(b))
    t.equal(c.exec("cat", "/proc/self/cgroup").code, 0, "exit code")
    child = t.runtime.spawn("exec", c.id, "sh", "-c", "cat")
    t.equal(t.runtime.finish(child).code, 0, "exit code of a second one")
    c.stop()
    c.delete("--force")
    t.until(lambda: removed(other), "the other cgroup can be removed")


def removed(directory):
    try:
        os.rmdir(directory)
    except OSError:
        return False
    return True


@known_differences({"runc": "asks for CAP_SYS_PTRACE", "crun": "asks for CAP_SYS_PTRACE"})
def test_before_start_without_the_right_to_trace(t):
    """As root of an outer container has it: not even root may then look at the namespaces of a process that hides."""
    t.runtime.prefix = ["setpriv", "--bounding-set=-sys_ptrace", "--inh-caps=-sys_ptrace"]
    for c in (t.created(t.bundle("sleep", "1000")),
              t.created(t.bundle("sleep", "1000").user_namespace())):
        result = c.exec("sh", "-c", "cat /proc/self/uid_map; for n in pid mnt; do readlink /proc/self/ns/$n; done")
        t.equal((result.code, result.err), (0, ""), "exec")
        t.equal(result.out.split()[-2:], [c.ns("pid"), c.ns("mnt")], "namespaces")
        t.equal(c.status(), "created", "status")


def test_start_beside_an_exec_before_start(t):
    """Both talk to the one that waits; none may be lost."""
    t.as_user()
    c = t.created(t.bundle("sleep", "1000"))
    children = [t.runtime.spawn("exec", c.id, "sh", "-c", "echo there") for _ in range(4)]
    c.start()
    for child in children:
        result = t.runtime.finish(child)
        t.equal((result.code, result.out), (0, "there\n"), f"exec beside start: {result.err}")
    t.equal(c.status(), "running", "status")


def test_sub_cgroup_outside_is_refused(t):
    c = t.running()
    for path in ("..", "../..", "/../x"):
        result = exec_flags(t, c, "--cgroup", path, ["true"])
        t.equal(result.code, 255, f"exit code with {path}")
        t.contains_any(result.err, "bad sub cgroup path", "cgroup")
