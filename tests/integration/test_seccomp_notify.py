# SPDX-License-Identifier: Apache-2.0
"""SCMP_ACT_NOTIFY: the listener goes to an agent, which decides what the container's calls give."""

import ctypes
import errno
import fcntl
import json
import os
import select
import socket
import struct
import threading

from itest import TIMEOUT, needs, wherry_only

ALLOW = "SCMP_ACT_ALLOW"
NOTIFY = "SCMP_ACT_NOTIFY"

# struct seccomp_notif: id, pid, flags, then seccomp_data (nr, arch, instruction pointer, 6 arguments); 80 bytes.
# struct seccomp_notif_resp: id, val, error, flags; 24 bytes.
RECEIVE = 0xc0502100  # SECCOMP_IOCTL_NOTIF_RECV
SEND = 0xc0182101     # SECCOMP_IOCTL_NOTIF_SEND
CONTINUE = 1          # SECCOMP_USER_NOTIF_FLAG_CONTINUE


class Agent:
    """Takes listeners at a socket; answers each call with `error`, or lets it go on when that is 0."""

    def __init__(self, path, error=errno.ENOMEDIUM):
        self.path, self.error = path, error
        self.states, self.fds, self.calls, self.threads = [], [], [], []
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.bind(path)
        self.socket.listen(8)
        self.start(self.accept)

    def start(self, target, *args):
        self.threads.append(threading.Thread(target=target, args=args, daemon=True))
        self.threads[-1].start()

    def accept(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            with connection:
                data, fds, _, _ = socket.recv_fds(connection, 65536, 4)
                while more := connection.recv(65536):
                    data += more
            self.states.append(json.loads(data))
            self.fds.append(len(fds))
            self.start(self.serve, fds[0])

    def serve(self, listener):
        while True:
            request = bytearray(80)
            try:
                fcntl.ioctl(listener, RECEIVE, request)
                ident, pid, _, number = struct.unpack_from("QIIi", request)
                self.calls.append((pid, number))
                flags = 0 if self.error else CONTINUE
                fcntl.ioctl(listener, SEND, bytearray(struct.pack("QqiI", ident, 0, -self.error, flags)))
            except OSError as error:
                # ENOENT: the caller was killed meanwhile, or, since Linux 6.11, nobody has the filter any more.
                if error.errno in (errno.EINTR, errno.ENOENT) and not has_hung_up(listener):
                    continue
                os.close(listener)
                return

    def close(self):
        self.socket.shutdown(socket.SHUT_RDWR)  # ends accept(), which would go on with whatever has the number next
        self.socket.close()


def has_hung_up(listener):
    poll = select.poll()
    poll.register(listener, 0)
    return any(events & (select.POLLHUP | select.POLLERR) for _, events in poll.poll(0))


def kernel_has_listeners():
    action = struct.pack("I", 0x7fc00000)  # SECCOMP_GET_ACTION_AVAIL of SECCOMP_RET_USER_NOTIF
    return ctypes.CDLL(None).syscall(317, 2, 0, action) == 0


needs_listeners = needs(kernel_has_listeners, "a kernel with SECCOMP_RET_USER_NOTIF")


def profile(agent, *names, **more):
    return dict({"defaultAction": ALLOW, "listenerPath": agent.path,
                 "syscalls": [{"names": list(names), "action": NOTIFY}]}, **more)


def agent_at(t, **options):
    return t.keep(Agent(t.path("agent.sock"), **options))


def supervised(t, agent, script, *names, no_new_privileges=True, **more):
    b = t.bundle(script=script, linux={"seccomp": profile(agent, *names, **more)})
    b.process["noNewPrivileges"] = no_new_privileges
    return b


@needs_listeners
def test_the_agent_decides(t):
    agent = agent_at(t)
    result = t.run(supervised(t, agent, "mkdir /dev/shm/x; echo $?", "mkdir", "mkdirat"))
    t.contains(result.err, os.strerror(errno.ENOMEDIUM))
    t.equal(result.out, "1\n", "output")
    t.true(agent.calls, "the agent was asked")


@needs_listeners
def test_the_agent_may_let_a_call_go_on(t):
    agent = agent_at(t, error=0)
    b = supervised(t, agent, "mkdir /dev/shm/x && echo made", "mkdir", "mkdirat")
    t.equal(t.output(b), "made\n", "output")


@needs_listeners
def test_what_the_agent_is_told(t):
    agent = agent_at(t)
    b = supervised(t, agent, "sleep 1000", "mkdir", listenerMetadata="some \"metadata\"")
    b.edit(annotations={"one": "two"})
    c = t.created(b)
    t.equal(agent.states, [], "before start there is no filter")
    c.start()
    t.until(lambda: agent.states, "the state has arrived")
    (state,) = agent.states
    t.equal(agent.fds, [1], "descriptors")
    t.equal(state["ociVersion"][:2], "1.", "ociVersion")
    t.equal(state["fds"], ["seccompFd"], "fds")
    t.equal(state["pid"], c.pid, "pid")
    t.equal(state["metadata"], "some \"metadata\"", "metadata")
    inner = state["state"]
    t.equal((inner["id"], inner["pid"], inner["bundle"], inner["annotations"]), (c.id, c.pid, b.path, {"one": "two"}), "state")
    t.true(inner["status"] in ("creating", "created"), "status before the program runs")


@needs_listeners
def test_exec_has_a_listener_of_its_own(t):
    agent = agent_at(t)
    c = t.running(supervised(t, agent, "sleep 1000", "mkdir", "mkdirat"))
    t.contains(c.exec("mkdir", "/dev/shm/x").err, os.strerror(errno.ENOMEDIUM))
    t.until(lambda: len(agent.states) == 2, "a second state has arrived")
    t.true(agent.states[1]["pid"] != c.pid, "the filter is the new process's")
    t.equal((agent.states[1]["state"]["pid"], agent.states[1]["state"]["status"]), (c.pid, "running"), "state")


@needs_listeners
@wherry_only("the calls that hand the listener over may be among those that the agent decides")
def test_calls_of_the_hand_over_itself(t):
    agent = agent_at(t, error=0)
    names = ["sendmsg", "recvmsg", "write", "close", "futex", "sched_yield", "capset", "execve"]
    for no_new_privileges in (True, False):
        b = supervised(t, agent, "echo through", *names, no_new_privileges=no_new_privileges)
        t.equal(t.output(b), "through\n", "output")
    t.true(agent.calls, "the agent was asked")


@needs_listeners
def test_no_zombie_and_no_descriptor_is_left(t):
    agent = agent_at(t)
    b = supervised(t, agent, "ls /proc/self/fd | wc -l; set -- /proc/[0-9]*; echo $#", "mkdir")
    plain = t.bundle(script="ls /proc/self/fd | wc -l; set -- /proc/[0-9]*; echo $#")
    t.equal(t.output(b), t.output(plain), "descriptors and processes")


@needs_listeners
def test_without_an_agent_nothing_starts(t):
    class Nobody:
        path = t.path("nobody.sock")

    marker = t.path("marker")
    b = supervised(t, Nobody, f"echo ran > {marker}", "mkdir")
    result = t.run(b)
    t.true(result.code != 0, "run fails")
    t.contains(result.err, "/linux/seccomp/listenerPath", "ENOENT", "failed to connect with seccomp agent")
    c = t.created(b)
    failed = t.runtime.call("start", c.id)
    t.true(failed.code != 0, "start fails")
    t.until(lambda: c.status() == "stopped", "it is stopped")


@needs_listeners
@wherry_only("a filter that loads but whose flags the kernel takes apart")
def test_flags_with_a_listener(t):
    agent = agent_at(t)
    for flags in (["SECCOMP_FILTER_FLAG_TSYNC"], ["SECCOMP_FILTER_FLAG_LOG"], ["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"]):
        b = supervised(t, agent, "mkdir /dev/shm/x", "mkdir", "mkdirat", flags=flags)
        t.contains(t.run(b).err, os.strerror(errno.ENOMEDIUM))


@needs_listeners
def test_in_a_user_namespace(t):
    agent = agent_at(t)
    b = supervised(t, agent, "mkdir /dev/shm/x", "mkdir", "mkdirat").user_namespace()
    t.contains(t.run(b).err, os.strerror(errno.ENOMEDIUM))


@needs_listeners
def test_start_container_hooks_have_the_agent(t):
    agent = agent_at(t)
    b = supervised(t, agent, "set -- /proc/[0-9]*; echo $#", "mkdir", "mkdirat")
    plain = t.output(b)
    b.hook("startContainer", "/bin/sh", ["sh", "-c", "! mkdir /dev/shm/made 2> /dev/null"])
    t.equal(t.output(b), plain, "processes: neither the helper nor the hook is left")
    t.true(agent.calls, "the agent was asked")
    b.hook("startContainer", "/bin/false", ["false"])
    result = t.run(b)
    t.true(result.code != 0, "a failing hook is a failure")
    t.contains(result.err, "error running startContainer hook #1", "status 1")


def test_notify_without_a_path_is_refused(t):
    t.refused(t.bundle("true", linux={"seccomp": {"defaultAction": ALLOW, "syscalls": [
        {"names": ["mkdir"], "action": NOTIFY}]}}))


def test_notify_as_the_default_action_is_refused(t):
    t.refused(t.bundle("true", linux={"seccomp": {"defaultAction": NOTIFY, "listenerPath": "/run/agent"}}))


def test_metadata_without_a_path_is_refused(t):
    t.refused(t.bundle("true", linux={"seccomp": {"defaultAction": ALLOW, "listenerMetadata": "x"}}))


def test_a_path_that_nothing_needs_is_ignored(t):
    b = t.bundle("true", linux={"seccomp": {"defaultAction": ALLOW, "listenerPath": "/nowhere/agent.sock", "syscalls": [
        {"names": ["swapon"], "action": "SCMP_ACT_ERRNO"}]}})
    t.equal(t.run(b).code, 0, "exit code")
