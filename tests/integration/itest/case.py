# SPDX-License-Identifier: Apache-2.0
"""What a test gets as its argument: the runtime, its own directories, and the usual expectations."""

import copy
import itertools
import json
import os
import re
import shutil
import subprocess
import time

from . import reaper, sandbox, tracer
from .bundle import Bundle, deep_merge
from .leaks import mountinfo
from .runtime import Failure, Runtime, TIMEOUT
from .user import Delegation


class Skip(Exception):
    """The host cannot run the test; the text says what is missing."""


class Mounted:
    """A mount of a test's own, which is no leak until close()."""

    def __init__(self, watch, source, path, fstype=None, flags=0):
        self.watch, self.path, self.before = watch, path, list(watch.mounts)
        sandbox.mount(source, path, fstype, flags & sandbox.MS_BIND)
        if flags & ~sandbox.MS_BIND:
            sandbox.mount("none", path, flags=flags | sandbox.MS_REMOUNT)
        watch.mounts = mountinfo()

    def close(self):
        sandbox.umount(self.path, sandbox.MNT_DETACH)
        self.watch.mounts = self.before


class Container:
    """One id with its bundle. Every method is one call of the runtime that must succeed."""

    def __init__(self, case, bundle, name):
        self.case, self.bundle, self.id = case, bundle, name
        self.runtime = case.runtime
        self.pid = None

    def flags(self):
        self.bundle.write()
        return ["--bundle", self.bundle.path]

    def create(self, *flags, **spawn):
        pid_file = os.path.join(self.bundle.path, "pid")
        result = self.runtime.ok("create", *self.flags(), "--pid-file", pid_file, *flags, self.id, **spawn)
        self.born(pid_file)
        return result

    def run_detached(self, *flags, **spawn):
        pid_file = os.path.join(self.bundle.path, "pid")
        result = self.runtime.ok("run", "--detach", *self.flags(), "--pid-file", pid_file, *flags, self.id, **spawn)
        self.born(pid_file)
        return result

    def born(self, pid_file):
        self.case.alive.append(self)
        with open(pid_file, encoding="ascii") as file:
            self.pid = int(file.read())

    def start(self):
        return self.runtime.ok("start", self.id)

    def state(self):
        return self.runtime.ok("state", self.id).json()

    def status(self):
        return self.state()["status"]

    def kill(self, sig="KILL"):
        return self.runtime.ok("kill", self.id, sig)

    def exec(self, *args, **spawn):
        return self.runtime.call("exec", self.id, *args, **spawn)

    def delete(self, *flags):
        result = self.runtime.ok("delete", *flags, self.id)
        self.case.alive.remove(self)
        return result

    def wait(self):
        """Waits for the end of the container's first process, which this process adopted: its wait status as a code."""
        end = time.monotonic() + TIMEOUT
        while time.monotonic() < end:
            code = reaper.exit_code(self.pid)
            if code is not None:
                return code
            time.sleep(0.005)
        raise Failure(f"the container's process {self.pid} does not end")

    def stop(self):
        self.kill("KILL")
        code = self.wait()
        self.case.until(lambda: self.status() == "stopped", "status stopped")
        return code

    def ns(self, kind):
        return os.readlink(f"/proc/{self.pid}/ns/{kind}")


