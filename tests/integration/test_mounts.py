# SPDX-License-Identifier: Apache-2.0
"""The file systems, devices and paths of a container."""

import os
import re
import stat

from itest import known_differences, sandbox, wherry_only
from itest.case import read


def mountinfo(text):
    """{mount point: (root, options, optional fields, type, super options)}; the last mount on a point counts."""
    table = {}
    for line in text.splitlines():
        left, right = line.split(" - ", 1)
        fields = left.split()
        fstype, _, data = right.split(" ", 2)
        table[fields[4]] = (fields[3], fields[5].split(","), fields[6:], fstype, data.split(","))
    return table


def mounts_of(t, bundle):
    bundle.process["args"] = ["cat", "/proc/self/mountinfo"]
    return mountinfo(t.output(bundle))


def test_tmpfs_size_and_mode(t):
    b = t.bundle().mount("/mnt", "tmpfs", "tmpfs", ["size=128k", "mode=1750", "nosuid", "nodev"])
    b.script("stat -c %a /mnt; grep ' /mnt ' /proc/self/mountinfo; dd if=/dev/zero of=/mnt/x bs=1k count=300 2>&1")
    result = t.run(b)
    t.contains(result.out, "1750", "size=128k", "nosuid", "nodev")
    t.contains(result.text, "No space left")


def test_tmpfs_options_of_the_kernel(t):
    b = t.bundle().mount("/mnt", "tmpfs", "tmpfs", ["nr_inodes=10", "uid=1000", "gid=2000", "noexec", "noatime"])
    b.script("stat -c %u:%g /mnt; grep ' /mnt ' /proc/self/mountinfo")
    t.contains(t.output(b), "1000:2000", "nr_inodes=10", "noexec", "noatime")


def test_unknown_tmpfs_option_is_an_error(t):
    t.refused(t.bundle("true").mount("/mnt", "tmpfs", "tmpfs", ["nosuchoption=1"]))


@wherry_only("the sentence tells an unknown option from a bad value")
def test_refused_options_are_told_apart(t):
    where = f"config.json /mounts/{len(t.bundle().config['mounts'])}: "
    for options, sentence in (
            (["size=1m", "sise=1m"], 'mount tmpfs on /mnt: EINVAL: unknown tmpfs option "sise"'),
            (["mode=755", "sise"], 'mount tmpfs on /mnt: EINVAL: unknown tmpfs option "sise"'),
            (["mode=755", "size=abc"], 'mount tmpfs on /mnt: EINVAL: bad value of the tmpfs option "size=abc"'),
            (["mode=9"], 'mount tmpfs on /mnt: EINVAL: bad value of the tmpfs option "mode=9"'),
            (["size"], 'mount tmpfs on /mnt: EINVAL: bad value of the tmpfs option "size"')):
        result = t.refused(t.bundle("true").mount("/mnt", "tmpfs", "tmpfs", options))
        t.contains(result.err.replace('\\"', '"'), where + sentence + '"\n')  # and nothing behind it


def test_unknown_file_system_is_an_error(t):
    t.refused(t.bundle("true").mount("/mnt", "nosuchfs", "none", []))


def bind_options(t, *options):
    source = t.directory("source")
    t.file("source/file", "content\n")
    b = t.bundle().mount("/mnt", "bind", source, options)
    b.script("cat /mnt/file; grep ' /mnt ' /proc/self/mountinfo; touch /mnt/new && echo written")
    return t.run(b), source


def test_bind_mount_is_writable(t):
    result, source = bind_options(t, "bind")
    t.contains(result.out, "content\n", "written")
    t.true(os.path.exists(os.path.join(source, "new")), "the file on the host")


def test_bind_mount_read_only(t):
    result, source = bind_options(t, "bind", "ro")
    t.lacks(result.out, "written")
    t.contains(result.out, "content\n", " ro,")
    t.equal(os.listdir(source), ["file"], "files on the host")


