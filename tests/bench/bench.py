#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Paired benchmark of wherry, crun, runc and the floor (see README.md).

Needs root. The host's mounts stay as they are: the measuring half runs in a mount namespace of its own, with cgroup2
alone on /sys/fs/cgroup and all files in a tmpfs. What it leaves, even when it dies, the outer half kills and removes.
"""
import argparse
import json
import os
import platform
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(TOP, "tests"))

from memlock import lift_memlock  # noqa: E402

BUILT = os.path.join(TOP, "build", "release")
SCENARIOS = ("run", "lifecycle", "exec", "rss", "init-memory")
ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root"}
SLEEP = ["/bin/sleep", "100000"]
DRIVER = "driver"  # the cgroup of the measuring half, so that killing the whole group ends it too
REFERENCES = ("floor", "floor-libc", "crun")  # the others' times are given as multiples of theirs

# Newest first: an older runtime refuses a newer ociVersion, and is then given the same config under an older one.
OCI_VERSIONS = ("1.3.0", "1.0.2")

CAPABILITIES = ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"]

# What `runc spec` writes on a cgroup2 host, with terminal false and /bin/true.
DEFAULT_CONFIG = {
    "ociVersion": OCI_VERSIONS[0],
    "process": {
        "terminal": False,
        "user": {"uid": 0, "gid": 0},
        "args": ["/bin/true"],
        "env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"],
        "cwd": "/",
        "capabilities": {kind: CAPABILITIES for kind in ("bounding", "effective", "permitted", "ambient")},
        "rlimits": [{"type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024}],
        "noNewPrivileges": True,
    },
    "root": {"path": "rootfs", "readonly": True},
    "hostname": "runc",
    "mounts": [
        {"destination": "/proc", "type": "proc", "source": "proc"},
        {"destination": "/dev", "type": "tmpfs", "source": "tmpfs",
         "options": ["nosuid", "strictatime", "mode=755", "size=65536k"]},
        {"destination": "/dev/pts", "type": "devpts", "source": "devpts",
         "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]},
        {"destination": "/dev/shm", "type": "tmpfs", "source": "shm",
         "options": ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]},
        {"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue", "options": ["nosuid", "noexec", "nodev"]},
        {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["nosuid", "noexec", "nodev", "ro"]},
        {"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup",
         "options": ["nosuid", "noexec", "nodev", "relatime", "ro"]},
    ],
    "linux": {
        "resources": {"devices": [{"allow": False, "access": "rwm"}]},
        "namespaces": [{"type": kind} for kind in ("pid", "network", "ipc", "uts", "mount", "cgroup")],
        "maskedPaths": ["/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
                        "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/sys/firmware", "/proc/scsi"],
        "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
    },
}


class CannotTakePart(Exception):
    """A program that is left out, and why."""


# ----------------------------------------------------------------------------------------------------------------------
# The outer half: a private mount namespace, and cleaning.


def common_arguments(description):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--wherry", default=os.path.join(BUILT, "runtime/cli/wherry"), metavar="PATH")
    parser.add_argument("--crun", default="crun", metavar="PATH")
    parser.add_argument("--runc", default="runc", metavar="PATH")
    parser.add_argument("--floor", default=os.path.join(BUILT, "tests/bench/floor"), metavar="PATH")
    parser.add_argument("--floor-libc", default=os.path.join(BUILT, "tests/bench/floor-libc"), metavar="PATH")
    parser.add_argument("--timer", default=os.path.join(BUILT, "tests/bench/timer"), metavar="PATH")
    parser.add_argument("--busybox", default="busybox", metavar="PATH", help="static busybox for the rootfs")
    parser.add_argument("--programs", default="floor,floor-libc,wherry,crun,runc", help="which take part, in this order")
    parser.add_argument("--realtime", action="store_true",
                        help="run all of them under SCHED_RR: for a machine that others use at the same time")
    parser.add_argument("--json", metavar="FILE", help="all samples and results")
    parser.add_argument("--inside", nargs=2, help=argparse.SUPPRESS)
    return parser


def parse_arguments():
    parser = common_arguments("Paired benchmark of wherry, crun, runc and the floor.")
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--scenario", action="append", choices=SCENARIOS, help="may be repeated; default: all")
    return parser.parse_args()


def cgroup2_mount():
    with open("/proc/self/mountinfo", encoding="utf-8") as table:
        for line in table:
            fields = line.split()
            if fields[fields.index("-") + 1] == "cgroup2" and fields[3] == "/":
                return fields[4]
    sys.exit("bench: there is no cgroup2 mount")


def kill_and_remove(group):
    """Kills what lives in a cgroup and removes it with all below it."""
    if not os.path.isdir(group):
        return
    with open(os.path.join(group, "cgroup.kill"), "w", encoding="ascii") as kill:
        kill.write("1")
    for _ in range(500):
        with open(os.path.join(group, "cgroup.events"), encoding="ascii") as events:
            if "populated 0" in events.read():
                break
        time.sleep(0.01)
    for folder, _, _ in os.walk(group, topdown=False):
        os.rmdir(folder)


def outer(arguments, script=__file__):
    if os.geteuid() != 0:
        sys.exit("bench: must be root")
    if arguments.json:
        open(arguments.json, "w", encoding="utf-8").close()  # fails now rather than after minutes
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # an exception, so that the finally below runs
    work = tempfile.mkdtemp(prefix="wherry-bench-")
    cgroups = cgroup2_mount()
    group = os.path.basename(work)
    command = ["unshare", "--mount", "--propagation", "private", sys.executable, os.path.abspath(script)]
    try:
        os.makedirs(os.path.join(cgroups, group, DRIVER))
        return subprocess.call(command + sys.argv[1:] + ["--inside", work, cgroups])
    except KeyboardInterrupt:
        return 130
    finally:
        kill_and_remove(os.path.join(cgroups, group))
        os.rmdir(work)


# ----------------------------------------------------------------------------------------------------------------------
# The inner half: set-up.


def mount(*arguments):
    subprocess.run(["mount", *arguments], check=True)


def first_line(text):
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[0] if lines else "no output"


def call(command, **options):
    """Runs a command; a failure becomes CannotTakePart with the command's last words.

    Its output goes to a file, not a pipe: a container that lives on keeps its stdout open.
    """
    with tempfile.TemporaryFile() as said:
        code = subprocess.run(command, env=ENVIRONMENT, stdin=subprocess.DEVNULL, stdout=said, stderr=said,
                              check=False, timeout=60, **options).returncode
        said.seek(0)
        text = said.read().decode(errors="replace").strip()
    if code != 0:
        last = text.splitlines()[-1] if text else "nothing on stderr"
        raise CannotTakePart(f"`{os.path.basename(command[0])} {' '.join(command[1:])}` gave {code}: {last}")
    return text


class Program:
    """One contestant, with its own state root, bundles and cgroup root."""

    def __init__(self, name, path, bench):
        self.name = name
        self.bench = bench
        self.path = shutil.which(path)
        if self.path is None:
            raise CannotTakePart(f"there is no {path}")
        self.path = os.path.realpath(self.path)
        self.home = os.path.join(bench.work, name)
        self.group = f"/{bench.group}/{name}"  # below the cgroup2 root
        os.mkdir(self.home)
        os.mkdir(f"{bench.cgroups}{self.group}")
        self.given = ""
        self.version = ""

    def cgroup(self, container):
        return f"{self.bench.cgroups}{self.group}/{container}"


class Floor(Program):
    def prepare(self):
        self.version = "the kernel calls of run, nothing else"
        self.given = "no config"
        call(self.run_steps()[0])

    def run_steps(self):
        return [[self.path, "run", self.bench.rootfs, self.cgroup("run")]]

    # The floor has no create: the same kernel work in one program.
    lifecycle_steps = run_steps

    def hold(self):
        command = [self.path, "run", self.bench.rootfs, self.cgroup("hold"), *SLEEP]
        self.holder = subprocess.Popen(command, env=ENVIRONMENT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        for _ in range(500):
            if self.holder.poll() is not None:
                raise CannotTakePart("the container that exec joins ended early")
            pid = self.sleeping_pid()
            if pid is not None:
                break
            time.sleep(0.01)
        else:
            raise CannotTakePart("the container that exec joins did not begin")
        self.pid = pid

    def sleeping_pid(self):
        try:
            with open(self.cgroup("hold") + "/cgroup.procs", encoding="ascii") as procs:
                pid = procs.read().strip()
            with open(f"/proc/{pid}/cmdline", "rb") as cmdline:
                return pid if cmdline.read().startswith(b"/bin/sleep") else None
        except OSError:
            return None

    def exec_steps(self):
        return [[self.path, "exec", self.pid, self.cgroup("hold")]]

    def release(self):
        with open(self.cgroup("hold") + "/cgroup.kill", "w", encoding="ascii") as kill:
            kill.write("1")
        self.holder.wait()


class Runtime(Program):
    def prepare(self):
        self.version = first_line(call([self.path, "--version"]))
        refusals = []
        for version in OCI_VERSIONS:
            self.write_bundle("run", ["/bin/true"], version)
            try:
                call(self.run_steps()[0])
            except CannotTakePart as refusal:
                refusals.append(str(refusal))
                self.forget("run")
                continue
            self.write_bundle("hold", SLEEP, version)
            self.oci_version = version
            self.given = f"config.json of ociVersion {version}"
            if refusals:
                self.given += f" (with {OCI_VERSIONS[0]}: {refusals[0]})"
            return
        raise CannotTakePart("; ".join(dict.fromkeys(refusals)))

    def write_bundle(self, container, args, version):
        config = json.loads(json.dumps(DEFAULT_CONFIG))
        config["ociVersion"] = version
        config["process"]["args"] = args
        config["root"]["path"] = self.bench.rootfs
        config["linux"]["cgroupsPath"] = f"{self.group}/{container}"
        os.makedirs(self.bundle(container), exist_ok=True)
        with open(os.path.join(self.bundle(container), "config.json"), "w", encoding="utf-8") as file:
            json.dump(config, file, indent="\t")

    def bundle(self, container):
        return os.path.join(self.home, "bundle-" + container)

    def command(self, *words):
        return [self.path, "--root", os.path.join(self.home, "state"), *words]

    def forget(self, container):
        subprocess.run(self.command("delete", "--force", container), env=ENVIRONMENT, stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        kill_and_remove(self.cgroup(container))

    def create(self, container):
        return self.command("create", "--bundle", self.bundle(container), container)

    def run_steps(self):
        return [self.command("run", "--bundle", self.bundle("run"), "run")]

    def lifecycle_steps(self):
        return [self.create("run"), self.command("start", "run"), None, self.command("delete", "--force", "run")]

    def hold(self):
        call(self.create("hold"))
        call(self.command("start", "hold"))

    def exec_steps(self):
        return [self.command("exec", "hold", "/bin/true")]

    def release(self):
        self.forget("hold")

    def init_memory(self):
        """KiB of private and proportional memory of a created container's pid 1 that waits for start."""
        pid_file = os.path.join(self.home, "pid")
        call(self.create("hold")[:-1] + ["--pid-file", pid_file, "hold"])
        try:
            time.sleep(0.05)
            with open(pid_file, encoding="ascii") as file:
                pid = file.read().strip()
            with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
                sizes = dict(re.findall(r"^(\w+):\s+(\d+) kB", file.read(), re.MULTILINE))
        finally:
            self.release()
        return {"private": int(sizes["Private_Clean"]) + int(sizes["Private_Dirty"]), "pss": int(sizes["Pss"])}


