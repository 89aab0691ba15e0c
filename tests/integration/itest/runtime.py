# SPDX-License-Identifier: Apache-2.0
"""The runtime under test, seen through its command line only."""

import json
import os
import signal
import subprocess
import time

from . import reaper

SLOW = int(os.environ.get("WHERRY_ITEST_SLOW", "1"))  # an emulated machine needs more patience
TIMEOUT = 30 * SLOW


class Failure(Exception):
    """An expectation that does not hold."""


class Result:
    """A finished or started call; out and err are read again each time, since a container may still write."""

    def __init__(self, argv, code, out, err):
        self.argv, self.code, self.out_path, self.err_path = argv, code, out, err

    @staticmethod
    def read(path):
        with open(path, "rb") as file:
            return file.read().decode("utf-8", "replace")

    @property
    def out(self):
        return self.read(self.out_path)

    @property
    def err(self):
        return self.read(self.err_path)

    @property
    def text(self):
        return self.out + self.err

    def json(self):
        return json.loads(self.out)

    def __str__(self):
        said = " | ".join((self.err.strip() or self.out.strip()).splitlines()[-4:])
        return f"{' '.join(self.argv[1:])[-160:]!r} gave {self.code}: {said[-400:]}"


class Runtime:
    """Every call has a time limit, and its output goes to files: a detached container keeps them open."""

    def __init__(self, path, scratch, root):
        self.path, self.scratch, self.root = path, scratch, root
        self.calls = 0
        self.global_flags = []
        self.prefix = []  # the command that starts the runtime
        self.gives_root = True
        self.env = None

    def argv(self, args, root=True):
        flags = ["--root", self.root] if root and self.gives_root else []
        return self.prefix + [self.path] + flags + self.global_flags + list(args)

    def spawn(self, *args, root=True, stdin=subprocess.DEVNULL, stdout=None, stderr=None, **popen):
        self.calls += 1
        paths = [os.path.join(self.scratch, f"{self.calls}.{kind}") for kind in ("out", "err")]
        argv = self.argv(args, root)
        with open(paths[0], "wb") as out, open(paths[1], "wb") as err:
            popen.setdefault("env", self.env)
            child = subprocess.Popen(argv, stdin=stdin, stdout=out if stdout is None else stdout,
                                     stderr=err if stderr is None else stderr, **popen)
        reaper.own.add(child.pid)
        child.result = Result(argv, None, *paths)
        return child

    @staticmethod
    def finish(child, timeout=TIMEOUT):
        end = time.monotonic() + timeout
        while child.poll() is None and time.monotonic() < end:
            reaper.collect()
            time.sleep(0.002)
        late = child.returncode is None
        if late:
            child.send_signal(signal.SIGKILL)
        child.result.code = child.wait()
        reaper.own.discard(child.pid)
        if late:
            raise Failure(f"{child.result} after {timeout} s without an end")
        return child.result

    def call(self, *args, input=None, **spawn):
        if input is not None:
            reader, writer = os.pipe()
            os.write(writer, input.encode())
            os.close(writer)
            try:
                return self.finish(self.spawn(*args, stdin=reader, **spawn))
            finally:
                os.close(reader)
        return self.finish(self.spawn(*args, **spawn))

    def ok(self, *args, **spawn):
        result = self.call(*args, **spawn)
        if result.code != 0:
            raise Failure(str(result))
        return result

    def fails(self, *args, **spawn):
        result = self.call(*args, **spawn)
        if result.code == 0:
            raise Failure(f"{' '.join(args)[-160:]!r} should fail but succeeded")
        return result