def test_bind_mount_flags(t):
    result, _ = bind_options(t, "bind", "nosuid", "nodev", "noexec")
    t.contains(result.out, "nosuid", "nodev", "noexec")


def test_type_bind_needs_the_option(t):
    source = t.directory("source")
    t.file("source/file", "content\n")
    b = t.bundle("cat", "/mnt/file").mount("/mnt", "none", source, ["rbind"])
    t.equal(t.output(b), "content\n", "what the mount shows")


def nested_source(t):
    """A directory with a tmpfs mounted below it; the mount is taken away at the end of the test."""
    source = t.directory("source")
    inner = t.directory("source/inner")
    sandbox.mount("inner", inner, "tmpfs")
    t.file("source/inner/file", "deep\n")

    class Unmount:
        @staticmethod
        def close():
            sandbox.umount(inner, sandbox.MNT_DETACH)

    t.keep(Unmount)
    return source


def test_rbind_takes_the_mounts_below(t):
    b = t.bundle("cat", "/mnt/inner/file").mount("/mnt", "bind", nested_source(t), ["rbind"])
    t.equal(t.output(b), "deep\n", "content of the inner mount")


def test_bind_leaves_the_mounts_below(t):
    b = t.bundle("ls", "/mnt/inner").mount("/mnt", "bind", nested_source(t), ["bind"])
    t.equal(t.output(b), "", "content of the covered directory")


def test_rbind_ro_covers_the_top_only(t):
    b = t.bundle(script="touch /mnt/x; touch /mnt/inner/x && echo inner written")
    b.mount("/mnt", "bind", nested_source(t), ["rbind", "ro"])
    result = t.run(b)
    t.contains(result.text, "Read-only file system", "inner written")


def test_rro_covers_the_mounts_below(t):
    b = t.bundle(script="touch /mnt/x; touch /mnt/inner/x || echo refused")
    b.mount("/mnt", "bind", nested_source(t), ["rbind", "rro"])
    result = t.run(b)
    t.contains(result.out, "refused")
    t.equal(result.err.count("Read-only file system"), 2, "refusals")


def test_file_bind_creates_its_mount_point(t):
    b = t.bundle(script="cat /made/of/file").mount("/made/of/file", "bind", t.file("one", "text\n"), ["bind"])
    root = b.own_rootfs()
    t.equal(t.output(b), "text\n", "content")
    t.true(os.path.isfile(os.path.join(root, "made/of/file")), "the mount point is a file")


def test_missing_mount_point_is_created(t):
    b = t.bundle(script="echo x > /a/b/c/file && cat /a/b/c/file").mount("/a/b/c", "tmpfs", "tmpfs")
    b.own_rootfs()
    t.equal(t.output(b), "x\n", "content")


def test_missing_bind_source_is_an_error(t):
    t.refused(t.bundle("true").mount("/mnt", "bind", t.path("absent"), ["bind"]))


def test_mounts_are_made_in_order(t):
    first, second = t.file("one/name", "one\n"), t.file("two/name", "two\n")
    b = t.bundle("cat", "/mnt/name")
    b.mount("/mnt", "bind", os.path.dirname(first), ["bind"]).mount("/mnt", "bind", os.path.dirname(second), ["bind"])
    t.equal(t.output(b), "two\n", "the later mount")


def test_nested_mounts(t):
    b = t.bundle(script="stat -f -c %T /mnt /mnt/a /mnt/a/b; cat /mnt/a/b/file")
    t.file("source/file", "x\n")
    b.mount("/mnt", "tmpfs", "tmpfs").mount("/mnt/a", "tmpfs", "tmpfs")
    b.mount("/mnt/a/b", "bind", t.path("source"), ["bind"])
    t.contains(t.output(b), "x\n")


