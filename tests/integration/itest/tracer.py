# SPDX-License-Identifier: Apache-2.0
"""A small ptrace tracer: follows a command and all its children, numbers the processes by birth and the system calls
of each from 1, and at one chosen call either kills the process or lets the call fail with a chosen errno.

strace's when=N counts in every tracee at once and so cannot aim at one process; hence this.
"""

import ctypes
import errno
import json
import os
import platform
import signal
import time

from . import reaper, sandbox
from .runtime import Failure, TIMEOUT

# linux/ptrace.h
POKEUSER, SEIZE, INTERRUPT, LISTEN, SYSCALL, GET_SYSCALL_INFO = 6, 0x4206, 0x4207, 0x4208, 24, 0x420E
O_SYSGOOD, O_FORK, O_VFORK, O_CLONE, O_EXEC = 1, 2, 4, 8, 16
EVENT_EXEC, EVENT_STOP, WALL = 4, 128, 0x40000000
STOP_SIGNALS = (signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU)
INFO_ENTRY = 1
RAX, RDI, ORIG_RAX = 10 * 8, 14 * 8, 15 * 8  # asm/user_64.h: struct user_regs_struct, which PTRACE_POKEUSER addresses
BRK = 12  # returns no errno, but the end of the heap as it was

CAN_FAIL_CALLS = platform.machine() == "x86_64"


class SyscallInfo(ctypes.Structure):
    _fields_ = [("op", ctypes.c_uint8), ("pad", ctypes.c_uint8 * 3), ("arch", ctypes.c_uint32),
                ("ip", ctypes.c_uint64), ("sp", ctypes.c_uint64), ("nr", ctypes.c_uint64),
                ("args", ctypes.c_uint64 * 6)]


def ptrace(request, pid, address=0, data=0):
    return sandbox.LIBC.ptrace(ctypes.c_long(request), ctypes.c_long(pid), ctypes.c_void_p(address),
                               ctypes.c_void_p(data))


def syscall_names():
    """{number: name} from the kernel's header, or nothing where it is not installed."""
    names = {}
    for path in ("/usr/include/asm/unistd_64.h", f"/usr/include/{os.uname().machine}-linux-gnu/asm/unistd_64.h",
                 "/usr/include/asm-generic/unistd.h"):
        if os.path.exists(path):
            with open(path, encoding="ascii") as file:
                for line in file:
                    words = line.split()
                    if len(words) == 3 and words[1].startswith("__NR_") and words[2].isdigit():
                        names.setdefault(int(words[2]), words[1][len("__NR_"):])
            break
    return names


