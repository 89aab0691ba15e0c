# SPDX-License-Identifier: Apache-2.0
"""Id-mapped mounts: files show other owners in the container than they have on the host."""

import os
import subprocess

from itest import known_differences, needs, wherry_only

MAPPINGS = [{"containerID": 0, "hostID": 7000, "size": 1000}]


def tmpfs_can():
    return tuple(int(part) for part in os.uname().release.split("-")[0].split(".")[:2]) >= (6, 3)


needs_tmpfs = needs(tmpfs_can, "a tmpfs that can be id-mapped, as it can since Linux 6.3")


class Disk:
    """A small ext4 at `place`: its ids can be mapped since Linux 5.12."""

    def __init__(self, t, place):
        self.place = place
        image = t.file("disk")
        os.truncate(image, 1 << 22)
        subprocess.run(["mkfs.ext4", "-q", image], check=True)
        subprocess.run(["mount", "-o", "loop", image, place], check=True)

    def close(self):
        subprocess.run(["umount", self.place], check=True)


def tree(t):
    """A directory with a file of 0:0 and one of 5:6."""
    place = t.directory("data")
    if not tmpfs_can():
        t.keep(Disk(t, place))
    for name, uid, gid in (("zero", 0, 0), ("five", 5, 6)):
        path = t.file(f"data/{name}")
        os.chown(path, uid, gid)
    return place


def mapped(b, destination, kind, source, options, mappings=None):
    os.makedirs(b.rootfs + destination, exist_ok=True)  # the root of a user namespace may not be able to
    b.mount(destination, kind, source, options)
    if mappings is not None:
        b.config["mounts"][-1].update({"uidMappings": mappings, "gidMappings": mappings})
    return b


def owners(place="/data"):
    return f"stat -c '%n %u %g' {place}/zero {place}/five"


def shown(place, zero, five):
    return "".join(f"{place}/{name} {uid} {gid}\n" for name, (uid, gid) in (("zero", zero), ("five", five)))


def test_bind_with_mappings(t):
    b = t.bundle(script=owners() + "; touch /data/new")
    b.own_rootfs()
    mapped(b, "/data", "none", tree(t), ["bind", "idmap"], MAPPINGS)
    b.process["user"] = {"uid": 7003, "gid": 7004}
    os.chmod(t.path("data"), 0o777)
    t.equal(t.output(b), shown("/data", (7000, 7000), (7005, 7006)), "owners")
    status = os.stat(t.path("data/new"))
    t.equal((status.st_uid, status.st_gid), (3, 4), "the owner that was written")


def test_mappings_without_the_option(t):
    b = t.bundle(script=owners())
    b.own_rootfs()
    mapped(b, "/data", "none", tree(t), ["bind"], MAPPINGS)
    t.equal(t.output(b), shown("/data", (7000, 7000), (7005, 7006)), "owners")


@known_differences({"runc": "1.1 cannot", "crun": "1.8 opens it before the mount is there"})
def test_source_that_an_earlier_mount_brought(t):
    b = t.bundle(script=owners())
    root = b.own_rootfs()
    os.makedirs(os.path.join(root, "mnt"), exist_ok=True)
    b.mount("/mnt", "bind", tree(t), ["rbind"])
    mapped(b, "/data", "none", os.path.join(root, "mnt"), ["bind", "idmap"], MAPPINGS)
    t.equal(t.output(b), shown("/data", (7000, 7000), (7005, 7006)), "owners")


def test_source_that_an_earlier_mount_brought_in_a_user_namespace(t):
    shifted = [{"containerID": 0, "hostID": 100003, "size": 1000}]
    data = tree(t)
    for mappings, expected in ((None, ((0, 0), (5, 6))), (shifted, ((3, 3), (8, 9)))):
        b = t.bundle(script=owners()).user_namespace()
        root = b.own_rootfs()
        os.makedirs(os.path.join(root, "mnt"), exist_ok=True)
        b.mount("/mnt", "bind", data, ["rbind"])
        mapped(b, "/data", "none", os.path.join(root, "mnt"), ["bind", "idmap"], mappings)
        t.equal(t.output(b), shown("/data", *expected), "owners")


@wherry_only("a link in the root leads nowhere else")
def test_brought_source_stays_in_the_root(t):
    b = t.bundle(script="ls /data").user_namespace()
    root = b.own_rootfs()
    secret = t.directory("secret")
    t.file("secret/key")
    os.makedirs(os.path.join(root, "mnt"), exist_ok=True)
    place = t.directory("place")
    os.symlink(secret, os.path.join(place, "link"))
    b.mount("/mnt", "bind", place, ["rbind"])
    mapped(b, "/data", "none", os.path.join(root, "mnt/link"), ["bind", "idmap"])
    result = t.run(b)
    t.true(result.code != 0, "run fails")
    t.contains(result.err, "/mounts/", "ENOENT")


def test_bind_without_a_mount_namespace(t):
    b = t.bundle(script=owners()).namespace("mount", remove=True)
    b.own_rootfs()
    mapped(b, "/data", "none", tree(t), ["bind", "idmap"], MAPPINGS)
    t.equal(t.output(b), shown("/data", (7000, 7000), (7005, 7006)), "owners")


def test_bind_with_the_user_namespace_of_the_container(t):
    b = t.bundle(script=owners()).user_namespace()
    b.own_rootfs()
    mapped(b, "/data", "none", tree(t), ["bind", "idmap"])
    t.equal(t.output(b), shown("/data", (0, 0), (5, 6)), "owners")


