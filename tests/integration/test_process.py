# SPDX-License-Identifier: Apache-2.0
"""What the container's first process finds: arguments, environment, credentials, capabilities, limits, descriptors."""

import os

from itest import known_differences, wherry_only

ALL_SETS = ("bounding", "effective", "permitted", "inheritable", "ambient")
CAP_NUMBERS = {"CAP_CHOWN": 0, "CAP_DAC_OVERRIDE": 1, "CAP_KILL": 5, "CAP_SETGID": 6, "CAP_SETUID": 7,
               "CAP_NET_BIND_SERVICE": 10, "CAP_AUDIT_WRITE": 29}


def mask(*names):
    return sum(1 << CAP_NUMBERS[name] for name in names)


def status(t, bundle, *flags):
    """/proc/self/status of the container's process as a dict."""
    bundle.process["args"] = ["cat", "/proc/self/status"]
    return parse_status(t.output(bundle, *flags))


def parse_status(text):
    return {key: value.strip() for key, _, value in (line.partition(":") for line in text.splitlines())}


def env_lines(t, env, uid=0, **edit):
    b = t.bundle("env", **edit)
    b.process["env"] = env
    b.process["user"] = {"uid": uid, "gid": uid}
    return t.output(b).splitlines()


def test_arguments_arrive_unchanged(t):
    args = ["", "a b", "$HOME", "*", "tab\t", "ümlaut", "-n"]
    out = t.output(t.bundle("sh", "-c", 'for a; do printf "<%s>" "$a"; done', "name", *args))
    t.equal(out, "".join(f"<{a}>" for a in args), "arguments")


def test_argument_zero_is_kept(t):
    t.equal(t.output(t.bundle("sh", "-c", "tr '\\0' ' ' < /proc/self/cmdline")).split()[0], "tr", "argv[0]")


def test_absolute_program_path(t):
    t.equal(t.output(t.bundle("/bin/echo", "x")), "x\n", "output")


def test_program_is_found_through_the_containers_path(t):
    b = t.bundle("echo", "x")
    b.process["env"] = ["PATH=/nowhere:/bin"]
    t.equal(t.output(b), "x\n", "output")


def test_environment_is_exactly_the_configs(t):
    lines = env_lines(t, ["PATH=/bin", "A=1", "B=two words", "C="])
    t.equal(sorted(lines), ["A=1", "B=two words", "C=", "HOME=/root", "PATH=/bin"], "environment")


def test_the_last_of_two_equal_names_wins(t):
    lines = env_lines(t, ["PATH=/bin", "A=1", "B=x", "A=2"])
    t.equal([line for line in lines if line.startswith("A=")], ["A=2"], "A")


def test_home_comes_from_the_containers_passwd(t):
    t.contains("\n".join(env_lines(t, ["PATH=/bin"], uid=1000)), "HOME=/home/user")


def test_home_given_is_kept(t):
    lines = env_lines(t, ["PATH=/bin", "HOME=/elsewhere"])
    t.equal([line for line in lines if line.startswith("HOME=")], ["HOME=/elsewhere"], "HOME")


@known_differences({"crun": "1.8 sets no HOME then"})
def test_home_of_an_unknown_uid_is_the_root(t):
    t.contains("\n".join(env_lines(t, ["PATH=/bin"], uid=4242)), "HOME=/")


@wherry_only("values with a newline or NUL never reach the passwd lookup or the environment wrongly")
def test_nul_in_the_environment_is_refused(t):
    b = t.bundle("env")
    b.process["env"] = ["PATH=/bin", "A=1\0B=2"]
    t.refused(b)


@wherry_only("a NUL in an argument is an error, never a cut")
def test_nul_in_an_argument_is_refused(t):
    t.refused(t.bundle("echo", "a\0b"))


def test_working_directory(t):
    b = t.bundle("pwd")
    b.process["cwd"] = "/etc"
    t.equal(t.output(b), "/etc\n", "working directory")


def test_missing_working_directory_is_created(t):
    b = t.bundle(script="pwd; stat -c %u:%g .")
    b.own_rootfs()
    b.process["cwd"] = "/a/b/c"
    t.equal(t.output(b).splitlines()[0], "/a/b/c", "working directory")


@known_differences({"crun": "enters it with root's rights alone", "runc": "1.1 too"})
def test_working_directory_that_is_open_to_the_user_alone(t):
    """Root of a user namespace that does not know the group of a directory has no power over it."""
    place = t.directory("place")
    os.chown(place, 100007, 0)
    os.chmod(place, 0o700)
    b = t.bundle("pwd").user_namespace()
    os.makedirs(b.own_rootfs() + "/data", exist_ok=True)
    b.mount("/data", "bind", place, ["bind"])
    b.process["cwd"] = "/data"
    t.true(t.run(b).code != 0, "root may not")
    b.process["user"] = {"uid": 7, "gid": 7}
    t.equal(t.output(b), "/data\n", "working directory")


