# SPDX-License-Identifier: Apache-2.0
"""`wherry unpack`: image-spec layer.md and what hostile images try, each with archives made by hand."""

import functools
import gzip
import json
import os
import shutil
import signal
import stat
import subprocess
import tarfile

from itest import wherry_only
from itest.image import INDEX, MANIFEST, Layout, digest, entry, tar

HARD, LINK, CHAR, FIFO = tarfile.LNKTYPE, tarfile.SYMTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE
BUNDLES = iter(range(1, 10**6))
LISTING = "find . -printf '%P %y %m %U %l\\n' | sort"


def has_id_helpers():
    return shutil.which("newuidmap") and shutil.which("newgidmap")


def ours(function):
    return wherry_only("no other runtime unpacks images")(function)


def layout(t):
    return Layout(os.path.join(t.dir, f"layout{next(BUNDLES)}"))


def unpack(t, source, *flags, ok=True):
    bundle = os.path.join(t.dir, f"out{next(BUNDLES)}")
    result = t.runtime.call("unpack", "--quiet", *flags, source, bundle)
    if ok:
        t.equal(result.code, 0, result.text)
        return os.path.join(bundle, "rootfs")
    t.true(result.code != 0, "unpack should fail")
    t.true(not os.path.lexists(bundle), "no bundle")
    t.equal([name for name in os.listdir(t.dir) if name.startswith(".wherry")], [], "what is left behind")
    return result.text


def flat(t, *layers, **image):
    made = layout(t)
    return unpack(t, made.write(made.image(*[tar(*layer) for layer in layers], **image)))


def refused(t, *layers, flags=(), **image):
    made = layout(t)
    return unpack(t, made.write(made.image(*[tar(*layer) for layer in layers], **image)), *flags, ok=False)


def content(root, path):
    with open(os.path.join(root, path), encoding="utf-8") as file:
        return file.read()


def names(root, path="."):
    return sorted(os.listdir(os.path.join(root, path)))


# --- layer.md ---------------------------------------------------------------------------------------------------------

@ours
def test_attributes_are_kept(t):
    root = flat(t, [entry("./", mode=0o711), entry("f", "x", mode=0o4751, uid=1234, gid=70000, mtime=12345),
                    entry("d", mode=0o1777, mtime=777), entry("d/late", "y"), entry("l", kind=LINK, link="f", uid=5),
                    entry("p", kind=FIFO, mode=0o600), entry("n", kind=CHAR, devmajor=1, devminor=3, mode=0o666),
                    entry("a", "x", xattrs={"user.a": "1", "security.capability": "\x01\x00\x00\x02" + "\x00" * 16})])
    f = os.stat(os.path.join(root, "f"))
    t.equal((f.st_mode & 0o7777, f.st_uid, f.st_gid, f.st_mtime), (0o4751, 1234, 70000, 12345), "f")
    t.equal(stat.S_IMODE(os.stat(root).st_mode), 0o711, "the root's mode")
    d = os.stat(os.path.join(root, "d"))
    t.equal((stat.S_IMODE(d.st_mode), d.st_mtime), (0o1777, 777), "a directory's mode and time, set after its children")
    t.equal(os.lstat(os.path.join(root, "l")).st_uid, 5, "a link's owner")
    t.true(stat.S_ISFIFO(os.stat(os.path.join(root, "p")).st_mode), "a fifo")
    t.equal(os.stat(os.path.join(root, "n")).st_rdev, os.makedev(1, 3), "a device")
    t.true(os.getxattr(os.path.join(root, "a"), "security.capability"), "file capabilities")
    needs_xattrs(t)
    t.equal(os.getxattr(os.path.join(root, "a"), "user.a"), b"1", "an extended attribute")


@ours
def test_absolute_and_dotted_names_are_the_same(t):
    root = flat(t, [entry("/a", "1"), entry("./b", "2"), entry("c/../d", "3")])
    t.equal(names(root), ["a", "b", "d"], "names")


@ours
def test_directory_over_directory_keeps_its_content(t):
    root = flat(t, [entry("d", mode=0o700), entry("d/f", "x")], [entry("d", mode=0o755, uid=7)])
    t.equal(content(root, "d/f"), "x", "what was inside")
    t.equal((os.stat(os.path.join(root, "d")).st_uid, os.stat(os.path.join(root, "d")).st_mode & 0o777), (7, 0o755), "d")


@ours
def test_any_other_clash_replaces(t):
    root = flat(t, [entry("a"), entry("a/x", "1"), entry("b", "f"), entry("c", kind=LINK, link="a"), entry("d", "old")],
                [entry("a", "file"), entry("b"), entry("c"), entry("c/in", "2"), entry("d", kind=LINK, link="b")])
    t.equal(content(root, "a"), "file", "a file in place of a directory")
    t.true(os.path.isdir(os.path.join(root, "b")), "a directory in place of a file")
    t.true(not os.path.islink(os.path.join(root, "c")), "a directory in place of a link")
    t.equal(names(root, "c"), ["in"], "what is in it")
    t.equal(os.readlink(os.path.join(root, "d")), "b", "a link in place of a file")


@ours
def test_file_as_parent_makes_way(t):
    root = flat(t, [entry("a", "file")], [entry("a/b", "x")])
    t.equal(content(root, "a/b"), "x", "a/b")


@ours
def test_of_two_entries_the_last_counts(t):
    t.equal(content(flat(t, [entry("a", "1"), entry("a", "2")]), "a"), "2", "a")


@ours
def test_missing_parents(t):
    root = flat(t, [entry("x/y/z", "1", uid=9)])
    for path in ("x", "x/y"):
        found = os.stat(os.path.join(root, path))
        t.equal((found.st_mode & 0o7777, found.st_uid), (0o755, 0), path)


