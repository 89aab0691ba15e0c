# SPDX-License-Identifier: Apache-2.0
"""Docker Engine over containerd, with its default seccomp profile and its generated device rules."""

import json
import os
import re
import shutil

from e2e.engine import (MANAGER, REST, SYSTEMD, Client, Daemon, Skip, busybox_image, call, cgroups_of_containers, code, contains,
                        equal, group_of, has_process, known_below, lines, matches, needs_controllers, ok, on_terminal,
                        parse, read, run_many, seccomp_filters, shim_type, snippet, until, write)


class Engine(Client):
    program = "docker"

    def __init__(self, runtime):
        self.shim = runtime if shim_type(runtime) else "containerd-shim-runc-v2"
        write("/etc/containerd/config.toml", 'version = 2\n[grpc]\naddress = "/run/containerd/containerd.sock"\n')
        config = self.shim_config(runtime) if shim_type(runtime) else parse(snippet("docker", runtime))
        if runtime == "runc":  # a name that dockerd keeps for its own
            config = {"runtimes": {"other": config["runtimes"]["runc"]}, "default-runtime": "other"}
        self.default = config["default-runtime"]
        config["runtimes"]["flags"] = {"path": shutil.which(runtime), "runtimeArgs": ["--debug"]} if not shim_type(runtime) \
            else config["runtimes"][self.default]
        write("/etc/docker/daemon.json", json.dumps({
            **config, "exec-opts": ["native.cgroupdriver=" + MANAGER], "storage-driver": "overlay2",
            "containerd": "/run/containerd/containerd.sock"}))
        self.containerd = Daemon("containerd", log="/tmp/containerd.log", ready=lambda: call("ctr", "version").code == 0)
        self.dockerd = Daemon("dockerd", log="/tmp/dockerd.log", ready=lambda: call("docker", "version").code == 0)
        _, root = busybox_image()
        self("import", "--change", 'CMD ["/bin/sh"]', root, "bb")

    @staticmethod
    def shim_config(runtime):
        version = int(re.search(r"version (\d+)", ok("dockerd", "--version").out).group(1))
        if version >= 23:
            return {"runtimes": {"wherry": {"runtimeType": shim_type(runtime)}}, "default-runtime": "wherry"}
        # It knows no type but runc's: the shim goes by the name that containerd looks for then.
        os.symlink(shutil.which(runtime), "/usr/local/bin/containerd-shim-runc-v2")
        return {"runtimes": {"wherry": {"path": "/usr/sbin/runc"}}, "default-runtime": "wherry"}

    def reset(self):
        """Removes what a test leaves running; nothing may be left of it then."""
        names = lines(self("ps", "-aq").out)
        if names:
            self("rm", "-f", *names)
        until(lambda: not has_process("containerd-shim", "-namespace"), "no shim", REST)
        for root in ("/var/run/docker/runtime-runc/moby", "/run/containerd/wherry/moby"):
            until(lambda root=root: not known_below(root), "no container known to the runtime", REST)
        until(lambda: not cgroups_of_containers(), "no cgroup of a container", REST)

    def close(self):
        self.dockerd.stop()
        self.containerd.stop()


def test_runtime_is_the_default(docker):
    equal(docker("info", "--format", "{{.DefaultRuntime}}").out, docker.default + "\n")
    docker.start("one")
    equal(len(has_process(docker.shim, "-namespace moby")), 1, "shims of the wanted program")


# Running


def test_run(docker):
    equal(docker.run("bb", "echo", "hello").out, "hello\n")


def test_run_by_name(docker):
    docker("run", "--rm", "--network", "none", "--runtime", "flags", "bb", "true")


def test_exit_codes(docker):
    code(7, "docker", "run", "--rm", "--network", "none", "bb", "sh", "-c", "exit 7")
    missing = code(127, "docker", "run", "--rm", "--network", "none", "bb", "/nonexist")
    contains(missing.err.lower(), "no such file or directory")
    denied = code(126, "docker", "run", "--rm", "--network", "none", "bb", "/etc/passwd")
    contains(denied.err.lower(), "permission denied")
    code(127, "docker", "run", "--rm", "--network", "none", "bb", "no-such-command")


def test_run_standard_streams(docker):
    result = docker.run("-i", "bb", "sh", "-c", "cat; echo error >&2", stdin="data")
    equal((result.out, result.err), ("data", "error\n"))


def test_run_terminal(docker):
    shown = on_terminal("docker", "run", "--rm", "-it", "--network", "none", "bb", "sh", "-c", "tty; exit 3")
    equal(shown.code, 3, "exit code")
    contains(shown.out, "/dev/pts/0")


