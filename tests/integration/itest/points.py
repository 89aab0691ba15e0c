# SPDX-License-Identifier: Apache-2.0
"""One try of a fault: what is needed before the verb, the traced verb, then the proof that delete --force cleans up."""

import json
import os

from . import fingerprint
from .case import Case
from .leaks import Watch, host_names
from .runtime import Failure
from .tracer import error_name, traced

VERBS = ("create", "start", "run", "exec", "kill", "delete", "pause", "resume", "state", "list", "update")
BUNDLES = ("plain", "userns", "hooks", "rich")
SLEEP = fingerprint.SCRIPT + "exec sleep 1000"

# What says the same as an errno: engines look for it.
ALSO_SAYS = {"EPERM": "permission denied"}

# Said by start when pid 1 has ended before they met: what ended it nobody was there to hear.
NOBODY_LEFT = "its init did not answer"

# The C library's last words when it cannot even reach main().
LIBC_SAYS = ("cannot set %fs base address", "error while loading shared libraries", "Fatal glibc error")

# What must have happened before each verb.
BEFORE = {"create": (), "run": (), "start": ("create",), "exec": ("create", "start"), "kill": ("create", "start"),
          "delete": ("create", "start"), "pause": ("create", "start"), "resume": ("create", "start", "pause"),
          "state": ("create", "start"), "list": ("create", "start"), "update": ("create", "start")}


def give_hooks(bundle):
    """A whole line each, in one piece: the container may be printing too."""
    for name in ("createRuntime", "createContainer", "startContainer", "poststart", "poststop"):
        bundle.hook(name, "/bin/sh", ["sh", "-c", 'echo "$(cat)"'])


def give_much(bundle):
    """All that config.json can ask for without a controller or a file outside."""
    bundle.process.update(noNewPrivileges=False, user={"uid": 1000, "gid": 1000, "additionalGids": [5, 2000], "umask": 0o27},
                          cwd="/tmp", oomScoreAdj=200)
    bundle.process["rlimits"] += [{"type": "RLIMIT_CORE", "hard": 0, "soft": 0}]
    bundle.config["domainname"] = "example"
    bundle.linux["sysctl"] = {"net.ipv4.ip_forward": "1", "kernel.shm_rmid_forced": "1"}
    bundle.linux["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW",
                               "syscalls": [{"names": ["swapon", "kexec_load"], "action": "SCMP_ACT_ERRNO"}]}
    bundle.linux["devices"] = [{"path": "/dev/two", "type": "c", "major": 1, "minor": 3, "fileMode": 0o620, "gid": 5}]
    bundle.mount("/mnt", "bind", "/etc", ["rbind", "ro", "nosuid", "rslave"])
    bundle.mount("/home", "tmpfs", "tmpfs", ["tmpcopyup", "nodev"])
    bundle.capabilities(["CAP_KILL", "CAP_NET_RAW"], ("bounding", "effective", "permitted", "inheritable", "ambient"))


