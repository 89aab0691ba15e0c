# SPDX-License-Identifier: Apache-2.0
"""Both ends of a terminal: the socket that receives a pty master, and a pty to run a command under."""

import array
import fcntl
import os
import select
import socket
import struct
import termios
import time

from .runtime import Failure, TIMEOUT


def read_until(fd, wanted, timeout=TIMEOUT):
    """Reads from a pty master until `wanted` (text, or None for the end) was seen; returns all that came."""
    data = b""
    end = time.monotonic() + timeout
    while wanted is None or wanted.encode() not in data:
        left = end - time.monotonic()
        if left <= 0 or not select.select([fd], [], [], left)[0]:
            raise Failure(f"terminal: waited for {wanted!r}, got {data[-300:]!r}")
        try:
            piece = os.read(fd, 4096)
        except OSError:  # EIO: the last slave end was closed
            piece = b""
        if not piece:
            if wanted is None:
                break
            raise Failure(f"terminal ended before {wanted!r}: {data[-300:]!r}")
        data += piece
    return data.decode("utf-8", "replace")


class ConsoleSocket:
    """A listening AF_UNIX socket for --console-socket."""

    def __init__(self, path):
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.bind(path)
        self.socket.listen(4)
        self.socket.settimeout(TIMEOUT)

    def receive(self):
        """The pty master of the next connection that sends one; a create that fails may connect and send none."""
        fds = array.array("i")
        ancillary = []
        while not ancillary:
            connection, _ = self.socket.accept()
            connection.settimeout(TIMEOUT)
            _, ancillary, _, _ = connection.recvmsg(4096, socket.CMSG_SPACE(4 * fds.itemsize))
            connection.close()
        for level, kind, data in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                fds.frombytes(data[:len(data) - len(data) % fds.itemsize])
        if len(fds) != 1:
            raise Failure(f"console socket: {len(fds)} fds came, 1 expected")
        return fds[0]

    def close(self):
        self.socket.close()


class Pty:
    """A terminal for a foreground command: child = runtime.spawn(..., **pty.stdio())."""

    def __init__(self, rows=24, columns=80):
        self.master, self.slave = os.openpty()
        self.resize(rows, columns)

    def resize(self, rows, columns):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def stdio(self):
        return {"stdin": self.slave, "stdout": self.slave, "stderr": self.slave, "preexec_fn": self.take}

    def take(self):
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    def started(self):
        """Call after spawn: from here on only the child holds the slave end."""
        os.close(self.slave)
        self.slave = -1

    def write(self, text):
        os.write(self.master, text.encode())

    def read_until(self, wanted):
        return read_until(self.master, wanted)

    def close(self):
        for fd in (self.master, self.slave):
            if fd >= 0:
                os.close(fd)