def test_init(docker):
    matches(docker.run("--init", "bb", "ps", "-o", "pid,args").out, r"^ *1 .*(docker-init|tini)")


def test_exec(docker):
    docker.start("one")
    equal(docker("exec", "one", "echo", "hi").out, "hi\n")
    equal(docker("exec", "-i", "one", "cat", stdin="in").out, "in")
    code(9, "docker", "exec", "one", "sh", "-c", "exit 9")
    missing = docker.call("exec", "one", "/nonexist")
    contains(missing.text.lower(), "no such file or directory")
    equal(missing.code in (126, 127), True, "126, or 127 from Docker 28 on")
    equal(docker("exec", "-u", "1000:1000", "-w", "/tmp", "-e", "A=b", "one", "sh", "-c", "id -u; pwd; echo $A").out,
          "1000\n/tmp\nb\n")
    equal(docker("exec", "--privileged", "one", "grep", "CapEff", "/proc/self/status").out.split()[1],
          docker("run", "--rm", "--network", "none", "--privileged", "bb", "grep", "CapEff", "/proc/self/status").out.split()[1])


def test_exec_terminal(docker):
    docker.start("one")
    shown = on_terminal("docker", "exec", "-it", "one", "sh", "-c", "tty; exit 3")
    equal(shown.code, 3, "exit code")
    contains(shown.out, "/dev/pts/")


def test_exec_detached(docker):
    docker.start("one")
    docker("exec", "-d", "one", "sh", "-c", "echo there > /tmp/file")
    until(lambda: docker.call("exec", "one", "cat", "/tmp/file").out == "there\n", "the file of the detached exec")


def test_attach(docker):
    docker("run", "-d", "-i", "--name", "one", "--network", "none", "bb", "sh", "-c", "read a; echo got $a; exit 4")
    equal(call("docker", "attach", "one", stdin="word\n").code, 4, "exit code")
    equal(docker("logs", "one").out, "got word\n")


def test_logs(docker):
    docker.start("one", "bb", "sh", "-c", "echo one; echo two >&2; sleep 1000")
    until(lambda: set(docker("logs", "one").text.split()) == {"one", "two"}, "both lines in the log")


# A life


def test_stop_by_signal(docker):
    docker.start("one", "bb", "sh", "-c", "trap 'exit 5' TERM; while :; do sleep 0.1; done")
    docker("exec", "one", "true")
    docker("stop", "-t", "30", "one")
    equal(docker.inspect("one", "{{.State.ExitCode}}"), "5")


def test_stop_by_force(docker):
    docker.start("one", "bb", "sh", "-c", "trap '' TERM; while :; do sleep 0.1; done")
    docker("exec", "one", "true")
    docker("stop", "-t", "1", "one")
    equal(docker.inspect("one", "{{.State.ExitCode}}"), "137")


def test_kill(docker):
    docker.start("one", "bb", "sh", "-c", "trap 'exit 6' USR1; while :; do sleep 0.1; done")
    docker("exec", "one", "true")
    docker("kill", "-s", "USR1", "one")
    equal(docker("wait", "one").out, "6\n")


def test_pause(docker):
    docker.start("one")
    docker("pause", "one")
    equal(docker.inspect("one", "{{.State.Status}}"), "paused")
    docker("unpause", "one")
    equal(docker("exec", "one", "echo", "awake").out, "awake\n")


def test_top(docker):
    docker.start("one")
    contains(docker("top", "one").out, "sleep 1000")
    contains(docker("top", "one", "-o", "pid,args").out, "sleep 1000")


def test_restart(docker):
    docker.start("one")
    before = docker.inspect("one", "{{.State.Pid}}")
    docker("restart", "-t", "0", "one")
    if before == docker.inspect("one", "{{.State.Pid}}"):
        raise AssertionError("the process is the same one")


def test_restart_policy(docker):
    docker("run", "-d", "--name", "one", "--network", "none", "--restart", "on-failure:2", "bb", "sh", "-c", "exit 1")
    until(lambda: docker.inspect("one", "{{.RestartCount}} {{.State.Status}}") == "2 exited", "two restarts")


def test_healthcheck(docker):
    docker("run", "-d", "--name", "one", "--network", "none", "--health-cmd", "test -e /ok", "--health-interval", "1s",
           "--health-retries", "1", "bb", "sleep", "1000")
    until(lambda: docker.inspect("one", "{{.State.Health.Status}}") == "unhealthy", "unhealthy")
    docker("exec", "one", "touch", "/ok")
    until(lambda: docker.inspect("one", "{{.State.Health.Status}}") == "healthy", "healthy")