@ours
def test_hard_links(t):
    root = flat(t, [entry("d/a", "x"), entry("b", kind=HARD, link="d/a"), entry("c", kind=HARD, link="/d/a"),
                    entry("s", kind=LINK, link="nowhere"), entry("t", kind=HARD, link="s")],
                [entry("e", kind=HARD, link="b"), entry("a2", kind=HARD, link="d/a")])
    t.equal(os.stat(os.path.join(root, "b")).st_nlink, 5, "links")
    t.true(os.path.islink(os.path.join(root, "t")), "a hard link to a symbolic link is one")


@ours
def test_whiteouts(t):
    lower = [entry("a", "1"), entry("d"), entry("d/x", "1"), entry("d/y", "1"), entry("e"), entry("e/x", "1")]
    root = flat(t, lower, [entry(".wh.a", ""), entry("d/.wh.x", ""), entry(".wh.e", ""), entry(".wh.nothing", "")])
    t.equal((names(root), names(root, "d")), (["d"], ["y"]), "what is left")


@ours
def test_whiteouts_hide_nothing_of_their_own_layer(t):
    for order in (1, -1):
        root = flat(t, [entry("a", "1"), entry("d"), entry("d/x", "1"), entry("e"), entry("e/old", "1")],
                    [entry("a", "2"), entry(".wh.a", ""), entry("d/n", "2"), entry(".wh.d", ""), entry("e/n", "2"),
                     entry("e/.wh..wh..opq", "")][::order])
        t.equal((content(root, "a"), names(root, "d"), names(root, "e")), ("2", ["n"], ["n"]), f"order {order}")


@ours
def test_whiteouts_of_the_lowest_layer_do_nothing(t):
    t.equal(names(flat(t, [entry("a", "1"), entry(".wh.a", ""), entry(".wh..wh..opq", "")])), ["a"], "what is left")


@ours
def test_opaque_root_and_links(t):
    root = flat(t, [entry("a", "1"), entry("real"), entry("real/x", "1"), entry("l", kind=LINK, link="/real")],
                [entry("l/.wh..wh..opq", ""), entry("b", "2")])
    t.equal((names(root, "real"), names(root)), ([], ["a", "b", "l", "real"]), "opaque behind a link")
    t.equal(names(flat(t, [entry("a", "1")], [entry(".wh..wh..opq", ""), entry("b", "2")])), ["b"], "an opaque root")
    for target in ("/", ".", "..", "../../.."):
        root = flat(t, [entry("a", "1"), entry("l", kind=LINK, link=target)], [entry("l/.wh..wh..opq", ""), entry("b", "2")])
        t.equal(names(root), ["b"], f"an opaque root behind a link to {target}")
        root = flat(t, [entry("a", "1"), entry("l", kind=LINK, link=target)], [entry("l/.wh.a", "")])
        t.equal(names(root), ["l"], f"a whiteout behind a link to {target}")


@ours
def test_aufs_names_are_ignored(t):
    t.equal(names(flat(t, [entry(".wh..wh.plnk"), entry(".wh..wh.plnk/x", "1"), entry("a", "1")])), ["a"], "names")


@ours
def test_whiteouts_of_nothing_are_errors(t):
    for name in (".wh.", ".wh..", ".wh...", "d/.wh."):
        t.contains(refused(t, [entry(name, "")]), "whiteout of nothing")
    refused(t, [entry(".wh.d/x", "1")])


@ours
def test_symlinked_parents_stay_links(t):
    root = flat(t, [entry("usr/lib"), entry("lib", kind=LINK, link="usr/lib"), entry("abs", kind=LINK, link="/usr"),
                    entry("up", kind=LINK, link="../../../../usr")],
                [entry("lib/x", "1"), entry("abs/y", "2"), entry("up/z", "3")])
    t.true(os.path.islink(os.path.join(root, "lib")), "the link stays")
    t.equal((names(root, "usr"), names(root, "usr/lib")), (["lib", "y", "z"], ["x"]), "where it landed")


@ours
def test_sparse_files(t):
    path = os.path.join(t.dir, "sparse")
    with open(path, "wb") as file:
        file.truncate(5_000_000)
        file.seek(2_000_000)
        file.write(b"middle")
    for form in ("gnu", "posix"):
        archive = subprocess.run(["tar", "-C", t.dir, "-cSf", "-", f"--format={form}", "sparse"], check=True,
                                 stdout=subprocess.PIPE).stdout
        made = layout(t)
        root = unpack(t, made.write(made.image(archive)))
        found = os.stat(os.path.join(root, "sparse"))
        t.equal(found.st_size, 5_000_000, form)
        t.true(found.st_blocks * 512 < 1_000_000, "it has holes")
        with open(os.path.join(root, "sparse"), "rb") as file, open(path, "rb") as first:
            t.true(file.read() == first.read(), "the same content")


@ours
def test_long_names(t):
    long = "/".join(["n" * 200] * 10)
    root = flat(t, [entry(long, "x"), entry("l", kind=LINK, link="t" * 500)])
    t.equal(content(root, long), "x", "a long name")
    t.equal(len(os.readlink(os.path.join(root, "l"))), 500, "a long target")


# --- hostile images ---------------------------------------------------------------------------------------------------

