# SPDX-License-Identifier: Apache-2.0
"""The Kubernetes side of containerd: its CRI plugin, asked as the kubelet asks (k8s.io/cri-api runtime/v1/api.proto)."""

import grpc

from e2e.engine import (CGROUP, REST, SLOW, SYSTEMD, TIMEOUT, Daemon, busybox_image, call, cgroups_of_containers, contains,
                        equal, has_process, known_below, ok, read, shim_type, snippet, state_root, until, write)

CONFIG = """version = 2
[grpc]
address = "/run/containerd/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "docker.io/library/pause:bb"
restrict_oom_score_adj = true
disable_hugetlb_controller = true
tolerate_missing_hugetlb_controller = true
"""

# containerd 1.6 wants its default to be there among others.
RUNC = """[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
"""

CONTROLLERS = {"cpu", "memory", "pids"}  # the CRI plugin always asks for them

NODE, CONTAINER = 2, 1  # NamespaceMode
RUNNING, EXITED = 1, 2  # ContainerState


# Messages as {field number: value}: text and bytes, numbers, messages, and lists of these. encode() and decode() are the
# whole of the protobuf wire format that these calls need.


def varint(number):
    number &= (1 << 64) - 1
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes(out + bytes([number]))


def encode(message):
    out = b""
    for field, value in message.items():
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, int):
                out += varint(field << 3) + varint(item)
                continue
            data = encode(item) if isinstance(item, dict) else item.encode()
            out += varint(field << 3 | 2) + varint(len(data)) + data
    return out


def read_varint(data, at):
    number = shift = 0
    while True:
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return number, at


def decode(data):
    """{field number: [values]}; a nested message is bytes to decode again."""
    out, at = {}, 0
    while at < len(data):
        key, at = read_varint(data, at)
        if key & 7 == 0:
            value, at = read_varint(data, at)
        else:
            size, at = read_varint(data, at)
            value, at = data[at:at + size], at + size
        out.setdefault(key >> 3, []).append(value)
    return out


def first(data, *path):
    """The value at a path of field numbers, or None."""
    for field in path:
        values = decode(data).get(field)
        if not values:
            return None
        data = values[0]
    return data


class Engine:
    def __init__(self, runtime):
        self.handler = "wherry" if shim_type(runtime) else runtime
        config = snippet("containerd", runtime) + ("SystemdCgroup = true\n" if SYSTEMD else "")
        if shim_type(runtime):  # it sees by the cgroup's path who makes it
            config = snippet("shim", "wherry").replace("io.containerd.wherry.v2", shim_type(runtime))
        write("/etc/containerd/config.toml", CONFIG + (RUNC if self.handler != "runc" else "") + config)
        self.states = state_root(runtime) + "/k8s.io"
        self.daemon = Daemon("containerd", log="/tmp/containerd.log", ready=lambda: call("ctr", "version").code == 0)
        archive, _ = busybox_image()
        ok("cp", "-a", "/tmp/image/layout", "/tmp/image/pause")
        ok("umoci", "config", "--image", "/tmp/image/pause:bb", "--config.entrypoint", "/bin/sleep", "--config.cmd", "100000")
        ok("tar", "-C", "/tmp/image/pause", "-cf", "/tmp/image/pause.tar", ".")
        ok("ctr", "-n", "k8s.io", "images", "import", "--base-name", "docker.io/library/pause", "/tmp/image/pause.tar")
        ok("ctr", "-n", "k8s.io", "images", "import", "--base-name", "docker.io/library/app", archive)
        self.channel = grpc.insecure_channel("unix:///run/containerd/containerd.sock")

    def call(self, method, message=None):
        send = self.channel.unary_unary("/runtime.v1.RuntimeService/" + method, request_serializer=encode,
                                        response_deserializer=lambda data: data)
        return send(message or {}, timeout=TIMEOUT)

    def sandbox(self, name="pod"):
        config = {1: {1: name, 2: "uid-" + name, 3: "default"}, 3: "/tmp/podlogs",
                  8: {1: f"pods-{name}.slice" if SYSTEMD else "/pod-" + name, 2: {1: {1: NODE, 2: CONTAINER}}}}
        return first(self.call("RunPodSandbox", {1: config, 2: self.handler}), 1).decode(), config

    def container(self, sandbox, config, name, command, **resources):
        what = {1: {1: name}, 2: {1: "docker.io/library/app:bb"}, 3: list(command), 11: name + ".log",
                15: {1: resources.get("resources", {5: 500})}}
        return first(self.call("CreateContainer", {1: sandbox, 2: what, 3: config}), 1).decode()

    def start(self, sandbox, config, name, command=("sleep", "1000"), **resources):
        container = self.container(sandbox, config, name, command, **resources)
        self.call("StartContainer", {1: container})
        return container

    def state(self, container):
        return first(self.call("ContainerStatus", {1: container}), 1, 3) or 0

    def exec(self, container, *command, seconds=10 * SLOW):
        answer = decode(self.call("ExecSync", {1: container, 2: list(command), 3: int(seconds)}))
        return answer.get(1, [b""])[0].decode(), answer.get(3, [0])[0]

    def reset(self):
        for item in decode(self.call("ListPodSandbox")).get(1, []):
            sandbox = first(item, 1).decode()
            self.call("StopPodSandbox", {1: sandbox})
            self.call("RemovePodSandbox", {1: sandbox})
        until(lambda: not has_process("containerd-shim", "-namespace"), "no shim", REST)
        until(lambda: not known_below(self.states), "no container known to the runtime", REST)
        until(lambda: not cgroups_of_containers(), "no cgroup", REST)

    def close(self):
        self.channel.close()
        self.daemon.stop()


