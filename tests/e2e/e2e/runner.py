# SPDX-License-Identifier: Apache-2.0
"""Runs one engine's tests in a box, one after the other, and prints one line for each."""

import fnmatch
import importlib
import os
import sys
import traceback

from . import box, engine

ENGINES = ("podman", "podman-rootless", "docker", "containerd", "cri", "buildah", "swarm", "crio")
DEFAULT_ROOT = os.path.join(box.REPOSITORY, "build", "engines")
DEFAULT_RUNTIME = os.path.join(box.REPOSITORY, "build", "release", "runtime", "cli", "wherry")


def verdict(test, subject):
    lacking = getattr(test, "controllers", set()) - engine.controllers()
    if lacking:
        return "skip", "no cgroup2 controller " + ", ".join(sorted(lacking)) + " here"
    try:
        test(subject)
    except engine.Skip as skip:
        return "skip", str(skip)
    except engine.Failure as failure:
        return "not ok", str(failure)
    except Exception as error:  # a broken test is a failed test
        frame = traceback.extract_tb(error.__traceback__)[-1]
        return "not ok", f"{type(error).__name__}: {error} at {os.path.basename(frame.filename)}:{frame.lineno}"
    return "ok", ""


def run_tests(name, runtime, pattern):
    """In the box: `runtime` is a name in PATH."""
    module = importlib.import_module("engines." + name.replace("-", "_"))
    tests = [(key[len("test_"):], value) for key, value in vars(module).items() if key.startswith("test_")]
    tests = [(key, test) for key, test in tests if pattern in key or fnmatch.fnmatch(key, pattern)]
    counts = {"ok": 0, "not ok": 0, "skip": 0}
    lacking = getattr(module, "CONTROLLERS", set()) - engine.controllers()
    if lacking:
        print(f"skip {name}: no cgroup2 controller {', '.join(sorted(lacking))} here; tests/vm has them")
        return {**counts, "skip": len(tests)}
    subject = module.Engine(runtime)
    try:
        for key, test in tests:
            word, reason = verdict(test, subject)
            reset = verdict(lambda engine_: engine_.reset(), subject)
            if word == "ok" and reset[0] != "ok":
                word, reason = "not ok", "afterwards: " + reset[1]
            known = getattr(test, "engine_cannot", None)
            if word == "not ok" and known:
                word, reason = "skip", f"{known} [{reason}]"
            counts[word] += 1
            line = " ".join(reason.split())[:700]
            print(f"{word} {name}.{key}" + (f": {line}" if line else ""), flush=True)
    finally:
        subject.close()
    return counts


def check(options):
    if os.path.sep in options.runtime and not os.access(options.runtime, os.X_OK):
        sys.exit(f"no runtime at {options.runtime}; build it, or give --runtime")
    if not os.path.isdir(options.root):
        sys.exit(f"there is no {options.root}: run scripts/make-rootfs engines {options.root}")


def main(script, options):
    runtime = os.path.realpath(options.runtime) if os.path.sep in options.runtime else options.runtime
    if options.here:
        box.settle(runtime)
    else:
        if not box.is_inside():
            check(options)
        box.enter(options.root, script, runtime, options.systemd)
    counts = run_tests(options.engine, os.path.basename(runtime), options.k)
    print(f"{counts['ok']} passed, {counts['not ok']} failed, {counts['skip']} skipped")
    return 1 if counts["not ok"] else 0