def test_mount_over_a_symlink_stays_inside(t):
    b = t.bundle(script="cat /etc/inside/file")
    root = b.own_rootfs()
    os.symlink("/etc/inside", os.path.join(root, "link"))
    os.mkdir(os.path.join(root, "etc/inside"))
    b.mount("/link", "bind", os.path.dirname(t.file("source/file", "x\n")), ["bind"])
    t.equal(t.output(b), "x\n", "content below the link's target")


def test_propagation_of_the_root_is_private_or_slave(t):
    options = mounts_of(t, t.bundle())["/"][2]
    t.true(not any(o.startswith("shared:") for o in options), f"no shared root: {options}")


def propagation(t, option):
    table = mounts_of(t, t.bundle().mount("/mnt", "tmpfs", "tmpfs").mount("/mnt", "tmpfs", "tmpfs", [option]))
    return " ".join(table["/mnt"][2])


@known_differences({"crun": "1.8 ignores it on a tmpfs"})
def test_propagation_options(t):
    t.contains(propagation(t, "shared"), "shared:")
    t.contains(propagation(t, "rshared"), "shared:")
    t.equal(propagation(t, "private"), "", "private")
    t.equal(propagation(t, "rprivate"), "", "rprivate")
    t.contains(propagation(t, "unbindable"), "unbindable")


def test_rslave_sees_later_mounts_of_the_host(t):
    source = t.directory("source")
    sandbox.mount(source, source, flags=sandbox.MS_BIND)
    t.keep(Detach(source))
    sandbox.mount("none", source, flags=sandbox.MS_SHARED)
    t.directory("source/late")
    c = t.running(t.bundle("sleep", "1000").mount("/mnt", "bind", source, ["rbind", "rslave"])
                  .edit(linux={"rootfsPropagation": "rslave"}))
    sandbox.mount("late", os.path.join(source, "late"), "tmpfs")
    t.keep(Detach(os.path.join(source, "late")))
    t.contains(read(f"/proc/{c.pid}/mountinfo"), " /mnt/late ")


def test_rprivate_does_not_see_later_mounts(t):
    source = t.directory("source")
    sandbox.mount(source, source, flags=sandbox.MS_BIND)
    t.keep(Detach(source))
    sandbox.mount("none", source, flags=sandbox.MS_SHARED)
    t.directory("source/late")
    c = t.running(t.bundle("sleep", "1000").mount("/mnt", "bind", source, ["rbind", "rprivate"]))
    sandbox.mount("late", os.path.join(source, "late"), "tmpfs")
    t.keep(Detach(os.path.join(source, "late")))
    t.lacks(read(f"/proc/{c.pid}/mountinfo"), " /mnt/late ")


class Detach:
    def __init__(self, path):
        self.path = path

    def close(self):
        sandbox.umount(self.path, sandbox.MNT_DETACH)


def bind_flags(t, flags, options, user_namespace=False):
    """The flags in the container of a source that has `flags` on the host."""
    source = t.directory(f"flagged{len(options)}{user_namespace}{flags}")
    sandbox.mount(source, source, flags=sandbox.MS_BIND)
    t.keep(Detach(source))
    sandbox.mount("none", source, flags=sandbox.MS_BIND | sandbox.MS_REMOUNT | flags)
    b = t.bundle().mount("/mnt", "bind", source, options)
    if user_namespace:
        b.user_namespace()
    return set(mounts_of(t, b)["/mnt"][1]) & {"ro", "rw", "nosuid", "nodev", "noexec"}


def test_bind_without_flags_has_the_sources(t):
    for user_namespace in (False, True):
        flags = bind_flags(t, sandbox.MS_RDONLY | sandbox.MS_NOEXEC, ["rbind", "rprivate"], user_namespace)
        t.equal(flags, {"ro", "noexec"}, "flags")


