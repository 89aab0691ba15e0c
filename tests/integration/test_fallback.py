# SPDX-License-Identifier: Apache-2.0
"""Where memory files may not be executed (vm.memfd_noexec=2), the installed wherry-init runs instead."""

import os
import re
import subprocess

from itest import TIMEOUT, needs, wherry_only

SYSCTL = "/proc/sys/vm/memfd_noexec"
# A pid namespace of its own: the sysctl is one per pid namespace since Linux 6.6, and the host keeps its own.
UNSHARE = ["unshare", "--pid", "--fork", "--kill-child", "--mount", "--propagation", "private", "--mount-proc"]


def probe():
    """Why the sysctl cannot be set for a pid namespace alone here; empty if it can."""
    if not os.path.exists(SYSCTL):
        return "this kernel has no vm.memfd_noexec"
    with open(SYSCTL, encoding="ascii") as file:
        before = file.read()
    done = subprocess.run(UNSHARE + ["sh", "-c", f"echo 2 > {SYSCTL}"], stderr=subprocess.DEVNULL, check=False)
    with open(SYSCTL, encoding="ascii") as file:
        after = file.read()
    if after != before:
        with open(SYSCTL, "w", encoding="ascii") as file:
            file.write(before)
        return "vm.memfd_noexec is one for the whole host here"
    return "" if done.returncode == 0 else "vm.memfd_noexec cannot be set in a pid namespace here"


def needs_sysctl(test):
    return needs(lambda: not probe(), "vm.memfd_noexec=2 in a pid namespace")(test)


def built_init(t):
    """The wherry-init that was built together with the runtime under test."""
    place = os.path.join(os.path.dirname(os.path.dirname(t.runtime.path)), "init", "wherry-init")
    if not os.path.exists(place):
        t.skip(f"there is no {place}")
    return place


def inside(t, script, installed=None):
    """Runs a shell script under vm.memfd_noexec=2; `installed` is where a copy of wherry-init stands for it alone.

    $wherry is the runtime with its state directory.
    """
    lines = ["set -e", f"echo 2 > {SYSCTL}"]
    if installed:
        above = os.path.dirname(installed)
        while not os.path.isdir(above):
            above = os.path.dirname(above)
        copy, below = t.path("wherry-init"), t.directory("below")
        # What is there already stays visible: Python may live in /usr/local.
        lines += [f"cp {built_init(t)} {copy}", f"mount --rbind {above} {below}", f"mount -t tmpfs -o mode=755 tmpfs {above}",
                  f"for at in $(ls {below}); do [ ! -d {below}/$at ] || {{ mkdir {above}/$at; mount --rbind {below}/$at {above}/$at; }}; done",
                  f"mkdir -p {os.path.dirname(installed)}", f"install -m 0555 {copy} {installed}"]
    lines += [f"wherry='{t.runtime.path} --root {t.runtime.root}'", script]
    return subprocess.run(UNSHARE + ["sh", "-c", "\n".join(lines)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=TIMEOUT, check=False, encoding="utf-8")


def installed_place(t):
    """The path that the runtime looks at, which its error names."""
    b = t.bundle("true")
    b.write()
    result = inside(t, f"$wherry run --bundle {b.path} {t.new_id()}")
    found = re.search(r"install (/\S+/wherry-init)", result.stderr)
    t.true(found or result.returncode == 0, f"the error names the installed program's path: {result.stderr}")
    if not found:
        t.skip("wherry-init is installed on this host")
    return found.group(1)


@needs_sysctl
@wherry_only("it has an init program of its own")
def test_error_without_an_installed_init(t):
    b = t.bundle("true")
    b.write()
    installed_place(t)
    result = inside(t, f"$wherry run --bundle {b.path} {t.new_id()}")
    t.equal(result.returncode, 1, "exit code")
    t.equal(len(result.stderr.splitlines()), 1, "lines of the error")
    t.matches(result.stderr, r'"start wherry-init: EACCES; set the sysctl vm.memfd_noexec to 0 or 1, '
                             r'or install /\S+/wherry-init"$')
    t.clean()


@needs_sysctl
@wherry_only("it has an init program of its own")
def test_run_and_exec_with_the_installed_init(t):
    place = installed_place(t)
    b, c = t.bundle("echo", "from inside"), t.bundle("sleep", "1000")
    for bundle in (b, c):
        bundle.write()
    name = t.new_id()
    result = inside(t, f"$wherry run --bundle {b.path} {t.new_id()}\n"
                       f"$wherry run --detach --bundle {c.path} {name} >/dev/null 2>&1\n"
                       f"$wherry exec {name} echo from exec\n$wherry delete --force {name}", place)
    t.equal((result.returncode, result.stdout, result.stderr), (0, "from inside\nfrom exec\n", ""), "run and exec")
    t.clean()


@needs_sysctl
@wherry_only("CVE-2019-5736: nothing of the host can be written through /proc/PID/exe")
def test_installed_init_cannot_be_written_to(t):
    place = installed_place(t)
    b = t.bundle("true")
    b.write()
    name = t.new_id()
    # While it runs every opening for writing is ETXTBSY; whoever keeps a reference can try again when it has ended.
    attempt = ("import os, sys; fd = os.open(f'/proc/{sys.argv[1]}/exe', os.O_PATH)\n"
               "def attempt():\n"
               "  try: os.open(f'/proc/self/fd/{fd}', os.O_WRONLY); print('opened')\n"
               "  except OSError as error: print(error.strerror)\n"
               "attempt(); os.system(sys.argv[2]); attempt()")
    script = t.file("attempt.py", attempt)
    result = inside(t, f"$wherry create --pid-file {t.path('pid')} --bundle {b.path} {name} >/dev/null 2>&1\n"
                       f"cp {place} {t.path('before')}\n"
                       f"cmp {place} /proc/$(cat {t.path('pid')})/exe\n"
                       f"{python()} {script} $(cat {t.path('pid')}) \"$wherry delete --force {name}\"\n"
                       f"cmp {place} {t.path('before')}", place)
    lines = result.stdout.splitlines()
    t.equal(result.returncode, 0, f"exit code ({result.stderr.strip()})")
    t.true(lines[0] in ("Text file busy", "Read-only file system"), f"{lines[0]} while it runs")
    t.equal(lines[1], "Read-only file system", "after its end")
    t.clean()


@wherry_only("CVE-2019-5736: nothing of the host can be written through /proc/PID/exe")
def test_init_in_memory_cannot_be_written_to(t):
    c = t.created(t.bundle("true"))
    t.contains(os.readlink(f"/proc/{c.pid}/exe"), "memfd:wherry-init")
    reference = os.open(f"/proc/{c.pid}/exe", os.O_PATH)
    try:
        c.delete("--force")
        try:
            fd = os.open(f"/proc/self/fd/{reference}", os.O_WRONLY)
        except OSError:
            return
        try:
            os.write(fd, b"x")
            t.true(False, "writing fails")
        except PermissionError:
            pass  # memfd_create(2): F_SEAL_WRITE
        finally:
            os.close(fd)
    finally:
        os.close(reference)


def python():
    return os.path.realpath("/proc/self/exe")
