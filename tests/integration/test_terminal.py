# SPDX-License-Identifier: Apache-2.0
"""Containers with a terminal: handed over through --console-socket, or attached to the caller's own."""

import fcntl
import os
import stat
import struct
import termios

from itest import ConsoleSocket, Pty, known_differences, wherry_only
from itest.terminal import read_until


TIOCGPTN = 0x80045430


class Master:
    """A received pty master that is closed at the end of the test."""

    def __init__(self, t, fd):
        self.fd = fd
        t.keep(self)

    def read_until(self, text):
        return read_until(self.fd, text)

    def write(self, text):
        os.write(self.fd, text.encode())

    def close(self):
        os.close(self.fd)


def with_terminal(t, script, **edit):
    b = t.bundle(script=script, **edit)
    b.process["terminal"] = True
    return b


def console(t):
    return t.keep(ConsoleSocket(t.path("tty.sock")))


def detached(t, script, **edit):
    """A container with a terminal, made by create + start; returns it and its master."""
    listener = console(t)
    c = t.created(with_terminal(t, script, **edit), "--console-socket", listener.path)
    master = Master(t, listener.receive())
    c.start()
    return c, master


def foreground(t, script, pty=None, **edit):
    pty = t.keep(pty or Pty())
    b = with_terminal(t, script, **edit)
    b.write()
    child = t.runtime.spawn("run", "--bundle", b.path, t.new_id(), **pty.stdio())
    pty.started()
    return child, pty


@wherry_only("runc tells it in its own words, crun not at all")
def test_what_a_failing_hook_says_is_shown(t):
    pty = t.keep(Pty())
    b = with_terminal(t, "true").hook("startContainer", "/bin/sh", ["sh", "-c", "echo the reason >&2; exit 1"])
    b.write()
    child = t.runtime.spawn("run", "--bundle", b.path, t.new_id(), **pty.stdio())
    pty.started()
    t.contains(pty.read_until("startContainer hook #0"), "the reason")
    t.equal(child.wait(), 1, "exit code")


def test_console_socket_receives_a_pty_master(t):
    listener = console(t)
    t.created(with_terminal(t, "sleep 1000"), "--console-socket", listener.path)
    fd = Master(t, listener.receive()).fd
    t.true(stat.S_ISCHR(os.fstat(fd).st_mode), "a character device")
    number = fcntl.ioctl(fd, TIOCGPTN, b"\0" * 4)
    t.true(struct.unpack("I", number)[0] >= 0, "a pty master")


def test_console_of_a_created_container_works_after_start(t):
    _, master = detached(t, "echo out; read x; echo got-$x; sleep 1000")
    master.read_until("out")
    master.write("in\n")
    master.read_until("got-in")


def test_stdio_is_the_terminal(t):
    _, master = detached(t, "tty; test -t 0 && test -t 1 && test -t 2 && echo all; sleep 1000")
    out = master.read_until("all")
    t.contains_any(out, "/dev/pts/0", "/dev/console")


def test_dev_console_is_the_same_terminal(t):
    _, master = detached(t, "echo x > /dev/console; stat -c '%t:%T' /dev/console; sleep 1000")
    t.matches(master.read_until(":"), r"x\s+88:")


def test_terminal_is_the_controlling_one(t):
    _, master = detached(t, "echo x > /dev/tty && cut -d' ' -f5,6,8 /proc/self/stat; sleep 1000")
    t.matches(master.read_until("1 1"), r"x\s+")


def test_interrupt_character_reaches_the_container(t):
    c, master = detached(t, "trap 'echo caught; exit 5' INT; echo ready; while :; do sleep 0.05; done")
    master.read_until("ready")
    master.write("\x03")
    master.read_until("caught")
    t.equal(c.wait(), 5, "exit code")


def test_hang_up_when_the_master_closes(t):
    listener = console(t)
    c = t.created(with_terminal(t, "trap 'exit 6' HUP; echo ready; while :; do sleep 0.05; done"),
                  "--console-socket", listener.path)
    fd = listener.receive()
    c.start()
    read_until(fd, "ready")
    os.close(fd)
    t.equal(c.wait(), 6, "exit code")


def test_console_size(t):
    _, master = detached(t, "stty size; sleep 1000", process={"consoleSize": {"height": 33, "width": 111}})
    master.read_until("33 111")


def test_console_socket_is_refused_without_a_terminal(t):
    listener = console(t)
    b = t.bundle("true")
    b.write()
    name = t.new_id()
    result = t.runtime.call("create", "--bundle", b.path, "--console-socket", listener.path, name)
    if result.code == 0:
        t.runtime.ok("delete", "--force", name)
        t.skip("accepted here")
    t.clean()


@known_differences({"crun": "waits for no socket when detached"})
def test_terminal_needs_a_console_socket_when_detached(t):
    b = with_terminal(t, "true")
    b.write()
    t.true(t.runtime.call("create", "--bundle", b.path, t.new_id()).code != 0, "create fails")
    t.clean()


def test_missing_console_socket_is_an_error(t):
    b = with_terminal(t, "true")
    b.write()
    t.runtime.fails("create", "--bundle", b.path, "--console-socket", t.path("absent"), t.new_id())
    t.clean()


@wherry_only("sun_path is short, so the socket is reached through its directory")
def test_console_socket_with_a_long_path(t):
    directory = t.directory("d" * 120)
    link = t.path("l")
    os.symlink(directory, link)
    listener = t.keep(ConsoleSocket(os.path.join(link, "s")))
    t.created(with_terminal(t, "sleep 1000"), "--console-socket", os.path.join(directory, "s"))
    Master(t, listener.receive())


