# SPDX-License-Identifier: Apache-2.0
"""Podman over conmon."""

import contextlib
import os
import resource
import shutil

from e2e.engine import (CGROUP, MANAGER, REST, SYSTEMD, Client, Skip, busybox_image, call, code, contains, controllers,
                        engine_cannot, equal, group_of, has_process, lines, matches, needs_controllers, ok, on_terminal,
                        parse, read, run_many, seccomp_filters, snippet, until, write)

CONF = """[containers]
cgroups = "enabled"
log_driver = "k8s-file"
pids_limit = {pids}
[engine]
cgroup_manager = "{manager}"
events_logger = "file"
init_path = "/usr/bin/catatonit"
infra_image = "localhost/pause"
runtime_supports_json = ["{runtime}"]
[engine.runtimes]
krun = ["{path}"]
"""


class Engine(Client):
    program = "podman"

    def __init__(self, runtime):
        self.runtime = runtime
        self.path = shutil.which(runtime)
        write("/etc/containers/containers.conf",
              CONF.format(runtime=runtime, path=self.path, manager=MANAGER, pids=2048 if self.limits() else 0))
        write("/etc/containers/containers.conf.d/runtime.conf", snippet("podman", runtime))
        write("/etc/containers/policy.json", '{"default":[{"type":"insecureAcceptAnything"}]}')
        write("/etc/containers/storage.conf",
              '[storage]\ndriver = "overlay"\nrunroot = "/run/containers/storage"\n'
              'graphroot = "/var/lib/containers/storage"\n')
        _, root = busybox_image()
        self("import", "--change", "CMD=/bin/sh", root, "bb:latest")
        self("import", "--change", 'CMD ["/bin/sleep", "100000"]', root, "pause:latest")

    def limits(self):
        """Whether this user's containers may have limits."""
        return "pids" in controllers()

    def reset(self):
        """Removes what a test leaves running; nothing may be left of it then."""
        pods = [line.split()[1:] for line in lines(self("ps", "-a", "--format", "{{.ID}} {{.Pod}}").out)]
        if any(pods):
            self("pod", "rm", "-f", "-t", "0", "-a")
        if not all(pods):
            self("rm", "-f", "-t", "0", "-a")
        until(lambda: not has_process("conmon"), "no conmon", REST)
        until(lambda: not self.known(), "no container known to the runtime", REST)
        until(lambda: not [top for top, _, _ in os.walk("/sys/fs/cgroup") if "libpod-" in top], "no cgroup of a container",
              REST)

    def known(self):
        """The containers that the runtime knows."""
        return lines(ok(self.runtime, "list", "-q").out)

    def install_unit(self, name, text):
        write("/etc/systemd/system/" + name, text)

    def systemctl(self, *words):
        return ok("systemctl", *words)

    def close(self):
        pass


# Running


def test_run(podman):
    equal(podman.run("bb", "echo", "hello").out, "hello\n")


def test_exit_codes(podman):
    code(7, "podman", "run", "--rm", "--network", "none", "bb", "sh", "-c", "exit 7")
    missing = code(127, "podman", "run", "--rm", "--network", "none", "bb", "/nonexist")
    contains(missing.err.lower(), "no such file or directory")
    denied = code(126, "podman", "run", "--rm", "--network", "none", "bb", "/etc/passwd")
    contains(denied.err.lower(), "permission denied")
    code(125, "podman", "run", "--rm", "--no-such-flag", "bb", "true")


def test_run_standard_streams(podman):
    result = podman.run("-i", "bb", "sh", "-c", "cat; echo error >&2", stdin="data")
    equal((result.out, result.err), ("data", "error\n"))


def test_run_terminal(podman):
    shown = on_terminal("podman", "run", "--rm", "-it", "--network", "none", "bb", "sh", "-c", "tty; test -t 0 && echo yes")
    equal(shown.code, 0, "exit code")
    contains(shown.out, "/dev/pts/0", "yes")


def test_init_reaps(podman):
    out = podman.run("--init", "bb", "ps", "-o", "pid,args").out
    matches(out, r"^ *1 .*(catatonit|podman-init)")


def test_exec(podman):
    podman.start("c")
    equal(podman("exec", "c", "echo", "hi").out, "hi\n")
    equal(podman("exec", "-i", "c", "cat", stdin="in").out, "in")
    code(9, "podman", "exec", "c", "sh", "-c", "exit 9")
    code(127, "podman", "exec", "c", "/nonexist")
    code(126, "podman", "exec", "c", "/etc/passwd")
    equal(podman("exec", "-u", "1000:1000", "-w", "/tmp", "-e", "A=b", "c", "sh", "-c", "id -u; pwd; echo $A").out,
          "1000\n/tmp\nb\n")