def test_bind_with_a_flag_clears_the_others(t):
    flags = sandbox.MS_NOSUID | sandbox.MS_NODEV | sandbox.MS_NOEXEC
    t.equal(bind_flags(t, flags, ["bind", "ro"]), {"ro"}, "flags")
    t.equal(bind_flags(t, sandbox.MS_RDONLY | flags, ["bind", "nosuid"]), {"rw", "nosuid"}, "flags")


def test_bind_in_a_user_namespace_keeps_the_others(t):
    flags = sandbox.MS_NOSUID | sandbox.MS_NODEV | sandbox.MS_NOEXEC
    t.equal(bind_flags(t, flags, ["bind", "ro"], True), {"ro", "nosuid", "nodev", "noexec"}, "flags")
    t.equal(bind_flags(t, sandbox.MS_RDONLY, ["bind", "nosuid"], True), {"ro", "nosuid"}, "flags")


def root_propagation(t, value):
    return " ".join(mounts_of(t, t.bundle(linux={"rootfsPropagation": value}))["/"][2])


def test_rootfs_propagation_private(t):
    t.equal(root_propagation(t, "private"), "", "propagation of /")


@known_differences({"runc": "1.1 leaves it private", "crun": "1.8 leaves it private"})
def test_rootfs_propagation_shared(t):
    t.contains(root_propagation(t, "shared"), "shared:")


@known_differences({"runc": "1.1 leaves it private", "crun": "1.8 leaves it private"})
def test_shared_rootfs_on_a_shared_mount(t):
    """As on a host where systemd made all mounts shared: what is mounted for the container does not travel there."""
    for user_namespace in (False, True):
        b = t.bundle("sh", "-c", "cat /proc/self/mountinfo", linux={"rootfsPropagation": "shared"})
        root = b.own_rootfs()
        if user_namespace:
            b.user_namespace()
        sandbox.mount(b.path, b.path, flags=sandbox.MS_BIND)
        t.keep(Detach(b.path))
        sandbox.mount("none", b.path, flags=sandbox.MS_SHARED)
        t.contains(" ".join(mountinfo(t.output(b))["/"][2]), "shared:")
        t.lacks(read("/proc/self/mountinfo"), root)
        c = t.running(b.edit(process={"args": ["sleep", "1000"]}))
        t.lacks(read("/proc/self/mountinfo"), root)
        c.kill()


@known_differences({"runc": "1.1 leaves it private", "crun": "1.8 leaves it private"})
def test_rootfs_propagation_unbindable(t):
    t.contains(root_propagation(t, "unbindable"), "unbindable")


@known_differences({"crun": "1.8 accepts any word"})
def test_bad_rootfs_propagation_is_refused(t):
    t.refused(t.bundle("true", linux={"rootfsPropagation": "sometimes"}))


def test_read_only_root(t):
    b = t.bundle(script="touch /x || echo refused; touch /etc/x || echo refused")
    result = t.run(b)
    t.equal(result.out.count("refused"), 2, "refusals")
    t.contains(result.err, "Read-only file system")


def test_writable_root(t):
    b = t.bundle(script="echo x > /x && cat /x")
    root = b.own_rootfs()
    t.equal(t.output(b), "x\n", "output")
    t.true(os.path.exists(os.path.join(root, "x")), "the file on the host")


def test_nothing_of_the_host_is_mounted(t):
    out = t.output(t.bundle("cat", "/proc/self/mountinfo"))
    t.lacks(out, "/vda", " ext4 ")
    points = [line.split()[4] for line in out.splitlines()]
    t.equal([p for p in points if not re.match(r"^/($|proc|dev|sys)", p)], [], "unexpected mount points")


def test_nothing_is_above_the_root(t):
    t.equal(t.output(t.bundle(script="ls -di / /.. /proc/1/root/../.. | cut -d/ -f1 | tr -d ' ' | sort -u | wc -l")), "1\n",
            "inodes of the root")


# Masked and read-only paths


