# SPDX-License-Identifier: Apache-2.0
"""Takes newer kernel interfaces away from this process and all that it starts, as an older kernel or the seccomp profile
of an outer container does: a filter answers ENOSYS (or another errno) to the calls."""

import ctypes
import errno
import os
import struct
import sys

from . import sandbox

# Newer calls have one number on all machines.
CALLS = {
    "pidfd_send_signal": 424, "open_tree": 428, "move_mount": 429, "fsopen": 430, "fsconfig": 431, "fsmount": 432,
    "pidfd_open": 434, "clone3": 435, "close_range": 436, "openat2": 437, "faccessat2": 439, "mount_setattr": 442,
    "memfd_create": {"x86_64": 319, "aarch64": 279}, "keyctl": {"x86_64": 250, "aarch64": 219},
}
MFD_EXEC_AND_NOEXEC_SEAL = 0x18

# What may be taken away: the calls, and the kernel that brought the last of them.
SEAMS = {
    "fsopen": (("fsopen", "fsconfig", "fsmount"), "5.2"),
    "mount-api": (("fsopen", "fsconfig", "fsmount", "open_tree", "move_mount", "mount_setattr"), "5.12"),
    "open_tree": (("open_tree", "move_mount"), "5.2"),
    "mount_setattr": (("mount_setattr",), "5.12"),
    "pidfd_send_signal": (("pidfd_send_signal",), "5.1"),
    "pidfd_open": (("pidfd_open",), "5.3"),
    "clone3": (("clone3",), "5.7"),
    "openat2": (("openat2",), "5.6"),
    "faccessat2": (("faccessat2",), "5.8"),
    "close_range": (("close_range",), "5.9"),
    "memfd-flags": (("memfd_create",), "6.3"),
    "keyctl": (("keyctl",), "2.6.10"),
}

LOAD, EQUAL, ANY_BIT, ANSWER = 0x20, 0x15, 0x45, 0x06
ALLOW, ERRNO = 0x7FFF0000, 0x00050000


def number_of(name):
    number = CALLS[name]
    return number[os.uname().machine] if isinstance(number, dict) else number


def rules(seam, answer):
    """BPF for one seam, each rule falling through to the next."""
    code = []
    for name in SEAMS[seam][0]:
        # seccomp_data: nr at 0, args[n] at 16 + 8n.
        code.append((LOAD, 0, 0, 0))
        if name == "memfd_create":
            code += [(EQUAL, 0, 3, number_of(name)), (LOAD, 0, 0, 16 + 8), (ANY_BIT, 0, 1, MFD_EXEC_AND_NOEXEC_SEAL),
                     (ANSWER, 0, 0, ERRNO | errno.EINVAL)]
        else:
            code += [(EQUAL, 0, 1, number_of(name)), (ANSWER, 0, 0, ERRNO | answer)]
    return code


taken_away = set()  # of this process and all that it starts


def take_away(seams, answer=errno.ENOSYS):
    taken_away.update(seams)
    code = [rule for seam in seams for rule in rules(seam, answer)] + [(ANSWER, 0, 0, ALLOW)]
    packed = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *row) for row in code))
    program = ctypes.create_string_buffer(struct.pack("@HP", len(code), ctypes.addressof(packed)))
    pr_set_seccomp, filter_mode = 22, 2
    if sandbox.LIBC.prctl(pr_set_seccomp, filter_mode, program, 0, 0) != 0:
        sys.exit(f"seccomp: {os.strerror(ctypes.get_errno())}")
