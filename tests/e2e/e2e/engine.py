# SPDX-License-Identifier: Apache-2.0
"""What every engine's tests use: starting daemons, running commands, saying what was expected."""

import concurrent.futures
import json
import os
import re
import shutil
import signal
import subprocess
import time

CGROUP = "/sys/fs/cgroup"
SLOW = float(os.environ.get("WHERRY_ITEST_SLOW", "1"))  # an emulated machine is so many times slower
TIMEOUT = 60 * SLOW  # seconds for one command

# Where systemd is pid 1, the engines let it make the cgroups; in the box there is none.
SYSTEMD = os.path.isdir("/run/systemd/system")
MANAGER = "systemd" if SYSTEMD else "cgroupfs"

REST = 10 * SLOW  # seconds until what was removed must be gone


class Failure(Exception):
    """What was expected, and what was found."""


class Skip(Exception):
    """What this machine lacks."""


class Result:
    def __init__(self, words, code, out, err):
        self.words, self.code, self.out, self.err = words, code, out, err

    @property
    def text(self):
        return self.out + self.err

    def __str__(self):
        return f"{' '.join(self.words)[:300]}: exit code {self.code}: {self.text.strip()[-500:]}"


def call(*words, stdin="", timeout=TIMEOUT, env=None, pass_fds=(), cwd="/"):
    """Runs one command to its end."""
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=cwd,
                          env=dict(os.environ, **(env or {})), pass_fds=pass_fds, start_new_session=True) as child:
        try:
            out, err = child.communicate(stdin.encode(), timeout)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            raise Failure(f"{' '.join(words)[:300]}: no end after {timeout:.0f} s") from None
    return Result(words, child.returncode, out.decode(errors="replace"), err.decode(errors="replace"))


def on_terminal(*words, timeout=TIMEOUT):
    """Runs one command on a terminal of its own, and returns what appeared there and its exit code."""
    quoted = " ".join("'" + word.replace("'", "'\\''") + "'" for word in words)
    return call("script", "-qefc", quoted, "/dev/null", timeout=timeout)


def ok(*words, **how):
    result = call(*words, **how)
    if result.code != 0:
        raise Failure(str(result))
    return result


def code(expected, *words, **how):
    result = call(*words, **how)
    if result.code != expected:
        raise Failure(f"exit code {expected} expected: {result}")
    return result


def equal(actual, expected, what="value"):
    if actual != expected:
        raise Failure(f"{what}: {expected!r} expected, {actual!r} found")


def contains(text, *parts):
    for part in parts:
        if part not in text:
            raise Failure(f"{part!r} expected in {text.strip()[-500:]!r}")


def lacks(text, *parts):
    for part in parts:
        if part in text:
            raise Failure(f"{part!r} not expected in {text.strip()[-500:]!r}")


def matches(text, pattern):
    if not re.search(pattern, text, re.MULTILINE):
        raise Failure(f"/{pattern}/ expected in {text.strip()[-500:]!r}")


def until(condition, what, timeout=TIMEOUT):
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Failure(f"waited for: {what}")
        time.sleep(0.05)


def controllers():
    with open(CGROUP + "/cgroup.controllers", encoding="ascii") as file:
        return set(file.read().split())


def needs_controllers(*wanted):
    """Skips a test where the machine gives this box fewer controllers; tests/vm has all of them."""

    def mark(test):
        test.controllers = set(wanted)
        return test

    return mark


def engine_cannot(reason, when=True):
    """The engine itself fails here, with every runtime: the test still runs, and a failure counts as a skip."""

    def mark(test):
        if when:
            test.engine_cannot = reason
        return test

    return mark


def write(path, text, mode=0o644):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(path, mode)
    return path


