# SPDX-License-Identifier: Apache-2.0
"""A containerd of the test's own, with one image in it, and ctr."""

import hashlib
import io
import json
import os
import signal
import subprocess
import tarfile

from .case import read
from .sandbox import CGROUP_ROOT
from .runtime import TIMEOUT, Failure
from .shim import shim_program

IMAGE = "docker.io/library/busy:box"


def write_image(path, rootfs):
    """`rootfs` as an archive in the layout of OCI images."""
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        tar.add(rootfs, arcname=".")
    blobs = {}

    def blob(data, kind, **more):
        digest = hashlib.sha256(data).hexdigest()
        blobs[digest] = data
        return {"mediaType": f"application/vnd.oci.image.{kind}", "digest": f"sha256:{digest}", "size": len(data), **more}

    files = blob(layer.getvalue(), "layer.v1.tar")
    config = blob(json.dumps({
        "architecture": "amd64", "os": "linux", "config": {"Cmd": ["sh"], "Env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"]},
        "rootfs": {"type": "layers", "diff_ids": [files["digest"]]}}).encode(), "config.v1+json")
    manifest = blob(json.dumps({"schemaVersion": 2, "config": config, "layers": [files]}).encode(), "manifest.v1+json",
                    annotations={"io.containerd.image.name": IMAGE, "org.opencontainers.image.ref.name": "box"})
    entries = {f"blobs/sha256/{digest}": data for digest, data in blobs.items()}
    entries["oci-layout"] = b'{"imageLayoutVersion":"1.0.0"}'
    entries["index.json"] = json.dumps({"schemaVersion": 2, "manifests": [manifest]}).encode()
    with tarfile.open(path, "w") as tar:
        for name, data in entries.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


class Containerd:
    def __init__(self, t):
        self.t = t
        self.shim = shim_program(t.runtime.path)
        self.socket = t.path("containerd.sock")
        # It names the parent of the containers' cgroups. No "_" in the wrong place: containerd refuses it.
        self.namespace = "itest-" + os.path.basename(t.box.cgroup).replace("_", "0")
        self.words = ["ctr", "--address", self.socket, "--namespace", self.namespace]
        self.config = t.file("config.toml", f"""version = 2
root = "{t.path('root')}"
state = "{t.path('ctrd')}"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
address = "{self.socket}"
""")
        self.process = None
        self.start()
        t.keep(self)
        write_image(t.path("image.tar"), t.box.rootfs)
        self.ctr("images", "import", "--snapshotter", "native", t.path("image.tar"))

    def start(self):
        with open(self.t.path("containerd.log"), "ab") as log:
            self.process = subprocess.Popen(["containerd", "-c", self.config], stdout=log, stderr=log)
        self.t.until(lambda: self.call("version").returncode == 0, "containerd")

    def kill(self):
        self.process.kill()
        self.process.wait(TIMEOUT)

    def call(self, *args, **spawn):
        return subprocess.run([*self.words, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              check=False, timeout=2 * TIMEOUT, **spawn)

    def ctr(self, *args, **spawn):
        done = self.call(*args, **spawn)
        if done.returncode != 0:
            raise Failure(f"ctr {' '.join(args)}: {done.stderr.decode()}{done.stdout.decode()}")
        return done.stdout.decode()

    def flags(self):
        return ["--snapshotter", "native", "--runtime", self.shim]

    def run(self, name, *command, flags=()):
        return self.call("run", "--rm", *self.flags(), *flags, IMAGE, name, *command)

    def begin(self, name, *command, flags=()):
        words = [*self.words, "run", "--rm", *self.flags(), *flags, IMAGE, name, *command]
        return subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def detached(self, name, *command, flags=()):
        return self.ctr("run", "-d", *self.flags(), *flags, IMAGE, name, *command)

    def tasks(self):
        """{id: status}"""
        lines = self.ctr("tasks", "ls").splitlines()[1:]
        return {line.split()[0]: line.split()[2] for line in lines}

    def shims(self):
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                if os.readlink(f"/proc/{pid}/exe") == self.shim and self.socket in read(f"/proc/{pid}/cmdline"):
                    found.append(int(pid))
            except OSError:
                continue
        return found

    def events(self):
        return EventLog(self)

    def close(self):
        if self.process.poll() is not None:
            self.start()
        try:
            for name in self.tasks():
                self.call("tasks", "rm", "-f", name)
            for name in self.ctr("containers", "ls", "-q").split():
                self.call("containers", "rm", name)
            self.t.until(lambda: not self.shims(), "the end of all shims")
        finally:
            for pid in self.shims():
                os.kill(pid, signal.SIGKILL)
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(TIMEOUT)
        if os.path.isdir(f"{CGROUP_ROOT}/{self.namespace}"):
            os.rmdir(f"{CGROUP_ROOT}/{self.namespace}")


class EventLog:
    """What containerd tells from now on."""

    def __init__(self, containerd):
        self.path = containerd.t.path("events")
        with open(self.path, "wb") as file:
            self.process = subprocess.Popen([*containerd.words, "events"], stdout=file)

        def is_heard():
            containerd.ctr("namespaces", "label", containerd.namespace, "heard=yes")
            return "/namespaces/update" in self.text()

        containerd.t.until(is_heard, "the first event")

    def text(self):
        return read(self.path)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