def test_masked_file_is_dev_null(t):
    b = t.bundle(script="stat -c '%t:%T' /proc/timer_list; cat /proc/timer_list; stat -c '%t:%T' /proc/keys")
    b.linux["maskedPaths"] = ["/proc/timer_list", "/proc/keys"]
    t.equal(t.output(b), "1:3\n1:3\n", "device numbers and content")


def test_masked_directory_is_empty_and_read_only(t):
    b = t.bundle(script="ls -A /etc | wc -l; touch /etc/x || echo refused")
    b.own_rootfs()
    b.linux["maskedPaths"] = ["/etc"]
    t.equal(t.output(b), "0\nrefused\n", "output")


def test_many_masked_directories(t):
    b = t.bundle(script="ls -A /etc /home /var | grep -v : ; true")
    b.linux["maskedPaths"] = ["/etc", "/home", "/var"]
    t.equal(t.output(b).strip(), "", "content of the masked directories")


def test_missing_masked_path_is_ignored(t):
    b = t.bundle("true")
    b.linux["maskedPaths"] = ["/proc/no/such/path", "/absent"]
    t.equal(t.run(b).code, 0, "exit code")


@known_differences({"runc": "takes it relative to the root", "crun": "takes it relative to the root"})
def test_relative_masked_path_is_refused(t):
    b = t.bundle("true")
    b.linux["maskedPaths"] = ["proc/keys"]
    t.refused(b)


def test_read_only_path(t):
    b = t.bundle(script="echo x > /proc/sys/kernel/domainname || echo refused; cat /proc/sys/kernel/ostype")
    b.linux["readonlyPaths"] = ["/proc/sys"]
    t.equal(t.output(b), "refused\nLinux\n", "output")


def test_read_only_path_in_the_root(t):
    b = t.bundle(script="touch /etc/x || echo refused; touch /home/x && echo written")
    b.own_rootfs()
    b.linux["readonlyPaths"] = ["/etc", "/absent"]
    t.equal(t.output(b), "refused\nwritten\n", "output")


# Default file systems and devices


def test_default_devices(t):
    b = t.bundle(script="for d in null zero full random urandom tty; do stat -c '%n %F %t:%T %a %u:%g' /dev/$d; done")
    kind = "character special file"
    want = {"null": "1:3", "zero": "1:5", "full": "1:7", "random": "1:8", "urandom": "1:9", "tty": "5:0"}
    lines = t.output(b).splitlines()
    for line, (name, numbers) in zip(lines, want.items()):
        t.contains(line, f"/dev/{name} {kind} {numbers} 666 0:")


def test_default_devices_work(t):
    b = t.bundle(script="echo x > /dev/null; head -c 4 /dev/zero | od -An -tx1; head -c 4 /dev/urandom | wc -c; "
                        "echo x > /dev/full || echo full")
    t.equal([x.strip() for x in t.output(b).splitlines()], ["00 00 00 00", "4", "full"], "output")


def test_dev_symlinks(t):
    b = t.bundle(script="for l in fd stdin stdout stderr ptmx; do readlink /dev/$l; done")
    out = t.output(b).split()
    t.equal(out[:4], ["/proc/self/fd", "/proc/self/fd/0", "/proc/self/fd/1", "/proc/self/fd/2"], "links")
    t.true(out[4] in ("pts/ptmx", "/dev/pts/ptmx"), f"/dev/ptmx is {out[4]}")


def test_no_console_without_a_terminal(t):
    t.equal(t.output(t.bundle(script="test -e /dev/console || echo none")), "none\n", "/dev/console")


def test_custom_device(t):
    b = t.bundle(script="stat -c '%F %t:%T %a %u:%g' /dev/my/zero; head -c 2 /dev/my/zero | od -An -tx1")
    b.linux["devices"] = [{"path": "/dev/my/zero", "type": "c", "major": 1, "minor": 5, "fileMode": 0o644,
                           "uid": 7, "gid": 8}]
    t.equal(t.output(b).split("\n")[:2], ["character special file 1:5 644 7:8", " 00 00"], "the device")



