# SPDX-License-Identifier: Apache-2.0
"""sd_notify(3): the container's READY=1 reaches the socket that $NOTIFY_SOCKET of the caller names, and nothing else does."""

import os
import socket

from itest import Failure, TIMEOUT, known_differences, wherry_only

SAY = """
import os, socket, sys, time
speaker = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
speaker.connect(os.environ["NOTIFY_SOCKET"])
"""


class Host:
    """The service manager's end. `name` is what NOTIFY_SOCKET holds: a path, or "@..." in the abstract namespace."""

    def __init__(self, t, name=None):
        self.name = name or t.path("manager.sock")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.name.replace("@", "\0", 1) if self.name.startswith("@") else self.name)
        self.socket.settimeout(TIMEOUT)
        t.keep(self)

    def env(self):
        return dict(os.environ, NOTIFY_SOCKET=self.name)

    def lines(self, until="MAINPID="):
        """All lines up to the first that begins with `until`; descriptors that came along are dropped."""
        found = []
        while not any(line.startswith(until) for line in found):
            found += self.socket.recv(4096).decode().splitlines()
        return found

    def silent(self):
        """Nothing but barriers may be left."""
        self.socket.setblocking(False)
        left = []
        try:
            while True:
                left.append(self.socket.recv(4096).decode())
        except BlockingIOError:
            pass
        rest = [text for text in left if text != "BARRIER=1"]
        if rest:
            raise Failure(f"nothing more expected, {rest} came")

    def close(self):
        self.socket.close()


def speaking(t, code, **edit):
    return t.bundle(**edit).python(SAY + code)


def foreground(t, host, bundle):
    bundle.write()
    return t.runtime.spawn("run", "--bundle", bundle.path, t.new_id(), env=host.env())


@known_differences({"crun": "sends no MAINPID"})
def test_foreground_run_passes_readiness_on(t):
    host = Host(t)
    child = foreground(t, host, speaking(t, "speaker.send(b'READY=1'); time.sleep(0.2)"))
    t.equal(host.lines(), ["READY=1", f"MAINPID={child.pid}"], "messages")
    t.equal(t.runtime.finish(child).code, 0, "exit code")
    host.silent()


@wherry_only("in the peers it is a race")
def test_last_words_before_the_end_count(t):
    host = Host(t)
    child = foreground(t, host, speaking(t, "speaker.send(b'STATUS=ending'); speaker.send(b'READY=1'); sys.exit(7)"))
    t.equal(host.lines(), ["READY=1", f"MAINPID={child.pid}"], "messages")
    t.equal(t.runtime.finish(child).code, 7, "exit code")


@known_differences({"crun": "sends no MAINPID"})
def test_detached_run_returns_when_the_container_is_ready(t):
    host, gate = Host(t), t.path("gate")
    os.mkfifo(gate)
    b = speaking(t, "open('/gate').read(); speaker.send(b'READY=1'); time.sleep(1000)")
    b.mount("/gate", "bind", gate, ["bind"]).write()
    c = t.container(b)
    pid_file = t.path("pid")
    child = t.runtime.spawn("run", "--detach", "--bundle", b.path, "--pid-file", pid_file, c.id, env=host.env())
    t.until(lambda: os.path.exists(pid_file) and os.path.getsize(pid_file) > 0, "the pid file")
    c.born(pid_file)
    t.equal(c.status(), "running", "status while it is not ready")
    t.equal(child.poll(), None, "exit code of run --detach while the container is not ready")
    with open(gate, "w", encoding="ascii") as file:
        file.write("go")
    t.equal(host.lines(), ["READY=1", f"MAINPID={c.pid}"], "messages")
    if t.kind == "wherry":
        t.equal(host.lines("BARRIER=")[-1], "BARRIER=1", "the last message")
    t.equal(t.runtime.finish(child).code, 0, "exit code")
    c.stop()


@known_differences({"runc": "waits for /proc/PID, which is there until somebody waits for the process"})
def test_detached_run_returns_when_the_container_ends(t):
    host = Host(t)
    c = t.container(speaking(t, "speaker.send(b'STATUS=no')"))
    c.run_detached(env=host.env())
    t.equal(c.wait(), 0, "exit code")
    host.silent()