def test_exec_terminal(podman):
    podman.start("c")
    shown = on_terminal("podman", "exec", "-it", "c", "sh", "-c", "tty; exit 3")
    equal(shown.code, 3, "exit code")
    contains(shown.out, "/dev/pts/")


def test_exec_detached(podman):
    podman.start("c")
    podman("exec", "-d", "c", "sh", "-c", "echo there > /tmp/file")
    until(lambda: podman.call("exec", "c", "cat", "/tmp/file").out == "there\n", "the file of the detached exec")


def test_exec_preserve_fds(podman):
    podman.start("c")
    reader, writer = os.pipe()
    os.write(writer, b"passed")
    os.close(writer)
    if reader != 3:
        os.dup2(reader, 3)
        os.close(reader)
    try:
        equal(podman("exec", "--preserve-fds", "1", "c", "sh", "-c", "cat <&3", pass_fds=(3,)).out, "passed")
    finally:
        os.close(3)


def test_run_preserve_fds(podman):
    reader, writer = os.pipe()
    os.write(writer, b"passed")
    os.close(writer)
    os.dup2(reader, 3)
    if reader != 3:
        os.close(reader)
    try:
        equal(podman.run("--preserve-fds", "1", "bb", "sh", "-c", "cat <&3", pass_fds=(3,)).out, "passed")
    finally:
        os.close(3)


# A life


def test_stop_by_signal(podman):
    podman.start("c", "bb", "sh", "-c", "trap 'exit 5' TERM; while :; do sleep 0.1; done")
    until(lambda: podman.inspect("c", "{{.State.Status}}") == "running", "running")
    podman("stop", "-t", "30", "c")
    equal(podman.inspect("c", "{{.State.ExitCode}}"), "5")


def test_stop_by_force(podman):
    podman.start("c", "bb", "sh", "-c", "trap '' TERM; while :; do sleep 0.1; done")
    podman("stop", "-t", "0", "c")
    equal(podman.inspect("c", "{{.State.ExitCode}}"), "137")


def test_kill(podman):
    podman.start("c", "bb", "sh", "-c", "trap 'exit 6' USR1; while :; do sleep 0.1; done")
    podman("exec", "c", "true")
    podman("kill", "-s", "USR1", "c")
    equal(podman("wait", "c").out, "6\n")


def test_pause(podman):
    podman.start("c")
    podman("pause", "c")
    equal(podman.inspect("c", "{{.State.Status}}"), "paused")
    podman("unpause", "c")
    equal(podman.inspect("c", "{{.State.Status}}"), "running")
    equal(podman("exec", "c", "echo", "awake").out, "awake\n")


def test_top(podman):
    podman.start("c")
    contains(podman("top", "c", "pid", "args").out, "sleep 1000")


def test_init_then_start(podman):
    podman("create", "--name", "c", "--network", "none", "bb", "sleep", "1000")
    podman("init", "c")
    matches(podman.inspect("c", "{{.State.Status}}"), "initialized|created")
    podman("start", "c")
    equal(podman.inspect("c", "{{.State.Status}}"), "running")


def test_restart(podman):
    podman.start("c")
    before = podman.inspect("c", "{{.State.Pid}}")
    podman("restart", "-t", "0", "c")
    after = podman.inspect("c", "{{.State.Pid}}")
    if before == after:
        raise AssertionError("the process is the same one")


def test_restart_policy(podman):
    podman("run", "-d", "--name", "c", "--network", "none", "--restart", "on-failure:2", "bb", "sh", "-c", "exit 1")
    until(lambda: podman.inspect("c", "{{.RestartCount}}") == "2", "two restarts")


def test_healthcheck(podman):
    podman("run", "-d", "--name", "c", "--network", "none", "--health-cmd", "test -e /ok", "--health-interval", "disable",
           "bb", "sleep", "1000")
    code(1, "podman", "healthcheck", "run", "c")
    podman("exec", "c", "touch", "/ok")
    podman("healthcheck", "run", "c")


def test_logs(podman):
    podman.start("c", "bb", "sh", "-c", "echo one; echo two >&2; sleep 1000")
    until(lambda: set(podman("logs", "c").text.split()) == {"one", "two"}, "both lines in the log")


