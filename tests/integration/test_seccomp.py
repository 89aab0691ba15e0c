# SPDX-License-Identifier: Apache-2.0
"""Seccomp profiles, as the program in the container feels them."""

import json
import os

from itest import known_differences, wherry_only
from itest.case import read

ALLOW = "SCMP_ACT_ALLOW"
CONFIGS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "golden", "configs")


def profile(*rules, default=ALLOW, **more):
    return dict({"defaultAction": default, "syscalls": list(rules)}, **more)


def rule(action, *names, **more):
    return dict({"names": list(names), "action": action}, **more)


def with_profile(t, script, seccomp, no_new_privileges=True):
    b = t.bundle(script=script, linux={"seccomp": seccomp})
    b.process["noNewPrivileges"] = no_new_privileges
    return b


def test_errno_action(t):
    b = with_profile(t, "mkdir /tmp/x", profile(rule("SCMP_ACT_ERRNO", "mkdir", "mkdirat")))
    result = t.run(b)
    t.true(result.code != 0, "mkdir fails")
    t.contains(result.err, "Operation not permitted")


def test_errno_ret(t):
    b = with_profile(t, "mkdir /tmp/x", profile(rule("SCMP_ACT_ERRNO", "mkdir", "mkdirat", errnoRet=28)))
    t.contains(t.run(b).err, "No space left")


def test_default_errno_ret(t):
    seccomp = profile(rule(ALLOW, *allowed_for_busybox()), default="SCMP_ACT_ERRNO", defaultErrnoRet=38)
    t.contains(t.run(with_profile(t, "mkdir /tmp/x", seccomp)).err, "Function not implemented")


def allowed_for_busybox():
    return """access arch_prctl brk capget capset chdir clone clone3 close close_range dup dup2 dup3 execve execveat exit
        exit_group faccessat faccessat2 fcntl fstat fstatfs futex getcwd getdents64 getegid geteuid getgid getgroups getpgid
        getpgrp getpid getppid getrandom getrlimit getsid gettid getuid ioctl kill lseek lstat mmap mprotect mremap munmap
        nanosleep clock_nanosleep newfstatat open openat pipe pipe2 poll ppoll prctl prlimit64 pread64 read readlink
        readlinkat readv rseq rt_sigaction rt_sigprocmask rt_sigreturn sched_getaffinity sched_yield sendmsg sendto
        set_robust_list set_tid_address setgid setgroups setuid setresgid setresuid sigaltstack stat statx statfs sysinfo
        tgkill umask uname unlink unlinkat wait4 waitid write writev epoll_create1 epoll_ctl epoll_pwait epoll_wait
        eventfd2 fsync getsockname madvise recvmsg recvfrom""".split()


def test_kill_process_action(t):
    b = with_profile(t, "mkdir /tmp/x; echo survived $?", profile(rule("SCMP_ACT_KILL_PROCESS", "mkdir", "mkdirat")))
    t.contains(t.output(b), "survived 159")


def test_kill_thread_action(t):
    b = with_profile(t, "mkdir /tmp/x; echo survived $?", profile(rule("SCMP_ACT_KILL", "mkdir", "mkdirat")))
    t.contains(t.output(b), "survived 159")


def test_trap_action(t):
    b = with_profile(t, "mkdir /tmp/x; echo survived $?", profile(rule("SCMP_ACT_TRAP", "mkdir", "mkdirat")))
    t.contains(t.output(b), "survived 159")


def test_log_action_lets_through(t):
    b = with_profile(t, "cd /dev/shm && mkdir x && echo made", profile(rule("SCMP_ACT_LOG", "mkdir", "mkdirat")))
    t.equal(t.output(b), "made\n", "output")


def test_argument_filter(t):
    args = [{"index": 0, "value": 10, "op": "SCMP_CMP_EQ"}]
    b = with_profile(t, "kill -0 1 && echo one", profile(rule("SCMP_ACT_ERRNO", "kill", args=args)))
    t.equal(t.output(b), "one\n", "kill of pid 1 is no match")
    args = [{"index": 0, "value": 1, "op": "SCMP_CMP_EQ"}]
    b = with_profile(t, "kill -0 1 || echo refused", profile(rule("SCMP_ACT_ERRNO", "kill", args=args)))
    t.equal(t.output(b), "refused\n", "kill of pid 1 matches")