@ours
def test_nothing_leaves_the_root(t):
    outside = t.directory("outside")
    t.file("outside/victim", "safe")
    climb = "../" * 12 + outside[1:]
    for layer in ([entry("../../evil", "x")], [entry("/../evil", "x")], [entry("a/../../evil", "x")]):
        refused(t, layer)
    for target in (outside, climb):
        root = flat(t, [entry("l", kind=LINK, link=target), entry("l/evil", "x"), entry("m", kind=LINK, link=target)],
                    [entry("m/.wh.victim", ""), entry("m/.wh..wh..opq", ""), entry("m/evil2", "x", mode=0o777)])
        t.equal(names(root, outside[1:]), ["evil2"], "what landed inside")
        refused(t, [entry("h", kind=HARD, link=climb + "/victim")])
        refused(t, [entry("l", kind=LINK, link=target), entry("h", kind=HARD, link="l/victim")])
        # the last component is never followed: CVE-2021-32760
        root = flat(t, [entry("v", kind=LINK, link=os.path.join(outside, "victim")), entry("v", "new", mode=0o777)])
        t.equal(content(root, "v"), "new", "a file in place of the link")
    t.equal((names(outside), content(outside, "victim")), (["victim"], "safe"), "outside")
    t.equal(stat.S_IMODE(os.stat(os.path.join(outside, "victim")).st_mode), 0o644, "its mode")


@ours
def test_directory_that_becomes_a_link(t):  # CVE-2018-15664, CVE-2019-10152: what was looked up once may have changed
    outside = t.directory("outside")
    climb = "../" * 12 + outside[1:]
    first = [entry("d/e"), entry("d/e/x", "1")]
    for target in (outside, climb):
        for path, evil in (("d", "d/e/evil"), ("d/e", "d/e/evil"), ("d/e", "d/e/x")):
            swap = [entry(path, kind=LINK, link=target), entry(evil, "x", mode=0o4755)]
            for layers in ([first + swap], [first, swap], [first, first + swap]):
                flat(t, *layers)
                made = layout(t)
                made.write(made.image(*[tar(*layer) for layer in layers]))
                overlay(t, made.path, os.path.join(t.dir, "store"))
        t.equal(names(outside), [], "outside")


@ours
def test_users_are_not_looked_up_on_the_host(t):  # CVE-2024-9676 and its like
    t.file("passwd", "me:x:0:0::/:/bin/sh\n")
    for target in (t.path("passwd"), "../" * 12 + t.path("passwd")[1:], "/proc/self/root" + t.path("passwd")):
        text = refused(t, [entry("etc/passwd", kind=LINK, link=target)], config={"User": "me"})
        t.contains(text, "me is not in the image's /etc/passwd")


@ours
def test_root_is_a_directory(t):  # CVE-2021-29136
    for name in (".", "./", "/", ""):
        refused(t, [entry(name, kind=LINK, link="/tmp")])
        refused(t, [entry(name, "file")])


@ours
def test_links_in_a_circle(t):
    t.contains(refused(t, [entry("a", kind=LINK, link="b"), entry("b", kind=LINK, link="a"), entry("a/x", "1")]), "ELOOP")


@ours
def test_limits(t):
    t.contains(refused(t, [entry("a", "x" * 5000)], flags=["--max-bytes", "4000"]), "4000 bytes")
    t.contains(refused(t, [entry(str(i), "") for i in range(20)], flags=["--max-entries", "10"]), "10 entries")
    refused(t, [entry("/".join(["d"] * 600), "x")])
    refused(t, [entry("a", "x" * 80_000_000)], flags=["--max-ratio", "100"])
    made = layout(t)
    sparse = entry("big", b"")
    sparse[0].pax_headers = {"GNU.sparse.size": str(1 << 50), "GNU.sparse.map": ""}
    t.contains(unpack(t, made.write(made.image(tar(sparse))), ok=False), "bytes")


@ours
def test_xattrs_with_bad_names(t):
    for name in ("", "x" * 5000):
        refused(t, [entry("a", "x", xattrs={name: "v"})])
    root = flat(t, [entry("a", "x", xattrs={"nonamespace": "v", "security.selinux": "label"})])
    t.equal(content(root, "a"), "x", "the file")


@ours
def test_archive_is_cut_off(t):
    whole = tar(entry("a", "x" * 2000))
    for size in (100, 700, 1500):
        made = layout(t)
        unpack(t, made.write(made.image(whole[:size])), ok=False)


def char_device(name, major, minor):
    made = entry(name, kind=CHAR)
    made[0].devmajor, made[0].devminor = major, minor
    return made


@ours
def test_no_device_of_the_image_is_opened(t):  # to open a watchdog's is to start it
    fifo, device = entry("etc/passwd", kind=FIFO), char_device("etc/passwd", 1, 5)  # /dev/zero would never end
    for evil in (fifo, device, entry("etc/passwd", kind=LINK, link="../etc/passwd")):
        text = refused(t, [evil], config={"User": "me"})
        t.contains_any(text, "me is not in the image's /etc/passwd", "ELOOP")
    path = os.path.join(t.dir, "evil.tar")
    for kind in (entry("config.json", kind=FIFO), char_device("config.json", 1, 5)):
        with open(path, "wb") as file:
            file.write(tar(kind, entry("rootfs")))
        t.contains(unpack(t, path, ok=False), "config.json of the archive: EINVAL")
    made = layout(t)
    image = made.write(made.image(tar(entry("a", "x"))))
    os.unlink(os.path.join(image, "index.json"))
    os.mkfifo(os.path.join(image, "index.json"))
    t.contains(unpack(t, image, ok=False), "index.json")


@ours
def test_extended_headers_have_one_limit_together(t):
    archive = b""
    for number in range(8):
        archive += tar(entry("f", "", xattrs={f"user.{number}": "v" * 200_000}))[:-1024 - 512]
    made = layout(t)
    t.contains(unpack(t, made.write(made.image(archive + tar(entry("f", "")))), ok=False), "1 MiB")