def test_custom_fifo(t):
    b = t.bundle("stat", "-c", "%F %a", "/dev/pipe")
    b.linux["devices"] = [{"path": "/dev/pipe", "type": "p", "fileMode": 0o622}]
    t.equal(t.output(b), "fifo 622\n", "the fifo")


def test_custom_device_outside_dev(t):
    b = t.bundle("stat", "-c", "%t:%T", "/opt/null")
    b.own_rootfs()
    b.linux["devices"] = [{"path": "/opt/null", "type": "c", "major": 1, "minor": 3}]
    t.equal(t.output(b), "1:3\n", "device numbers")


@known_differences({"crun": "1.8 accepts any letter"})
def test_device_of_unknown_type_is_refused(t):
    b = t.bundle("true")
    b.linux["devices"] = [{"path": "/dev/x", "type": "z", "major": 1, "minor": 3}]
    t.refused(b)


def test_dev_pts_is_a_new_instance(t):
    t.equal(t.output(t.bundle("ls", "/dev/pts")), "ptmx\n", "content of /dev/pts")


def test_mqueue(t):
    t.equal(mounts_of(t, t.bundle())["/dev/mqueue"][3], "mqueue", "type of /dev/mqueue")


def test_sysfs_is_read_only(t):
    table = mounts_of(t, t.bundle())
    t.equal(table["/sys"][3], "sysfs", "type of /sys")
    t.contains(",".join(table["/sys"][1]), "ro")


def test_proc_is_of_the_new_pid_namespace(t):
    out = t.output(t.bundle(script="ls /proc | grep -c '^[0-9]'"))
    t.true(int(out) < 8, "few processes in /proc")


def test_cgroup_mount_shows_the_containers_root(t):
    b = t.bundle(script="cat /proc/self/cgroup; grep ' /sys/fs/cgroup ' /proc/self/mountinfo; cat /sys/fs/cgroup/cgroup.procs")
    out = t.output(b)
    t.contains(out, "0::/\n", "cgroup2", "\n1\n")
    t.contains(out.split("/sys/fs/cgroup", 1)[1].split(" - ")[0], "ro,")



def test_read_only_cgroup_mount_cannot_be_changed(t):
    for kind in ("with", "without"):
        new = f"/sys/fs/cgroup/{t.new_id()}"
        b = t.bundle(script=f"mkdir {new}; echo 1 > /sys/fs/cgroup/cgroup.procs; test -d {new} || echo no")
        b.namespace("cgroup", remove=kind == "without")
        result = t.run(b)
        t.equal(result.out, "no\n", f"no new cgroup {kind} a namespace")


def test_symlink_inside_is_kept(t):
    b = t.bundle(script="readlink /lnk; cat /lnk")
    root = b.own_rootfs()
    os.symlink("etc/passwd", os.path.join(root, "lnk"))
    t.contains(t.output(b), "etc/passwd\n", "root:x:0:0")


def test_mode_of_created_mount_points(t):
    b = t.bundle("true").mount("/newdir", "tmpfs", "tmpfs").mount("/newfile", "bind", t.file("f"), ["bind"])
    root = b.own_rootfs()
    t.output(b)
    for name in ("newdir", "newfile"):
        mode = stat.S_IMODE(os.stat(os.path.join(root, name)).st_mode)
        t.true(mode & 0o022 == 0, f"{name} is not writable by others: {mode:o}")


def test_overlay_mount(t):
    for name in ("lower", "upper", "work"):
        t.directory(name)
    t.file("lower/file", "low\n")
    b = t.bundle(script="cat /mnt/file; echo up > /mnt/file; cat /mnt/file")
    b.mount("/mnt", "overlay", "overlay",
            [f"lowerdir={t.path('lower')}", f"upperdir={t.path('upper')}", f"workdir={t.path('work')}"])
    t.equal(t.output(b), "low\nup\n", "output")
    t.equal(read(t.path("lower/file")), "low\n", "the lower file")