@known_differences({"crun": "takes it relative to /"})
def test_relative_working_directory_is_refused(t):
    b = t.bundle("pwd")
    b.process["cwd"] = "etc"
    t.refused(b)


def test_working_directory_that_is_a_file_is_refused(t):
    b = t.bundle("pwd")
    b.process["cwd"] = "/etc/passwd"
    t.refused(b)


@known_differences({"crun": "accepts a missing list until start"})
def test_missing_args_is_refused(t):
    b = t.bundle("x")
    for args in ([], None):
        b.process["args"] = args
        t.refused(b)


def test_uid_and_gid(t):
    b = t.bundle()
    b.process["user"] = {"uid": 1000, "gid": 2000}
    found = status(t, b)
    t.equal(found["Uid"].split(), ["1000"] * 4, "uids")
    t.equal(found["Gid"].split(), ["2000"] * 4, "gids")


def test_additional_gids_are_exact(t):
    b = t.bundle()
    b.process["user"] = {"uid": 1000, "gid": 1000, "additionalGids": [5, 77, 2147483647]}
    t.equal(sorted(map(int, status(t, b)["Groups"].split())), [5, 77, 2147483647], "groups")


def test_no_additional_gids_means_none(t):
    b = t.bundle()
    b.process["user"] = {"uid": 1000, "gid": 1000}
    found = status(t, b, **{})
    t.true(found["Groups"].split() in ([], ["1000"]), f"no supplementary groups, found {found['Groups']}")


@known_differences({"crun": "does not check the range"})
def test_uid_out_of_range_is_refused(t):
    for uid in (-1, 4294967296, "0", 1.5):
        b = t.bundle("id")
        b.process["user"] = {"uid": uid, "gid": 0}
        t.refused(b)


def test_umask(t):
    b = t.bundle(script="umask")
    b.process["user"]["umask"] = 0o027
    t.equal(t.output(b), "0027\n", "umask")


def test_default_umask(t):
    t.equal(t.output(t.bundle(script="umask")), "0022\n", "umask")


def test_rlimits(t):
    b = t.bundle(script="ulimit -Sn; ulimit -Hn; ulimit -Sc; ulimit -Hc")
    b.process["rlimits"] = [{"type": "RLIMIT_NOFILE", "soft": 100, "hard": 200},
                            {"type": "RLIMIT_CORE", "soft": 0, "hard": 0}]
    t.equal(t.output(b).split(), ["100", "200", "0", "0"], "limits")


@known_differences({"crun": "1.8 leaves the cgroup behind"})
def test_unknown_rlimit_is_refused(t):
    b = t.bundle("true")
    b.process["rlimits"] = [{"type": "RLIMIT_NOSUCH", "soft": 1, "hard": 1}]
    t.refused(b)


@known_differences({"crun": "the last one wins", "runc": "1.1 takes the last one"})
def test_duplicate_rlimit_is_refused(t):
    b = t.bundle("true")
    b.process["rlimits"] = [{"type": "RLIMIT_CORE", "soft": 0, "hard": 0}] * 2
    t.refused(b)


def test_oom_score_adj(t):
    b = t.bundle("cat", "/proc/self/oom_score_adj")
    b.process["oomScoreAdj"] = 543
    t.equal(t.output(b), "543\n", "oom_score_adj")


def test_oom_score_adj_unset_is_inherited(t):
    b = t.bundle("cat", "/proc/self/oom_score_adj")
    b.process.pop("oomScoreAdj", None)
    with open("/proc/self/oom_score_adj", encoding="ascii") as file:
        t.equal(t.output(b), file.read(), "oom_score_adj")


def test_no_new_privileges_on(t):
    t.equal(status(t, t.bundle(process={"noNewPrivileges": True}))["NoNewPrivs"], "1", "NoNewPrivs")


def test_no_new_privileges_off(t):
    t.equal(status(t, t.bundle(process={"noNewPrivileges": False}))["NoNewPrivs"], "0", "NoNewPrivs")


def test_five_capability_sets(t):
    b = t.bundle()
    both = ["CAP_KILL", "CAP_NET_BIND_SERVICE"]
    b.process["capabilities"] = {"bounding": both + ["CAP_AUDIT_WRITE"], "permitted": both, "effective": both,
                                 "inheritable": both, "ambient": ["CAP_KILL"]}
    b.process["user"] = {"uid": 1000, "gid": 1000}
    found = status(t, b)
    t.equal(int(found["CapBnd"], 16), mask(*both, "CAP_AUDIT_WRITE"), "bounding")
    t.equal(int(found["CapInh"], 16), mask(*both), "inheritable")
    t.equal(int(found["CapAmb"], 16), mask("CAP_KILL"), "ambient")
    t.equal(int(found["CapPrm"], 16), mask("CAP_KILL"), "permitted of a non-root program")
    t.equal(int(found["CapEff"], 16), mask("CAP_KILL"), "effective of a non-root program")