def test_masked_argument_filter(t):
    args = [{"index": 0, "value": 0xff, "valueTwo": 0x01, "op": "SCMP_CMP_MASKED_EQ"}]
    b = with_profile(t, "kill -0 1 || echo refused", profile(rule("SCMP_ACT_ERRNO", "kill", args=args)))
    t.equal(t.output(b), "refused\n", "kill of pid 1 matches")


def test_all_argument_operators_load(t):
    ops = ["NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ"]
    rules = [rule("SCMP_ACT_ERRNO", "swapon", args=[{"index": i % 6, "value": 99, "valueTwo": 9, "op": f"SCMP_CMP_{op}"}])
             for i, op in enumerate(ops)]
    t.equal(t.run(with_profile(t, "true", profile(*rules))).code, 0, "exit code")


def test_unknown_names_are_ignored(t):
    b = with_profile(t, "mkdir /tmp/x", profile(rule("SCMP_ACT_ERRNO", "no_such_call", "mkdir", "mkdirat")))
    t.contains(t.run(b).err, "Operation not permitted")


def test_unknown_action_is_refused(t):
    t.refused(with_profile(t, "true", profile(rule("SCMP_ACT_MAYBE", "mkdir"))))


def test_unknown_operator_is_refused(t):
    args = [{"index": 0, "value": 1, "op": "SCMP_CMP_ALMOST"}]
    t.refused(with_profile(t, "true", profile(rule("SCMP_ACT_ERRNO", "kill", args=args))))


def test_unknown_architecture_is_refused(t):
    t.refused(with_profile(t, "true", profile(rule("SCMP_ACT_ERRNO", "mkdir"), architectures=["SCMP_ARCH_ABACUS"])))


def test_argument_index_out_of_range_is_refused(t):
    args = [{"index": 6, "value": 1, "op": "SCMP_CMP_EQ"}]
    t.refused(with_profile(t, "true", profile(rule("SCMP_ACT_ERRNO", "kill", args=args))))


@known_differences({"runc": "1.1 ignores it", "crun": "1.8 ignores it"})
def test_errno_with_an_action_that_has_none_is_refused(t):
    t.refused(with_profile(t, "true", profile(rule("SCMP_ACT_KILL", "mkdir", errnoRet=1))))


def test_filter_is_seen_in_status(t):
    b = with_profile(t, "grep ^Seccomp: /proc/self/status", profile(rule("SCMP_ACT_ERRNO", "mkdir")))
    t.matches(t.output(b), r"Seccomp:\s+2")


def test_no_profile_means_no_filter(t):
    if "\nSeccomp:\t0" not in read("/proc/self/status"):
        t.skip("this process has a filter itself, which nobody loses")
    b = t.bundle(script="grep ^Seccomp: /proc/self/status")
    t.matches(t.output(b), r"Seccomp:\s+0")


def test_without_no_new_privileges(t):
    b = with_profile(t, "mkdir /tmp/x; grep -E '^(NoNewPrivs|CapEff)' /proc/self/status",
                     profile(rule("SCMP_ACT_ERRNO", "mkdir", "mkdirat")), no_new_privileges=False)
    b.capabilities(["CAP_KILL"])
    result = t.run(b)
    t.contains(result.err, "Operation not permitted")
    t.matches(result.out, r"NoNewPrivs:\s+0")
    t.matches(result.out, r"CapEff:\s+0+20$")


def test_without_no_new_privileges_and_not_root(t):
    b = with_profile(t, "mkdir /tmp/x; grep -E '^CapEff|^Uid' /proc/self/status",
                     profile(rule("SCMP_ACT_ERRNO", "mkdir", "mkdirat")), no_new_privileges=False)
    b.process["user"] = {"uid": 1000, "gid": 1000}
    b.capabilities([])
    result = t.run(b)
    t.contains(result.err, "Operation not permitted")
    t.matches(result.out, r"CapEff:\s+0+$")
    t.matches(result.out, r"Uid:\s+1000")