def test_attach(podman):
    podman("run", "-d", "-i", "--name", "c", "--network", "none", "bb", "sh", "-c", "read a; echo got $a; exit 4")
    contains(call("podman", "attach", "c", stdin="word\n").out, "got word\n")
    equal(podman.inspect("c", "{{.State.ExitCode}}"), "4")


# Resources (their controllers are in the virtual machine)


@needs_controllers("memory", "pids", "cpu")
def test_limits(podman):
    podman.start("c", "--memory", "64m", "--cpus", "0.5", "--pids-limit", "50", "bb", "sleep", "1000")
    group = group_of(podman.inspect("c", "{{.State.Pid}}"))
    equal([read(f"{group}/{name}").strip() for name in ("memory.max", "cpu.max", "pids.max")],
          ["67108864", "50000 100000", "50"])


@needs_controllers("memory", "pids", "cpu")
def test_stats(podman):
    podman.start("c", "--memory", "64m", "bb", "sleep", "1000")
    row = parse(podman("stats", "--no-stream", "--format", "json", "c").out)[0]
    contains(row["mem_usage"], "67.11MB")
    equal(row["pids"], "1")


@needs_controllers("memory", "pids", "cpu")
def test_update(podman):
    podman.start("c", "--memory", "64m", "bb", "sleep", "1000")
    podman("update", "--memory", "32m", "--cpus", "0.25", "c")
    group = group_of(podman.inspect("c", "{{.State.Pid}}"))
    equal([read(f"{group}/{name}").strip() for name in ("memory.max", "cpu.max")], ["33554432", "25000 100000"])


def run_out_of_memory(podman):
    """In /tmp/start: conmon 2.1.6 tells of it by a file where it was started; Podman 4.3 starts it anywhere, but looks in the
    bundle."""
    os.makedirs("/tmp/start", exist_ok=True)
    os.chmod("/tmp/start", 0o777)
    result = podman.call("run", "--name", "c", "--network", "none", "--memory", "16m", "--memory-swap", "16m", "bb",
                         "sh", "-c", "x=a; while :; do x=$x$x; done", cwd="/tmp/start")
    equal(result.code, 137, "exit code")


@needs_controllers("memory")
def test_out_of_memory(podman):
    run_out_of_memory(podman)


@engine_cannot("conmon 2.1.6 looks once too early, and again when systemd has removed the scope", when=SYSTEMD)
@needs_controllers("memory")
def test_out_of_memory_is_told(podman):
    run_out_of_memory(podman)
    told = os.path.exists("/tmp/start/oom") or podman.inspect("c", "{{.State.OOMKilled}}") == "true"
    equal(told, True, "conmon told of a kill for want of memory")


# Isolation


def test_read_only(podman):
    code(1, "podman", "run", "--rm", "--network", "none", "--read-only", "--read-only-tmpfs=false", "bb", "touch", "/file")
    podman.run("--read-only", "--tmpfs", "/scratch", "bb", "touch", "/scratch/file")


def test_tmpfs_options(podman):
    out = podman.run("--tmpfs", "/scratch:rw,size=1m,mode=1777,noexec", "bb", "sh", "-c", "grep ' /scratch ' /proc/mounts").out
    contains(out, "size=1024k", "noexec", "nosuid", "nodev")


def test_volume(podman):
    os.makedirs("/tmp/volume", exist_ok=True)
    write("/tmp/volume/file", "content")
    equal(podman.run("-v", "/tmp/volume:/data:ro", "bb", "cat", "/data/file").out, "content")
    code(1, "podman", "run", "--rm", "--network", "none", "-v", "/tmp/volume:/data:ro", "bb", "touch", "/data/new")
    podman.run("-v", "named:/data", "bb", "touch", "/data/kept")
    podman.run("-v", "named:/data", "bb", "ls", "/data/kept")
    podman("volume", "rm", "named")


def test_user_namespace(podman):
    out = podman.run("--uidmap", "0:100000:1000", "--gidmap", "0:100000:1000", "bb", "cat", "/proc/self/uid_map").out
    equal(out.split(), ["0", "100000", "1000"])


def test_user_namespace_volume_idmapped(podman):
    release = tuple(int(number) for number in os.uname().release.split(".")[:2])
    if release < (6, 3) and ok("stat", "-f", "-c", "%T", "/tmp").out == "tmpfs\n":
        raise Skip("before Linux 6.3 the ids of a tmpfs cannot be mapped")
    os.makedirs("/tmp/owned", exist_ok=True)
    write("/tmp/owned/file", "content", 0o600)
    equal(podman.run("--uidmap", "0:100000:1000", "--gidmap", "0:100000:1000", "-v", "/tmp/owned:/data:idmap", "bb",
                     "sh", "-c", "stat -c %u /data/file; cat /data/file").out, "0\ncontent")