def test_root_gets_bounding_capabilities(t):
    b = t.bundle().capabilities(["CAP_CHOWN", "CAP_KILL"])
    b.process["capabilities"].pop("ambient", None)
    found = status(t, b)
    for key in ("CapBnd", "CapPrm", "CapEff"):
        t.equal(int(found[key], 16), mask("CAP_CHOWN", "CAP_KILL"), key)
    for key in ("CapInh", "CapAmb"):
        t.equal(int(found[key], 16), 0, key)


def test_no_capabilities_at_all(t):
    b = t.bundle()
    b.process["capabilities"] = {}
    found = status(t, b)
    for key in ("CapBnd", "CapPrm", "CapEff", "CapInh", "CapAmb"):
        t.equal(int(found[key], 16), 0, key)


@wherry_only("a missing capabilities object gives none, as the empty one does")
def test_absent_capabilities_object(t):
    b = t.bundle()
    b.process.pop("capabilities")
    t.equal(int(status(t, b)["CapBnd"], 16), 0, "bounding")


def test_non_root_without_ambient_has_none(t):
    b = t.bundle().capabilities(["CAP_CHOWN"])
    b.process["user"] = {"uid": 1000, "gid": 1000}
    found = status(t, b)
    t.equal(int(found["CapEff"], 16), 0, "effective")
    t.equal(int(found["CapPrm"], 16), 0, "permitted")


def test_unknown_capability_is_a_warning(t):
    b = t.bundle("true").capabilities(["CAP_KILL", "CAP_FROM_THE_FUTURE"])
    t.equal(t.run(b).code, 0, "exit code")


# Errors about the user's own command


def test_missing_program_is_named_so(t):
    result = t.refused(t.bundle("no-such-program"))
    t.contains_any(result.text, "executable file not found", "no such file or directory")
    t.lacks(result.text.lower(), "permission denied")


def test_missing_absolute_program_is_named_so(t):
    t.contains_any(t.refused(t.bundle("/bin/no-such-program")).text, "no such file or directory",
                   "executable file not found")


def test_program_that_is_not_executable(t):
    result = t.refused(t.bundle("/bin/notexec"))
    t.contains_any(result.text, "permission denied")


@known_differences({"crun": "1.8 says EPERM"})
def test_program_that_is_a_directory(t):
    b = t.bundle("/etc")
    b.write()
    result = t.run(b)
    t.true(result.code != 0, "run fails")
    t.contains_any(result.text, "permission denied", "is a directory")
    t.clean()


def test_program_with_a_bad_format(t):
    b = t.bundle("/bin/garbage")
    root = b.own_rootfs()
    with open(os.path.join(root, "bin", "garbage"), "wb") as file:
        file.write(b"\x7fELF\0\0\0")
    os.chmod(os.path.join(root, "bin", "garbage"), 0o755)
    result = t.run(b)
    t.true(result.code != 0, "run fails")
    t.contains_any(result.text, "exec format", "ENOEXEC")
    t.clean()


@wherry_only("other errors never hold the phrases that engines take for a missing command")
def test_other_errors_do_not_say_no_such_file(t):
    b = t.bundle("true").mount("/mnt", "bind", t.path("absent-source"), ["bind"])
    text = t.refused(b).text.lower()
    t.lacks(text, "no such file or directory", "executable file not found", "permission denied")
    t.contains(text, "enoent")


# File descriptors


def test_only_three_descriptors(t):
    numbers = set(t.output(t.bundle("ls", "/proc/self/fd")).split())
    t.equal(numbers - {"3"}, {"0", "1", "2"}, "descriptors, 3 being that of ls itself")


def test_descriptors_of_the_caller_do_not_leak(t):
    fd = os.open(t.file("secret"), os.O_RDONLY)
    high = os.dup2(fd, 57, inheritable=True)
    try:
        out = t.output(t.bundle("ls", "/proc/self/fd"), close_fds=False)
    finally:
        os.close(fd)
        os.close(high)
    t.equal(set(out.split()) - {"3"}, {"0", "1", "2"}, "descriptors")


def with_fds(t, count, *flags, env=None):
    """Runs a listing of the descriptors while the caller holds 3 .. 3+count-1."""
    path = t.file("given", "content\n")
    b = t.bundle(script="ls -l /proc/self/fd | grep given | wc -l; cat <&3; env")
    b.write()

    def give():
        fd = os.open(path, os.O_RDONLY)
        high = os.dup2(fd, 100)
        for number in range(3, 3 + count):
            os.dup2(high, number, inheritable=True)
        if env:
            os.environ.update(env, LISTEN_PID=str(os.getpid()))

    return t.runtime.call("run", "--bundle", b.path, *flags, t.new_id(), close_fds=False, preexec_fn=give)