class Bench:
    def __init__(self, arguments):
        self.arguments = arguments
        self.work, cgroups = arguments.inside
        self.group = os.path.basename(self.work)
        self.cgroups = "/sys/fs/cgroup"
        self.results = {}
        with open(os.path.join(cgroups, self.group, DRIVER, "cgroup.procs"), "w", encoding="ascii") as procs:
            procs.write(str(os.getpid()))
        if cgroups != self.cgroups:
            mount("--bind", cgroups, self.cgroups)
        mount("-t", "tmpfs", "-o", "mode=0700", "wherry-bench", self.work)
        self.rootfs = os.path.join(self.work, "rootfs")
        self.make_rootfs()
        self.timer = shutil.which(arguments.timer) or sys.exit(f"bench: there is no {arguments.timer}: see README.md")
        self.memlock = lift_memlock()
        if arguments.realtime:
            os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
        self.programs, self.left_out = self.gather()

    def make_rootfs(self):
        for folder in ("bin", "dev", "etc", "proc", "sys", "tmp"):
            os.makedirs(os.path.join(self.rootfs, folder))
        busybox = shutil.which(self.arguments.busybox) or sys.exit("bench: there is no static busybox")
        shutil.copy(busybox, os.path.join(self.rootfs, "bin/busybox"))
        for applet in ("true", "sleep"):
            os.symlink("busybox", os.path.join(self.rootfs, "bin", applet))

    def gather(self):
        programs, left_out = [], {}
        for name in self.arguments.programs.split(","):
            kind = Floor if name.startswith("floor") else Runtime
            try:
                program = kind(name, getattr(self.arguments, name.replace("-", "_")), self)
                program.prepare()
                programs.append(program)
            except (CannotTakePart, subprocess.TimeoutExpired) as reason:
                left_out[name] = str(reason)
        if not programs:
            sys.exit("bench: nobody can take part: " + json.dumps(left_out, indent=2))
        return programs, left_out

    # ------------------------------------------------------------------------------------------------------------------
    # Measuring.

    def time(self, plans, rounds, *options):
        """plans: {name: steps}. Returns {name: [[(ns, KiB) per step] per round]}, the warm-up round left out."""
        text = []
        for steps in plans.values():
            text.append("program")
            text += ["orphan" if step is None else "\t".join(["step", *step]) for step in steps]
        run = subprocess.run([self.timer, str(rounds + 1), *options], input="\n".join(text), env=ENVIRONMENT, text=True,
                             stdout=subprocess.PIPE, check=False)
        if run.returncode != 0:
            sys.exit(f"bench: timer gave {run.returncode}; the last sample: {first_line(run.stdout[-80:])}")
        names = list(plans)
        samples = {name: [[] for _ in range(rounds)] for name in names}
        for line in run.stdout.splitlines():
            round_, program, _, ns, maxrss = map(int, line.split())
            if round_ > 0:
                samples[names[program]][round_ - 1].append((ns, maxrss))
        return samples

    def compare(self, scenario, plans, rounds):
        samples = self.time(plans, rounds)
        totals = {name: [sum(ns for ns, _ in steps) / 1e6 for steps in rows] for name, rows in samples.items()}
        self.results[scenario] = {
            name: {
                **summary(totals[name]),
                **{"vs_" + other: paired_ratio(totals[name], totals[other]) for other in REFERENCES if other in totals},
                "steps_ms": step_medians(rows),
                "samples_ms": totals[name],
            }
            for name, rows in samples.items()
        }

    def run(self):
        self.compare("run", {p.name: p.run_steps() for p in self.programs}, self.arguments.rounds)

    def lifecycle(self):
        self.compare("lifecycle", {p.name: p.lifecycle_steps() for p in self.programs}, self.arguments.rounds)

    def exec(self):
        held = []
        try:
            for program in self.programs:
                held.append(program)
                program.hold()
            self.compare("exec", {p.name: p.exec_steps() for p in self.programs}, self.arguments.rounds)
        finally:
            for program in held:
                program.release()

    def rss(self):
        plans = {p.name: p.run_steps() for p in self.programs}
        rounds = min(20, self.arguments.rounds)
        own, waited = self.time(plans, rounds, "peak"), self.time(plans, rounds)
        self.results["rss"] = {name: {"own": peak(own[name]), "maxrss": peak(waited[name])} for name in plans}

    def init_memory(self):
        runtimes = [p for p in self.programs if isinstance(p, Runtime)]
        self.results["init-memory"] = {p.name: p.init_memory() for p in runtimes}

    # ------------------------------------------------------------------------------------------------------------------
    # Reporting.

    def describe(self):
        print(f"{platform.release()} {platform.machine()}, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.2f}; "
              f"{self.arguments.rounds} rounds after one warm-up, in turn: {' '.join(p.name for p in self.programs)}")
        print(f"RLIMIT_MEMLOCK: {self.memlock}; scheduling: {'SCHED_RR' if self.arguments.realtime else 'as usual'}")
        for program in self.programs:
            print(f"  {program.name}: {program.path}, {program.version}; {program.given}")
        for name, reason in self.left_out.items():
            print(f"  {name} is left out: {reason}")

    def print_times(self, scenario, title):
        rows = self.results[scenario]
        print(f"\n{title}, milliseconds")
        heads = "".join(f"{'x ' + other:>13}" for other in REFERENCES)
        print(f"  {'':10}{'median':>9}{'p90':>9}{'min':>9}{heads}  median of each step")
        for name, row in rows.items():
            ratios = "".join(f"{row['vs_' + other]:13.2f}" if "vs_" + other in row else f"{'-':>13}"
                             for other in REFERENCES)
            steps = " + ".join(f"{step:.2f}" for step in row["steps_ms"]) if len(row["steps_ms"]) > 1 else ""
            print(f"  {name:10}{row['median']:9.2f}{row['p90']:9.2f}{row['min']:9.2f}{ratios}  {steps}")

    def print_run(self):
        self.print_times("run", "run /bin/true")

    def print_lifecycle(self):
        self.print_times("lifecycle", "create + start + (its end) + delete --force; floor: its run")

    def print_exec(self):
        self.print_times("exec", "exec /bin/true in a running container")

    def print_rss(self):
        print("\npeak RSS of run, KiB: the process itself, and with those it waited for (ru_maxrss)")
        for name, row in self.results["rss"].items():
            print(f"  {name:10}{row['own']:9.0f}{row['maxrss']:9.0f}")

    def print_init_memory(self):
        print("\nmemory of a created container's pid 1 that waits for start, KiB")
        for name, row in self.results["init-memory"].items():
            print(f"  {name:10}{row['private']:9} private{row['pss']:9} proportional")

    def write_json(self):
        document = {
            "kernel": platform.release(),
            "cpus": os.cpu_count(),
            "rounds": self.arguments.rounds,
            "memlock": self.memlock,
            "realtime": self.arguments.realtime,
            "programs": {p.name: {"path": p.path, "version": p.version, "given": p.given} for p in self.programs},
            "left_out": self.left_out,
            "results": self.results,
        }
        with open(self.arguments.json, "w", encoding="utf-8") as file:
            json.dump(document, file, indent=1)


def summary(values):
    ordered = sorted(values)
    return {"median": statistics.median(ordered), "p90": ordered[int(0.9 * (len(ordered) - 1))], "min": ordered[0]}


def step_medians(rows):
    """rows: one a round, of (ns, KiB) per step."""
    return [statistics.median(ns for ns, _ in column) / 1e6 for column in zip(*rows)]


def peak(rows):
    return statistics.median(max(kib for _, kib in steps) for steps in rows)


def paired_ratio(values, others):
    """The median of the ratios of each round: two programs are compared only within one round."""
    return statistics.median(a / b for a, b in zip(values, others))


def inner(arguments, kind=Bench, scenarios=SCENARIOS):
    bench = kind(arguments)
    bench.describe()
    for scenario in arguments.scenario or scenarios:
        method = scenario.replace("-", "_")
        try:
            getattr(bench, method)()
        except CannotTakePart as reason:
            print(f"\n{scenario}: not measured: {reason}")
            continue
        getattr(bench, "print_" + method)()
        sys.stdout.flush()
    if arguments.json:
        bench.write_json()
    return 0


if __name__ == "__main__":
    given = parse_arguments()
    sys.exit(inner(given) if given.inside else outer(given))
