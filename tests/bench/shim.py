#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares containerd-shim-wherry-v2 with containerd-shim-runc-v2, both driven over their sockets without containerd.

usage: tests/bench/shim.py [--rounds N] [--peer PROGRAM]     needs root, a static busybox, and the peer with its runc

Each round runs both, in an order that alternates: one container from create to delete, and one exec in a running one.
Printed are medians in milliseconds, the median of the ratios within a round, and the proportional set size of each shim
at rest with one container.
"""

import argparse
import os
import random
import shutil
import statistics
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(ROOT, "tests", "integration"))

from itest import sandbox  # noqa: E402
from itest.bundle import FALLBACK  # noqa: E402
from itest.case import Case  # noqa: E402
from itest.shim import ShimCase  # noqa: E402

RUNTIME = os.path.join(ROOT, "build", "release", "runtime", "cli", "wherry")


class Driver(ShimCase):
    def __init__(self, t, program):
        super().__init__(t)
        if program:
            self.program = program
        self.first = self.running()
        self.bundle = t.bundle("true")
        self.execs = 0

    def life(self):
        name = self.t.new_id()
        self.bundle.config["linux"]["cgroupsPath"] = self.t.cgroup_path(name)
        self.bundle.write()
        began = time.monotonic()
        self.call("Create", {1: name, 2: self.bundle.path})
        self.call("Start", {1: name})
        made = time.monotonic()
        self.wait(name)
        ended = time.monotonic()
        self.call("Delete", {1: name})
        return (made - began + time.monotonic() - ended) * 1000

    def added(self):
        self.execs += 1
        name = f"e{self.execs}"
        began = time.monotonic()
        self.exec(self.first, name, ["true"])
        self.call("Start", {1: self.first, 2: name})
        self.wait(self.first, name)
        self.call("Delete", {1: self.first, 2: name})
        return (time.monotonic() - began) * 1000

    def share(self):
        with open(f"/proc/{self.pid}/smaps_rollup", encoding="ascii") as file:
            return int(file.read().split("\nPss:")[1].split()[0])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--peer", default="containerd-shim-runc-v2")
    options = parser.parse_args()
    peer = shutil.which(options.peer) or sys.exit(f"there is no {options.peer}")
    box = sandbox.Sandbox(sandbox.reexec_in_private_mount_namespace(os.path.abspath(__file__)))
    try:
        cases = {name: Case(name, box, RUNTIME, "wherry", FALLBACK) for name in ("wherry", "peer")}
        shims = {"wherry": Driver(cases["wherry"], None), "peer": Driver(cases["peer"], peer)}
        for what in ("life", "added"):
            times = {name: [] for name in shims}
            for i in range(options.rounds + 2):
                for name in random.sample(list(shims), 2):
                    took = getattr(shims[name], what)()
                    if i >= 2:
                        times[name].append(took)
            ratio = statistics.median(a / b for a, b in zip(times["wherry"], times["peer"]))
            title = {"life": "create + start + delete", "added": "exec, to its delete"}[what]
            print(f"{title}: wherry {statistics.median(times['wherry']):.2f} ms, {os.path.basename(peer)} "
                  f"{statistics.median(times['peer']):.2f} ms, ratio {ratio:.3f}")
        time.sleep(2)
        print("PSS with one container: " + ", ".join(f"{name} {shim.share()} KiB" for name, shim in shims.items()))
        for case in cases.values():
            case.close()
    finally:
        box.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