class Tracer:
    """Runs one command to its end. At call number `call` of process `victim`, if both are given, it kills the process,
    or lets the call fail with `error` instead of being made. With `kind`, a number of the kernel's, only the calls of that
    kind are numbered.

    Only calls of the runtime's own programs count: what a process does after it has become the user's is not.
    """

    OPTIONS = O_SYSGOOD | O_FORK | O_VFORK | O_CLONE | O_EXEC

    def __init__(self, victim=None, call=None, error=None, kind=None, own_only=False):
        self.victim, self.call, self.error, self.kind, self.own_only = victim, call, error, kind, own_only
        self.order = {}  # tgid -> number by birth
        self.calls = {}  # tgid -> system call numbers, in order
        self.group = {}  # tid -> tgid
        self.foreign = set()  # tgids that run somebody else's program
        self.failing = {}  # tid in a call that fails -> its first argument
        self.hit = None

    def follow(self, pid):
        sandbox.check(ptrace(SEIZE, pid, 0, self.OPTIONS), "PTRACE_SEIZE")
        self.adopt(pid)
        ptrace(INTERRUPT, pid)  # the first stop, from where PTRACE_SYSCALL reports every call
        os.waitpid(pid, WALL)
        ptrace(SYSCALL, pid)

    def run(self, argv, out, others):
        """Traces the command, and `others`: processes that are there already."""
        reader, writer = os.pipe()
        main = os.fork()
        if main == 0:
            os.read(reader, 1)
            null = os.open("/dev/null", os.O_RDONLY)
            log = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
            said = os.open(out + ".err", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
            for source, target in ((null, 0), (log, 1), (said, 2)):
                os.dup2(source, target)
            os.closerange(3, 64)
            os.execv(argv[0], argv)
        self.entered_exec = False
        self.follow(main)
        for other in others:
            self.follow(other)
        os.write(writer, b"x")
        return self.loop(main)

    def adopt(self, tid):
        """The thread group of a new tracee; a new group gets the next number."""
        if tid in self.group:
            return self.group[tid]
        tgid, parent = tid, None
        try:
            with open(f"/proc/{tid}/status", encoding="utf-8", errors="replace") as file:
                fields = dict(line.split(":", 1) for line in file)
                tgid, parent = int(fields["Tgid"]), int(fields["PPid"])
        except (OSError, KeyError):
            pass
        self.group[tid] = tgid
        if tgid not in self.order:
            self.order[tgid] = len(self.order)
            self.calls[tgid] = []
            if parent in self.foreign:
                self.foreign.add(tgid)
        return tgid

    def loop(self, main):
        end = time.monotonic() + TIMEOUT
        while time.monotonic() < end:
            tid, status = os.waitpid(-1, WALL | os.WNOHANG)
            if tid == 0:
                time.sleep(0.0002)
                continue
            if os.WIFEXITED(status) or os.WIFSIGNALED(status):
                if tid == main:
                    return os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status)
                continue
            self.stopped(tid, status)
        return None

    def stopped(self, tid, status):
        tgid = self.adopt(tid)
        stop, event = os.WSTOPSIG(status), status >> 16
        if stop == signal.SIGTRAP | 0x80:
            self.count(tid, tgid)
            ptrace(SYSCALL, tid)
        elif event == EVENT_STOP and stop in STOP_SIGNALS:
            ptrace(LISTEN, tid)  # a group stop
        elif event:
            if event == EVENT_EXEC:
                self.entered_exec = True
                self.look_at_program(tgid)
            ptrace(SYSCALL, tid)
        else:
            ptrace(SYSCALL, tid, 0, int(stop))

    def look_at_program(self, tgid):
        try:
            program = os.readlink(f"/proc/{tgid}/exe")
        except OSError:
            return
        if "wherry" not in os.path.basename(program):
            self.foreign.add(tgid)

    def count(self, tid, tgid):
        if tid in self.failing:
            first_argument = self.failing.pop(tid)
            if self.hit == BRK:
                ptrace(POKEUSER, tid, RDI, first_argument)  # the program still counts on it
            else:
                ptrace(POKEUSER, tid, RAX, (-self.error) & 0xFFFFFFFFFFFFFFFF)
            return
        info = SyscallInfo()
        if ptrace(GET_SYSCALL_INFO, tid, ctypes.sizeof(info), ctypes.addressof(info)) <= 0 or info.op != INFO_ENTRY:
            return
        if not self.entered_exec:  # what the tracer's own child did before it became the runtime
            return
        if self.own_only and tgid in self.foreign:
            return
        calls = self.calls[tgid]
        calls.append(info.nr)
        if self.order[tgid] != self.victim or self.hit is not None or self.kind not in (None, info.nr):
            return
        if self.call == (len(calls) if self.kind is None else calls.count(self.kind)):
            self.hit = info.nr
            self.strike(tid, tgid, info.args[0])

    def strike(self, tid, tgid, first_argument):
        if self.error is None:
            os.kill(tgid, signal.SIGKILL)
            return
        self.failing[tid] = first_argument
        if self.hit == BRK:
            ptrace(POKEUSER, tid, RDI, 0)  # asks for the end of the heap
        else:
            ptrace(POKEUSER, tid, ORIG_RAX, 0xFFFFFFFFFFFFFFFF)  # no such call: nothing is done

    def report(self, code):
        by_birth = sorted(self.order, key=self.order.get)
        return {"code": code, "hit": self.hit, "calls": [self.calls[tgid] for tgid in by_birth]}


def traced(argv, out, others=(), **aim):
    """Traces in a child, whose end lets every tracee that still lives go on alone. stderr goes to OUT.err."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        try:
            tracer = Tracer(**aim)
            answer = json.dumps(tracer.report(tracer.run(argv, out, others)))
        except BaseException as error:  # all of it goes to the parent
            answer = json.dumps({"error": f"{type(error).__name__}: {error}"})
        with os.fdopen(writer, "w") as file:
            file.write(answer)
        os._exit(0)
    os.close(writer)
    reaper.own.add(child)
    with os.fdopen(reader) as file:
        answer = json.loads(file.read() or '{"error": "the tracer died"}')
    os.waitpid(child, 0)
    reaper.own.discard(child)
    if "error" in answer:
        raise Failure(answer["error"])
    return answer


def error_name(number):
    return errno.errorcode[number]
