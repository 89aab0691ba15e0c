# SPDX-License-Identifier: Apache-2.0
"""What lets crun run where root lacks CAP_SYS_RESOURCE."""

import ctypes
import platform
import resource
import struct


def lift_memlock():
    """Makes setrlimit(RLIMIT_MEMLOCK) succeed without effect; returns how, for the report.

    crun 1.8 raises it for its BPF program and gives up where CAP_SYS_RESOURCE is missing, though the limit does not
    count for BPF since Linux 5.11. The filter stays with all that this
    process starts, containers too.
    """
    try:
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        return "unlimited"
    except (ValueError, PermissionError):
        pass
    numbers = {"x86_64": (302, 160), "aarch64": (261, 164)}.get(platform.machine())
    if numbers is None:
        return "as found"
    prlimit, setrlimit = numbers
    load, equal, answer = 0x20, 0x15, 0x06
    allow, succeed = 0x7FFF0000, 0x00050000
    # seccomp_data: nr at 0, args[n] at 16 + 8n. prlimit64(pid, resource, new, old), setrlimit(resource, new).
    code = [
        (load, 0, 0, 0),
        (equal, 2, 0, prlimit),
        (equal, 5, 0, setrlimit),
        (answer, 0, 0, allow),
        (load, 0, 0, 16 + 16),  # a query has new == NULL, and passes
        (equal, 5, 0, 0),
        (load, 0, 0, 16 + 8),
        (equal, 2, 3, resource.RLIMIT_MEMLOCK),
        (load, 0, 0, 16),
        (equal, 0, 1, resource.RLIMIT_MEMLOCK),
        (answer, 0, 0, succeed),
        (answer, 0, 0, allow),
    ]
    packed = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *row) for row in code))
    program = ctypes.create_string_buffer(struct.pack("@HP", len(code), ctypes.addressof(packed)))
    pr_set_seccomp, filter_mode = 22, 2
    if ctypes.CDLL(None, use_errno=True).prctl(pr_set_seccomp, filter_mode, program, 0, 0) != 0:
        return "as found"
    return "a seccomp filter, the same for all, answers 0 to setting it"
