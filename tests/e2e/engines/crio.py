# SPDX-License-Identifier: Apache-2.0
"""CRI-O's command replayed: Debian has no CRI-O. What conmon calls for it is called here."""

import json
import os
import shutil
import subprocess

from e2e.engine import REST, Failure, busybox_image, call, contains, equal, known_below, ok, parse, read, until, write

ROOT = "/run/crio-runtime"


class Engine:
    def __init__(self, runtime):
        self.path = shutil.which(runtime)
        os.makedirs("/tmp/rootfs", exist_ok=True)
        ok("tar", "-C", "/tmp/rootfs", "-xf", busybox_image()[1])

    def __call__(self, verb, *words, **how):
        """As CRI-O calls it directly."""
        return ok(self.path, "--root", ROOT, verb, *words, **how)

    def bundle(self, name, *args):
        path = "/tmp/bundles/" + name
        os.makedirs(path, exist_ok=True)
        if not os.path.exists(path + "/config.json"):
            ok(self.path, "spec", cwd=path)
        config = parse(read(path + "/config.json"))
        config["root"] = {"path": "/tmp/rootfs"}
        config["process"].update(terminal=False, args=list(args))
        config["linux"]["cgroupsPath"] = "/crio/" + name
        write(path + "/config.json", json.dumps(config))
        return path

    def create(self, name, *args):
        bundle = self.bundle(name, *(args or ("sleep", "1000")))
        with open(bundle + "/output", "wb") as output:
            code = subprocess.call([self.path, "--root=" + ROOT, "create", "--bundle", bundle, "--pid-file",
                                    bundle + "/pidfile", name], stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        if code != 0:
            raise Failure(f"create: exit code {code}: {read(bundle + '/output')}")
        return name

    def status(self, name):
        return parse(self("state", name).out)["status"]

    def reset(self):
        for name in known_below(ROOT):
            self("delete", "--force", name)
        until(lambda: not known_below(ROOT), "no container known to the runtime", REST)
        until(lambda: not os.path.isdir("/sys/fs/cgroup/crio")
              or not [name for name in os.listdir("/sys/fs/cgroup/crio") if os.path.isdir("/sys/fs/cgroup/crio/" + name)],
              "no cgroup", REST)
        shutil.rmtree("/tmp/bundles", ignore_errors=True)

    def close(self):
        pass


def test_probes(crio):
    contains(ok(crio.path, "--version").out, "spec: 1.")
    contains(ok(crio.path, "features").out, '"ociVersionMax"')


def test_life(crio):
    name = crio.create("one")
    equal(crio.status(name), "created")
    crio("start", name)
    equal(crio.status(name), "running")
    crio("kill", name, "15")
    crio("kill", name, "9")
    until(lambda: crio.status(name) == "stopped", "stopped")
    crio("delete", name)


def test_output(crio):
    name = crio.create("one", "sh", "-c", "echo out")
    crio("start", name)
    until(lambda: read("/tmp/bundles/one/output") == "out\n", "the output")


def test_exec_sync(crio):
    name = crio.create("one")
    crio("start", name)
    process = write("/tmp/process.json", json.dumps({"args": ["sh", "-c", "echo hi; exit 3"], "cwd": "/",
                                                     "env": ["PATH=/bin"], "user": {"uid": 0, "gid": 0}}))
    result = call(crio.path, "--root", ROOT, "exec", "--process", process, name)
    equal((result.out, result.code), ("hi\n", 3))


def test_pause(crio):
    name = crio.create("one")
    crio("start", name)
    crio("pause", name)
    equal(crio.status(name), "paused")
    crio("resume", name)
    equal(crio.status(name), "running")


def test_update_from_standard_input(crio):
    name = crio.create("one")
    crio("start", name)
    if not {"memory", "cpu"} <= set(read("/sys/fs/cgroup/cgroup.controllers").split()):
        crio("update", "--resources", "-", name, stdin="{}")
        return
    crio("update", "--resources", "-", name, stdin='{"memory":{"limit":33554432},"cpu":{"quota":25000,"period":100000}}')
    equal([read("/sys/fs/cgroup/crio/one/" + file).strip() for file in ("memory.max", "cpu.max")],
          ["33554432", "25000 100000"])


def test_force_delete_of_what_is_gone(crio):
    crio("delete", "--force", "nobody")
