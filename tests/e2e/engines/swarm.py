# SPDX-License-Identifier: Apache-2.0
"""Docker Swarm: two dockerd, each in a network namespace of the test's own, with the runtime as default."""

import json
import shutil

from e2e.engine import REST, Daemon, Failure, busybox_image, call, equal, has_process, known_below, lines, ok, until, write


class Node:
    def __init__(self, number, runtime):
        self.name = f"node{number}"
        self.address = f"10.77.0.{number}"
        self.host = f"unix:///run/{self.name}.sock"
        netns = ["nsenter", f"--net=/run/netns/{self.name}", "unshare", "--uts", "sh", "-c",
                 f"hostname {self.name}; exec \"$@\"", "sh"]
        config = write(f"/etc/docker/{self.name}.json", json.dumps({
            "runtimes": {"under-test": {"path": shutil.which(runtime)}}, "default-runtime": "under-test",
            "storage-driver": "overlay2", "exec-opts": ["native.cgroupdriver=cgroupfs"], "cgroup-parent": "/" + self.name,
            "data-root": "/var/lib/docker/" + self.name, "exec-root": "/run/" + self.name,
            "pidfile": f"/run/{self.name}.pid", "hosts": [self.host], "containerd": "/run/containerd/containerd.sock"}))
        self.daemon = Daemon("dockerd", "--config-file", config, "--containerd-namespace", self.name,
                             "--containerd-plugins-namespace", "plugins-" + self.name, log=f"/tmp/{self.name}.log", prefix=netns,
                             ready=lambda: self.call("version").code == 0)
        self("import", "--change", 'CMD ["/bin/sh"]', busybox_image()[1], "bb")

    def __call__(self, *words):
        return ok("docker", "-H", self.host, *words)

    def call(self, *words):
        return call("docker", "-H", self.host, *words)

    def running(self, service):
        return lines(self("ps", "-q", "--filter", "label=com.docker.swarm.service.name=" + service).out)


class Engine:
    def __init__(self, runtime):
        write("/etc/containerd/config.toml", 'version = 2\n[grpc]\naddress = "/run/containerd/containerd.sock"\n')
        self.runtime = runtime
        self.make_network()
        self.containerd = Daemon("containerd", log="/tmp/containerd.log", ready=lambda: call("ctr", "version").code == 0)
        self.nodes = [Node(number, runtime) for number in (1, 2)]
        manager, worker = self.nodes
        manager("swarm", "init", "--advertise-addr", manager.address)
        token = manager("swarm", "join-token", "-q", "worker").out.strip()
        worker("swarm", "join", "--token", token, "--advertise-addr", worker.address, manager.address + ":2377")

    @staticmethod
    def make_network():
        for number in (1, 2):
            ok("ip", "netns", "add", f"node{number}")
        ok("ip", "link", "add", "link1", "netns", "node1", "type", "veth", "peer", "name", "link2", "netns", "node2")
        for number in (1, 2):
            inside = ("ip", "-n", f"node{number}")
            ok(*inside, "addr", "add", f"10.77.0.{number}/24", "dev", f"link{number}")
            ok(*inside, "link", "set", f"link{number}", "up")
            ok(*inside, "link", "set", "lo", "up")
            ok(*inside, "route", "add", "default", "dev", f"link{number}")

    def running(self, service):
        return [container for node in self.nodes for container in node.running(service)]

    def reset(self):
        manager = self.nodes[0]
        for service in lines(manager("service", "ls", "-q").out):
            manager("service", "rm", service)
        until(lambda: not [one for node in self.nodes for one in lines(node("ps", "-aq").out)], "no container")
        until(lambda: not has_process("containerd-shim", "-namespace"), "no shim", REST)
        for node in self.nodes:
            root = f"/run/{node.name}/runtime-runc/{node.name}"
            if known_below(root):
                raise Failure(f"known to the runtime still: {known_below(root)}")

    def close(self):
        for node in self.nodes:
            node.daemon.stop()
        self.containerd.stop()


def test_scaled_and_mended_service(swarm):
    manager = swarm.nodes[0]
    manager("service", "create", "--name", "s", "--replicas", "3", "--no-resolve-image", "--detach", "--restart-delay", "0s",
            "bb", "sleep", "1000")
    until(lambda: len(swarm.running("s")) == 3, "three replicas")
    equal(all(node.running("s") for node in swarm.nodes), True, "replicas on both nodes")
    manager("service", "scale", "--detach", "s=5")
    until(lambda: len(swarm.running("s")) == 5, "five replicas")
    manager("service", "scale", "--detach", "s=2")
    until(lambda: len(swarm.running("s")) == 2, "two replicas")
    victim_node = next(node for node in swarm.nodes if node.running("s"))
    victim = victim_node.running("s")[0]
    victim_node("kill", victim)
    until(lambda: len(swarm.running("s")) == 2 and victim not in swarm.running("s"), "another in place of the killed one")
    used = victim_node("inspect", "--format", "{{.HostConfig.Runtime}}", victim).out.strip()
    equal(used, "under-test", "runtime of a replica")