def test_tmpcopyup(t):
    b = t.bundle(script="cat /etc/passwd | head -1; echo x > /etc/new && cat /etc/new")
    b.mount("/etc", "tmpfs", "tmpfs", ["tmpcopyup"])
    t.equal(t.output(b), "root:x:0:0:root:/root:/bin/sh\nx\n", "output")


def test_rdev_and_friends_are_flags(t):
    b = t.bundle().mount("/mnt", "bind", nested_source(t), ["rbind", "rnosuid", "rnodev", "rnoexec"])
    table = mounts_of(t, b)
    for point in ("/mnt", "/mnt/inner"):
        for flag in ("nosuid", "nodev", "noexec"):
            t.true(flag in table[point][1], f"{flag} on {point}")


# config.md "Linux mount options": option, the flag of mountinfo, whether the option sets it.
RECURSIVE = (("rro", "ro", True), ("rrw", "ro", False), ("rnosuid", "nosuid", True), ("rsuid", "nosuid", False),
             ("rnodev", "nodev", True), ("rdev", "nodev", False), ("rnoexec", "noexec", True), ("rexec", "noexec", False),
             ("rnodiratime", "nodiratime", True), ("rdiratime", "nodiratime", False), ("rnoatime", "noatime", True),
             ("ratime", "noatime", False), ("rrelatime", "relatime", True), ("rnorelatime", "relatime", True),
             ("rstrictatime", "relatime", False), ("rnostrictatime", "relatime", True), ("rnosymfollow", "nosymfollow", True),
             ("rsymfollow", "nosymfollow", False))


@wherry_only("all recursive options of runtime-spec 1.3")
def test_every_recursive_attribute(t):
    source = nested_source(t)
    for option, flag, sets in RECURSIVE:
        # One that clears something is shown where all of it is set.
        before = [] if sets else ["rro", "rnosuid", "rnodev", "rnoexec", "rnodiratime", "rnosymfollow"]
        if option in ("ratime", "rnorelatime"):  # the kernel has relatime unless something else is set
            before.append("rnoatime")
        table = mounts_of(t, t.bundle().mount("/mnt", "bind", source, ["rbind", *before, option]))
        for point in ("/mnt", "/mnt/inner"):
            t.equal(flag in table[point][1], sets, f"{flag} on {point} with {option}")


@wherry_only("nosymfollow is a known option")
def test_nosymfollow(t):
    t.contains(",".join(mounts_of(t, t.bundle().mount("/mnt", "tmpfs", "tmpfs", ["nosymfollow"]))["/mnt"][1]),
               "nosymfollow")


def test_mount_label_free_options_order(t):
    b = t.bundle().mount("/mnt", "bind", t.directory("source"), ["rw", "bind", "ro"])
    t.true("ro" in mounts_of(t, b)["/mnt"][1], "the later of ro and rw wins")


def test_bind_source_relative_to_the_bundle(t):
    b = t.bundle("cat", "/mnt/file").mount("/mnt", "bind", "data", ["bind"])
    os.mkdir(os.path.join(b.path, "data"))
    with open(os.path.join(b.path, "data", "file"), "w", encoding="ascii") as file:
        file.write("here\n")
    t.equal(t.output(b), "here\n", "content")


@known_differences({"runc": "1.1 makes nothing through a dangling link"})
def test_target_below_a_dangling_symlink(t):
    b = t.bundle(script="cat /real/deep/er/dir/file; cat /real/file; readlink /lnk")
    root = b.own_rootfs()
    os.symlink("/real/deep", os.path.join(root, "lnk"))
    os.symlink("../real/file", os.path.join(root, "etc/leaf"))
    b.mount("/lnk/er/dir", "bind", os.path.dirname(t.file("source/file", "one\n")), ["bind"])
    b.mount("/etc/leaf", "bind", t.file("leaf", "two\n"), ["bind"])
    t.equal(t.output(b), "one\ntwo\n/real/deep\n", "contents where the links lead")


