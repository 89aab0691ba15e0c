# SPDX-License-Identifier: Apache-2.0
"""containerd through ctr, with its own runc shim (--runc-binary) or with the shim under test."""

import os
import shutil

from e2e.engine import (REST, SYSTEMD, Daemon, busybox_image, call, code, contains, equal, has_process, known_below, lines, matches,
                        needs_controllers, ok, on_terminal, read, run_many, seccomp_filters, shim_type, state_root, until, write)

IMAGE = "bb:bb"


class Engine:
    def __init__(self, runtime):
        self.flags = ["--runtime", shim_type(runtime)] if shim_type(runtime) else ["--runc-binary", shutil.which(runtime)]
        self.states = state_root(runtime) + "/default"
        write("/etc/containerd/config.toml", 'version = 2\n[grpc]\naddress = "/run/containerd/containerd.sock"\n')
        self.daemon = Daemon("containerd", log="/tmp/containerd.log", ready=lambda: call("ctr", "version").code == 0)
        archive, _ = busybox_image()
        self("images", "import", "--base-name", "bb", archive)

    def __call__(self, *words, **how):
        return ok("ctr", *words, **how)

    def words(self, *words):
        """`ctr run`, with the flags in front of the image, then the container's name."""
        manager = ()
        if SYSTEMD and self.flags[0] == "--runc-binary":  # options that ctr has for runc's shim alone
            manager = ("--runc-systemd-cgroup", "--cgroup", f"machine.slice:ctr:{words[words.index(IMAGE) + 1]}")
        return ("ctr", "run", *self.flags, *manager, *words)

    def run(self, *words, **how):
        return ok(*self.words("--rm", *words), **how)

    def start(self, name, *flags, args=("sleep", "1000")):
        ok(*self.words("-d", *flags, IMAGE, name, *args))
        return name

    def status(self, name):
        return next((line.split()[2] for line in lines(self("task", "ls").out) if line.split()[0] == name), "")

    def reset(self):
        """Removes what a test leaves running; nothing may be left of it then."""
        for line in lines(self("task", "ls", "-q").out):
            self("task", "rm", "-f", line)
        for line in lines(self("container", "ls", "-q").out):
            self("container", "rm", line)
        until(lambda: not has_process("containerd-shim", "-namespace"), "no shim", REST)
        until(lambda: not known_below(self.states), "no container known to the runtime", REST)
        parent = "/sys/fs/cgroup/" + ("machine.slice" if SYSTEMD else "default")
        until(lambda: not os.path.isdir(parent) or not [name for name in os.listdir(parent) if os.path.isdir(f"{parent}/{name}")],
              "no cgroup of a container", REST)

    def close(self):
        self.daemon.stop()


def test_run(ctr):
    equal(ctr.run(IMAGE, "one", "echo", "hello").out, "hello\n")


def test_exit_codes(ctr):
    code(3, *ctr.words("--rm", IMAGE, "one", "sh", "-c", "exit 3"))
    result = call(*ctr.words("--rm", IMAGE, "one", "/nonexist"))
    contains(result.text.lower(), "no such file or directory")
    equal(result.code, 1, "exit code")


def test_run_terminal(ctr):
    shown = on_terminal(*ctr.words("--rm", "-t", IMAGE, "one", "sh", "-c", "tty; exit 3"))
    equal(shown.code, 3, "exit code")
    contains(shown.out, "/dev/pts/0")


def test_exec(ctr):
    ctr.start("one")
    equal(ctr("task", "exec", "--exec-id", "a", "one", "echo", "hi").out, "hi\n")
    code(9, "ctr", "task", "exec", "--exec-id", "b", "one", "sh", "-c", "exit 9")
    shown = on_terminal("ctr", "task", "exec", "-t", "--exec-id", "c", "one", "tty")
    contains(shown.out, "/dev/pts/")
    equal(ctr("task", "exec", "--exec-id", "d", "--user", "1000", "--cwd", "/tmp", "one", "sh", "-c", "id -u; pwd").out,
          "1000\n/tmp\n")


