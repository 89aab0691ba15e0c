# SPDX-License-Identifier: Apache-2.0
"""Everything that a container can see of how it was set up, as text that two equal set-ups have in common."""

import ctypes
import os
import re

from . import sandbox

END = "fingerprint ends"
# runtime.md, "Lifecycle": that is a warning, and what the hook would have printed is missing.
POSTSTOP_FAILED = "a poststop hook failed"
# config-linux.md, "Default Devices"
DEVICES = {"/dev/" + name for name in ("null", "zero", "full", "random", "urandom", "tty")}

# For busybox's sh. The numbers that differ between two lives are taken out by normalise().
SCRIPT = r"""
exec 2>&1
grep -E '^(Uid|Gid|Groups|Cap|NoNewPrivs|Seccomp|Sig(Blk|Ign)|Umask|Cpus_allowed_list)' /proc/self/status
sed 's/^[0-9]* [0-9]* [0-9:]*//' /proc/self/mountinfo
for kind in /proc/self/ns/*; do readlink $kind; done
cat /proc/self/limits /proc/self/oom_score_adj /proc/self/cgroup /proc/self/uid_map /proc/self/gid_map
cat /proc/sys/kernel/hostname /proc/sys/kernel/domainname /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/shm_rmid_forced
cat /sys/class/net/lo/flags
ls -ln /dev /proc/self/fd | sed 's/ [A-Z][a-z][a-z] .[0-9] ..:..//; s/^total.*//'
set -- $(cat /proc/$$/stat); shift 4; echo "group $1 session $2 tty $3"
for place in /proc/kcore /proc/keys /proc/timer_list /sys/firmware; do head -c 1 $place 2>&1 | wc -c; ls $place 2>/dev/null | wc -l; done
for place in /proc/sys/kernel/hostname /sys/x /dev/x /proc/sysrq-trigger /x; do (echo -n x >>$place) 2>/dev/null && echo "wrote $place"; done
pwd; env | sort; umask; cat /proc/keys 2>&1 | wc -l
echo "fingerprint ends"
"""


def normalise(text, host):
    """`host` maps the link text of each of the host's namespaces to "host"."""
    lines = []
    for line in text.splitlines():
        line = re.sub(r"it-\d+-\d+-\d+|wherry-it\.\w+", "ID", line)
        line = re.sub(r"/t\d+(?=[./])(\.\d+)?", "/tN", line)
        line = re.sub(r"^(\w+:)\[\d+\]$", lambda found: found[1] + ("host" if found[0] in host else "own"), line)
        line = re.sub(r"(socket|pipe):\[\d+\]", r"\1", line)
        line = re.sub(r"/proc/\d+/fd", "/proc/N/fd", line)
        line = re.sub(r'"pid":\d+', '"pid":P', line)
        line = re.sub(r"\bminor:\d+|\bino=\d+|(shared|master|propagate_from|unbindable):\d+", r"\1", line)
        line = re.sub(r"^(group|session) \d+ session \d+", "group and session", line)
        # mount(2) makes the new superblock read-only as well; the mount is what counts.
        line = re.sub(r"(- sysfs sysfs) ro$", r"\1 rw", line)
        lines.append(" ".join(line.split()))
    return [line for line in lines if line]


def host_namespaces():
    return {os.readlink(f"/proc/self/ns/{name}") for name in os.listdir("/proc/self/ns")}


def has_less(line, wanted):
    """config.md, "capabilities": what cannot be granted is no error."""
    word = line.split()
    usual = [other.split()[1] for other in wanted if word and word[0].startswith("Cap") and other.startswith(word[0])]
    return bool(usual) and int(word[1], 16) & ~int(usual[0], 16) == 0


def is_fallback(line):
    """Where a user namespace may mount no sysfs of its own it sees the host's, with what is mounted below."""
    return line.split()[1:2] != [] and (line.split()[1] + "/").startswith("/sys/")


def is_bound_device(line):
    """Where no device node may be made, the host's is there by a mount."""
    word = line.split()
    return len(word) > 1 and word[1] in DEVICES and word[1] == "/dev" + word[0]


def differences(found, wanted, with_fallbacks=False):
    """What matters, up to three lines of each kind; the order does not."""
    missing = [line for line in wanted if line not in found]
    if POSTSTOP_FAILED in found:
        found = [line for line in found if line != POSTSTOP_FAILED]
        missing = [line for line in missing if '"status":"stopped"' not in line]
    added = [line for line in found if line not in wanted and not has_less(line, wanted)
             and not is_bound_device(line)]
    missing = [line for line in missing if not (line.startswith("Cap") and not any(a[:7] == line[:7] for a in added))]
    if with_fallbacks:
        missing, added = ([line for line in lines if not is_fallback(line)] for lines in (missing, added))
    return [f"- {line}" for line in missing[:3]] + [f"+ {line}" for line in added[:3]]


class QueryAttribute(ctypes.Structure):  # linux/bpf.h: union bpf_attr's query; the whole union is passed
    _fields_ = [("target_fd", ctypes.c_uint32), ("attach_type", ctypes.c_uint32), ("query_flags", ctypes.c_uint32),
                ("attach_flags", ctypes.c_uint32), ("prog_ids", ctypes.c_uint64), ("prog_cnt", ctypes.c_uint32),
                ("rest", ctypes.c_uint8 * 124)]


def device_filters(cgroup):
    """How many device programs a cgroup has; -1: the kernel does not tell."""
    numbers = {"x86_64": 321, "aarch64": 280}
    bpf = numbers.get(os.uname().machine)
    if bpf is None or not os.path.isdir(cgroup):
        return -1
    fd = os.open(cgroup, os.O_RDONLY | os.O_DIRECTORY)
    try:
        query = QueryAttribute(target_fd=fd, attach_type=6)  # BPF_CGROUP_DEVICE
        result = sandbox.LIBC.syscall(bpf, 16, ctypes.byref(query), ctypes.sizeof(query))  # BPF_PROG_QUERY
        return query.prog_cnt if result == 0 else -1
    finally:
        os.close(fd)
