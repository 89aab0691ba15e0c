# SPDX-License-Identifier: Apache-2.0
"""The shim under test, driven over its socket as containerd would, and what it tells as events."""

import errno
import importlib.machinery
import importlib.util
import json
import os
import signal
import socket
import struct
import subprocess
import threading

from .runtime import Failure, TIMEOUT
from .case import Skip

HERE = os.path.dirname(os.path.abspath(__file__))
CLIENT = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(HERE))), "scripts", "shim-client")


def load_client():
    loader = importlib.machinery.SourceFileLoader("shim_client", CLIENT)
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("shim_client", loader))
    loader.exec_module(module)
    return module


client = load_client()
encode, decode, ShimError = client.encode, client.decode, client.ShimError
CREATED, RUNNING, STOPPED, PAUSED = 1, 2, 3, 4


def shim_program(runtime):
    path = os.path.join(os.path.dirname(os.path.dirname(runtime)), "shim", "containerd-shim-wherry-v2")
    if not os.path.exists(path):
        raise Skip(f"there is no {path}")
    return path


class EventServer:
    """containerd's side of the event socket: keeps (topic, {field: [values]}) of what is forwarded."""

    def __init__(self, path):
        self.path, self.events, self.stopped = path, [], False
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen()
        self.connections = []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while not self.stopped:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections.append(connection)
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        stream = connection.makefile("rb")
        while len(header := self.header(stream)) == 10:
            size, number, _, _ = struct.unpack(">IIBB", header)
            request = decode(stream.read(size))
            envelope = decode(decode(request[3][0])[1][0])
            event = decode(envelope[4][0])
            self.events.append((envelope[3][0].decode(), decode(event.get(2, [b""])[0])))
            try:
                connection.sendall(struct.pack(">IIBB", 0, number, 2, 0))
            except OSError:
                return

    @staticmethod
    def header(stream):
        try:
            return stream.read(10)
        except ConnectionResetError:
            return b""

    def topics(self):
        return [topic for topic, _ in list(self.events)]

    def close(self):
        self.stopped = True
        for thing in [self.listener, *self.connections]:
            try:
                thing.shutdown(socket.SHUT_RDWR)
            except OSError as error:
                if error.errno != errno.ENOTCONN:
                    raise
            thing.close()
        if os.path.exists(self.path):
            os.unlink(self.path)


class Fifo:
    """A FIFO that is read in the background, as containerd does it."""

    def __init__(self, path, reads=True):
        self.path, self.data, self.ended = path, bytearray(), False
        self.keeps, self.size = True, 0
        os.mkfifo(path)
        if reads:
            self.open()

    def open(self):
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        with open(self.path, "rb", buffering=0) as stream:  # waits for the shim's end
            while piece := stream.read(1 << 16):
                self.size += len(piece)
                if self.keeps:
                    self.data += piece
        self.ended = True


class ShimCase:
    """One shim for one test. Its containers are deleted and it is shut down when the test ends."""

    def __init__(self, t, name=None):
        self.t, self.program = t, shim_program(t.runtime.path)
        self.events = EventServer(t.path("events.sock")) if not os.path.exists(t.path("events.sock")) else None
        self.ids, self.fifos, self.address, self.pid = [], 0, None, None
        self.name = name or t.new_id()
        t.keep(self)

    def start(self, bundle, name):
        bundle.write()
        env = {"TTRPC_ADDRESS": self.t.path("events.sock"), "PATH": os.environ["PATH"]}
        address = client.start_shim(self.program, bundle.path, name, "itest", "/run/test.sock", env)
        if self.address is None:
            self.address = address
            self.shim = client.Shim(address)
            self.pid = self.call("Connect", {1: name})[1][0]
        return address

    def connect(self):
        return client.Shim(self.address)

    def call(self, method, fields, **options):
        return self.shim.call(method, fields, **options)

    def fifo(self, reads=True):
        self.fifos += 1
        return Fifo(self.t.path(f"fifo{self.fifos}"), reads)

    def create(self, bundle=None, out=None, err=None, stdin="", terminal=False, rootfs=None, options=None, start=True):
        """The id of a container that has been created; `start` starts the shim for it as well."""
        bundle = bundle or self.t.bundle("sleep", "1000")
        bundle.write()
        name = self.t.new_id()
        if start:
            self.start(bundle, name)
        fields = {1: name, 2: bundle.path, 4: int(terminal), 5: stdin, 6: out or "", 7: err or ""}
        if rootfs:
            fields[3] = rootfs
        if options:
            fields[10] = {1: "containerd.runc.v1.Options", 2: encode(options)}
        self.ids.append(name)
        self.call("Create", fields)
        return name

    def running(self, *args, **kinds):
        name = self.create(*args, **kinds)
        self.call("Start", {1: name})
        return name

    def exec(self, name, exec_id, args, out="", err="", stdin="", terminal=False, **edit):
        spec = {"args": args, "cwd": "/", "user": {"uid": 0, "gid": 0}, "terminal": terminal,
                "env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"], **edit}
        any_spec = {1: "types.containerd.io/opencontainers/runtime-spec/1/Process", 2: json.dumps(spec)}
        self.call("Exec", {1: name, 2: exec_id, 3: int(terminal), 4: stdin, 5: out, 6: err, 7: any_spec})

    def wait(self, name, exec_id=""):
        return self.call("Wait", {1: name, 2: exec_id}).get(1, [0])[0]

    def state(self, name, exec_id=""):
        return self.call("State", {1: name, 2: exec_id}, timeout=5)

    def status(self, name, exec_id=""):
        return self.state(name, exec_id)[4][0]

    def delete(self, name):
        answer = self.call("Delete", {1: name})
        self.ids.remove(name)
        return answer

    def refused(self, code, method, fields, phrase=""):
        try:
            self.call(method, fields)
        except ShimError as error:
            self.t.equal(error.code, code, f"code of {method}: {error.message}")
            self.t.contains(error.message, phrase)
            return error.message
        raise Failure(f"{method} was not refused")

    def until_topic(self, topic, count=1):
        self.t.until(lambda: self.events.topics().count(topic) >= count, f"{count} {topic}")

    def verb(self, *args, cwd="/", stdin=b"", env=None):
        """The shim's program itself."""
        return subprocess.run([self.program, *args], cwd=cwd, input=stdin, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, env=env, check=False, timeout=TIMEOUT)

    def close(self):
        try:
            self.end()
        finally:
            if self.events:
                self.events.close()

    def end(self):
        if self.address is None or not alive(self.pid):
            return
        try:
            self.shim = self.connect()
        except ConnectionRefusedError:  # it is about to end by itself
            self.wait_for_end()
            return
        for name in self.ids:
            try:
                self.call("Kill", {1: name, 3: 9, 4: 1})
                self.wait(name)
                self.call("Delete", {1: name})
            except ShimError as error:
                if error.code != 5:
                    raise
        try:
            self.call("Shutdown", {1: "x"})
        except EOFError:
            pass  # containerd's own shim, which tests/bench compares, may go without an answer
        self.wait_for_end()

    def wait_for_end(self):
        try:
            self.t.until(lambda: not alive(self.pid), "the end of the shim")
        except Failure:
            os.kill(self.pid, signal.SIGKILL)
            raise


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False
