# SPDX-License-Identifier: Apache-2.0
"""Too little of something: room, inodes, descriptors, a writable /run; and records that outlived what they name."""

import errno
import json
import os
import resource
import subprocess

from itest import Failure, wherry_only
from itest.case import load, read
from itest.sandbox import MNT_DETACH, MS_RDONLY, MS_REMOUNT, mount, umount

PLENTY = "no such file or directory", "permission denied", "operation not permitted"


class SmallPlace:
    """A tmpfs of a few pages or inodes, as the runtime's state root."""

    def __init__(self, t, options):
        self.path = t.directory("small")
        mount("small", self.path, "tmpfs", data="mode=0755," + options)
        t.runtime.root = os.path.join(self.path, "state")
        t.watch.state_root = t.runtime.root
        t.watch.mounts = t.watch.mounts + [line for line in mountinfo() if f" {self.path} " in line]

    def free(self):
        at = os.statvfs(self.path)
        return at.f_bavail, at.f_favail

    def close(self):
        umount(self.path, MNT_DETACH)


def mountinfo():
    return read("/proc/self/mountinfo").splitlines()


def small_place(t, options):
    place = SmallPlace(t, options)

    class Closer:
        @staticmethod
        def close():
            t.watch.mounts = [line for line in t.watch.mounts if f" {place.path} " not in line]
            place.close()

    t.keep(Closer())
    return place


def one_sentence(t, result, name):
    """Exactly one line that names the errno and none of the words that engines read as the command's own fault."""
    lines = result.err.strip().splitlines()
    t.equal(len(lines), 1, f"lines of {result}")
    t.contains(lines[0], name)
    for phrase in PLENTY:
        t.lacks(lines[0], phrase)


# Room

@wherry_only("one sentence, and nothing is left")
def test_state_directory_without_room(t):
    """Every size from none to enough: create names ENOSPC and leaves nothing, or it works."""
    worked = 0
    for pages in range(0, 12):
        place = small_place(t, "size=64k,nr_inodes=100")
        filler = os.path.join(place.path, "filler")
        with open(filler, "wb") as file:
            file.write(b"x" * 4096 * (16 - pages))
        c = t.container(t.bundle("true"))
        result = t.runtime.call("create", *c.flags(), c.id)
        if result.code == 0:
            worked += 1
            t.runtime.ok("start", c.id)
            t.runtime.ok("delete", "--force", c.id)
        else:
            one_sentence(t, result, "ENOSPC")
        t.equal(os.listdir(t.runtime.root) if os.path.isdir(t.runtime.root) else [], [], "state entries")
        t.closers.pop().close()
    t.true(0 < worked < 12, f"some sizes are enough ({worked} of 12)")


@wherry_only("one sentence, and nothing is left")
def test_state_directory_without_inodes(t):
    worked = 0
    for inodes in range(2, 14):
        small_place(t, f"nr_inodes={inodes}")
        c = t.container(t.bundle("true"))
        result = t.runtime.call("create", *c.flags(), c.id)
        if result.code == 0:
            worked += 1
            t.runtime.ok("delete", "--force", c.id)
        else:
            one_sentence(t, result, "ENOSPC")
        t.equal(os.listdir(t.runtime.root) if os.path.isdir(t.runtime.root) else [], [], "state entries")
        t.closers.pop().close()
    t.true(0 < worked < 12, f"some numbers are enough ({worked} of 12)")


@wherry_only("one sentence, and nothing is left")
def test_container_lives_on_when_its_state_directory_is_full(t):
    place = small_place(t, "size=256k")
    c = t.created(t.bundle("sleep", "1000"))
    with open(os.path.join(place.path, "filler"), "wb", buffering=0) as file:
        try:
            while file.write(b"x" * 4096):
                pass
        except OSError as full:
            t.equal(full.errno, errno.ENOSPC, "errno")
    t.equal(place.free()[0], 0, "free blocks")
    t.equal(c.status(), "created")
    c.start()
    t.equal(c.status(), "running")
    t.equal(c.exec("true").code, 0, "exec")
    c.stop()
    c.delete()


@wherry_only("one sentence, and nothing is left")
def test_pid_file_on_a_full_disk(t):
    place = t.directory("full")
    mount("full", place, "tmpfs", data="size=4k")
    try:
        with open(os.path.join(place, "filler"), "wb") as file:
            file.write(b"x" * 4096)
        for verb in ("create", "run"):
            b = t.bundle("true")
            b.write()
            result = t.runtime.fails(verb, "--bundle", b.path, "--pid-file", os.path.join(place, "pid"), t.new_id())
            one_sentence(t, result, "ENOSPC")
            t.contains(result.err, "pid file")
    finally:
        umount(place, MNT_DETACH)
    t.clean()


@wherry_only("one sentence, and nothing is left")
def test_read_only_state_root(t):
    place = small_place(t, "size=1m")
    c = t.running()
    before = [line for line in t.watch.mounts if f" {place.path} " in line]
    mount("small", place.path, flags=MS_REMOUNT | MS_RDONLY)
    try:
        b = t.bundle("true")
        b.write()
        for verb in ("create", "run"):
            result = t.runtime.fails(verb, "--bundle", b.path, t.new_id())
            one_sentence(t, result, "EROFS")
        t.equal(c.status(), "running")
        t.contains(t.runtime.ok("list").out, c.id)
        t.equal(c.exec("true").code, 0, "exec")
        c.kill("KILL")
        t.until(lambda: c.status() == "stopped", "its end")
        one_sentence(t, t.runtime.fails("delete", c.id), "EROFS")
    finally:
        mount("small", place.path, flags=MS_REMOUNT)
    t.equal(len(before), 1, "the mount is known")
    c.delete("--force")


