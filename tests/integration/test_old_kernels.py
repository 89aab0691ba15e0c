# SPDX-License-Identifier: Apache-2.0
"""Each newer kernel interface taken away by a seccomp filter from outside, as below an old profile or an old kernel: the
runtime takes another way (`run --without` runs all the tests so), or says in one line which kernel it needs."""

import errno

from itest import wherry_only
from itest.without import SEAMS, take_away

# There is another way.
MANAGES_WITHOUT = ("faccessat2", "memfd-flags", "keyctl")
# Needed for every container, so `run` must say so.
NEEDED = ("fsopen", "clone3", "openat2", "mount-api", "open_tree", "mount_setattr", "close_range", "pidfd_open")
# They came together with another one that is named.
NOT_NAMED = {"fsconfig", "fsmount"}


def without(seam, answer=errno.ENOSYS):
    return {"preexec_fn": lambda: take_away([seam], answer)}


@wherry_only("it says which kernel it needs")
def test_what_is_needed_is_named(t):
    for seam in NEEDED:
        for verb in ("run", "create"):
            b = t.bundle("true")
            b.write()
            result = t.runtime.call(verb, "--bundle", b.path, t.new_id(), **without(seam))
            t.true(result.code != 0, f"{verb} without {seam} fails")
            t.equal(len(result.err.strip().splitlines()), 1, f"lines of {result} without {seam}")
            t.contains(result.err, "ENOSYS", "Linux 5.14", "not there: ")
            t.contains(result.err.split("not there: ")[1], *set(SEAMS[seam][0]) - NOT_NAMED)
            t.clean()


@wherry_only("an old profile answers EPERM")
def test_what_an_old_profile_forbids_is_named(t):
    for seam in NEEDED:
        b = t.bundle("true")
        b.write()
        result = t.runtime.call("run", "--bundle", b.path, t.new_id(), **without(seam, errno.EPERM))
        t.true(result.code != 0, f"run without {seam} fails")
        t.equal(len(result.err.strip().splitlines()), 1, f"lines of {result} without {seam}")
        t.contains(result.err, "EPERM")
        t.clean()


@wherry_only("it takes another way")
def test_what_has_another_way(t):
    for seam in MANAGES_WITHOUT:
        b = t.bundle("echo", "hello")
        b.write()
        result = t.runtime.ok("run", "--bundle", b.path, t.new_id(), **without(seam))
        t.equal(result.text, "hello\n", f"output without {seam}")


@wherry_only("it works, or says what it needs")
def test_verbs_on_a_container_that_is_there(t):
    """A seam closes behind a running container: every verb works, or says what is missing and changes nothing."""
    for seam in SEAMS:
        c = t.running()
        for args in (["state", c.id], ["list"], ["ps", c.id], ["exec", c.id, "true"], ["pause", c.id], ["resume", c.id],
                     ["kill", c.id, "CONT"], ["delete", "--force", c.id]):
            result = t.runtime.call(*args, **without(seam))
            if result.code != 0:
                t.equal(len(result.err.strip().splitlines()), 1, f"lines of {result} without {seam}")
                t.contains(result.err, "ENOSYS", "Linux 5.14")
        t.runtime.ok("delete", "--force", c.id)
        t.alive.remove(c)
        t.clean()
