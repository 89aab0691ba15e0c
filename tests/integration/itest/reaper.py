# SPDX-License-Identifier: Apache-2.0
"""Collects dead orphans while something else is waited for, as an engine's monitor does.

A pid namespace cannot end before every process in it is collected, those that `exec` put there included.
"""

import os

own = set()  # pids that a Popen object waits for
exits = {}  # pid -> wait status of each orphan collected


def collect():
    with open(f"/proc/self/task/{os.getpid()}/children", encoding="ascii") as file:
        pids = [int(pid) for pid in file.read().split()]
    for pid in pids:
        if pid in own:
            continue
        try:
            done, status = os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            continue
        if done:
            exits[done] = status


def exit_code(pid):
    """The exit code of a collected orphan, 128 + n for a signal, or None while it lives."""
    collect()
    if pid not in exits:
        return None
    status = exits.pop(pid)
    return 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