@ours
def test_bomb_instead_of_a_bundle(t):
    path = os.path.join(t.dir, "bomb.tar.gz")
    with open(path, "wb") as file:
        file.write(gzip.compress(tar(entry("config.json", b"\0" * 90_000_000), entry("rootfs"))))
    t.contains(unpack(t, path, "--max-ratio", "50", ok=False), "50 times")
    t.contains(unpack(t, path, "--max-bytes", "1000000", ok=False), "1000000 bytes")


@ours
def test_index_that_names_one_document_many_times(t):
    made = layout(t)
    large = made.document({"schemaVersion": 2, "mediaType": INDEX, "manifests": [], "annotations": {"a": "x" * 4_000_000}},
                          INDEX)
    missing = {**large, "digest": digest(b"of no document")}  # whoever reads on says that this one is not there
    text = unpack(t, made.write(*[large] * 40, missing), ok=False)
    t.contains(text, "too large")


# --- digests ----------------------------------------------------------------------------------------------------------

@ours
def test_digests_sizes_and_diff_ids_are_verified(t):
    archive = tar(entry("a", "x"))
    made = layout(t)
    t.contains(unpack(t, made.write(made.image(archive, diff_ids=[digest(b"other")])), ok=False), "diffID")
    made = layout(t)
    image = made.image(archive, compress=None)
    made.put("blobs/" + digest(archive).replace(":", "/"), archive[:-1] + b"x")
    t.contains(unpack(t, made.write(image), ok=False), "digest")
    made = layout(t)
    image = made.image(archive, compress=None)
    made.put("blobs/" + digest(archive).replace(":", "/"), archive + b"x")
    t.contains(unpack(t, made.write(image), ok=False), "bytes")
    made = layout(t)
    image = made.image(archive)
    made.put("blobs/" + image["digest"].replace(":", "/"), b"{}" + b" " * (image["size"] - 2))
    t.contains(unpack(t, made.write(image), ok=False), "verify")


@ours
def test_sha512_and_uncompressed(t):
    made = layout(t)
    root = unpack(t, made.write(made.image(tar(entry("a", "x")), compress=None, algorithm="sha512")))
    t.equal(content(root, "a"), "x", "a")


@ours
def test_zstd(t):
    def compress(data):
        return subprocess.run(["zstd", "-c"], input=data, stdout=subprocess.PIPE, check=True).stdout
    if shutil.which("zstd") is None:
        t.skip("there is no zstd")
    t.equal(content(flat(t, [entry("a", "x" * 100000)], compress=compress), "a"), "x" * 100000, "a")


@ours
def test_compressed_stream_is_read_to_its_end(t):
    archive = tar(entry("a", "x"))
    half = len(archive) // 2
    frame = b"\x50\x2a\x4d\x18" + (9).to_bytes(4, "little") + b"x" * 9  # zstd's skippable frame, as zstd:chunked ends

    def zstd(data):
        return subprocess.run(["zstd", "-c"], input=data, stdout=subprocess.PIPE, check=True).stdout

    good = [lambda data: gzip.compress(data) + b"\0" * 700,
            lambda data: gzip.compress(data[:half]) + gzip.compress(data[half:])]
    if shutil.which("zstd"):
        good += [lambda data: zstd(data) + frame, lambda data: frame + zstd(data[:half]) + zstd(data[half:])]
    for compress in good:
        made = layout(t)
        t.equal(content(unpack(t, made.write(made.image(archive, compress=compress))), "a"), "x", "a")
    for compress in (lambda data: gzip.compress(data) + b"junk", lambda data: gzip.compress(data)[:-4]):
        made = layout(t)
        unpack(t, made.write(made.image(archive, compress=compress)), ok=False)
    # what stands behind the archive's end counts for the diffID
    made = layout(t)
    image = made.image(archive + b"\0" * 20000)
    t.equal(content(unpack(t, made.write(image)), "a"), "x", "a")
    made = layout(t)
    t.contains(unpack(t, made.write(made.image(archive + b"\0" * 20000, diff_ids=[digest(archive)])), ok=False), "diffID")


@ours
def test_unknown_layouts_and_types(t):
    archive = tar(entry("a", "x"))
    made = layout(t)
    made.put("oci-layout", b'{"imageLayoutVersion": "2.0.0"}')
    t.contains(unpack(t, made.write(made.image(archive)), ok=False), "2.0.0")
    for kind, known in (("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", True),
                        ("application/vnd.docker.image.rootfs.diff.tar.gzip", True), ("text/plain", False), ("", False)):
        made = layout(t)
        image = made.image(archive)
        with open(os.path.join(made.path, "blobs", image["digest"].replace(":", "/")), encoding="ascii") as file:
            manifest = json.load(file)
        manifest["layers"][0]["mediaType"] = kind
        changed = made.document(manifest, MANIFEST, annotations=image["annotations"])
        unpack(t, made.write(changed), ok=known)
    made = layout(t)
    t.contains(unpack(t, made.write({**made.image(archive), "junk": "x" * 5_000_000}), ok=False), "index.json")


@ours
def test_manifest_is_not_an_index(t):  # CVE-2021-41190
    made = layout(t)
    image = made.image(tar(entry("a", "x")))
    manifest = json.loads(open(os.path.join(made.path, "blobs", image["digest"].replace(":", "/")), "rb").read())
    both = made.document({**manifest, "manifests": []}, MANIFEST, annotations=image["annotations"])
    unpack(t, made.write(both), ok=False)
    unpack(t, made.write({**image, "mediaType": INDEX}), ok=False)


# --- choice -----------------------------------------------------------------------------------------------------------