def test_ps(ctr):
    ctr.start("one", args=("sh", "-c", "sleep 1000 & wait"))
    until(lambda: len(lines(ctr("task", "ps", "one").out)) == 3, "two processes and a headline")


def test_pause(ctr):
    ctr.start("one")
    ctr("task", "pause", "one")
    equal(ctr.status("one"), "PAUSED")
    ctr("task", "resume", "one")
    equal(ctr.status("one"), "RUNNING")


def test_kill_and_delete(ctr):
    ctr.start("one")
    ctr("task", "kill", "-s", "SIGKILL", "one")
    until(lambda: ctr.status("one") == "STOPPED", "the end of the task")
    ctr("task", "delete", "one")


def test_kill_all(ctr):
    ctr.start("one", args=("sh", "-c", "sleep 1000 & wait"))
    ctr("task", "kill", "-a", "-s", "SIGKILL", "one")
    until(lambda: ctr.status("one") == "STOPPED", "the end of the task")


def test_force_delete(ctr):
    ctr.start("one")
    ctr("task", "rm", "-f", "one")


def test_output_to_a_file(ctr):
    ctr.start("one", "--log-uri", "file:///tmp/one.log", args=("echo", "to a file"))
    until(lambda: os.path.exists("/tmp/one.log") and read("/tmp/one.log") == "to a file\n", "the output in the file")


def test_no_output(ctr):
    ctr.start("one", "--null-io")
    equal(ctr.status("one"), "RUNNING")


def test_read_only_and_privileged(ctr):
    code(1, *ctr.words("--rm", "--read-only", IMAGE, "one", "touch", "/file"))
    ctr.run("--privileged", "--net-host", IMAGE, "two", "sh", "-c", "mount -t tmpfs t /mnt")


def test_mount(ctr):
    write("/tmp/volume/file", "content")
    equal(ctr.run("--mount", "type=bind,src=/tmp/volume,dst=/data,options=rbind:ro", IMAGE, "one", "cat", "/data/file").out,
          "content")


def test_seccomp(ctr):
    equal(seccomp_filters(ctr.run("--seccomp", IMAGE, "one", "cat", "/proc/self/status").out), 1, "filters")
    equal(seccomp_filters(ctr.run(IMAGE, "one", "cat", "/proc/self/status").out), 0, "filters")


def test_checkpoint_is_refused(ctr):
    ctr.start("one")
    if call("ctr", "task", "checkpoint", "one").code == 0:
        raise AssertionError("a checkpoint is said to have been made")
    equal(ctr.status("one"), "RUNNING")


@needs_controllers("memory", "cpu", "pids")
def test_limits(ctr):
    ctr.start("one", "--memory-limit", "67108864", "--cpus", "0.5")
    group = "/sys/fs/cgroup/" + ("machine.slice/ctr-one.scope/" if SYSTEMD else "default/one/")
    equal([read(group + name).strip() for name in ("memory.max", "cpu.max")],
          ["67108864", "50000 100000"])


@needs_controllers("memory", "cpu", "pids")
def test_metrics(ctr):
    ctr.start("one", "--memory-limit", "67108864")
    out = ctr("task", "metrics", "one").out
    matches(out, r"memory\.usage_limit +67108864")
    matches(out, r"pids\.current +1")


def test_daemon_restart(ctr):
    """The shim lives on without containerd, and what it holds is found again."""
    ctr.start("one")
    ctr.daemon.stop()
    ctr.daemon = Daemon("containerd", log="/tmp/containerd.log", ready=lambda: call("ctr", "version").code == 0)
    equal(ctr.status("one"), "RUNNING")
    ctr("task", "exec", "--exec-id", "a", "one", "true")


def test_one_hundred_runs(ctr):
    run_many(100, lambda n: ctr.words("--rm", IMAGE, f"n{n}", "true"))