def test_preserve_fds(t):
    result = with_fds(t, 2, "--preserve-fds", "2")
    t.equal(result.out.splitlines()[:2], ["2", "content"], "descriptors and content")


@known_differences({"crun": "does not check"})
def test_preserve_fds_beyond_the_open_ones_is_refused(t):
    b = t.bundle("true")
    t.true(t.run(b, "--preserve-fds", "5", close_fds=True).code != 0, "a descriptor that is not open is an error")
    t.clean()


@known_differences({"crun": "1.8 passes LISTEN_PID only"})
def test_listen_fds(t):
    result = with_fds(t, 1, env={"LISTEN_FDS": "1"})
    t.equal(result.out.splitlines()[:2], ["1", "content"], "descriptors and content")
    t.contains(result.out, "LISTEN_FDS=1", "LISTEN_PID=1")


@known_differences({"crun": "1.8 leaves the cgroup behind"})
def test_closed_stdin_does_not_confuse(t):
    b = t.bundle(script="ls -l /proc/self/fd")
    b.write()

    def close():
        os.close(0)

    result = t.runtime.call("run", "--bundle", b.path, t.new_id(), preexec_fn=close)
    if result.code == 0:
        t.lacks(result.out, t.runtime.root, t.dir + "/bundle")


@known_differences({"runc": "1.1 passes the mask of its caller on"})
def test_signal_mask_and_dispositions_are_reset(t):
    def ignore():
        import signal
        for number in (signal.SIGPIPE, signal.SIGCHLD, signal.SIGHUP, signal.SIGUSR1):
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2, signal.SIGTERM])

    b = t.bundle("cat", "/proc/self/status")
    b.write()
    found = parse_status(t.runtime.ok("run", "--bundle", b.path, t.new_id(), preexec_fn=ignore).out)
    t.equal(int(found["SigBlk"], 16), 0, "blocked signals")


@known_differences({"runc": "1.1 is older than personality"})
def test_personality(t):
    b = t.bundle("uname", "-m", linux={"personality": {"domain": "LINUX32"}})
    t.equal(t.output(b).strip() in ("i686", "armv8l", "armv7l"), True, "a 32-bit machine name")


def test_io_priority(t):
    b = t.bundle("ionice", "-p", "1", process={"ioPriority": {"class": "IOPRIO_CLASS_BE", "priority": 6}})
    if t.kind in ("runc", "crun"):
        t.skip("the peers tested here are older than ioPriority")
    t.matches(t.output(b), r"best-effort: prio 6")


def test_scheduler(t):
    b = t.bundle("chrt", "-p", "1", process={"scheduler": {"policy": "SCHED_BATCH"}})
    if t.kind in ("runc", "crun"):
        t.skip("the peers tested here are older than scheduler")
    b.python("import os; print(os.sched_getscheduler(0) == os.SCHED_BATCH)")
    t.equal(t.output(b), "True\n", "SCHED_BATCH")


def test_first_process_is_pid_1(t):
    t.equal(t.output(t.bundle(script="echo $$")), "1\n", "pid")


def test_exit_code_with_own_session(t):
    t.equal(t.output(t.bundle(script="cut -d' ' -f6 /proc/1/stat")), "1\n", "session of pid 1")


def test_config_of_many_strings_works(t):
    b = t.bundle(script="env | wc -l")
    b.process["env"] += [f"VARIABLE_{i}={'x' * 100}" for i in range(1000)]
    t.true(int(t.output(b)) >= 1000, "all variables arrive")


def test_missing_gid_is_0(t):
    b = t.bundle("id", "-g")
    b.process["user"] = {"uid": 0}
    t.equal(t.output(b), "0\n", "gid")


@known_differences({"crun": "1.8 says nothing", "runc": "1.1 says nothing"})
def test_ambient_that_cannot_be_is_a_warning(t):
    b = t.bundle("grep", "CapAmb", "/proc/self/status")
    names = ["CAP_KILL", "CAP_CHOWN", "CAP_FOWNER"]
    b.process["capabilities"] = {"bounding": names, "permitted": names, "inheritable": ["CAP_KILL"], "ambient": names}
    result = t.run(b)
    t.equal(result.out.split()[1], f"{1 << 5:016x}", "ambient set")
    t.contains(result.err, "level=warning", "can't raise ambient capability CAP_CHOWN, CAP_FOWNER: ")
    t.equal(len(result.err.splitlines()), 1, "one line for all of them")
