#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Does a life cost more where there is more? (See README.md.) Lives beside 1, 100 and 1,000 living containers; 1, 8 and
32 lives at a time, and one per processor; lives below 0, 1,000 and 5,000 mounts of the host's; wherry, crun, runc and the
floor in turn."""
import ctypes
import os
import statistics
import subprocess
import sys
import time

import bench

LIVING = (1, 100, 1000)
PARALLEL = tuple(sorted({1, os.cpu_count(), 8, 32}))
LIVES = 10 * max(PARALLEL)  # of one burst: the kernel counts processor time in ticks of up to 10 ms
MOUNTS = (0, 1000, 5000)
LIBC = ctypes.CDLL(None, use_errno=True)


class Growth(bench.Bench):
    """The set-up, the programs and the timer are bench.py's."""

    # What lives beside ---------------------------------------------------------------------------------------------

    def living(self):
        """Each program beside its own containers, so that its own state directory grows; the floor's life beside the
        same ones tells what the kernel alone takes longer for."""
        self.results["living"] = rows = {}
        for program in self.programs:
            rows[program.name] = {}
            held = []
            try:
                for count in LIVING:
                    while len(held) < count:
                        held.append(self.hold(program, len(held)))
                    self.time_beside(program, count, rows[program.name])
            finally:
                self.kill_held(program, held)

    def time_beside(self, program, count, row):
        plans = {p.name: self.lives(p) for p in self.programs if p is program or isinstance(p, bench.Floor)}
        samples = {name: [sum(ns for ns, _ in steps) / 1e6 for steps in rounds]
                   for name, rounds in self.time(plans, self.arguments.rounds).items()}
        row[count] = {**bench.summary(samples[program.name]), "memory": self.memory(program, count)}
        if "floor" in samples:
            row[count]["vs_floor"] = bench.paired_ratio(samples[program.name], samples["floor"])

    @staticmethod
    def lives(program):
        return program.run_steps() if isinstance(program, bench.Floor) else program.lifecycle_steps()

    def hold(self, program, number):
        name = f"held-{number}"
        if isinstance(program, bench.Floor):
            command = [program.path, "run", self.rootfs, program.cgroup(name), *bench.SLEEP]
            holder = subprocess.Popen(command, env=bench.ENVIRONMENT, stdin=subprocess.DEVNULL,
                                      stdout=subprocess.DEVNULL)
            while not self.is_populated(program.cgroup(name)):
                if holder.poll() is not None:
                    raise bench.CannotTakePart(f"container {number} ended early")
                time.sleep(0.002)
            return holder
        program.write_bundle(name, bench.SLEEP, program.oci_version)
        bench.call(program.create(name))
        bench.call(program.command("start", name))
        return name

    @staticmethod
    def is_populated(group):
        try:
            with open(os.path.join(group, "cgroup.events"), encoding="ascii") as events:
                return "populated 1" in events.read()
        except OSError:
            return False

    @staticmethod
    def kill_held(program, held):
        for holder in held:
            if isinstance(holder, str):
                program.forget(holder)
            else:
                holder.kill()
                holder.wait()
        for number in range(len(held)):
            bench.kill_and_remove(program.cgroup(f"held-{number}"))

    @staticmethod
    def memory(program, count):
        """KiB that stay per container outside of it: processes of the runtime's, and its state on disk."""
        state = os.path.join(program.home, "state")
        size = sum(os.path.getsize(os.path.join(top, name)) for top, _, names in os.walk(state) for name in names
                   if os.path.isfile(os.path.join(top, name)))
        return size / 1024 / count

    # Several at a time ---------------------------------------------------------------------------------------------

    def parallel(self):
        self.results["parallel"] = rows = {program.name: {width: [] for width in PARALLEL} for program in self.programs}
        runtimes = self.programs
        for program in runtimes:
            for number in range(max(PARALLEL)):
                if not isinstance(program, bench.Floor):
                    program.write_bundle(f"p{number}", ["/bin/true"], program.oci_version)
        for _ in range(self.arguments.repeats):
            for width in PARALLEL:  # in turn, so that a busy moment hits all of them alike
                for program in runtimes:
                    rows[program.name][width].append(self.burst(program, width))

    def burst(self, program, width):
        """LIVES lives, `width` at a time: wall and processor milliseconds of one. They are spawned from here, so that
        one life more at a time costs no shell more."""
        commands = [self.life(program, lane) for lane in range(width)]
        before, start = busy_seconds(), time.monotonic()
        lanes, begun = {}, 0
        for _ in range(LIVES):
            lane = begun if begun < width else self.next_free(program, lanes)
            lanes[spawn(commands[lane])] = lane
            begun += 1
        while lanes:
            self.next_free(program, lanes)
        wall, cpu = time.monotonic() - start, busy_seconds() - before
        return wall * 1000 / LIVES, cpu * 1000 / LIVES

    @staticmethod
    def next_free(program, lanes):
        pid, status = os.wait()
        lane = lanes.pop(pid)
        if status != 0:
            raise bench.CannotTakePart(f"{program.name}: a life failed, {len(lanes) + 1} at a time")
        return lane

    def life(self, program, lane):
        if isinstance(program, bench.Floor):
            return [program.path, "run", self.rootfs, program.cgroup(f"p{lane}")]
        return program.command("run", "--bundle", program.bundle(f"p{lane}"), f"p{lane}")

    # Mounts of the host's ------------------------------------------------------------------------------------------

    def mounts(self):
        self.results["mounts"] = rows = {program.name: {} for program in self.programs}
        place = os.path.join(self.work, "mounts")
        os.mkdir(place)
        made = 0
        for count in MOUNTS:
            while made < count:
                target = os.path.join(place, str(made))
                os.mkdir(target)
                bind(self.rootfs, target)
                made += 1
            samples = self.time({p.name: p.run_steps() for p in self.programs}, self.arguments.rounds)
            for program in self.programs:
                rows[program.name][count] = bench.summary([sum(ns for ns, _ in steps) / 1e6
                                                          for steps in samples[program.name]])

    # Reporting -----------------------------------------------------------------------------------------------------

    def print_growth(self, scenario, title, columns):
        more = ", and the floor" if scenario == "living" else ""
        print(f"\n{title}: median milliseconds, times the first{more}")
        print(f"  {'':8}" + "".join(f"{count:>{26 if more else 18}}" for count in columns))
        for name, row in self.results[scenario].items():
            first = row[columns[0]]["median"]
            cells = (f"{row[count]['median']:10.2f}{row[count]['median'] / first:8.2f}" +
                     (f"{row[count]['vs_floor']:8.2f}" if "vs_floor" in row[count] else "") for count in columns)
            print(f"  {name:8}" + "".join(cells))

    def print_living(self):
        self.print_growth("living", "create + start + (its end) + delete beside so many of one's own (floor: its run)",
                          LIVING)
        print("  state on disk, KiB each: " + ", ".join(f"{name} {row[LIVING[-1]]['memory']:.1f}"
                                                          for name, row in self.results["living"].items() if name != "floor"))

    def print_mounts(self):
        self.print_growth("mounts", "run /bin/true below so many mounts more of the host's", MOUNTS)

    def print_parallel(self):
        print(f"\n{LIVES} lives of run, so many at a time: milliseconds of one, wall and processor (all of the machine's "
              "busy time), and processor time against one at a time")
        print(f"  {'':8}" + "".join(f"{width:>26}" for width in PARALLEL))
        for name, row in self.results["parallel"].items():
            cells = []
            serial = [cpu for _, cpu in row[PARALLEL[0]]]
            for width in PARALLEL:
                wall = statistics.median(wall for wall, _ in row[width])
                cpu = statistics.median(cpu for _, cpu in row[width])
                ratio = statistics.median(a / b for (_, a), b in zip(row[width], serial))
                cells.append(f"{wall:9.2f}{cpu:9.2f}{ratio:8.2f}")
            print(f"  {name:8}" + "".join(cells))