@ours
def test_names_indexes_and_platforms(t):
    made = layout(t)
    one = made.image(tar(entry("one", "")), name="one")
    amd = made.image(tar(entry("amd", "")), name=None, platform={"os": "linux", "architecture": "amd64"})
    arm = made.image(tar(entry("arm", "")), name=None, architecture="arm64",
                     platform={"os": "linux", "architecture": "arm64", "variant": "v8"})
    index = made.document({"schemaVersion": 2, "mediaType": INDEX, "manifests": [amd, arm]}, INDEX,
                          annotations={"org.opencontainers.image.ref.name": "many"})
    made.write(one, index)
    t.equal(names(unpack(t, made.path, "--image", "one")), ["one"], "by name")
    t.equal(names(unpack(t, made.path, "--image", "many", "--platform", "linux/arm64")), ["arm"], "by platform")
    t.equal(names(unpack(t, made.path, "--image", "many", "--platform", "linux/amd64")), ["amd"], "by platform")
    t.equal(names(unpack(t, made.path, "--image", arm["digest"])), ["arm"], "by digest")
    t.contains(unpack(t, made.path, "--image", "none", ok=False), "one, many")
    t.contains(unpack(t, made.path, "--image", "many", "--platform", "linux/s390x", ok=False), "linux/arm64/v8")


@ours
def test_archives(t):
    made = layout(t)
    made.write(made.image(tar(entry("a", "x"))))
    path = os.path.join(t.dir, "layout.tar")
    subprocess.run(["tar", "-C", made.path, "-cf", path, "."], check=True)
    t.equal(content(unpack(t, path), "a"), "x", "a layout as a tar file")
    lower, upper = tar(entry("a", "1"), entry("b", "1")), tar(entry(".wh.a", ""), entry("c", "2"))
    config = json.dumps({"os": "linux", "architecture": "amd64", "config": {"Entrypoint": ["/x"]},
                         "rootfs": {"type": "layers", "diff_ids": [digest(lower), digest(upper)]}}).encode()
    manifest = json.dumps([{"Config": "config.json", "RepoTags": ["host/name:tag"],
                            "Layers": ["1/layer.tar", "2/layer.tar"]}]).encode()
    path = os.path.join(t.dir, "docker.tar")
    with open(path, "wb") as file:
        file.write(tar(entry("2/layer.tar", upper), entry("manifest.json", manifest), entry("first", lower),
                       entry("1/layer.tar", kind=LINK, link="../first"), entry("config.json", config)))
    # its config.json is that of an image, and yet it is no bundle
    t.equal(names(unpack(t, path, "--image", "name:tag")), ["b", "c"], "docker save")
    t.contains(unpack(t, path, "--image", "other", ok=False), "host/name:tag")


@ours
def test_bundle_archive(t):
    source = t.bundle("sh", "-c", "cat /made-by; echo run")
    rootfs = source.own_rootfs()
    with open(os.path.join(rootfs, "made-by"), "w", encoding="ascii") as file:
        file.write("archive ")
    source.write()
    path = os.path.join(t.dir, "bundle.tar.gz")
    subprocess.run(["tar", "-C", source.path, "-czf", path, "config.json", "rootfs"], check=True)
    bundle = os.path.join(t.dir, "from-archive")
    t.runtime.ok("unpack", "--quiet", path, bundle)
    t.equal(t.runtime.ok("run", "--bundle", bundle, t.new_id()).out, "archive run\n", "what it prints")
    path = os.path.join(t.dir, "evil.tar")
    with open(path, "wb") as file:
        file.write(tar(entry("config.json", "{}"), entry("rootfs"), entry("elsewhere", "x")))
    t.contains(unpack(t, path, ok=False), "does not belong here")


# --- the bundle -------------------------------------------------------------------------------------------------------

def runnable(t, *upper, **image):
    """A layout with busybox, and more layers on it."""
    made = layout(t)
    base = subprocess.run(["tar", "-C", t.box.rootfs, "-cf", "-", "."], check=True, stdout=subprocess.PIPE).stdout
    return made.write(made.image(base, *[tar(*layer) for layer in upper], **image))


def run_bundle(t, bundle, *flags):
    return t.runtime.call("run", "--bundle", bundle, *flags, t.new_id())


@ours
def test_unpack_then_run(t):
    source = runnable(t, [entry("etc/passwd", "me:x:1000:1001::/home/me:/bin/sh\n"), entry("etc/group", "v:x:44:me\n")],
                      config={"User": "me", "Env": ["A=b"], "WorkingDir": "/tmp", "Cmd": ["sh", "-c", "id; pwd; echo $A"]})
    bundle = os.path.dirname(unpack(t, source))
    result = run_bundle(t, bundle)
    t.equal(result.code, 0, result.text)
    t.contains(result.out, "uid=1000(me) gid=1001", "44(v)", "/tmp\n", "b\n")
    t.equal(stat.S_IMODE(os.stat(bundle).st_mode), 0o700, "nobody else reaches setuid files and devices")


@ours
def test_bundle_that_exists_is_left_alone(t):
    source = runnable(t)
    path = t.directory("there")
    t.file("there/x", "1")
    t.contains(t.runtime.fails("unpack", source, path).text, "EEXIST")
    t.equal(names(path), ["x"], "what was there")


@ours
def test_unknown_user_is_an_error(t):
    for user in ("nobody-here", "4294967296", "0:4294967296", "+1", "1e3"):
        unpack(t, runnable(t, config={"User": user}), ok=False)


def interrupt(t, number):
    made = layout(t)
    source = made.write(made.image(tar(*[entry(f"d{i // 100}/f{i}", "x" * 2000) for i in range(40000)])))
    bundle = os.path.join(t.dir, f"stopped{number}")
    child = t.runtime.spawn("unpack", "--quiet", source, bundle)
    t.until(lambda: any(name.startswith(".wherry-unpack.") for name in os.listdir(t.dir)), "the unpacking")
    child.send_signal(number)
    return t.runtime.finish(child), bundle