class Point:
    def __init__(self, box, run, verb, kind, prove):
        self.case = Case(verb, box, run.path, run.kind, run.spec)
        self.case.watch = Watch(box.cgroup, self.case.runtime.root)
        self.runtime, self.verb, self.prove = self.case.runtime, verb, prove
        self.id = self.case.new_id()
        self.bundle = self.make_bundle(kind)
        self.bundle.write()
        # What needs no controller. The rules that were there stay as they are if it fails.
        self.resources = self.case.file("resources.json", json.dumps(
            {"devices": [{"allow": False, "access": "rwm"}], "unified": {"cgroup.max.depth": "5"}}))
        self.out = os.path.join(self.case.dir, "traced.out")
        self.before = host_names()

    def make_bundle(self, kind):
        if self.prove:
            b = self.case.bundle(script=fingerprint.SCRIPT if self.verb == "run" else SLEEP)
        else:
            b = self.case.bundle(*(["true"] if self.verb == "run" else ["sleep", "1000"]))
        if kind == "userns":
            b.user_namespace()
        if kind == "hooks":
            give_hooks(b)
        if kind == "rich":
            give_much(b)
        return b

    def arguments(self, verb):
        bundle = ["--bundle", self.bundle.path]
        program = ["sh", "-c", fingerprint.SCRIPT] if self.prove else ["true"]
        return {"create": ["create", *bundle, self.id], "run": ["run", *bundle, self.id], "start": ["start", self.id],
                "exec": ["exec", self.id, *program], "kill": ["kill", self.id, "KILL"],
                "delete": ["delete", "--force", self.id], "pause": ["pause", self.id], "resume": ["resume", self.id],
                "state": ["state", self.id], "list": ["list", "--format", "json"],
                "update": ["update", "--resources", self.resources, self.id]}[verb]

    def prepare(self):
        for verb in BEFORE[self.verb]:
            result = self.runtime.ok(*self.arguments(verb))
            if verb == "create":
                self.printed = result.out_path
            if verb == "start" and self.prove:
                self.case.until_file(self.printed, fingerprint.END)

    def pid(self):
        return json.loads(self.runtime.ok("state", self.id).out)["pid"]

    def run(self, **aim):
        """The tracer's answer, what a success has shown, and the list of complaints."""
        complaints = []
        answer = shown = None
        try:
            self.prepare()
            # start is played by pid 1 as well, which create has left waiting.
            others = [self.pid()] if self.verb == "start" else []
            self.cgroup_entries = sorted(os.listdir(self.case.watch.cgroup))
            answer = traced(self.runtime.argv(self.arguments(self.verb)), self.out, others, **aim)
            if answer["code"] is None:
                complaints.append(f"{self.verb} hangs")
            elif self.prove and answer["code"] == 0:
                shown = self.shown()
            elif self.prove:
                complaints += self.sentence(answer["code"], aim.get("error"))
        except Failure as failure:
            complaints.append(str(failure))
        return answer, shown, complaints + self.clean_up()

    def clean_up(self):
        result = self.runtime.call("delete", "--force", self.id)
        complaints = []
        if result.code != 0:
            complaints.append(f"delete --force gives {result.code}: {result.text.strip()[-200:]}")
        leaks = self.case.watch.leaks(grace=5)
        if leaks:
            self.case.watch.purge()
        if host_names() != self.before:
            leaks.append(f"the host is {host_names()} now")
        return complaints + leaks

    # Proofs

    def shown(self):
        """What a success must look like: compared with what the verb shows when nothing fails."""
        return {"create": self.shown_by_create, "start": self.shown_by_start, "run": self.shown_by_run,
                "exec": self.shown_by_run, "kill": self.shown_by_kill, "delete": self.shown_by_delete,
                "pause": self.shown_by_pause, "resume": self.shown_by_resume, "state": self.shown_by_state,
                "list": self.shown_by_state, "update": self.shown_by_update}[self.verb]()

    def read(self, path):
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def set_up(self, path):
        """The fingerprint that the container prints, with what the host sees of it."""
        self.case.until_file(path, fingerprint.END)
        lines = fingerprint.normalise(self.read(path), fingerprint.host_namespaces())
        filters = fingerprint.device_filters(Case.cgroup_dir(self.bundle))
        return lines + ([f"device filters: {filters}"] if self.verb in ("create", "start") else [])

    def shown_by_create(self):
        self.printed = self.out
        self.runtime.ok("start", self.id)
        return self.set_up(self.out)

    def shown_by_start(self):
        state = json.loads(self.runtime.ok("state", self.id).out)
        return [state["status"]] + self.set_up(self.printed)

    def shown_by_run(self):
        if fingerprint.END not in self.read(self.out):
            raise Failure(f"{self.verb} gives 0, but its program did not end: {self.read(self.out)[-200:]!r}")
        lines = self.set_up(self.out)
        warned = "level=warning" in self.read(self.out + ".err") and "/hooks/poststop" in self.read(self.out + ".err")
        return lines + ([fingerprint.POSTSTOP_FAILED] if warned else [])

    def shown_by_kill(self):
        self.case.until(lambda: self.status() == "stopped", "the container to end", timeout=5)
        return ["stopped"]

    def shown_by_update(self):
        group = Case.cgroup_dir(self.bundle)
        return [self.status(), f"device filters: {fingerprint.device_filters(group)}",
                "max depth: " + self.read(group + "/cgroup.max.depth").strip()]

    def status(self):
        return json.loads(self.runtime.ok("state", self.id).out)["status"]

    def shown_by_delete(self):
        return self.case.watch.leaks(grace=2)

    def shown_by_pause(self):
        return [self.status(), self.read(Case.cgroup_dir(self.bundle) + "/cgroup.events")]

    shown_by_resume = shown_by_pause

    def shown_by_state(self):
        found = json.loads(self.read(self.out))
        found = found[0] if isinstance(found, list) and len(found) == 1 else found
        if not isinstance(found, dict):
            return [f"{found}"]
        pid = found.get("pid")
        alive = isinstance(pid, int) and pid > 0 and os.path.exists(f"/proc/{pid}")
        return [f"{key}={found.get(key)}" for key in ("ociVersion", "status")] + [f"alive: {alive}"]

    def sentence(self, code, number):
        """One line that names the error. Without any (`number` is None) there is nothing to fail for."""
        said = [line for line in self.read(self.out + ".err").splitlines() if "level=warning" not in line]
        if len(said) != 1:
            return [f"{self.verb} gives {code} and {len(said)} lines: {said[:3]}"]
        if number is None:
            return [f"{self.verb} gives {code}: {said[0][:300]}"]
        if said[0].strip(": ").startswith(LIBC_SAYS):
            return []
        name = error_name(number)
        if name in said[0] or ALSO_SAYS.get(name, name) in said[0] or NOBODY_LEFT in said[0]:
            return []
        return [f"{self.verb} does not name {name}: {said[0][:300]}"]