def test_symlink_loop_as_a_target(t):
    b = t.bundle("true")
    root = b.own_rootfs()
    os.symlink("/two", os.path.join(root, "one"))
    os.symlink("/one", os.path.join(root, "two"))
    t.refused(b.mount("/one", "bind", t.file("source"), ["bind"]), "ELOOP" if t.kind == "wherry" else "")


@known_differences({"runc": "1.1 opens all sources first"})
def test_source_that_an_earlier_mount_brought(t):
    for user_namespace in (False, True):
        b = t.bundle(script="cat /final/file")
        root = b.own_rootfs()
        for name in ("mnt", "final"):
            os.makedirs(os.path.join(root, name), exist_ok=True)
        b.mount("/mnt", "bind", os.path.dirname(t.file("source/file", "there\n")), ["bind"])
        b.mount("/final", "bind", os.path.join(root, "mnt"), ["rbind"])
        if user_namespace:
            b.user_namespace()
        t.equal(t.output(b), "there\n", f"content, user namespace {user_namespace}")


def test_destination_with_the_rootfs_in_front(t):
    b = t.bundle(script="cat /mnt/file")
    b.mount(os.path.join(b.own_rootfs(), "mnt"), "bind", os.path.dirname(t.file("source/file", "x\n")), ["bind"])
    t.equal(t.output(b), "x\n", "content")


def test_readonly_dev_has_what_is_below_it(t):
    b = t.bundle(script="touch /dev/x; touch /dev/shm/y && ls /dev/null /dev/shm/y")
    for mount in b.config["mounts"]:
        if mount["destination"] == "/dev":
            mount["options"].append("ro")
    result = t.run(b)
    t.equal(result.out.split(), ["/dev/null", "/dev/shm/y"], "what is there")
    t.contains(result.err, "Read-only file system")


def test_readonly_tmpfs_has_what_is_mounted_below_it(t):
    b = t.bundle(script="cat /tmp/in/file; touch /tmp/x")
    b.mount("/tmp", "tmpfs", "tmpfs", ["ro"])
    b.mount("/tmp/in", "bind", os.path.dirname(t.file("source/file", "x\n")), ["bind"])
    result = t.run(b)
    t.equal(result.out, "x\n", "content")
    t.contains(result.err, "Read-only file system")


@known_differences({"runc": "1.1 keeps no special bits", "crun": "1.8 does not look at the directory"})
def test_tmpfs_without_mode_has_the_directorys(t):
    b = t.bundle(script="stat -c %a /old /new")
    root = b.own_rootfs()
    os.mkdir(os.path.join(root, "old"))
    os.chmod(os.path.join(root, "old"), 0o2710)
    b.mount("/old", "tmpfs", "tmpfs").mount("/new", "tmpfs", "tmpfs", ["mode=0444"])
    t.equal(t.output(b).split(), ["2710", "444"], "modes")


def test_norelatime_is_the_kernels_default(t):
    """As mount(2) has it: neither noatime nor strictatime is relatime."""
    b = t.bundle("grep", " /tmp ", "/proc/self/mounts").mount("/tmp", "tmpfs", "tmpfs", ["norelatime"])
    t.contains(t.output(b), ",relatime")


@known_differences({"runc": "1.1 masks twice", "crun": "1.8 masks twice"})
def test_path_masked_twice_is_masked_once(t):
    b = t.bundle(script="grep -c ' /proc/bus ' /proc/self/mounts")
    b.linux["readonlyPaths"] = []
    b.linux["maskedPaths"] = ["/proc/bus", "/proc/irq", "/proc/bus"]
    t.equal(t.output(b).strip(), "1", "mounts on /proc/bus")