@known_differences({"runc": "READY= must come first", "crun": "sends no MAINPID"})
def test_start_returns_when_the_container_is_ready(t):
    host = Host(t)
    c = t.created(speaking(t, "speaker.send(b'X=1\\nREADY=1\\nY=2'); time.sleep(1000)"), env=host.env())
    child = t.runtime.spawn("start", c.id, env=host.env())
    t.equal(host.lines(), ["READY=1", f"MAINPID={c.pid}"], "messages")
    if t.kind == "wherry":
        host.lines("BARRIER=")
    t.equal(t.runtime.finish(child).code, 0, "exit code")
    t.equal(c.status(), "running", "status")
    host.silent()


@wherry_only("the lock is free while start waits for the container")
def test_a_container_that_is_never_ready_can_be_deleted(t):
    host = Host(t)
    c = t.created(speaking(t, "time.sleep(1000)"), env=host.env())
    child = t.runtime.spawn("start", c.id, env=host.env())
    # It is running a moment before its program is, and until then start would tell of its death.
    t.until(lambda: "wherry-init" not in os.readlink(f"/proc/{c.pid}/exe"), "the container's program")
    t.equal(c.status(), "running", "status")
    t.equal(child.poll(), None, "exit code of start")
    c.delete("--force")
    t.equal(t.runtime.finish(child).code, 0, "exit code of start")


@wherry_only("only a line that is READY=1, in a datagram of at most 4096 bytes, counts")
def test_hostile_datagrams_are_dropped(t):
    host = Host(t)
    child = foreground(t, host, speaking(t, """
import array
fds = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0, 1, 2]))]
for text in (b"READY=0", b"READY=1 ", b" READY=1", b"READY=10", b"READY=1\\0", b"MAINPID=1", b"STATUS=READY=1",
             b"x" * 4090 + b"\\nREADY=1", b"\\n" * 60000 + b"READY=1", b"\\xff\\xfe", b"", b"FDSTORE=1", b"BARRIER=1"):
    speaker.send(text)
    speaker.sendmsg([text], fds)
speaker.send(b"STATUS=fine")
speaker.send(b"READY=1\\nMAINPID=1\\nWATCHDOG=trigger")
time.sleep(0.2)
"""))
    t.equal(host.lines(), ["READY=1", f"MAINPID={child.pid}"], "messages")
    t.equal(t.runtime.finish(child).code, 0, "exit code")
    host.silent()


@wherry_only("descriptors that the container sends are not even received")
def test_descriptors_of_the_container_are_not_taken(t):
    host = Host(t)
    child = foreground(t, host, speaking(t, """
import array
reader, writer = os.pipe()
speaker.sendmsg([b"STATUS=x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [writer]))])
os.close(writer)
print(os.read(reader, 1))  # the end of the file: nobody holds the other end
speaker.send(b"READY=1")
"""))
    host.lines()
    result = t.runtime.finish(child)
    t.equal((result.code, result.out), (0, "b''\n"), "exit code and output")


def test_the_container_is_not_blocked_after_readiness(t):
    host = Host(t)
    result = t.runtime.finish(foreground(t, host, speaking(t, """
speaker.send(b"READY=1")
for i in range(1000):
    try: speaker.send(b"WATCHDOG=1")
    except OSError: pass
print("done")
""")))
    t.equal((result.code, result.out), (0, "done\n"), "exit code and output")


@known_differences({"runc": "does not end before the container is ready"})
def test_what_the_container_sees(t):
    host = Host(t)
    b = t.bundle(script="echo $NOTIFY_SOCKET; ls -l /run/notify/notify.sock | cut -c1-10; stat -c %a /run/notify;"
                        "grep ' /run/notify ' /proc/self/mountinfo; env | grep -c NOTIFY_SOCKET")
    b.own_rootfs(writable=False)
    b.process["env"].append("NOTIFY_SOCKET=/of/the/config")
    out = t.output(b, env=host.env()).splitlines()
    t.equal(out[:3], ["/run/notify/notify.sock", "srwxrwxrwx", "755"], "what is there")
    t.matches(out[3], r" /run/notify (ro,nosuid,nodev,noexec|ro,\S*)")
    t.equal(out[4], "1", "how many NOTIFY_SOCKET stand in the environment")