def drafts(t):
    return [name for name in os.listdir(t.dir) if name.startswith(".wherry-unpack.")]


@ours
def test_drafts_of_others_are_left_alone(t):
    theirs = t.directory(".wherry-unpack.theirs")
    os.chown(theirs, 12345, 12345)
    flat(t, [entry("a", "x")])
    t.equal(drafts(t), [os.path.basename(theirs)], "what is left")
    os.rmdir(theirs)


@ours
def test_interrupted_leaves_nothing(t):
    result, bundle = interrupt(t, signal.SIGINT)
    t.equal((result.code, os.path.exists(bundle), drafts(t)), (130, False, []), "what is left")


@ours
def test_killed_is_swept_by_the_next(t):
    result, bundle = interrupt(t, signal.SIGKILL)
    t.true(not os.path.exists(bundle), "no half bundle")
    flat(t, [entry("a", "x")])
    t.equal(drafts(t), [], "what is left")


# --- the store --------------------------------------------------------------------------------------------------------

def needs_xattrs(t):
    try:
        os.setxattr(t.dir, "user.test", b"")
    except OSError:
        t.skip("a file system without user extended attributes, as tmpfs is before Linux 6.6")


def overlay(t, source, store, *flags, bundle=None):
    needs_xattrs(t)
    bundle = bundle or os.path.join(t.dir, f"overlay{next(BUNDLES)}")
    result = t.runtime.ok("unpack", "--layers", "overlay", "--store", store, "--format", "json", *flags, source, bundle)
    return bundle, json.loads(result.out)


def listed(t, store):
    return t.runtime.ok("images", "--store", store, "--format", "json").json()


@ours
def test_overlay_bundles_share_layers(t):
    store = os.path.join(t.dir, "store")
    source = runnable(t, [entry("etc/.wh.group", ""), entry("root/.wh..wh..opq", ""), entry("new", "x")],
                      config={"Cmd": ["sh", "-c", "ls /etc; cat /new; echo changed >/new; cat /new"]})
    first, said = overlay(t, source, store)
    t.equal((said["layers"], said["reused"]), (2, 0), "layers of the first")
    second, said = overlay(t, source, store)
    t.equal((said["layers"], said["reused"]), (2, 2), "layers of the second")
    for bundle in (first, second):
        result = run_bundle(t, bundle)
        t.equal(result.code, 0, result.text)
        t.lacks(result.out, "group")
        t.contains(result.out, "passwd", "xchanged")
    t.equal([(image["reference"], image["bundles"]) for image in listed(t, store)], [("test", 2)], "images")
    t.contains(t.runtime.ok("prune", "--store", store).out, "removed 0 layers")
    shutil.rmtree(first)
    os.rename(second, second + "-moved")
    t.contains(t.runtime.ok("prune", "--store", store).out, "removed 0 layers")
    shutil.rmtree(second + "-moved")
    t.contains(t.runtime.ok("prune", "--store", store).out, "removed 2 layers and 1 images")
    t.equal((listed(t, store), names(store, "layers"), names(store, "tmp")), ([], [], []), "what is left")


@functools.lru_cache(maxsize=None)
def tricky_layers():
    lower = tar(entry("usr/lib", mode=0o751, uid=3), entry("usr/lib/a", "1"), entry("lib", kind=LINK, link="usr/lib"),
                entry("d", mode=0o700, uid=4, xattrs={"user.x": "1"}), entry("d/x", "1"), entry("f", "f"), entry("gone"),
                entry("gone/x", "1"), entry("again"), entry("again/x", "1"), entry("./", mode=0o750))
    upper = tar(entry("lib/b", "2"), entry("d/y", "2"), entry("h", kind=HARD, link="f"), entry(".wh.gone", ""),
                entry(".wh.again", ""), entry("again/y", "2"), entry("u", "", xattrs={"user.overlay.opaque": "y"}))
    return lower, upper, tar(entry("d/.wh.x", ""), entry("gone/new", "3"), entry("usr/.wh..wh..opq", ""))


@ours
def test_overlay_shows_what_flat_has(t):
    made = layout(t)
    made.write(made.image(*tricky_layers()))
    flat_root = unpack(t, made.path)
    store = os.path.join(t.dir, "store2")
    bundle, _ = overlay(t, made.path, store)
    plain = subprocess.run(["sh", "-c", f"cd {flat_root} && {LISTING}"], check=True, stdout=subprocess.PIPE,
                           text=True).stdout
    t.equal(merged(t, bundle), plain, "the tree")


def merged(t, bundle):
    """What overlayfs makes of a bundle's layers, as a listing."""
    with open(os.path.join(bundle, "config.json"), encoding="utf-8") as file:
        options = ",".join(json.load(file)["mounts"][0]["options"])
    script = f"mount -t overlay overlay -o {options} {t.directory('merged')} && cd {t.path('merged')} && {LISTING}"
    return subprocess.run(["unshare", "-m", "sh", "-c", script], check=True, stdout=subprocess.PIPE, text=True).stdout


@ours
def test_overlay_lists_no_idle_whiteout(t):
    layers = [[entry(".wh.none", ""), entry("d"), entry("d/.wh.none", ""), entry("d/f", "1")],
              [entry("e/.wh.none", ""), entry("e/f", "1"), entry("g/s/.wh.x", ""), entry("g/.wh..wh..opq", ""),
               entry("r/.wh.x", ""), entry("r", "a file after all"), entry("d/.wh.f", "")]]
    made = layout(t)
    made.write(made.image(*[tar(*layer) for layer in layers]))
    plain = subprocess.run(["sh", "-c", f"cd {unpack(t, made.path)} && {LISTING}"], check=True, stdout=subprocess.PIPE,
                           text=True).stdout
    bundle, _ = overlay(t, made.path, os.path.join(t.dir, "store"))
    t.equal(merged(t, bundle), plain, "the tree")