def bind(source, target):
    """mount(8) would take a minute for thousands."""
    if LIBC.mount(source.encode(), target.encode(), None, ctypes.c_ulong(0x1000), None) != 0:  # MS_BIND
        raise bench.CannotTakePart(f"cannot mount: errno {ctypes.get_errno()}")


def spawn(command):
    null = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in (0, 1)]
    return os.posix_spawn(command[0], command, bench.ENVIRONMENT, file_actions=null)


def busy_seconds():
    """Of all processors since boot: also what the kernel does for a life in its own threads."""
    with open("/proc/stat", encoding="ascii") as stat:
        user, nice, system, _, _, irq, softirq = map(int, stat.readline().split()[1:8])
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


SCENARIOS = ("living", "parallel", "mounts")


def parse_arguments():
    parser = bench.common_arguments("Growth benchmark of wherry, crun, runc and the floor.")
    parser.set_defaults(programs="floor,wherry,crun,runc")
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--repeats", type=int, default=7, help="bursts of each width")
    parser.add_argument("--scenario", action="append", choices=SCENARIOS, help="may be repeated; default: all")
    return parser.parse_args()


if __name__ == "__main__":
    given = parse_arguments()
    sys.exit(bench.inner(given, Growth, SCENARIOS) if given.inside else bench.outer(given, __file__))