def test_nothing_is_there_without_a_notify_socket(t):
    b = t.bundle(script="echo ${NOTIFY_SOCKET-none}; ls /run")
    env = {key: value for key, value in os.environ.items() if key != "NOTIFY_SOCKET"}
    t.equal(t.output(b, env=env), "none\n", "what is there")


@known_differences({"crun": "sends no MAINPID"})
def test_abstract_socket_of_the_host(t):
    host = Host(t, f"@{t.new_id()}")
    child = foreground(t, host, speaking(t, "speaker.send(b'READY=1'); time.sleep(0.2)"))
    t.equal(host.lines(), ["READY=1", f"MAINPID={child.pid}"], "messages")
    t.equal(t.runtime.finish(child).code, 0, "exit code")


@wherry_only("sources are opened before the user namespace is entered")
def test_in_a_user_namespace(t):
    host = Host(t)
    b = speaking(t, "speaker.send(b'READY=1'); time.sleep(0.2)", process={"user": {"uid": 1000, "gid": 1000}})
    for place, _, _ in os.walk(b.rootfs):  # mount points are made by the container's root
        os.chown(place, 100000, 100000)
    child = foreground(t, host, b.user_namespace())
    t.equal(host.lines(), ["READY=1", f"MAINPID={child.pid}"], "messages")
    t.equal(t.runtime.finish(child).code, 0, "exit code")


@wherry_only("what cannot be waited for is refused before anything is made")
def test_detached_run_refuses_a_socket_that_nobody_listens_at(t):
    b = t.bundle("true")
    b.write()
    env = dict(os.environ, NOTIFY_SOCKET=t.path("absent"))
    result = t.runtime.fails("run", "--detach", "--bundle", b.path, t.new_id(), env=env)
    t.contains(result.err, "$NOTIFY_SOCKET", "ENOENT", "unset NOTIFY_SOCKET")
    t.clean()


@wherry_only("a socket that nobody listens at is a warning while the container runs")
def test_foreground_run_goes_on_without_a_listener(t):
    b = speaking(t, "speaker.send(b'READY=1'); time.sleep(0.2); print('done')")
    result = t.run(b, env=dict(os.environ, NOTIFY_SOCKET=t.path("absent")))
    t.equal((result.code, result.out), (0, "done\n"), "exit code and output")
    t.contains(result.err, "$NOTIFY_SOCKET", "ENOENT")


@wherry_only("start does not wait for what create was not told of")
def test_start_of_a_container_that_was_made_without(t):
    host = Host(t)
    env = {key: value for key, value in os.environ.items() if key != "NOTIFY_SOCKET"}
    c = t.created(t.bundle("sleep", "1000"), env=env)
    t.runtime.ok("start", c.id, env=host.env())
    c.stop()


@wherry_only("privileged containers may write there; delete removes what they leave")
def test_delete_removes_what_the_container_left_there(t):
    host = Host(t)
    b = t.bundle(script="mount -o remount,rw,bind /run/notify && cd /run/notify && mkdir -p a/b/c && echo x > a/b/f &&"
                        "ln -s /etc a/link && echo left", process={"noNewPrivileges": False}).capabilities(["CAP_SYS_ADMIN"])
    b.own_rootfs()
    t.equal(t.output(b, env=host.env()), "left\n", "output")
    t.clean()


@wherry_only("without a mount namespace it would be bound on the host")
def test_without_a_mount_namespace_it_is_refused(t):
    b = t.bundle("true", mounts=[], root={"readonly": False}).namespace("mount", remove=True)
    b.linux["maskedPaths"] = b.linux["readonlyPaths"] = []
    b.write()
    result = t.runtime.fails("create", "--bundle", b.path, t.new_id(), env=Host(t).env())
    t.contains(result.err, "sd_notify", "no mount namespace")
    t.clean()