class Case:
    counter = itertools.count(1)

    def __init__(self, name, box, runtime_path, kind, spec):
        self.name, self.box, self.kind, self.spec = name, box, kind, spec
        self.number = next(self.counter)
        self.dir = os.path.join(box.work, f"t{self.number}")
        os.mkdir(self.dir)
        self.runtime = Runtime(runtime_path, self.dir, os.path.join(self.dir, "state"))
        reaper.exits.clear()  # of earlier tests, whose pids come again
        self.alive = []
        self.bundles = 0
        self.user = None
        self.closers = []

    def as_user(self, delegated=False, controllers=()):
        """From here on an ordinary user calls the runtime: its own state root, no --root, its own default config.

        With `delegated`, from within a cgroup that is the user's; returns that Delegation.
        """
        user = self.box.user
        user.own(self.dir)
        runtime_dir = self.directory("run", 0o700)
        user.own(runtime_dir)
        delegation = None
        if delegated:
            delegation = self.keep(Delegation(f"{user.delegations}-{self.number}", controllers))
        if subprocess.call(user.command() + ["test", "-x", self.runtime.path]) != 0:  # below /root, for example
            self.runtime.path = shutil.copy(self.runtime.path, self.path(self.kind))
        self.runtime.prefix = user.command(delegation.caller if delegation else None)
        self.runtime.gives_root = False
        self.runtime.env = {"PATH": os.environ["PATH"], "XDG_RUNTIME_DIR": runtime_dir}
        self.runtime.root = self.watch.state_root = os.path.join(runtime_dir, self.kind)
        self.runtime.ok("spec", "--rootless", "--bundle", self.dir)
        self.spec = load(self.path("config.json"))
        self.spec["process"]["terminal"] = False
        self.user = user
        return delegation

    # Making things

    def bundle(self, *args, script=None, **edit):
        """A bundle from the runtime's own default; args or script is what it runs, edit is merged into config.json."""
        self.bundles += 1
        config = copy.deepcopy(self.spec)
        if not self.user:
            deep_merge(config, {"linux": {"cgroupsPath": self.cgroup_path(self.bundles)}})
        config["root"] = {"path": self.box.rootfs, "readonly": True}
        bundle = Bundle(os.path.join(self.dir, f"bundle{self.bundles}"), config, self.box)
        if self.user:
            self.user.own(bundle.path)
        if args:
            bundle.process["args"] = list(args)
        if script is not None:
            bundle.script(script)
        return bundle.edit(**edit)

    def cgroup_path(self, n):
        return f"{self.box.cgroup}/t{self.number}.{n}"

    @staticmethod
    def cgroup_dir(bundle):
        return sandbox.CGROUP_ROOT + bundle.linux["cgroupsPath"]

    def new_id(self):
        return f"it-{os.getpid()}-{self.number}-{next(self.counter)}"

    def container(self, bundle, name=None):
        return Container(self, bundle, name or self.new_id())

    def created(self, bundle, *flags, **spawn):
        container = self.container(bundle)
        container.create(*flags, **spawn)
        return container

    def running(self, bundle=None, *flags, **spawn):
        container = self.container(bundle or self.bundle("sleep", "1000"))
        container.run_detached(*flags, **spawn)
        return container

    def run(self, bundle, *flags, **spawn):
        """A foreground run to its end."""
        bundle.write()
        return self.runtime.call("run", "--bundle", bundle.path, *flags, self.new_id(), **spawn)

    def run_with_fault(self, bundle, call, error, process=0):
        """A run in which the first call of that name fails with an errno, in the process with that number by birth: 0 is
        the runtime, 1 wherry-init. The exit code, and what stands on stderr."""
        if not tracer.CAN_FAIL_CALLS:
            raise Skip("letting calls fail is written for x86-64")
        number = next(number for number, name in tracer.syscall_names().items() if name == call)
        bundle.write()
        argv = self.runtime.argv(["run", "--bundle", bundle.path, self.new_id()])
        out = self.path(f"{call}.out")
        answer = tracer.traced(argv, out, victim=process, call=1, kind=number, error=error)
        self.equal(answer["hit"], number, f"the call that fails ({call})")
        with open(out + ".err", encoding="utf-8") as said:
            return answer["code"], said.read()

    def output(self, bundle, *flags, **spawn):
        """What a foreground run that must exit 0 prints."""
        result = self.run(bundle, *flags, **spawn)
        if result.code != 0:
            raise Failure(str(result))
        return result.out

    def refused(self, bundle, *phrases):
        """`create` must fail, say something, and leave nothing at all behind."""
        bundle.write()
        result = self.runtime.fails("create", "--bundle", bundle.path, self.new_id())
        self.true(result.text.strip(), "an error message")
        self.contains(result.text, *phrases)
        self.clean()
        return result

    def clean(self):
        """Nothing may be left right now, before any `delete`."""
        leaks = self.watch.leaks()
        if leaks:
            raise Failure("left behind: " + ", ".join(leaks))

    def path(self, name):
        return os.path.join(self.dir, name)

    def file(self, name, text="", mode=0o644):
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, mode)
        return path

    def directory(self, name, mode=0o755):
        path = self.path(name)
        os.makedirs(path, exist_ok=True)
        os.chmod(path, mode)
        return path

    def mask(self, path):
        """The null device covers path until the end of the test."""
        self.mount("/dev/null", path, flags=sandbox.MS_BIND)

    def mount(self, source, path, fstype=None, flags=0):
        """Mounts until the end of the test; mounts go in the opposite order."""
        self.keep(Mounted(self.watch, source, path, fstype, flags))

    def keep(self, thing):
        """Closes thing at the end of the test."""
        self.closers.append(thing)
        return thing

    # Expectations

    @staticmethod
    def equal(actual, expected, what="value"):
        if actual != expected:
            raise Failure(f"{what}: {expected!r} expected, {actual!r} found")

    @staticmethod
    def true(condition, what):
        if not condition:
            raise Failure(f"expected: {what}")

    @staticmethod
    def contains(text, *parts):
        for part in parts:
            if part not in text:
                raise Failure(f"{part!r} expected in {text.strip()[-400:]!r}")

    @staticmethod
    def contains_any(text, *parts):
        if not any(part.lower() in text.lower() for part in parts):
            raise Failure(f"one of {parts} expected in {text.strip()[-400:]!r}")

    @staticmethod
    def lacks(text, *parts):
        for part in parts:
            if part in text:
                raise Failure(f"{part!r} not expected in {text.strip()[-400:]!r}")

    @staticmethod
    def matches(text, pattern):
        if not re.search(pattern, text, re.MULTILINE):
            raise Failure(f"/{pattern}/ expected in {text.strip()[-400:]!r}")

    @staticmethod
    def until(condition, what, timeout=TIMEOUT):
        end = time.monotonic() + timeout
        while not condition():
            if time.monotonic() > end:
                raise Failure(f"waited for: {what}")
            time.sleep(0.01)

    def until_file(self, path, text=""):
        """Waits until the file holds a whole line (or `text`) and returns its content."""
        def ready():
            if not os.path.exists(path):
                return False
            content = read(path)
            return text in content if text else content.endswith("\n")

        self.until(ready, f"{text!r} in {os.path.basename(path)}")
        return read(path)

    @staticmethod
    def skip(reason):
        raise Skip(reason)

    # The end

    def close(self):
        for container in list(self.alive):
            self.runtime.call("delete", "--force", container.id)
        for thing in reversed(self.closers):
            thing.close()


def read(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def load(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)
