# SPDX-License-Identifier: Apache-2.0
"""Finds the tests, runs them one after the other, and prints one line for each."""

import argparse
import errno
import fnmatch
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import traceback

from . import sandbox, without
from .bundle import FALLBACK
from .case import Case, Skip
from .leaks import Watch
from .runtime import SLOW, Failure, TIMEOUT

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
REPOSITORY = os.path.dirname(os.path.dirname(HERE))
DEFAULT_RUNTIME = os.path.join(REPOSITORY, "build", "release", "runtime", "cli", "wherry")
TEST_LIMIT = 300 * SLOW  # seconds: the alarm behind every other time limit


def find_tests():
    """[(topic.test name, function)] in the order of the files and of their lines."""
    tests = []
    for name in sorted(os.listdir(HERE)):
        if not (name.startswith("test_") and name.endswith(".py")):
            continue
        topic = name[len("test_"):-len(".py")]
        spec = importlib.util.spec_from_file_location(f"itest_{topic}", os.path.join(HERE, name))
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        tests += [(f"{topic}.{key[len('test_'):]}", value) for key, value in vars(module).items()
                  if key.startswith("test_") and callable(value)]
    return tests


def runtime_path(text):
    path = shutil.which(text)
    if path is None:
        sys.exit(f"no runtime at {text}; build it, or give --runtime PATH")
    return os.path.abspath(path)


def runtime_kind(path):
    """The name that the first line of --version begins with."""
    out = subprocess.run([path, "--version"], stdout=subprocess.PIPE, check=False, timeout=TIMEOUT).stdout.decode()
    return out.split()[0] if out.split() else os.path.basename(path)


def default_spec(path, work):
    """The runtime's own default config.json, without its terminal."""
    place = os.path.join(work, "spec")
    os.mkdir(place)
    made = subprocess.run([path, "spec"], cwd=place, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                          check=False, timeout=TIMEOUT)
    config = FALLBACK
    file = os.path.join(place, "config.json")
    if made.returncode == 0 and os.path.exists(file):
        with open(file, encoding="utf-8") as text:
            config = json.load(text)
    config["process"]["terminal"] = False
    return config


def on_alarm(_signal, _frame):
    raise Failure(f"the test takes more than {TEST_LIMIT} s")


class Runner:
    def __init__(self, box, path):
        self.box, self.path = box, path
        self.kind = runtime_kind(path)
        self.spec = default_spec(path, box.work)
        self.counts = {"ok": 0, "not ok": 0, "skip": 0}

    def say(self, verdict, name, reason=""):
        self.counts[verdict] += 1
        line = " ".join(str(reason).split())[:600]
        print(f"{verdict} {name}" + (f": {line}" if line else ""), flush=True)

    def run(self, name, test):
        reason = self.reason_to_skip(test)
        if reason:
            return self.say("skip", name, reason)
        problem = skipped = None
        case = Case(name, self.box, self.path, self.kind, self.spec)
        case.watch = Watch(self.box.cgroup, case.runtime.root)
        signal.alarm(TEST_LIMIT)
        try:
            test(case)
        except Skip as skip:
            skipped = skip
        except Failure as failure:
            problem = failure
        except Exception as error:  # a broken test is a failed test
            frame = traceback.extract_tb(error.__traceback__)[-1]
            problem = f"{type(error).__name__}: {error} at {os.path.basename(frame.filename)}:{frame.lineno}"
        finally:
            signal.alarm(0)
        left = self.end(case)
        problem = problem or left
        known = getattr(test, "known_differences", {}).get(self.kind)
        if problem and known:
            return self.say("skip", name, f"{self.kind} differs: {known} [{problem}]")
        if problem:
            return self.say("not ok", name, problem)
        return self.say("skip", name, skipped) if skipped else self.say("ok", name)

    def reason_to_skip(self, test):
        only = getattr(test, "wherry_only", None)
        if only and self.kind != "wherry":
            return f"only Wherry promises this: {only}"
        for predicate, reason in getattr(test, "needs", []):
            if not predicate():
                return reason
        return None

    @staticmethod
    def end(case):
        """Deletes what the test left alive and returns what is left after that, if anything."""
        try:
            case.close()
        except Failure as failure:
            return failure
        except Exception as error:  # as in the test itself: the others are still to run
            return f"at the end: {type(error).__name__}: {error}"
        leaks = case.watch.leaks()
        if leaks:
            case.watch.purge()
            return "leak: " + ", ".join(leaks)
        subprocess.run(["rm", "-rf", "--", case.dir], check=False)  # a test may make trees that are deeper than Python's stack
        return None


def main(script):
    parser = argparse.ArgumentParser(description="Black-box tests of an OCI runtime.")
    parser.add_argument("--runtime", default=DEFAULT_RUNTIME, metavar="PATH", help="default: %(default)s")
    parser.add_argument("-k", action="append", metavar="PATTERN",
                        help="run only tests whose name holds or matches PATTERN, or another one")
    parser.add_argument("--without", action="append", choices=without.SEAMS, metavar="SEAM",
                        help="take a kernel interface away: " + ", ".join(without.SEAMS))
    parser.add_argument("--answer", default="ENOSYS", metavar="ERRNO", help="what it answers then (%(default)s)")
    parser.add_argument("--list", action="store_true", help="print the names and stop")
    options = parser.parse_args()
    tests = [(name, test) for name, test in find_tests()
             if not options.k or any(part in name or fnmatch.fnmatch(name, part) for part in options.k)]
    if options.list:
        print("\n".join(name for name, _ in tests))
        return 0
    path = runtime_path(options.runtime)
    box = sandbox.Sandbox(sandbox.reexec_in_private_mount_namespace(script))
    signal.signal(signal.SIGALRM, on_alarm)
    try:
        runner = Runner(box, path)
        if options.without:
            without.take_away(options.without, getattr(errno, options.answer))
        for name, test in tests:
            runner.run(name, test)
    finally:
        box.close()
    counts = runner.counts
    print(f"{counts['ok']} passed, {counts['not ok']} failed, {counts['skip']} skipped")
    return 1 if counts["not ok"] else 0