def test_exec_gets_the_filter(t):
    c = t.running(with_profile(t, "sleep 1000", profile(rule("SCMP_ACT_ERRNO", "mkdir", "mkdirat"))))
    t.contains(c.exec("mkdir", "/tmp/x").err, "Operation not permitted")


def docker_profile():
    for name in sorted(os.listdir(CONFIGS)) if os.path.isdir(CONFIGS) else []:
        if name.startswith("docker-"):
            with open(os.path.join(CONFIGS, name), encoding="utf-8") as file:
                seccomp = json.load(file)["linux"].get("seccomp")
            if seccomp:
                return seccomp
    return None


def dockers(t, script, **kwargs):
    seccomp = docker_profile()
    if seccomp is None:
        t.skip("tests/golden/configs has no profile of Docker's")
    return with_profile(t, script, seccomp, **kwargs)


def test_dockers_profile_runs(t):
    t.equal(t.output(dockers(t, "ls / | wc -l; echo fine")).split()[-1], "fine", "output")


def test_dockers_profile_without_no_new_privileges(t):
    b = dockers(t, "unshare -m true || echo refused", no_new_privileges=False)
    t.contains(t.output(b), "refused")


def test_dockers_profile_gives_enosys_for_unknown_calls(t):
    b = dockers(t, "true")
    b.python("import ctypes; c = ctypes.CDLL(None, use_errno=True); r = c.syscall(1999); print(r, ctypes.get_errno())")
    t.true(t.output(b).split() in (["-1", "38"], ["-1", "1"]), "an errno for a call that nobody knows")


@wherry_only("calls above the highest that the profile names get ENOSYS")
def test_newer_calls_get_enosys(t):
    b = dockers(t, "true")
    b.python("import ctypes; c = ctypes.CDLL(None, use_errno=True); r = c.syscall(1999); print(r, ctypes.get_errno())")
    t.equal(t.output(b), "-1 38\n", "result and errno")


def cached_filters(t):
    place = os.path.join(t.runtime.root, ".seccomp@cache")
    return {name: os.path.join(place, name) for name in os.listdir(place)} if os.path.isdir(place) else {}


def refuses_mkdir(t, *more):
    """A container whose filter forbids mkdir and `more`; returns what mkdir said."""
    return t.run(with_profile(t, "mkdir /tmp/x", profile(rule("SCMP_ACT_ERRNO", "mkdir", "mkdirat", *more)))).err


@wherry_only("compiled filters are kept, in a directory that is root's alone")
def test_filters_are_cached(t):
    t.run(t.bundle("true"))  # makes the state directory
    for _ in range(2):
        t.contains(refuses_mkdir(t), "Operation not permitted")
        t.equal(len(cached_filters(t)), 1, "cached filters")
    t.equal(os.stat(os.path.join(t.runtime.root, ".seccomp@cache")).st_mode & 0o777, 0o700, "mode")
    t.contains(refuses_mkdir(t, "rmdir"), "Operation not permitted")
    t.equal(len(cached_filters(t)), 2, "another profile is another entry")
    t.equal(t.runtime.ok("list", "-q").out, "", "containers")


@wherry_only("what stands in the cache is used only if it was made for this profile")
def test_a_cached_filter_cannot_be_exchanged(t):
    t.run(t.bundle("true"))
    refuses_mkdir(t)
    (path,) = cached_filters(t).values()
    with open(path, "rb") as file:
        good = file.read()
    t.run(with_profile(t, "true", profile(rule("SCMP_ACT_ERRNO", "swapon"))))
    (other,) = [place for place in cached_filters(t).values() if place != path]
    with open(other, "rb") as file:
        lenient = file.read()
    for bad in (lenient, good[:-8], good[:60] + b"\0" * (len(good) - 60), b""):
        with open(path, "wb") as file:
            file.write(bad)
        t.contains(refuses_mkdir(t), "Operation not permitted")
        with open(path, "rb") as file:
            t.equal(file.read(), good, "the entry is mended")
    os.chmod(path, 0o666)
    t.contains(refuses_mkdir(t), "Operation not permitted")
    t.equal(os.stat(path).st_mode & 0o777, 0o600, "mode")


