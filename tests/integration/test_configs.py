# SPDX-License-Identifier: Apache-2.0
"""Every config.json in tests/golden/configs, which Docker, Podman, containerd and CRI made, runs here."""

import os

from itest import ConsoleSocket
from itest.case import load
from itest.engine_config import adapt, create_without_missing_controllers
from itest.terminal import read_until

CONFIGS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "golden", "configs")


def run_engine_config(t, name):
    b = adapt(t, load(os.path.join(CONFIGS, name)))
    flags, listener = [], None
    if b.process.get("terminal"):
        listener = t.keep(ConsoleSocket(t.path("tty.sock")))
        flags = ["--console-socket", listener.path]
    c = create_without_missing_controllers(t, b, *flags)
    t.equal(c.status(), "created", "status after create")
    master = listener.receive() if listener else None
    c.start()
    if "sleep" in " ".join(b.process["args"]):
        t.equal(c.status(), "running", "status after start")
        c.stop()
    else:
        if master is not None:
            t.contains(read_until(master, None), "\n")
        t.equal(c.wait(), 0, "exit code")
        t.until(lambda: c.status() == "stopped", "status stopped")
    if master is not None:
        os.close(master)
    c.delete()


def add_tests():
    names = sorted(os.listdir(CONFIGS)) if os.path.isdir(CONFIGS) else []
    for name in names:
        if name.endswith(".json"):
            globals()["test_" + name.replace(".config.json", "")] = lambda t, name=name: run_engine_config(t, name)


add_tests()