def test_pod_of_two_containers(cri):
    sandbox, config = cri.sandbox()
    one = cri.start(sandbox, config, "one", ("sh", "-c", "echo out; echo err >&2; sleep 1000"))
    two = cri.start(sandbox, config, "two")
    equal([cri.state(one), cri.state(two)], [RUNNING, RUNNING])
    until(lambda: "stdout F out" in read("/tmp/podlogs/one.log") and "stderr F err" in read("/tmp/podlogs/one.log"),
          "both lines in the log")
    show = ("sh", "-c", "readlink /proc/self/ns/ipc; readlink /proc/self/ns/net")
    equal(cri.exec(one, *show), cri.exec(two, *show))


def test_exec_sync(cri):
    sandbox, config = cri.sandbox()
    one = cri.start(sandbox, config, "one")
    equal(cri.exec(one, "echo", "hi"), ("hi\n", 0))
    equal(cri.exec(one, "sh", "-c", "exit 7"), ("", 7))
    try:
        cri.exec(one, "sleep", "100", seconds=1)
    except grpc.RpcError as error:
        equal(error.code(), grpc.StatusCode.DEADLINE_EXCEEDED)
    else:
        raise AssertionError("the command should have been ended")


def test_stop_and_remove(cri):
    sandbox, config = cri.sandbox()
    one = cri.start(sandbox, config, "one", ("sh", "-c", "trap 'exit 5' TERM; while :; do sleep 0.1; done"))
    cri.exec(one, "true")
    cri.call("StopContainer", {1: one, 2: int(20 * SLOW)})
    equal([cri.state(one), first(cri.call("ContainerStatus", {1: one}), 1, 7)], [EXITED, 5])
    cri.call("RemoveContainer", {1: one})
    two = cri.start(sandbox, config, "two", ("sh", "-c", "trap '' TERM; while :; do sleep 0.1; done"))
    cri.exec(two, "true")
    cri.call("StopContainer", {1: two, 2: 1})
    equal(first(cri.call("ContainerStatus", {1: two}), 1, 7), 137)


def test_missing_command(cri):
    sandbox, config = cri.sandbox()
    one = cri.container(sandbox, config, "one", ("/nonexist",))
    try:
        cri.call("StartContainer", {1: one})
    except grpc.RpcError as error:
        contains(error.details().lower(), "no such file or directory")
    else:
        raise AssertionError("a missing command was started")


def test_stats_and_update(cri):
    sandbox, config = cri.sandbox()
    one = cri.start(sandbox, config, "one", resources={4: 64 << 20, 5: 500})
    if not first(cri.call("ContainerStats", {1: one}), 1, 3, 2, 1):
        raise AssertionError("no working set in the statistics")
    group = f"{CGROUP}/pods.slice/pods-pod.slice/cri-containerd-{one}.scope" if SYSTEMD else f"{CGROUP}/pod-pod/{one}"
    equal(read(group + "/memory.max").strip(), str(64 << 20))
    cri.call("UpdateContainerResources", {1: one, 2: {4: 32 << 20, 2: 25000, 1: 100000}})
    equal([read(group + "/memory.max").strip(), read(group + "/cpu.max").strip()], [str(32 << 20), "25000 100000"])


def test_daemon_restart(cri):
    sandbox, config = cri.sandbox()
    one = cri.start(sandbox, config, "one")
    cri.daemon.stop()
    cri.daemon = Daemon("containerd", log="/tmp/containerd.log", ready=lambda: call("ctr", "version").code == 0)
    until(lambda: answers(cri, one), "the container to be found again")


def answers(cri, container):
    try:
        return cri.state(container) == RUNNING
    except grpc.RpcError:
        return False