# Descriptors

@wherry_only("one sentence, and nothing is left")
def test_few_descriptors(t):
    """RLIMIT_NOFILE from nothing to enough, for each verb: it works, or one sentence says EMFILE."""
    works_at = {}
    for verb in ("run", "create", "start", "exec", "state", "list", "kill", "delete"):
        for limit in range(3, 40):
            c = t.container(t.bundle("sleep", "1000") if verb != "run" else t.bundle("true"))
            c.bundle.process["rlimits"] = []
            if verb not in ("run", "create", "list"):
                c.create()
            if verb in ("exec", "kill"):
                c.start()
            argv = {"run": ["run", *c.flags(), c.id], "create": ["create", *c.flags(), c.id], "exec": ["exec", c.id, "true"],
                    "kill": ["kill", c.id, "KILL"], "list": ["list"], "delete": ["delete", "--force", c.id]}
            result = t.runtime.call(*argv.get(verb, [verb, c.id]),
                                    preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit)))
            if result.code != 0 and result.err.strip():
                lines = result.err.strip().splitlines()
                t.equal(len(lines), 1, f"lines of {result} with {limit} descriptors")
                t.true("EMFILE" in lines[0], f"{lines[0]} with {limit} descriptors names EMFILE")
            elif result.code != 0:
                raise Failure(f"{verb} with {limit} descriptors says nothing and gives {result.code}")
            t.runtime.ok("delete", "--force", c.id)
            if c in t.alive:
                t.alive.remove(c)
            t.clean()
            if result.code == 0:
                works_at[verb] = limit
                break
        t.true(verb in works_at, f"{verb} works with 40 descriptors")


# Records that outlived what they name

def edit_record(t, c, **changes):
    path = os.path.join(t.runtime.root, c.id, "state.json")
    record = load(path)
    for key in changes:
        t.true(key in record, f"{key} is a key of the record ({sorted(record)})")
    record.update(changes)
    with open(path, "w", encoding="utf-8") as file:
        json.dump(record, file)


@wherry_only("the record's format is its own")
def test_record_of_another_boot(t):
    """After a reboot the pid belongs to somebody else; nothing may be sent to it."""
    c = t.running()
    bystander = subprocess.Popen(["sleep", "1000"])
    try:
        c.kill("KILL")
        t.until(lambda: c.status() == "stopped", "its end")
        edit_record(t, c, bootId="00000000-0000-4000-8000-000000000000", pid=bystander.pid, pidfdInode=0,
                    pidStartTime=int(read(f"/proc/{bystander.pid}/stat").rsplit(")", 1)[1].split()[19]))
        t.equal(c.status(), "stopped")
        t.equal(c.state().get("pid", 0), 0, "pid")
        t.contains(t.runtime.fails("kill", c.id, "KILL").err, "not running")
        t.contains(t.runtime.fails("exec", c.id, "true").err, "stopped")
        t.contains(t.runtime.fails("start", c.id).err, "stopped")
        c.delete()
        t.equal(bystander.poll(), None, "the end of the process that has its pid now")
    finally:
        bystander.kill()
        bystander.wait()


@wherry_only("the record's format is its own")
def test_pid_of_another_process(t):
    """The container's pid was given to another process."""
    for by in ("pidfdInode", "pidStartTime"):
        c = t.running()
        bystander = subprocess.Popen(["sleep", "1000"])
        try:
            c.kill("KILL")
            t.until(lambda: c.status() == "stopped", "its end")
            if by == "pidStartTime":
                edit_record(t, c, pid=bystander.pid, pidfdInode=0, pidStartTime=1)
            else:
                edit_record(t, c, pid=bystander.pid, pidfdInode=1, pidStartTime=0)
            t.equal(c.status(), "stopped")
            t.contains(t.runtime.fails("kill", c.id, "KILL").err, "not running")
            c.delete("--force")
            t.equal(bystander.poll(), None, "the end of the process that has its pid now")
        finally:
            bystander.kill()
            bystander.wait()


@wherry_only("the record's format is its own")
def test_pid_of_a_thread(t):
    """A number that is a thread's now: pidfd_open gives EINVAL or ENOENT for it."""
    c = t.running()
    c.kill("KILL")
    t.until(lambda: c.status() == "stopped", "its end")
    program = "import threading, time; threading.Thread(target=time.sleep, args=(1000,), daemon=True).start(); time.sleep(1000)"
    bystander = subprocess.Popen([os.path.realpath("/proc/self/exe"), "-S", "-c", program])
    try:
        t.until(lambda: len(os.listdir(f"/proc/{bystander.pid}/task")) == 2, "a second thread")
        thread = max(int(name) for name in os.listdir(f"/proc/{bystander.pid}/task"))
        edit_record(t, c, pid=thread)
        t.equal(c.status(), "stopped")
        c.delete()
        t.equal(bystander.poll(), None, "the end of the process that has its pid now")
    finally:
        bystander.kill()
        bystander.wait()