def test_owner_of_the_terminal(t):
    _, master = detached(t, "stat -c 'owner-%u' $(tty); sleep 1000", process={"user": {"uid": 1000, "gid": 1000}})
    master.read_until("owner-1000")


# Foreground


def test_foreground_terminal(t):
    child, pty = foreground(t, "tty; echo done")
    out = pty.read_until("done")
    t.contains_any(out, "/dev/pts/0", "/dev/console")
    t.equal(t.runtime.finish(child).code, 0, "exit code")


def test_foreground_exit_code(t):
    child, pty = foreground(t, "exit 43")
    t.equal(t.runtime.finish(child).code, 43, "exit code")


@known_differences({"crun": "1.8 leaves it 0 0"})
def test_foreground_window_size(t):
    child, pty = foreground(t, "sleep 0.3; stty size; echo done", Pty(rows=41, columns=132))
    t.contains(pty.read_until("done"), "41 132")
    t.runtime.finish(child)


@known_differences({"crun": "1.8 leaves it 0 0"})
def test_foreground_window_size_change(t):
    # It lives on until it has been heard: when a session leader ends, the kernel drops what no reader has seen yet.
    child, pty = foreground(t, "trap 'stty size' WINCH; echo ready; until read line; do :; done", Pty(24, 80))
    pty.read_until("ready")
    pty.resize(50, 100)
    pty.read_until("50 100")
    pty.write("heard\n")
    t.runtime.finish(child)


def test_foreground_interrupt_reaches_the_container(t):
    child, pty = foreground(t, "trap 'echo caught; exit 9' INT; echo ready; while :; do sleep 0.05; done")
    pty.read_until("ready")
    pty.write("\x03")
    pty.read_until("caught")
    t.equal(t.runtime.finish(child).code, 9, "exit code")


def test_foreground_input(t):
    child, pty = foreground(t, "read x; echo got-$x")
    pty.write("words\n")
    pty.read_until("got-words")
    t.equal(t.runtime.finish(child).code, 0, "exit code")


def test_foreground_restores_the_callers_terminal(t):
    pty = Pty()
    before = termios.tcgetattr(pty.master)
    child, pty = foreground(t, "echo done", pty)
    pty.read_until("done")
    t.runtime.finish(child)
    t.equal(termios.tcgetattr(pty.master)[:4], before[:4], "terminal attributes")


def test_foreground_all_output_arrives(t):
    child, pty = foreground(t, "seq 1 5000; echo the-end")
    out = pty.read_until("the-end")
    t.contains(out, "\r\n4999\r\n5000\r\n")
    t.runtime.finish(child)


@known_differences({"crun": "works without", "runc": "works without"})
@known_differences({"runc": "wants a terminal of the caller", "crun": "wants a terminal of the caller"})
def test_foreground_without_a_terminal_of_the_caller_is_copied(t):
    b = with_terminal(t, "test -t 0 && echo on-a-terminal")
    t.matches(t.run(b).text, "on-a-terminal")
    t.clean()


@wherry_only("the translation of newlines is off before the program runs")
def test_output_to_a_file_has_plain_newlines_from_the_first_line_on(t):
    b = with_terminal(t, "echo first; echo second")
    for _ in range(10):
        t.equal(t.output(b), "first\nsecond\n", "output")


@wherry_only("the translation of newlines is off before the program runs")
def test_output_of_exec_to_a_file_has_plain_newlines_from_the_first_line_on(t):
    c = t.running()
    for _ in range(10):
        result = t.runtime.ok("exec", "--tty", c.id, "sh", "-c", "echo first; echo second")
        t.equal(result.out, "first\nsecond\n", "output")


def test_handed_over_terminals_translate_newlines(t):
    _, master = detached(t, "echo one; echo two; sleep 1000")
    t.contains(master.read_until("two"), "one\r\ntwo")


def test_terminal_in_a_user_namespace(t):
    listener = console(t)
    b = with_terminal(t, "echo x > /dev/console; echo owner-$(stat -c %u $(tty)); sleep 1000").user_namespace()
    c = t.created(b, "--console-socket", listener.path)
    master = Master(t, listener.receive())
    c.start()
    master.read_until("owner-0")


@known_differences({"crun": "1.8 has no such option", "runc": "1.1 has no such option"})
def test_pidfd_socket(t):
    """The descriptor that comes is a pidfd of the container's process, and of the one that exec starts."""
    sock = t.keep(ConsoleSocket(t.path("sock")))
    c = t.container(t.bundle("sleep", "1000"))
    c.create("--pidfd-socket", sock.path)
    t.equal(pid_of(sock.receive()), c.pid, "pid behind the descriptor of create")
    c.start()
    pid_file = t.path("exec.pid")
    t.runtime.ok("exec", "--detach", "--pid-file", pid_file, "--pidfd-socket", sock.path, c.id, "sleep", "1000")
    with open(pid_file, encoding="ascii") as file:
        t.equal(pid_of(sock.receive()), int(file.read()), "pid behind the descriptor of exec")


def pid_of(pidfd):
    with open(f"/proc/self/fdinfo/{pidfd}", encoding="ascii") as file:
        text = file.read()
    os.close(pidfd)
    return int(text.split("Pid:")[1].split()[0])
