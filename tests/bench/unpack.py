#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How long does an image take to become a tree, with a warm cache? Paired rounds, each program in turn.

usage: tests/bench/unpack.py --runtime WHERRY --image DIR:TAG [--rounds N]      needs root, umoci, podman, bsdtar, mkfs.ext4
bsdtar extracts the layers one after the other, which verifies nothing and knows no whiteouts: a lower bound for a tool
that works alone. podman pulls into an empty storage, without a mount. Each program begins with an empty ext4 in a file:
for a minute and more ext4 searches long for an inode where many were deleted, and the first would pay for the last.
"""
import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

SIZE = 8 << 30  # bytes; what is not written takes no place


def layers(layout, tag):
    def blob(digest):
        return os.path.join(layout, "blobs", *digest.split(":"))
    with open(os.path.join(layout, "index.json"), encoding="utf-8") as file:
        manifests = json.load(file)["manifests"]
    chosen = [m for m in manifests if m.get("annotations", {}).get("org.opencontainers.image.ref.name") == tag]
    with open(blob(chosen[0]["digest"]), encoding="utf-8") as file:
        return [blob(layer["digest"]) for layer in json.load(file)["layers"]]


def programs(wherry, layout, tag, out):
    extract = "mkdir -p $0/r; for l in \"$@\"; do bsdtar --numeric-owner -xpf $l -C $0/r; done"
    return {
        "wherry": [wherry, "unpack", "-q", "--image", tag, layout, out + "/b"],
        "wherry overlay": [wherry, "unpack", "-q", "--layers", "overlay", "--store", out + "/s", "--image", tag, layout,
                           out + "/b"],
        "bsdtar": ["sh", "-ec", extract, out, *layers(layout, tag)],
        "umoci": ["umoci", "unpack", "--image", f"{layout}:{tag}", out + "/b"],
        "podman": ["podman", "--root", out + "/p", "--runroot", out + "/q", "--storage-driver", "overlay", "pull", "--quiet",
                   f"oci:{layout}:{tag}"],
    }


def mount_empty(base, out):
    image = os.path.join(base, "ext4")
    with open(image, "wb") as file:
        file.truncate(SIZE)
    subprocess.run(["mkfs.ext4", "-q", "-E", "lazy_itable_init=0,lazy_journal_init=0,nodiscard", image], check=True)
    os.mkdir(out)
    os.sync()
    subprocess.run(["mount", "-o", "loop", image, out], check=True)


def unmount(base, out):
    subprocess.run(["umount", "--recursive", out], check=True)
    os.rmdir(out)
    os.unlink(os.path.join(base, "ext4"))


def measure(argv):
    """Seconds, the peak RSS in MiB of the largest process, and seconds of processor time."""
    begin = time.monotonic()
    child = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    text = child.stderr.read()
    _, status, usage = os.wait4(child.pid, 0)
    if status != 0:
        sys.exit(f"{argv[0]} failed: {text.decode(errors='replace')[-500:]}")
    return time.monotonic() - begin, usage.ru_maxrss / 1024, usage.ru_utime + usage.ru_stime


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runtime", required=True)
    parser.add_argument("--image", required=True, metavar="DIR:TAG")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", help="names, separated by commas")
    options = parser.parse_args()
    if "WHERRY_BENCH_ALONE" not in os.environ:  # podman leaves its storage mounted
        os.environ["WHERRY_BENCH_ALONE"] = "1"
        os.execvp("unshare", ["unshare", "--mount", "--propagation", "private", sys.executable, *sys.argv])
    layout, tag = options.image.rsplit(":", 1)
    base = tempfile.mkdtemp(prefix="wherry-bench.", dir=os.environ.get("TMPDIR", "/var/tmp"))
    rows = {}
    try:
        for number in range(options.rounds + 1):  # the first warms the cache
            for name in programs(options.runtime, layout, tag, ""):
                if options.only and name not in options.only.split(","):
                    continue
                out = os.path.join(base, "out")
                mount_empty(base, out)
                found = measure(programs(os.path.abspath(options.runtime), os.path.abspath(layout), tag, out)[name])
                print(f"round {number}: {name}: {found[0]:.2f} s, cpu {found[2]:.2f} s", file=sys.stderr, flush=True)
                if number:
                    rows.setdefault(name, []).append(found)
                unmount(base, out)
    finally:
        subprocess.run(["umount", "--quiet", "--recursive", os.path.join(base, "out")], check=False)
        shutil.rmtree(base, ignore_errors=True)
    others = [name for name in rows if not name.startswith("wherry")]
    ratios = [ours[0] / min(rows[name][i][0] for name in others) for i, ours in enumerate(rows["wherry"])] if others else []
    for name, samples in rows.items():
        wall, rss, cpu = (statistics.median(column) for column in zip(*samples))
        print(f"{name:16} {wall:7.2f} s   cpu {cpu:6.2f} s   rss {rss:7.1f} MiB")
    if ratios:
        print(f"wherry / the fastest other: {statistics.median(ratios):.2f} (median of {len(ratios)} rounds)")


if __name__ == "__main__":
    main()