def test_bind_with_mappings_in_a_user_namespace(t):
    b = t.bundle(script=owners()).user_namespace()
    b.own_rootfs()
    mapped(b, "/data", "none", tree(t), ["bind", "idmap"], [{"containerID": 0, "hostID": 100040, "size": 1000}])
    t.equal(t.output(b), shown("/data", (40, 40), (45, 46)), "owners")


@known_differences({"runc": "1.1 cannot", "crun": "1.8 has mappings of new namespaces only"})
def test_bind_with_a_joined_user_namespace(t):
    first = t.bundle("sleep", "1000").user_namespace()
    first.own_rootfs()
    c = t.running(first)
    b = t.bundle(script=owners())
    b.own_rootfs()
    b.namespace("user", f"/proc/{c.pid}/ns/user")
    for kind, name in (("network", "net"), ("ipc", "ipc"), ("uts", "uts")):
        b.namespace(kind, f"/proc/{c.pid}/ns/{name}")
    b.config.pop("hostname")
    mapped(b, "/data", "none", tree(t), ["bind", "idmap"])
    t.equal(t.output(b), shown("/data", (0, 0), (5, 6)), "owners")


def nested(t):
    """tree() with a tmpfs below it that has a file of its own."""
    place = tree(t)
    inner = t.directory("data/inner")
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", inner], check=True)
    open(os.path.join(inner, "file"), "w", encoding="ascii").close()
    return place


@needs_tmpfs
def test_idmap_maps_one_mount_and_ridmap_all(t):
    place = nested(t)
    try:
        for option, inner in (("idmap", 0), ("ridmap", 7000)):
            b = t.bundle(script="stat -c %u /data/zero /data/inner/file")
            b.own_rootfs()
            mapped(b, "/data", "none", place, ["rbind", option], MAPPINGS)
            t.equal(t.output(b), f"7000\n{inner}\n", f"owners with {option}")
    finally:
        subprocess.run(["umount", os.path.join(place, "inner")], check=True)


@needs_tmpfs
def test_relative_and_symlink_sources(t):
    tree(t)
    b = t.bundle(script=owners("/one") + ";" + owners("/two"))
    b.own_rootfs()
    os.rename(t.path("data"), os.path.join(b.path, "data"))
    os.symlink(os.path.join(b.path, "data"), t.path("link"))
    mapped(b, "/one", "none", "data", ["bind", "idmap"], MAPPINGS)
    mapped(b, "/two", "none", t.path("link"), ["bind", "idmap"], MAPPINGS)
    expected = (7000, 7000), (7005, 7006)
    t.equal(t.output(b), shown("/one", *expected) + shown("/two", *expected), "owners")


@known_differences({"runc": "bind mounts only"})
@needs_tmpfs
def test_tmpfs_with_mappings(t):
    b = t.bundle(script="stat -c '%u %g %a' /data; cat /data/file; stat -c %u /data/file")
    b.own_rootfs()
    mapped(b, "/data", "tmpfs", "tmpfs", ["mode=750", "uid=3", "gid=4", "tmpcopyup", "idmap"],
           [{"containerID": 0, "hostID": 0, "size": 1}, {"containerID": 3, "hostID": 7003, "size": 100}])
    with open(os.path.join(b.rootfs, "data/file"), "w", encoding="ascii") as file:
        file.write("copied\n")
    os.chown(os.path.join(b.rootfs, "data/file"), 7009, 0)
    b.process["user"] = {"uid": 7003, "gid": 7004}
    t.equal(t.output(b), "7003 7004 750\ncopied\n7009\n", "owner and mode")


@known_differences({"runc": "bind mounts only"})
@needs_tmpfs
def test_tmpfs_with_the_user_namespace_of_the_container(t):
    b = t.bundle(script="stat -c '%u %g' /data; touch /data/x && stat -c %u /data/x").user_namespace()
    b.own_rootfs()
    mapped(b, "/data", "tmpfs", "tmpfs", ["idmap"])
    t.equal(t.output(b), "0 0\n0\n", "owners")


def test_mappings_of_several_mounts(t):
    place = tree(t)
    b = t.bundle(script="stat -c %u " + " ".join(f"/m{i}/zero" for i in range(20)))
    b.own_rootfs()
    for i in range(20):
        mapped(b, f"/m{i}", "none", place, ["bind", "idmap"], [{"containerID": 0, "hostID": 7000 + i // 2, "size": 10}])
    t.equal(t.output(b).split(), [str(7000 + i // 2) for i in range(20)], "owners")


def test_flags_of_an_idmapped_mount(t):
    b = t.bundle(script="touch /data/x || echo refused; grep ' /data ' /proc/self/mountinfo")
    b.own_rootfs()
    mapped(b, "/data", "none", tree(t), ["bind", "idmap", "ro", "nosuid"], MAPPINGS)
    out = t.output(b)
    t.contains(out, "refused")
    t.matches(out, r" ro,nosuid\S*,idmapped ")


def test_idmap_without_anything_to_map_by_is_refused(t):
    b = t.bundle("true")
    b.own_rootfs()
    t.refused(mapped(b, "/data", "none", t.directory("data"), ["bind", "idmap"]))


@wherry_only("the text names the place and the way out")
def test_a_file_system_that_cannot_is_refused(t):
    b = t.bundle("true")
    b.own_rootfs()
    result = t.run(mapped(b, "/data", "ramfs", "ramfs", ["idmap"], MAPPINGS))
    t.true(result.code != 0, "run fails")
    t.contains(result.err, "/mounts/", "ramfs", "EINVAL", "remove idmap")


def test_half_of_the_mappings_is_refused(t):
    b = t.bundle("true").mount("/data", "none", t.dir, ["bind"])
    b.config["mounts"][-1]["uidMappings"] = MAPPINGS
    t.refused(b)