def read(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def group_of(pid):
    """The directory of a process's cgroup."""
    return CGROUP + read(f"/proc/{pid}/cgroup").strip().split("::", 1)[1]


def cgroups_of_containers():
    """Those that an engine has named after a container's id."""
    return [top for top, _, _ in os.walk(CGROUP) if re.search(r"(^|[-/])[0-9a-f]{64}(\.scope)?$", os.path.basename(top))]


def known_below(root):
    """The containers in a runtime's state directory; it may keep files of its own there if their names begin with a dot."""
    return [name for name in os.listdir(root) if not name.startswith(".")] if os.path.isdir(root) else []


def seccomp_filters(status):
    """How many a process has beyond ours (memlock.py), by its /proc/PID/status."""

    def count(text):
        return int(re.search(r"^Seccomp_filters:\s*(\d+)", text, re.MULTILINE).group(1))

    return count(status) - count(read("/proc/self/status"))


def has_process(*words):
    """The pids of the processes whose command line holds all of `words`."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            line = read(f"/proc/{name}/cmdline").replace("\0", " ")
        except OSError:
            continue
        if all(word in line for word in words):
            found.append(int(name))
    return found


def footprint():
    """What a container could leave: mounts, cgroups, processes (by their command lines), files in /run. No part of it: an
    engine's parent cgroup, the places of namespaces that dockerd unlinks once a minute, a runtime's dot files (known_below())."""
    found = {"mount " + line.split()[4] for line in lines(read("/proc/self/mountinfo"))}
    found |= {"cgroup " + top for top, _, _ in os.walk(CGROUP) if os.path.dirname(top) != CGROUP}
    found |= {"file " + os.path.join(top, name) for top, below, files in os.walk("/run") if top != "/run/docker/netns"
              for name in below + files if "/." not in os.path.join(top, name)}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            found.add("process " + read(f"/proc/{name}/cmdline").replace("\0", " "))
        except OSError:
            pass
    return found


def run_many(count, words_of, at_once=4):
    """Runs `count` commands, some at once; each must exit 0, and together they leave what one has left. An emulated machine
    runs fewer."""
    count = max(2 * at_once, int(count / SLOW))
    ok(*words_of(0))
    before = footprint()
    with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
        for future in [pool.submit(ok, *words_of(n)) for n in range(count)]:
            future.result()
    try:
        until(lambda: footprint() <= before, "nothing left", REST)
    except Failure:
        raise Failure(f"left by {count} containers: {sorted(footprint() - before)}") from None


class Daemon:
    """A process that serves until stop(); what it prints is kept in a file."""

    def __init__(self, *words, log, ready, env=None, prefix=()):
        self.log = log
        with open(log, "ab") as file:
            self.child = subprocess.Popen(list(prefix) + list(words), stdin=subprocess.DEVNULL, stdout=file, stderr=file,
                                          env=dict(os.environ, **(env or {})), cwd="/", start_new_session=True)
        until(lambda: self.is_ready(ready), f"{words[0]} to answer; see {read(log)[-600:]}", timeout=TIMEOUT)

    def is_ready(self, ready):
        if self.child.poll() is not None:
            raise Failure(f"it ended: {read(self.log)[-800:]}")
        return ready()

    def stop(self, number=signal.SIGTERM):
        self.child.send_signal(number)
        try:
            self.child.wait(TIMEOUT)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()


class Client:
    """An engine that is asked with Docker's words; `program` is the command."""

    program = ""

    def __call__(self, *words, **how):
        return ok(self.program, *words, **how)

    def call(self, *words, **how):
        return call(self.program, *words, **how)

    def run(self, *words, **how):
        return self("run", "--rm", "--network", "none", *words, **how)

    def start(self, name, *words):
        self("run", "-d", "--name", name, "--network", "none", *(words or ("bb", "sleep", "1000")))
        return name

    def inspect(self, name, template):
        return self("inspect", "--format", template, name).out.strip()


def busybox_image():
    """An OCI layout with one image, `bb`, of a static busybox, as a tar file; and its root as another."""
    layout, bundle, archive, root = "/tmp/image/layout", "/tmp/image/bundle", "/tmp/image/bb-oci.tar", "/tmp/image/bb.tar"
    if os.path.exists(archive):
        return archive, root
    os.makedirs("/tmp/image", exist_ok=True)
    ok("umoci", "init", "--layout", layout)
    ok("umoci", "new", "--image", layout + ":bb")
    ok("umoci", "unpack", "--image", layout + ":bb", bundle)
    ok("/wherry/scripts/make-rootfs", "busybox", bundle + "/rootfs")
    ok("umoci", "repack", "--image", layout + ":bb", bundle)
    ok("umoci", "config", "--image", layout + ":bb", "--config.cmd", "/bin/sh", "--config.env", "PATH=/bin")
    ok("tar", "-C", layout, "-cf", archive, ".")
    ok("tar", "-C", bundle + "/rootfs", "-cf", root, ".")
    return archive, root


def snippet(name, runtime):
    """The configuration that docs/engines.md gives for an engine, with `runtime` in Wherry's place."""
    page = read("/wherry/docs/engines.md")
    found = re.search(f"<!-- test: {name} -->\n```[a-z]+\n(.*?)```", page, re.DOTALL)
    if not found:
        raise Failure(f"docs/engines.md has no snippet {name}")
    return found.group(1).replace("/usr/local/bin/wherry", shutil.which(runtime) or "").replace("wherry", runtime)


def shim_type(runtime):
    """containerd's name of the runtime whose shim is the program under test: containerd-shim-NAME-VERSION; else None."""
    prefix = "containerd-shim-"
    return "io.containerd." + runtime[len(prefix):].replace("-", ".") if runtime.startswith(prefix) else None


def state_root(runtime):
    """Below which directory containerd's shim keeps the states of a namespace's containers."""
    return "/run/containerd/wherry" if shim_type(runtime) == "io.containerd.wherry.v2" else "/run/containerd/runc"


def lines(text):
    return [line for line in text.splitlines() if line.strip()]


def parse(text):
    return json.loads(text)