@ours
def test_overlay_hides_what_flat_hides(t):
    lower = [entry("a"), entry("a/b"), entry("a/b/c", "1"), entry("b"), entry("b/x", "1"), entry("c", "1")]
    for upper in ([entry(".wh..wh..opq", ""), entry("b"), entry("new", "2")], [entry("a/b/.wh.c", ""), entry(".wh.a", "")],
                  [entry("a/b/.wh.c", ""), entry(".wh..wh..opq", "")], [entry("a/b/.wh.c", ""), entry("a/n", ""),
                                                                        entry(".wh.a", "")],
                  [entry("b", "file"), entry("b")], [entry("h", kind=HARD, link="a/b/c"), entry("a/b/.wh.x", "")]):
        made = layout(t)
        made.write(made.image(tar(*lower), tar(*upper), tar(entry("last", ""))))
        plain = subprocess.run(["sh", "-c", f"cd {unpack(t, made.path)} && {LISTING}"], check=True, stdout=subprocess.PIPE,
                               text=True).stdout
        bundle, _ = overlay(t, made.path, os.path.join(t.dir, "store"))
        t.equal(merged(t, bundle), plain, str([info.name for info, _ in upper]))


@ours
def test_overlay_looks_below_covered_links(t):
    layers = [[entry("b"), entry("b/x", "1"), entry("a", kind=LINK, link="b")], [entry("a"), entry("a/y", "2")],
              [entry("h", kind=HARD, link="a/x")]]
    refused(t, *layers)
    made = layout(t)
    made.write(made.image(*[tar(*layer) for layer in layers]))
    text = unpack(t, made.path, "--layers", "overlay", "--store", os.path.join(t.dir, "store"), ok=False)
    t.contains(text, "is not there")


@ours
def test_overlay_finds_users_where_the_container_will(t):
    lower = [entry("etc/passwd", "me:x:1000:1000::/:/bin/sh\n"), entry("usr/share/passwd", "me:x:7:7::/:/bin/sh\n")]
    for upper, uid in (([entry("etc/passwd", kind=LINK, link="/usr/share/passwd")], 7), ([entry("etc/other", "")], 1000),
                       ([entry("etc/.wh..wh..opq", "")], None), ([entry(".wh.etc", "")], None), ([entry("etc", "")], None),
                       ([entry("etc/.wh.passwd", "")], None)):
        made = layout(t)
        made.write(made.image(tar(*lower), tar(*upper), config={"User": "me"}))
        store = os.path.join(t.dir, "store")
        if uid is None:
            t.contains(unpack(t, made.path, "--layers", "overlay", "--store", store, ok=False), "/etc/passwd")
            continue
        bundle, _ = overlay(t, made.path, store)
        with open(os.path.join(bundle, "config.json"), encoding="utf-8") as file:
            t.equal(json.load(file)["process"]["user"]["uid"], uid, str(upper))


@ours
def test_layers_without_owners_are_others(t):
    made = layout(t)
    made.write(made.image(tar(entry("a", "x", uid=33))))
    store = os.path.join(t.dir, "store")
    for flags, wanted in ((["--rootless"], 0), ([], 33)):
        _, said = overlay(t, made.path, store, *flags)
        t.equal(said["reused"], 0, "reused")
        owners = {os.stat(os.path.join(store, "layers", name, "diff/a")).st_uid for name in names(store, "layers")}
        t.true(wanted in owners, f"{owners} has {wanted}")


@ours
def test_store_of_others_is_refused(t):
    source = runnable(t)
    for prepare in (lambda path: os.chown(path, 12345, 12345), lambda path: os.chmod(path, 0o777)):
        store = t.directory(f"store{next(BUNDLES)}", 0o700)
        prepare(store)
        t.contains(unpack(t, source, "--layers", "overlay", "--store", store, ok=False), "others may write to it")
        t.equal(names(store), [], "what is in it")


@ours
def test_prune_keeps_what_it_cannot_look_up(t):
    store, other = os.path.join(t.dir, "store"), t.directory("other")
    t.mount("tmpfs", other, "tmpfs")  # the bundle is on another file system
    bundle, _ = overlay(t, runnable(t), store, bundle=os.path.join(other, "bundle"))
    t.contains(t.runtime.ok("prune", "--store", store).out, "removed 0 layers")
    record = os.path.join(store, "bundles", names(store, "bundles")[0])
    with open(record, encoding="utf-8") as file:
        path = file.read()
    t.equal(path, bundle, "the record")
    with open(record, "w", encoding="utf-8") as file:
        file.write("/" + "x" * 300)  # ENAMETOOLONG stands for what may go wrong
    t.contains(t.runtime.fails("prune", "--store", store).text, "ENAMETOOLONG")
    t.equal(len(names(store, "layers")), 1, "layers")
    with open(record, "w", encoding="utf-8") as file:
        file.write(bundle)
    shutil.rmtree(bundle)
    t.contains(t.runtime.ok("prune", "--store", store).out, "removed 1 layers")
    t.equal(names(store, "bundles"), [], "records of bundles")


@ours
def test_as_deep_as_a_container_likes(t):
    store = os.path.join(t.dir, "store")
    script = ("cd /tmp; p=d; i=0; while [ $i -lt 1500 ]; do p=$p/d; i=$((i + 1)); done; "
              "mkdir -p $p .deep.0/x && cd $p && mkdir -p $p && echo done")
    source = runnable(t, config={"Cmd": ["sh", "-c", script]})
    t.runtime.prefix = ["prlimit", "--nofile=512:"]
    result = t.runtime.call("run", "--store", store, "--image", source, t.new_id())
    t.equal((result.out, result.code), ("done\n", 0), result.text)
    t.equal(names(store, "run"), [], "bundles")