def test_capabilities(podman):
    out = podman.run("--cap-drop", "all", "--cap-add", "net_admin", "bb", "grep", "-E", "CapEff|CapBnd", "/proc/self/status").out
    equal([line.split()[1] for line in lines(out)], ["0000000000001000"] * 2)


def test_seccomp_profile(podman):
    write("/tmp/profile.json", '{"defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_X86_64","SCMP_ARCH_AARCH64"],'
                               '"syscalls":[{"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO","errnoRet":1}]}')
    contains(podman.call("run", "--rm", "--network", "none", "--security-opt", "seccomp=/tmp/profile.json", "bb",
                         "mkdir", "/dir").err, "not permitted")
    equal(seccomp_filters(podman.run("bb", "cat", "/proc/self/status").out), 1, "filters")
    equal(seccomp_filters(podman.run("--security-opt", "seccomp=unconfined", "bb", "cat", "/proc/self/status").out), 0, "filters")


def test_no_new_privileges(podman):
    equal(podman.run("--security-opt", "no-new-privileges", "bb", "grep", "NoNewPrivs", "/proc/self/status").out.split()[1],
          "1")


def test_ulimit(podman):
    most = min(1000, resource.getrlimit(resource.RLIMIT_NPROC)[1] % (1 << 63))  # else Podman asks for a million
    equal(podman.run("--ulimit", "nofile=100:200", "--ulimit", f"nproc={most}:{most}", "bb", "sh", "-c",
                     "ulimit -Sn; ulimit -Hn").out, "100\n200\n")


def test_device(podman):
    if not os.path.exists("/dev/fuse"):
        raise Skip("there is no /dev/fuse")
    podman.run("--device", "/dev/fuse:/dev/mine:r", "bb", "test", "-c", "/dev/mine")
    code(1, "podman", "run", "--rm", "--network", "none", "--device", "/dev/kmsg:/dev/mine:r", "bb", "sh", "-c",
         "echo x > /dev/mine")


def test_sysctl(podman):
    equal(podman.run("--sysctl", "net.ipv4.ip_forward=1", "bb", "cat", "/proc/sys/net/ipv4/ip_forward").out, "1\n")


def test_hostname_and_environment(podman):
    equal(podman.run("--hostname", "there", "-e", "A=b", "-w", "/tmp", "bb", "sh", "-c", "hostname; echo $A; pwd").out,
          "there\nb\n/tmp\n")


def test_privileged(podman):
    out = podman.run("--privileged", "bb", "sh", "-c", "grep CapEff /proc/self/status; ls /dev/kmsg; mount -t tmpfs t /mnt && echo mounted")
    contains(out.out, "/dev/kmsg", "mounted")


def test_host_namespaces(podman):
    own = [os.readlink(f"/proc/self/ns/{kind}") for kind in ("pid", "ipc", "uts", "net")]
    out = podman("run", "--rm", "--pid", "host", "--ipc", "host", "--uts", "host", "--network", "host", "bb", "sh", "-c",
                 "for kind in pid ipc uts net; do readlink /proc/self/ns/$kind; done").out
    equal(out.split(), own)


def test_joined_namespaces(podman):
    podman.start("c")
    show = ("sh", "-c", "readlink /proc/self/ns/pid; readlink /proc/self/ns/net")
    equal(podman("run", "--rm", "--pid", "container:c", "--network", "container:c", "bb", *show).out,
          podman("exec", "c", *show).out)


def test_secret(podman):
    write("/tmp/secret", "hidden")
    podman("secret", "create", "s", "/tmp/secret")
    equal(podman.run("--secret", "s", "bb", "cat", "/run/secrets/s").out, "hidden")
    podman("secret", "rm", "s")


def test_cgroups_split(podman):
    for kind in ("split", "no-conmon"):
        with own_cgroup() as prefix:
            ok(*prefix, "podman", "run", "--rm", "--network", "none", "--cgroups", kind, "bb", "true")


