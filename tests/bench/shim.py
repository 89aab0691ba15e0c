#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares containerd-shim-wherry-v2 with containerd's own shim, which runs runc or crun, in one run.

usage: tests/bench/shim.py [--rounds N] [--pods N] [WHAT...]     needs root, a static busybox, containerd, runc, crun

WHAT: life   create, start, delete of a container and an exec in one, over the shims' sockets
      ctr    `ctr run --rm`, under a containerd of its own
      spawn  processes and programs that are started for one life and for one exec
      size   proportional set sizes at rest: no container, one, ten in a pod, N pods of one

Each round runs all of them, in an order of chance. Printed are medians in milliseconds and medians of the ratios within
a round; KiB.
"""

import argparse
import collections
import os
import random
import shutil
import socket
import statistics
import struct
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(ROOT, "tests", "integration"))
sys.path.insert(0, os.path.join(ROOT, "tests"))

from itest import sandbox  # noqa: E402
from itest.bundle import FALLBACK  # noqa: E402
from itest.case import Case  # noqa: E402
from itest.containerd import IMAGE, Containerd  # noqa: E402
from itest.shim import ShimCase, alive, encode  # noqa: E402
from memlock import lift_memlock  # noqa: E402

RUNTIME = os.path.join(ROOT, "build", "release", "runtime", "cli", "wherry")
PEER = "containerd-shim-runc-v2"
KINDS = {"wherry": None, "runc": "runc", "crun": "crun"}  # the program under the shim; none under Wherry's
WARM_UP = 2


class Driver(ShimCase):
    """One shim and, if there is to be one, a container that stays."""

    def __init__(self, t, kind, first=True):
        super().__init__(t)
        self.options, self.logs = None, []
        if KINDS[kind]:
            self.program = shutil.which(PEER)
            self.options = {6: shutil.which(KINDS[kind]), 7: t.path("runc-root")}
        self.execs = 0
        self.bundle = t.bundle("true")
        self.first = self.running(t.bundle("sleep", "1000"), options=self.options) if first else None

    def start(self, bundle, name):
        bundle.write()
        log = os.path.join(bundle.path, "log")  # containerd's; its own shim does not start without it
        os.mkfifo(log)
        self.logs.append(os.open(log, os.O_RDWR | os.O_NONBLOCK))
        return super().start(bundle, name)

    def close(self):
        super().close()
        for log in self.logs:
            os.close(log)

    def life(self):
        name = self.t.new_id()
        self.bundle.config["linux"]["cgroupsPath"] = self.t.cgroup_path(name)
        self.bundle.write()
        fields = {1: name, 2: self.bundle.path}
        if self.options:
            fields[10] = {1: "containerd.runc.v1.Options", 2: encode(self.options)}
        stamps = [time.monotonic()]
        for step in (lambda: self.call("Create", fields), lambda: self.call("Start", {1: name}), lambda: self.wait(name),
                     lambda: self.call("Delete", {1: name})):
            step()
            stamps.append(time.monotonic())
        create, start, _, delete = (1000 * (after - before) for before, after in zip(stamps, stamps[1:]))
        return {"create": create, "start": start, "delete": delete, "create + start + delete": create + start + delete}

    def added(self):
        self.execs += 1
        name = f"e{self.execs}"
        began = time.monotonic()
        self.exec(self.first, name, ["true"])
        self.call("Start", {1: self.first, 2: name})
        started = time.monotonic()
        self.wait(self.first, name)
        self.call("Delete", {1: self.first, 2: name})
        ended = time.monotonic()
        return {"exec + start": (started - began) * 1000, "exec + start + wait + delete": (ended - began) * 1000}


def share(pid):
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        text = file.read()
    return sum(int(text.split(f"\n{line}:")[1].split()[0]) for line in ("Pss",)), \
        sum(int(text.split(f"\n{line}:")[1].split()[0]) for line in ("Private_Clean", "Private_Dirty"))


def report(title, rounds):
    """rounds: [{kind: ms}]"""
    ours = [one["wherry"] for one in rounds]
    text = f"{title}: wherry {statistics.median(ours):.2f} ms"
    for kind in rounds[0]:
        if kind != "wherry":
            ratio = statistics.median(one["wherry"] / one[kind] for one in rounds)
            text += f", {kind} {statistics.median(one[kind] for one in rounds):.2f} ms (ratio {ratio:.3f})"
    print(text, flush=True)


def compare(rounds, actions):
    """actions: {kind: function that returns {title: ms}}"""
    times = collections.defaultdict(list)
    for number in range(rounds + WARM_UP):
        results = {kind: actions[kind]() for kind in random.sample(list(actions), len(actions))}
        if number < WARM_UP:
            continue
        for title in results["wherry"]:
            times[title].append({kind: results[kind][title] for kind in actions})
    for title, found in times.items():
        report(title, found)


def bench_life(cases, options):
    drivers = {kind: Driver(cases(kind), kind) for kind in KINDS}
    compare(options.rounds, {kind: driver.life for kind, driver in drivers.items()})
    compare(options.rounds, {kind: driver.added for kind, driver in drivers.items()})


def bench_ctr(cases, options):
    containerd = Containerd(cases("ctr"))
    common = ["--cpu-shares", "0"]  # ctr asks for 1024, which runc refuses where there is no cpu controller
    flags = {"wherry": [*containerd.flags(), *common]}
    for kind in ("runc", "crun"):
        flags[kind] = ["--snapshotter", "native", "--runc-binary", shutil.which(kind), *common]

    def run(kind):
        began = time.monotonic()
        containerd.ctr("run", "--rm", *flags[kind], IMAGE, "c", "true")
        return {"ctr run --rm": (time.monotonic() - began) * 1000}

    compare(max(options.rounds // 2, 5), {kind: lambda kind=kind: run(kind) for kind in flags})


class Births:
    """Processes and programs that begin below a process, by the kernel's process events (linux/cn_proc.h)."""

    FORK, EXEC = 1, 2

    def __init__(self, pid):
        self.family, self.forks, self.programs = {pid}, 0, []
        self.socket = socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, 11)  # NETLINK_CONNECTOR
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.socket.bind((0, 1))  # CN_IDX_PROC
        message = struct.pack("IIIIHHI", 1, 1, 0, 0, 4, 0, 1)  # PROC_CN_MCAST_LISTEN
        self.socket.send(struct.pack("IHHII", 16 + len(message), 3, 0, 0, 0) + message)
        self.socket.settimeout(0.2)

    def take(self):
        """All that has happened so far."""
        while True:
            try:
                data = self.socket.recv(4096)[36:]
            except socket.timeout:
                return
            what, _, _, first, group, third, fourth = struct.unpack_from("IIQIIII", data)
            if what == self.FORK and group in self.family and third == fourth:  # not a thread
                self.family.add(fourth)
                self.forks += 1
            elif what == self.EXEC and group in self.family:
                self.programs.append(first)

    def count(self, action):
        self.take()
        self.forks, self.programs = 0, []
        thread = threading.Thread(target=action)
        thread.start()
        thread.join()
        self.take()
        return self.forks, len(self.programs)