@ours
def test_flat_where_overlay_cannot_be(t):
    place, bundle = t.directory("plain"), os.path.join(t.dir, "auto")
    t.mount("ramfs", place, "ramfs")  # has no extended attributes
    source = runnable(t, config={"Cmd": ["echo", "flat"]})
    store = os.path.join(place, "store")
    t.runtime.ok("unpack", "--quiet", "--layers", "auto", "--store", store, source, bundle)
    t.equal(names(bundle), ["config.json", "rootfs"], "a flat bundle")
    result = t.runtime.call("run", "--store", store, "--image", source, t.new_id())
    t.equal((result.out, result.code), ("flat\n", 0), result.text)
    t.contains(unpack(t, runnable(t, [entry("bin/.wh..wh..opq", "")]), "--layers", "overlay", "--store", store, ok=False),
               "--layers flat")


@ours
def test_overlay_without_privileges(t):
    needs_xattrs(t)
    source = runnable(t, [entry("mine", "x", uid=7)], config={"Cmd": ["sh", "-c", "stat -c %u /mine; echo y >/new; cat /new"]})
    subprocess.run(["chmod", "-R", "a+rX", t.dir], check=True)
    t.as_user()
    t.runtime.env["XDG_DATA_HOME"] = t.path("data")
    t.directory("data", 0o700)
    t.user.own(t.path("data"))
    for mode, kind in (("overlay", "overlay"), ("auto", "overlay"), ("flat", None)):
        bundle = t.path("user-" + mode)
        t.runtime.ok("unpack", "--quiet", "--layers", mode, source, bundle)
        with open(os.path.join(bundle, "config.json"), encoding="utf-8") as file:
            t.equal(json.load(file)["mounts"][0]["type"] == "overlay", kind == "overlay", mode)
        result = run_bundle(t, bundle)
        t.equal(result.code, 0, result.text)
        t.equal(result.out, "7\ny\n" if has_id_helpers() else "0\ny\n", mode)
    result = t.runtime.call("run", "--image", source, t.new_id())
    t.equal(result.code, 0, result.text)
    t.equal(names(t.path("data"), "wherry/images/run"), [], "bundles")


MAPS = ("--uid-map", "0:100000:65536", "--gid-map", "0:100000:65536")


@ours
def test_overlay_with_a_user_namespace(t):
    store = os.path.join(t.dir, "store")
    script = "stat -c %u /mine /bin/busybox; rm /gone; mv /mine /moved; echo y >/new; cat /new /proc/self/uid_map"
    source = runnable(t, [entry("mine", "x", uid=7), entry("gone", "x")], config={"Cmd": ["sh", "-c", script]})
    for maps in (MAPS, ("--uid-map", "0:300000:1000", "--gid-map", "0:300000:1000")):
        bundle, _ = overlay(t, source, store, *maps)
        result = run_bundle(t, bundle)
        if "cannot map the ids of this file system" in result.text:
            t.skip("a file system that cannot be id-mapped, as tmpfs before Linux 6.3")
        t.equal(result.code, 0, result.text)
        t.contains(result.out, "7\n0\ny\n", maps[1].split(":")[1])
        upper = os.path.join(bundle, "overlay/upper")
        t.equal((os.stat(os.path.join(upper, "moved")).st_uid, os.stat(os.path.join(upper, "new")).st_uid), (7, 0),
                "on the disk, ids are the image's")
        t.equal(os.lstat(os.path.join(upper, "gone")).st_rdev, 0, "a whiteout")
        t.equal(stat.S_IMODE(os.stat(store).st_mode), 0o700, "nobody else reaches the store")
    t.equal([(len(image["layers"]), image["bundles"]) for image in listed(t, store)], [(2, 2)], "one store for all")


@ours
def test_flat_with_id_maps(t):
    source = runnable(t, [entry("mine", "x", uid=7)], config={"Cmd": ["stat", "-c", "%u", "/mine", "/bin/busybox"]})
    root = unpack(t, source, "--uid-map", "0:100000:65536", "--gid-map", "0:100000:65536")
    t.equal(os.stat(os.path.join(root, "mine")).st_uid, 100007, "on the disk, ids are the host's")
    os.chmod(os.path.dirname(root), 0o755)
    result = run_bundle(t, os.path.dirname(root))
    t.equal(result.out, "7\n0\n", result.text)


@ours
def test_run_image(t):
    store = os.path.join(t.dir, "store")
    source = runnable(t, [entry("made", "x")], config={"Entrypoint": ["sh", "-c"], "Cmd": ["echo cmd"]})
    for reference, args, wanted in ((source, (), "cmd\n"), (source + ":test", ("--", "cat /made; echo; exit 3"), "x\n")):
        result = t.runtime.call("run", "--store", store, "--image", reference, t.new_id(), *args)
        t.equal((result.out, result.code), (wanted, 3 if args else 0), result.text)
    t.equal(names(store, "run"), [], "bundles")
    t.true(t.runtime.call("run", "--store", store, "--image", source + ":none", t.new_id()).code != 0, "no such name")
    os.symlink("loop", t.path("loop"))  # what cannot be looked up is not missing
    t.contains(t.runtime.fails("run", "--store", store, "--image", t.path("loop") + ":test", t.new_id()).text, "ELOOP")
    t.contains(t.runtime.fails("run", "--detach", "--store", store, "--image", source, t.new_id()).text, "wherry unpack")