def test_live_copy(docker):
    docker.start("one")
    docker("cp", "/etc/hostname", "one:/tmp/copied")
    docker("exec", "one", "test", "-s", "/tmp/copied")


# Resources (their controllers are in the virtual machine)


@needs_controllers("memory", "pids", "cpu")
def test_limits(docker):
    docker.start("one", "--memory", "64m", "--cpus", "0.5", "--pids-limit", "50", "bb", "sleep", "1000")
    group = group_of(docker.inspect("one", "{{.State.Pid}}"))
    equal([read(f"{group}/{name}").strip() for name in ("memory.max", "cpu.max", "pids.max")],
          ["67108864", "50000 100000", "50"])


@needs_controllers("memory", "pids", "cpu")
def test_update(docker):
    docker.start("one", "--memory", "64m", "--memory-swap", "64m", "bb", "sleep", "1000")
    docker("update", "--memory", "32m", "--memory-swap", "48m", "--cpus", "0.25", "one")
    group = group_of(docker.inspect("one", "{{.State.Pid}}"))
    equal([read(f"{group}/{name}").strip() for name in ("memory.max", "memory.swap.max", "cpu.max")],
          ["33554432", "16777216", "25000 100000"])


@needs_controllers("memory", "pids", "cpu")
def test_stats(docker):
    docker.start("one")
    row = parse(docker("stats", "--no-stream", "--format", "{{json .}}", "one").out)
    equal(row["PIDs"], "1")
    matches(row["MemUsage"], r"^[1-9]")


@needs_controllers("memory")
def test_out_of_memory(docker):
    docker.start("one", "--memory", "16m", "--memory-swap", "16m", "bb", "sh", "-c", "x=a; while :; do x=$x$x; done")
    equal(docker("wait", "one").out, "137\n")
    equal(docker.inspect("one", "{{.State.OOMKilled}}"), "true")


@needs_controllers("memory", "pids")
def test_cgroup_parent(docker):
    """As the ECS agent does: a parent with limits of its own, the task's containers below it."""
    parent, group = ("ecs-task.slice", "/sys/fs/cgroup/ecs.slice/ecs-task.slice") if SYSTEMD else ("/ecs/task", "/sys/fs/cgroup/ecs/task")
    if SYSTEMD:
        ok("systemctl", "set-property", "--runtime", parent, "MemoryMax=64M")
        ok("systemctl", "start", parent)
    else:
        os.makedirs(group)
        write("/sys/fs/cgroup/cgroup.subtree_control", "+memory +pids")
        write("/sys/fs/cgroup/ecs/cgroup.subtree_control", "+memory +pids")
        write(group + "/memory.max", "67108864")
    for name in ("first", "second"):
        docker.start(name, "--cgroup-parent", parent, "--memory", "32m", "bb", "sleep", "1000")
        own = group_of(docker.inspect(name, "{{.State.Pid}}"))
        equal((os.path.dirname(own), read(own + "/memory.max").strip()), (group, "33554432"))
    docker("rm", "-f", "first", "second")
    equal(read(group + "/memory.max").strip(), "67108864")
    if SYSTEMD:
        ok("systemctl", "stop", parent)
    else:
        os.rmdir(group)
        os.rmdir(os.path.dirname(group))


# Isolation


def test_default_seccomp_profile(docker):
    equal(seccomp_filters(docker.run("bb", "cat", "/proc/self/status").out), 1, "filters")
    code(1, "docker", "run", "--rm", "--network", "none", "bb", "unshare", "-m", "true")


def test_default_apparmor_profile(docker):
    if not os.path.isdir("/sys/kernel/security/apparmor"):
        raise Skip("there is no AppArmor here")
    docker.start("one")
    show = ("cat", "/proc/self/attr/current")
    equal([docker.run("bb", *show).out, docker("exec", "one", *show).out, docker.run("--privileged", "bb", *show).out],
          ["docker-default (enforce)\n"] * 2 + ["unconfined\n"])


def test_read_only_user_and_tmpfs(docker):
    out = docker.run("--read-only", "--user", "1000", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--tmpfs",
                     "/x:mode=1777", "bb", "sh", "-c", "id -u; touch /x/f && echo made; touch /f || echo refused").out
    equal(out, "1000\nmade\nrefused\n")


