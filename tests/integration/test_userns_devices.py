# SPDX-License-Identifier: Apache-2.0
"""Device nodes in a user namespace, which may make none itself."""

import os
import stat

from itest import wherry_only


def with_device(t, script, **device):
    b = t.bundle(script=script).user_namespace()
    b.own_rootfs()
    entry = dict({"path": "/dev/some", "type": "c", "major": 1, "minor": 5}, **device)
    b.linux["devices"] = [entry]
    b.linux["resources"] = {"devices": [{"allow": False, "access": "rwm"},
                                        {"allow": True, "type": "c", "major": 1, "minor": 5, "access": "rwm"}]}
    return b


SHOW = "stat -c '%u %g %a %t:%T %F' /dev/some"


@wherry_only("runc and crun bind the host's node: there is none of that name")
def test_a_node_that_the_host_does_not_have(t):
    b = with_device(t, SHOW + "; head -c 3 /dev/some | wc -c", fileMode=0o644, uid=7, gid=8)
    t.equal(t.output(b), "7 8 644 1:5 character special file\n3\n", "the node")


@wherry_only("runc binds the host's node with the host's owner")
def test_owner_and_mode_of_a_node_that_the_host_has(t):
    b = with_device(t, "stat -c '%u %g %a' /dev/zero", path="/dev/zero", fileMode=0o604, uid=3, gid=4)
    t.equal(t.output(b), "3 4 604\n", "owner and mode")
    t.equal(stat.S_IMODE(os.stat("/dev/zero").st_mode), 0o666, "the host's own")


def test_default_nodes(t):
    b = t.bundle(script="for n in null zero full random urandom tty; do test -c /dev/$n || echo no $n; done; echo x > /dev/null")
    b.user_namespace()
    t.equal(t.run(b).err + t.run(b).out, "", "output")


@wherry_only("no node is made for an owner that nobody in the container can be")
def test_an_owner_that_is_not_mapped_is_refused(t):
    b = with_device(t, "true", uid=70000)
    result = t.run(b)
    t.true(result.code != 0, "run fails")
    t.contains(result.err, "/linux/devices/0/uid")


def test_a_fifo(t):
    b = with_device(t, "stat -c '%F %a' /dev/pipe")
    b.linux["devices"] = [{"path": "/dev/pipe", "type": "p", "fileMode": 0o600}]
    t.equal(t.output(b), "fifo 600\n", "the node")


def test_nothing_is_mounted_on_the_host(t):
    with open("/proc/self/mountinfo", encoding="ascii") as file:
        before = file.read()
    t.run(with_device(t, "true", fileMode=0o640))
    with open("/proc/self/mountinfo", encoding="ascii") as file:
        t.equal(file.read(), before, "mounts")
