# SPDX-License-Identifier: Apache-2.0
"""linux.netDevices: interfaces of the host that move into the container's network namespace."""

import itertools
import os
import subprocess

from itest import known_differences, needs

numbers = itertools.count()
OLD = {"runc": "1.1 ignores them", "crun": "1.8 ignores them"}


def ip(*words):
    return subprocess.run(["ip", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False, encoding="utf-8")


class Link:
    """A pair of virtual interfaces; the one that stays keeps the other's end known."""

    def __init__(self, name):
        self.name = name
        done = ip("link", "add", name, "type", "dummy")
        if done.returncode != 0:
            done = ip("link", "add", name, "type", "veth", "peer", "name", name + "p")
        self.made = done.returncode == 0
        self.why = done.stderr

    def close(self):
        ip("link", "delete", self.name)
        ip("link", "delete", self.name + "p")


def can_make_links():
    link = Link(f"wit{os.getpid() % 10000}")
    link.close()
    return link.made


needs_links = needs(can_make_links, "virtual network interfaces")


def link(t):
    """The name of a new interface, unlike those of another run on the same host."""
    return t.keep(Link(f"w{os.getpid()}n{next(numbers)}")).name


def with_devices(t, devices, script):
    b = t.bundle(script=script, linux={"netDevices": devices})
    b.own_rootfs()
    return b


SHOW = "ip -o addr show dev {0} scope global; ip -o link show dev {0}"


@needs_links
@known_differences(OLD)
def test_a_device_moves_with_its_addresses(t):
    device = link(t)
    ip("link", "set", device, "up")
    ip("addr", "add", "10.99.1.2/24", "brd", "10.99.1.255", "dev", device)
    ip("-6", "addr", "add", "fd00:99::2/64", "dev", device, "nodad")
    out = t.output(with_devices(t, {device: {}}, SHOW.format(device)))
    t.contains(out, "10.99.1.2/24", "brd 10.99.1.255")
    if os.path.exists("/proc/net/if_inet6"):
        t.contains(out, "fd00:99::2/64")
    t.matches(out, device + r"\S*:? <\S*\bUP\b")


@needs_links
@known_differences(OLD)
def test_a_device_is_renamed(t):
    device = link(t)
    ip("addr", "add", "10.99.2.2/32", "dev", device)
    out = t.output(with_devices(t, {device: {"name": "inside0"}}, SHOW.format("inside0")))
    t.contains(out, "10.99.2.2/32", "inside0")


@needs_links
@known_differences(OLD)
def test_it_is_gone_from_the_host(t):
    device = link(t)
    c = t.running(with_devices(t, {device: {"name": "in2"}}, "sleep 1000"))
    t.true(ip("link", "show", device).returncode != 0, "the host has it no more")
    t.equal(c.exec("ip", "link", "show", "in2").code, 0, "the container has it")
    c.stop()
    c.delete()
    t.until(lambda: ip("link", "show", "in2").returncode != 0, "a virtual device ends with its namespace")


@needs_links
@known_differences(OLD)
def test_several_devices_and_a_user_namespace(t):
    first, second = link(t), link(t)
    ip("addr", "add", "10.99.3.2/24", "dev", first)
    b = with_devices(t, {first: {"name": "a"}, second: {"name": "b"}}, SHOW.format("a") + ";" + SHOW.format("b"))
    b.user_namespace()
    out = t.output(b)
    t.contains(out, "10.99.3.2/24")
    t.matches(out, r"b\S*:? <\S*\bUP\b")


@needs_links
@known_differences(OLD)
def test_a_device_that_is_not_there_is_refused(t):
    t.refused(with_devices(t, {"nosuchdev": {}}, "true"), "nosuchdev")


@needs_links
@known_differences(OLD)
def test_a_name_that_is_taken_is_refused(t):
    device = link(t)
    t.refused(with_devices(t, {device: {"name": "lo"}}, "true"), "lo")
    t.equal(ip("link", "show", device).returncode, 0, "the host still has it")


def test_without_a_network_namespace_it_is_refused(t):
    b = t.bundle("true", linux={"netDevices": {"lo": {}}})
    b.namespace("network", remove=True)
    t.refused(b)