def test_volume(docker):
    os.makedirs("/tmp/volume", exist_ok=True)
    write("/tmp/volume/file", "content")
    equal(docker.run("-v", "/tmp/volume:/data:ro", "bb", "cat", "/data/file").out, "content")
    code(1, "docker", "run", "--rm", "--network", "none", "-v", "/tmp/volume:/data:ro", "bb", "touch", "/data/new")
    docker.run("--mount", "type=volume,src=named,dst=/data", "bb", "touch", "/data/kept")
    docker.run("-v", "named:/data", "bb", "ls", "/data/kept")
    docker("volume", "rm", "named")


def test_ulimit(docker):
    equal(docker.run("--ulimit", "nofile=100:200", "bb", "sh", "-c", "ulimit -Sn; ulimit -Hn").out, "100\n200\n")


def test_device_rules(docker):
    code(1, "docker", "run", "--rm", "--network", "none", "--cap-add", "MKNOD", "bb", "sh", "-c",
         "mknod /tmp/kmsg c 1 11 && cat /tmp/kmsg")
    docker.run("--device", "/dev/kmsg:/dev/mine:w", "bb", "test", "-c", "/dev/mine")


def test_sysctl(docker):
    equal(docker.run("--sysctl", "net.ipv4.ip_forward=1", "bb", "cat", "/proc/sys/net/ipv4/ip_forward").out, "1\n")


def test_privileged(docker):
    docker.run("--privileged", "bb", "sh", "-c", "mount -t tmpfs t /mnt && test -e /dev/kmsg")


def test_shared_namespaces(docker):
    docker.start("one", "--ipc", "shareable", "bb", "sleep", "1000")
    show = ("sh", "-c", "for kind in pid ipc net; do readlink /proc/self/ns/$kind; done")
    equal(docker("run", "--rm", "--pid", "container:one", "--ipc", "container:one", "--network", "container:one", "bb", *show).out,
          docker("exec", "one", *show).out)


def test_host_namespaces(docker):
    own = [os.readlink(f"/proc/self/ns/{kind}") for kind in ("pid", "ipc", "uts", "net")]
    out = docker("run", "--rm", "--pid", "host", "--ipc", "host", "--uts", "host", "--network", "host", "bb", "sh", "-c",
                 "for kind in pid ipc uts net; do readlink /proc/self/ns/$kind; done").out
    equal(out.split(), own)


# Networks and several containers


def test_bridge(docker):
    docker("run", "-d", "--name", "server", "bb", "sh", "-c", "while :; do echo answer | nc -l -p 7000; done")
    address = docker.inspect("server", "{{.NetworkSettings.IPAddress}}")
    until(lambda: docker.call("run", "--rm", "bb", "nc", "-w", "2", address, "7000").out == "answer\n", "the answer")


def test_two_services_by_name(docker):
    """What compose sets up: a network of its own, in which a service is found by its name."""
    docker("network", "create", "stack")
    docker("run", "-d", "--network", "stack", "--name", "web", "--network-alias", "backend", "bb", "sh", "-c",
           "while :; do echo answer | nc -l -p 7000; done")
    until(lambda: docker.call("run", "--rm", "--network", "stack", "bb", "nc", "-w", "2", "backend", "7000").out == "answer\n",
          "the answer")
    docker("rm", "-f", "web")
    docker("network", "rm", "stack")


def test_build(docker):
    write("/tmp/build/Dockerfile", "FROM bb\nRUN echo made > /made && test $(id -u) = 0\nUSER 1000\nRUN test -r /made\n"
                                   "CMD [\"cat\", \"/made\"]\n")
    docker("build", "--network", "none", "-t", "built", "/tmp/build", env={"DOCKER_BUILDKIT": "0"})
    equal(docker.run("built").out, "made\n")


def test_daemon_restart(docker):
    """A container lives on without dockerd only with live-restore; without it, it is stopped and its end is seen."""
    docker.start("one")
    docker.dockerd.stop()
    docker.dockerd = Daemon("dockerd", log="/tmp/dockerd.log", ready=lambda: call("docker", "version").code == 0)
    equal(docker.inspect("one", "{{.State.Status}}"), "exited")
    docker("start", "one")
    equal(docker.inspect("one", "{{.State.Status}}"), "running")


def test_checkpoint_is_refused(docker):
    docker.start("one")
    if docker.call("checkpoint", "create", "one", "saved").code == 0:
        raise AssertionError("a checkpoint is said to have been made")
    equal(docker.inspect("one", "{{.State.Status}}"), "running")


def test_two_hundred_runs(docker):
    run_many(200, lambda n: ("docker", "run", "--rm", "--network", "none", "bb", "true"))