@wherry_only("an exec takes the filter of the cache as well")
def test_exec_with_a_cached_filter(t):
    for _ in range(2):
        c = t.running(with_profile(t, "sleep 1000", profile(rule("SCMP_ACT_ERRNO", "mkdir", "mkdirat"))))
        t.contains(c.exec("mkdir", "/tmp/x").err, "Operation not permitted")


@wherry_only("unknown flags are refused, known ones are set")
def test_flags(t):
    for flag in ("SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW", "SECCOMP_FILTER_FLAG_TSYNC"):
        t.equal(t.run(with_profile(t, "true", profile(rule("SCMP_ACT_ERRNO", "mkdir"), flags=[flag]))).code, 0, flag)
    t.refused(with_profile(t, "true", profile(rule("SCMP_ACT_ERRNO", "mkdir"), flags=["SECCOMP_FILTER_FLAG_NOSUCH"])))


@wherry_only("the 32-bit entry is filtered as the listed architectures say")
def test_architectures(t):
    seccomp = profile(rule("SCMP_ACT_ERRNO", "mkdir", "mkdirat"),
                      architectures=["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"])
    t.contains(t.run(with_profile(t, "mkdir /tmp/x", seccomp)).err, "Operation not permitted")


@wherry_only("a large profile loads")
def test_large_profile(t):
    rules = [rule("SCMP_ACT_ERRNO", "kill", args=[{"index": 0, "value": 1000 + i, "op": "SCMP_CMP_EQ"}]) for i in range(300)]
    t.equal(t.run(with_profile(t, "true", profile(*rules))).code, 0, "exit code")


@known_differences({"crun": "1.8 has other words"})
def test_start_container_hooks_are_filtered(t):
    for no_new_privileges in (True, False):
        b = with_profile(t, "echo ran", profile(rule("SCMP_ACT_KILL_PROCESS", "mkdir", "mkdirat")), no_new_privileges)
        b.process["rlimits"] = [{"type": "RLIMIT_CORE", "soft": 0, "hard": 0}]
        b.hook("startContainer", "/bin/sh", ["sh", "-c", "exec mkdir /dev/shm/made"])
        result = t.run(b)
        t.true(result.code != 0, "run fails")
        t.equal(result.out, "", "the program did not run")
        t.contains(result.err, "error running startContainer hook #0", "bad system call")


def test_start_container_hooks_below_dockers_profile(t):
    """What runs them may not be more than a profile of this size allows."""
    for no_new_privileges in (True, False):
        b = dockers(t, "echo ran", no_new_privileges=no_new_privileges)
        b.hook("startContainer", "/bin/sh", ["sh", "-c", "echo hook; ! unshare -m true 2> /dev/null"], timeout=60)
        t.equal(t.output(b), "hook\nran\n", "output")


@wherry_only("a hook has no capability that the program does not have")
def test_start_container_hooks_have_the_programs_capabilities(t):
    status = ["sh", "-c", "grep -E 'Cap|NoNewPrivs|Seccomp:' /proc/self/status"]
    for user in ({"uid": 0, "gid": 0}, {"uid": 7, "gid": 7}):
        b = with_profile(t, "", profile(rule("SCMP_ACT_ERRNO", "swapon")), no_new_privileges=False)
        b.process["user"] = user
        b.process["args"] = ["/bin/" + status[0], *status[1:]]
        b.hook("startContainer", "/bin/sh", status)
        words = t.output(b).splitlines()
        half = len(words) // 2
        t.equal(words[:half], words[half:], f"of {user}")
        t.true(half > 5, "lines")


@wherry_only("the numbers are seccomp(2)'s")
def test_flags_are_those_of_runc(t):
    for flags, number in ((None, 4), ([], 0), (["SECCOMP_FILTER_FLAG_TSYNC"], 0), (["SECCOMP_FILTER_FLAG_LOG"], 2)):
        seccomp = profile(rule("SCMP_ACT_ERRNO", "mkdir"))
        if flags is not None:
            seccomp["flags"] = flags
        b = with_profile(t, "true", seccomp)
        b.write()
        result = t.runtime.call("--debug", "run", "--bundle", b.path, t.new_id())
        t.contains(result.err, f'msg="seccomp filter flags: {number}"')