def bench_spawn(cases, _options):
    for kind in KINDS:
        driver = Driver(cases(kind), kind)
        births = Births(driver.pid)
        driver.life(), driver.added()
        forks, programs = births.count(driver.life)
        print(f"one life under {kind}: {forks} processes, {programs} programs, the container's own included")
        forks, programs = births.count(driver.added)
        print(f"one exec under {kind}: {forks} processes, {programs} programs, the added one included", flush=True)


def start_idle(case, kind):
    driver = Driver(case, kind, first=False)
    driver.start(case.bundle("sleep", "1000"), case.new_id())
    return driver


def pod(case, kind, size):
    driver = Driver(case, kind, first=False)
    for number in range(size):
        bundle = case.bundle("sleep", "1000", annotations={"io.kubernetes.cri.sandbox-id": case.new_id()})
        driver.running(bundle, start=number == 0, options=driver.options)
    return driver


def bench_size(cases, options):
    for kind in ("wherry", "runc"):
        setups = {"no container": lambda case, kind=kind: [start_idle(case, kind)],
                  "one container": lambda case, kind=kind: [Driver(case, kind)],
                  "ten containers in a pod": lambda case, kind=kind: [pod(case, kind, 10)],
                  f"{options.pods} pods": lambda case, kind=kind: [Driver(case, kind) for _ in range(options.pods)]}
        for title, make in setups.items():
            case = cases(kind)
            drivers = make(case)
            time.sleep(2)
            sizes = [share(driver.pid) for driver in drivers]
            print(f"{title}, {kind} shim: PSS {sum(pss for pss, _ in sizes)} KiB, private {sum(own for _, own in sizes)} KiB",
                  flush=True)
            cases.end(case)
            for driver in drivers:
                case.until(lambda driver=driver: not alive(driver.pid), "the end of a shim")


class Cases:
    def __init__(self, box):
        self.box, self.open = box, []

    def __call__(self, name):
        self.open.append(Case(name, self.box, RUNTIME, "wherry", FALLBACK))
        return self.open[-1]

    def end(self, case):
        self.open.remove(case)
        case.close()

    def end_all(self):
        while self.open:
            self.end(self.open[-1])


WHAT = {"life": bench_life, "ctr": bench_ctr, "spawn": bench_spawn, "size": bench_size}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--pods", type=int, default=100)
    parser.add_argument("what", nargs="*", metavar="WHAT")
    options = parser.parse_args()
    for program in (PEER, "runc", "crun", "containerd"):
        _ = shutil.which(program) or sys.exit(f"there is no {program}")
    box = sandbox.Sandbox(sandbox.reexec_in_private_mount_namespace(os.path.abspath(__file__)))
    lift_memlock()
    cases = Cases(box)
    try:
        for what in options.what or list(WHAT):
            WHAT[what](cases, options)
            cases.end_all()
    finally:
        cases.end_all()
        box.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