@contextlib.contextmanager
def own_cgroup():
    """What starts a command where Podman finds nobody else, as a service's: `split` divides the cgroup that it is in."""
    if SYSTEMD:
        yield ()
        return
    group = CGROUP + "/service"
    os.mkdir(group)
    yield "sh", "-c", f'echo 0 >{group}/cgroup.procs && exec "$@"', "sh"
    for top, _, _ in os.walk(group, topdown=False):
        os.rmdir(top)


def test_cgroups_disabled(podman):
    # Podman knows by the name of a runtime whether it can do without cgroups; runc cannot.
    ok("podman", "--runtime", "krun", "run", "--rm", "--network", "none", "--cgroups", "disabled", "bb", "true")


# Several containers


def test_pod(podman):
    make_pod(podman, "--share-parent=false")


POD_CGROUP = "Podman 4.3 with the cgroupfs manager gives a pod's cgroup a device filter that denies everything"


@engine_cannot(POD_CGROUP, when=not SYSTEMD)
def test_pod_with_a_cgroup_of_its_own(podman):
    make_pod(podman)


def make_pod(podman, *flags):
    podman("pod", "create", "--name", "p", "--infra-command", "/bin/sleep 1000", "--network", "none", "--share", "net,ipc,uts",
           *flags)
    for name in ("a", "b"):
        podman("run", "-d", "--pod", "p", "--name", name, "bb", "sleep", "1000")
    spaces = {podman("exec", name, "readlink", "/proc/self/ns/net").out for name in ("a", "b")}
    equal(len(spaces), 1, "network namespaces of the pod")
    podman("exec", "-d", "a", "sh", "-c", "echo from-a | nc -l -p 7000")
    until(lambda: podman.call("exec", "b", "nc", "127.0.0.1", "7000").out == "from-a\n", "the other container's answer")
    podman("pod", "stop", "-t", "0", "p")
    podman("pod", "rm", "-f", "p")


@engine_cannot(POD_CGROUP, when=not SYSTEMD)
def test_play_kube(podman):
    write("/tmp/pod.yaml", """apiVersion: v1
kind: Pod
metadata:
  name: kube
spec:
  hostNetwork: true
  containers:
  - name: one
    image: localhost/bb:latest
    imagePullPolicy: Never
    command: ["sh", "-c", "echo shared > /data/file; sleep 1000"]
    volumeMounts: [{name: data, mountPath: /data}]
  - name: two
    image: localhost/bb:latest
    imagePullPolicy: Never
    command: ["sleep", "1000"]
    volumeMounts: [{name: data, mountPath: /data}]
  volumes: [{name: data, emptyDir: {}}]
""")
    podman("play", "kube", "/tmp/pod.yaml")
    until(lambda: podman.call("exec", "kube-two", "cat", "/data/file").out == "shared\n", "the file of the other container")
    podman("play", "kube", "--down", "/tmp/pod.yaml")


def running_pid(podman, name):
    words = podman.call("inspect", "--format", "{{.State.Status}} {{.State.Pid}}", name).out.split()
    return words[1] if words[:1] == ["running"] else None


def test_generate_systemd(podman):
    podman("create", "--name", "c", "--network", "none", "bb", "sleep", "1000")
    unit = podman("generate", "systemd", "--new", "--name", "c").out
    contains(unit, "ExecStart=/usr/bin/podman run", "Type=notify")
    if not SYSTEMD:
        return
    podman("rm", "c")
    podman.install_unit("container-c.service", unit)
    podman.systemctl("daemon-reload")
    podman.systemctl("start", "container-c")
    first = until(lambda: running_pid(podman, "c"), "the container of the unit")
    contains(group_of(first), "/libpod-", ".scope")
    podman("kill", "c")
    until(lambda: running_pid(podman, "c") not in (None, first), "systemd to start it again")
    podman.systemctl("stop", "container-c")
    equal(lines(podman("ps", "-aq").out), [], "containers")


def test_build_with_run(podman):
    write("/tmp/build/Containerfile", "FROM localhost/bb\nRUN echo made > /made && test $(id -u) = 0\nUSER 1000\nRUN test -r /made\n")
    podman("build", "--network", "none", "-t", "built", "/tmp/build")
    equal(podman.run("built", "cat", "/made").out, "made\n")


def test_checkpoint_is_refused(podman):
    podman.start("c")
    result = podman.call("container", "checkpoint", "c")
    if result.code == 0:
        raise AssertionError("a checkpoint is said to have been made")
    equal(podman.inspect("c", "{{.State.Status}}"), "running")


def test_two_hundred_runs(podman):
    run_many(200, lambda n: ("podman", "run", "--rm", "--network", "none", "bb", "true"))
