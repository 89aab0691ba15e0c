# SPDX-License-Identifier: Apache-2.0
"""Known attacks of the past that need neither a race nor a security module: the root file system is hostile."""

import hashlib
import os
import subprocess

from itest import ConsoleSocket, Pty, known_differences, sandbox, wherry_only, without
from itest.case import read

LEAVES_CGROUP = "1.8 leaves the cgroup behind"


def snapshot(top):
    """Everything about a tree that an attack could change: {path: (mode, owner, inode, content or target)}."""
    table = {}
    for directory, names, files in os.walk(top):
        for name in [""] + names + files:
            path = os.path.join(directory, name)
            info = os.lstat(path)
            content = ""
            if os.path.islink(path):
                content = os.readlink(path)
            elif os.path.isfile(path):
                with open(path, "rb") as file:
                    content = hashlib.sha256(file.read()).hexdigest()
            table[os.path.relpath(path, top)] = (oct(info.st_mode), info.st_uid, info.st_gid, info.st_ino, content)
    return table


class Decoy:
    """A directory of the host with files that must not change."""

    def __init__(self, t):
        self.path = t.directory("decoy")
        for name in ("ptmx", "null", "file", "sys/kernel/core_pattern", "self/attr/exec", "console"):
            t.file(f"decoy/{name}", f"original {name}\n")
        self.before = snapshot(self.path)
        self.t = t

    def unchanged(self):
        self.t.equal(snapshot(self.path), self.before, "the decoy's files")


def hostile(t, script="true"):
    """A bundle with its own root file system, and a decoy outside of it."""
    b = t.bundle(script=script)
    return b, b.own_rootfs(), Decoy(t)


def replace(root, name, target):
    path = os.path.join(root, name)
    if os.path.isdir(path):
        os.rmdir(path)
    elif os.path.lexists(path):
        os.unlink(path)
    os.symlink(target, path)


def climb(root, target):
    """target as a relative link that leaves through more .. than there are directories."""
    return "../" * 40 + target.lstrip("/")


def tried(t, b, *flags):
    """create, start and force delete, then run: whatever happens, nothing may be left."""
    b.write()
    name = t.new_id()
    if t.runtime.call("create", "--bundle", b.path, *flags, name).code == 0:
        t.runtime.call("start", name)
        t.runtime.ok("delete", "--force", name)
    result = t.run(b) if not flags else None
    return result


# /proc, /sys and /dev as symbolic links


def linked_proc(t, name, target_of):
    b, root, decoy = hostile(t)
    replace(root, name, target_of(root, decoy.path))
    b.write()
    result = t.runtime.call("run", "--bundle", b.path, t.new_id())
    t.true(result.code != 0, f"a linked /{name} is refused")
    decoy.unchanged()


@known_differences({"crun": LEAVES_CGROUP})
def test_proc_is_an_absolute_link(t):
    linked_proc(t, "proc", lambda root, decoy: decoy)


@known_differences({"crun": LEAVES_CGROUP})
def test_proc_is_a_link_inside(t):
    linked_proc(t, "proc", lambda root, decoy: "tmp")


@known_differences({"crun": LEAVES_CGROUP})
def test_proc_is_a_climbing_link(t):
    linked_proc(t, "proc", climb)


@known_differences({"crun": LEAVES_CGROUP})
def test_sys_is_an_absolute_link(t):
    linked_proc(t, "sys", lambda root, decoy: decoy)


@known_differences({"crun": LEAVES_CGROUP})
def test_sys_is_a_link_inside(t):
    linked_proc(t, "sys", lambda root, decoy: "tmp")


def linked_dev(t, target_of):
    b, root, decoy = hostile(t)
    replace(root, "dev", target_of(root, decoy.path))
    tried(t, b)
    decoy.unchanged()
    b.drop_mount("/dev").drop_mount("/dev/pts").drop_mount("/dev/shm").drop_mount("/dev/mqueue")
    tried(t, b)
    decoy.unchanged()


@known_differences({"runc": "CVE-2026-41579", "crun": "CVE-2026-47766"})
def test_dev_is_an_absolute_link(t):
    linked_dev(t, lambda root, decoy: decoy)


@known_differences({"runc": "CVE-2026-41579", "crun": "CVE-2026-47766"})
def test_dev_is_a_climbing_link(t):
    linked_dev(t, climb)


# Nodes in /dev, where no tmpfs covers the image's own


def own_dev(t, script="true"):
    b, root, decoy = hostile(t, script)
    b.drop_mount("/dev").drop_mount("/dev/shm").drop_mount("/dev/mqueue").drop_mount("/dev/pts")
    return b, root, decoy


def test_dev_null_is_a_link(t):
    b, root, decoy = own_dev(t, "stat -L -c %t:%T /proc/keys; stat -L -c %t:%T /proc/self/fd/0")
    os.symlink(os.path.join(decoy.path, "null"), os.path.join(root, "dev/null"))
    b.linux["maskedPaths"] = ["/proc/keys"]
    result = t.run(b)
    if result.code == 0:
        t.equal(result.out.split()[0], "1:3", "device numbers of the masked path")
    decoy.unchanged()


@known_differences({"crun": "1.8 leaves the cgroup behind"})
def test_dev_null_is_a_link_with_closed_descriptors(t):
    b, root, decoy = own_dev(t)
    os.symlink(os.path.join(decoy.path, "null"), os.path.join(root, "dev/null"))
    b.process["user"] = {"uid": 1000, "gid": 1000}
    b.write()

    def close():
        for fd in (0, 1, 2):
            os.close(fd)

    t.runtime.call("run", "--bundle", b.path, t.new_id(), preexec_fn=close)
    decoy.unchanged()


@known_differences({
    "runc": "trusts the /dev/null of the image (CVE-2025-31133 class)",
    "crun": "trusts the /dev/null of the image (CVE-2025-31133 class)",
})
def test_dev_null_is_a_plain_file(t):
    b, root, decoy = own_dev(t, "stat -c %t:%T /proc/keys >&2")
    with open(os.path.join(root, "dev/null"), "w", encoding="ascii") as file:
        file.write("trap")
    b.linux["maskedPaths"] = ["/proc/keys"]
    result = t.run(b)
    if result.code == 0:
        t.equal(result.err.strip(), "1:3", "device numbers of the masked path")
    decoy.unchanged()


@known_differences({"crun": "CVE-2026-88264"})
def test_dev_console_is_a_link(t):
    b, root, decoy = own_dev(t, "sleep 1000")
    b.process["terminal"] = True
    b.mount("/dev/pts", "devpts", "devpts", ["newinstance", "ptmxmode=0666", "mode=0620"])
    new = os.path.join(decoy.path, "made")
    os.symlink(new, os.path.join(root, "dev/console"))
    listener = t.keep(ConsoleSocket(t.path("tty.sock")))
    tried(t, b, "--console-socket", listener.path)
    t.true(not os.path.exists(new), "no new file on the host")
    decoy.unchanged()


def test_dev_ptmx_and_fd_are_links(t):
    b, root, decoy = own_dev(t)
    for name in ("ptmx", "fd", "stdin", "shm"):
        os.symlink(decoy.path, os.path.join(root, "dev", name))
    tried(t, b)
    decoy.unchanged()


# Mount destinations


def destination(t, make, where="/mnt/link/new", options=("bind",)):
    b, root, decoy = hostile(t)
    make(root, decoy.path)
    b.mount(where, "bind", t.directory("source"), list(options))
    t.file("source/from-source", "x")
    b.script(f"ls {where}")
    result = t.run(b)
    decoy.unchanged()
    return result


def test_mount_destination_through_an_absolute_link(t):
    destination(t, lambda root, decoy: os.symlink(decoy, os.path.join(root, "mnt/link")))


def test_mount_destination_through_a_climbing_link(t):
    destination(t, lambda root, decoy: os.symlink(climb(root, decoy), os.path.join(root, "mnt/link")))


def test_mount_destination_is_a_link_itself(t):
    destination(t, lambda root, decoy: os.symlink(decoy, os.path.join(root, "mnt/link")), where="/mnt/link")


def test_mount_destination_is_a_dangling_link(t):
    destination(t, lambda root, decoy: os.symlink(decoy + "/created", os.path.join(root, "mnt/link")), where="/mnt/link")


def test_mount_destination_with_dots(t):
    destination(t, lambda root, decoy: None, where="/../../../../mnt/../mnt")


def test_mount_destination_through_proc_root(t):
    b, _, decoy = hostile(t)
    b.mount(f"/proc/1/root{decoy.path}/made", "bind", t.directory("source"), ["bind"])
    t.run(b)
    decoy.unchanged()


@known_differences({"crun": "accepts it"})
def test_mount_over_proc_is_refused(t):
    b, _, _ = hostile(t)
    b.mount("/proc/self/attr", "bind", t.directory("source"), ["bind"])
    t.true(t.run(b).code != 0, "a mount below /proc that is not allowed")


def test_bind_mount_over_proc_is_refused(t):
    b, _, _ = hostile(t)
    b.mount("/proc", "bind", t.directory("source"), ["bind"])
    if t.kind == "crun":
        t.skip("crun accepts it")
    t.true(t.run(b).code != 0, "a bind mount over /proc")


def test_read_only_bind_source_gets_no_new_directories(t):
    source = t.directory("source")
    before = snapshot(source)
    b, _, _ = hostile(t)
    b.mount("/mnt", "bind", source, ["bind", "ro"]).mount("/mnt/inner", "tmpfs", "tmpfs", [])
    t.run(b)
    if t.kind == "wherry":
        t.equal(snapshot(source), before, "the source of the read-only mount")


# The runtime's own binary


def digest(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def test_proc_self_exe_as_the_entry_point(t):
    real = os.path.realpath(t.runtime.path)
    before = digest(real), os.stat(real)[:9]
    b, root, _ = hostile(t)
    with open(os.path.join(root, "bin/evil"), "w", encoding="ascii") as file:
        file.write("#!/proc/self/exe\n")
    os.chmod(os.path.join(root, "bin/evil"), 0o755)
    for args in (["/proc/self/exe"], ["/bin/evil"], ["/proc/self/exe", "--version"]):
        b.process["args"] = args
        result = t.run(b)
        t.lacks(result.out, "commit:")
    t.equal((digest(real), os.stat(real)[:9]), before, "the runtime's binary")


def test_exec_of_proc_self_exe(t):
    real = os.path.realpath(t.runtime.path)
    before = digest(real)
    c = t.running()
    t.lacks(c.exec("/proc/self/exe", "--version").out, "commit:")
    t.equal(digest(real), before, "the runtime's binary")


def test_runtime_binary_cannot_be_opened_from_inside(t):
    """While exec runs again and again, a program inside tries to open /proc/PID/exe of newcomers for writing."""
    real = os.path.realpath(t.runtime.path)
    before = digest(real)
    hunt = "while :; do for p in /proc/[0-9]*; do test $p = /proc/1 || echo x 1<>$p/exe; done; done 2>/dev/null"
    c = t.running(t.bundle(script=hunt))
    for _ in range(20):
        c.exec("true")
    t.equal(digest(real), before, "the runtime's binary")


# Descriptors and working directories


def test_working_directory_that_is_a_descriptor(t):
    for number in range(3, 31):
        b = t.bundle("pwd")
        b.process["cwd"] = f"/proc/self/fd/{number}"
        b.write()
        result = t.run(b)
        t.true(result.code != 0, f"refusal of /proc/self/fd/{number}")


def test_working_directory_through_a_link_to_a_descriptor(t):
    b, root, decoy = hostile(t, "pwd; ls")
    for number in (3, 4, 5, 6, 7, 8, 9, 10):
        replace(root, "home/cwd", f"/proc/self/fd/{number}")
        b.process["cwd"] = "/home/cwd"
        result = t.run(b)
        t.lacks(result.out, "config.json", "cgroup.procs", "decoy")
    decoy.unchanged()


def test_descriptors_of_init_hold_nothing_of_the_host(t):
    c = t.running()
    names = sorted(os.listdir(f"/proc/{c.pid}/fd"))
    t.equal(names, ["0", "1", "2"], "descriptors of the first process")


def test_descriptors_during_create_to_start_are_closed_on_exec(t):
    out = t.output(t.bundle(script="for f in /proc/self/fd/*; do readlink $f; done; true"))
    t.lacks(out, "/sys/fs/cgroup", "state", "start.sock", "socket:", "memfd")


def test_program_is_not_the_runtimes_session(t):
    """TIOCSTI: without a terminal of its own, the container must not reach the caller's as controlling one."""
    code = ("import fcntl, termios, os\n"
            "try:\n"
            "    fd = os.open('/dev/tty', os.O_RDWR)\n"
            "    fcntl.ioctl(fd, termios.TIOCSTI, b'x'); print('pushed')\n"
            "except OSError as error: print('refused', error.errno)\n")
    b = t.bundle().python(code)
    t.contains(t.output(b), "refused")


@wherry_only("a container that inherits the caller's terminal is in a session of its own")
def test_tiocsti_on_the_inherited_terminal(t):
    code = ("import fcntl, termios\n"
            "try:\n"
            "    fcntl.ioctl(0, termios.TIOCSTI, b'x'); print('pushed')\n"
            "except OSError as error: print('refused', error.errno)\n")
    pty = t.keep(Pty())
    b = t.bundle().python(code)
    b.write()
    child = t.runtime.spawn("run", "--bundle", b.path, t.new_id(), **pty.stdio())
    pty.started()
    t.contains(pty.read_until("\n"), "refused")
    t.runtime.finish(child)


# Credentials


def test_inheritable_is_empty(t):
    b = t.bundle("grep", "CapInh", "/proc/self/status").capabilities(["CAP_KILL", "CAP_CHOWN"])
    t.equal(int(t.output(b).split()[1], 16), 0, "inheritable")


def test_file_capabilities_give_nothing_without_being_asked(t):
    b, root, _ = hostile(t, "grep -E 'Cap(Prm|Eff)' /proc/self/status")
    b.process["user"] = {"uid": 1000, "gid": 1000}
    b.capabilities(["CAP_KILL"])
    lines = t.output(b).split()
    t.equal([int(lines[1], 16), int(lines[3], 16)], [0, 0], "capabilities of a plain user")


def test_groups_of_the_caller_are_dropped(t):
    b = t.bundle(script="grep Groups: /proc/self/status")
    b.process["user"] = {"uid": 1000, "gid": 1000}
    b.write()

    def more_groups():
        os.setgroups([0, 6, 4242])

    out = t.runtime.ok("run", "--bundle", b.path, t.new_id(), preexec_fn=more_groups).out
    t.lacks(out, "4242")


SESSION_KEYRING = "import ctypes; print(ctypes.CDLL(None).syscall({number}, 0, ctypes.c_long(-3), 0))"


def session_keyring(t, *flags):
    """KEYCTL_GET_KEYRING_ID of KEY_SPEC_SESSION_KEYRING as the container sees it."""
    number = 250 if os.uname().machine == "x86_64" else 219
    return int(t.output(t.bundle().python(SESSION_KEYRING.format(number=number)), *flags))


def test_session_keyring_is_new(t):
    if not os.path.exists("/proc/keys"):
        t.skip("no keyrings in this kernel")
    if "keyctl" in without.taken_away:
        t.skip("keyctl is taken away")
    first, second = session_keyring(t), session_keyring(t)
    t.true(first > 0 and second > 0 and first != second, f"two session keyrings: {first}, {second}")


# Hooks


@known_differences({
    "runc": "1.1 gives createContainer hooks the environment of the container (CVE-2025-23266 class)",
})
def test_hook_gets_no_variable_of_the_container(t):
    out = t.path("env")
    evil = t.file("evil.so", "not a library")
    b = t.bundle("true")
    b.process["env"] += [f"LD_PRELOAD={evil}", "LD_LIBRARY_PATH=/evil", "PYTHONPATH=/evil"]
    for kind in ("createRuntime", "createContainer", "poststart"):
        b.hook(kind, "/bin/sh", ["sh", "-c", f"/usr/bin/env >> {out}"])
    t.run(b)
    t.lacks(read(out), "evil")


def test_path_of_the_container_is_not_used_for_helpers(t):
    b, root, _ = hostile(t)
    for name in ("newuidmap", "newgidmap", "mount", "iptables"):
        path = os.path.join(root, "bin", name)
        if os.path.lexists(path):
            os.unlink(path)  # a link to busybox
        with open(path, "w", encoding="ascii") as file:
            file.write("#!/bin/sh\ntouch /tmp/ran\n")
        os.chmod(path, 0o755)
    b.process["env"] = ["PATH=/bin"]
    t.run(b)
    t.equal(os.listdir(os.path.join(root, "tmp")), [], "marks of helpers")


# Files of the image


def test_passwd_that_is_a_link_out(t):
    b, root, decoy = hostile(t, "echo $HOME")
    os.unlink(os.path.join(root, "etc/passwd"))
    os.symlink(os.path.join(decoy.path, "file"), os.path.join(root, "etc/passwd"))
    t.run(b)
    decoy.unchanged()


@known_differences({"runc": "1.1 waits for ever", "crun": "1.8 waits for ever"})
def test_passwd_that_is_a_fifo(t):
    b, root, _ = hostile(t)
    os.unlink(os.path.join(root, "etc/passwd"))
    os.mkfifo(os.path.join(root, "etc/passwd"))
    b.write()
    child = t.runtime.spawn("run", "--bundle", b.path, t.new_id())
    t.runtime.finish(child, timeout=10)


@wherry_only("HOME with a newline never leaves the image's passwd")
def test_passwd_with_odd_lines(t):
    b, root, _ = hostile(t, "env | grep -c ^EVIL; true")
    with open(os.path.join(root, "etc/passwd"), "w", encoding="ascii") as file:
        file.write(":::::\n\nroot\nroot:x:0\nroot:x:0:0:::\n" + "x" * 100000 + "\nroot:x:0:0::/root\rEVIL=1:/bin/sh\n")
    t.equal(t.run(b).code, 0, "exit code")


def test_masked_path_through_a_link(t):
    b, root, decoy = hostile(t)
    os.symlink(os.path.join(decoy.path, "file"), os.path.join(root, "masked"))
    b.linux["maskedPaths"] = ["/masked"]
    b.linux["readonlyPaths"] = ["/masked"]
    t.run(b)
    decoy.unchanged()


def test_root_that_is_a_link(t):
    b = t.bundle("true")
    root = b.own_rootfs()
    os.rename(root, root + ".real")
    os.symlink("rootfs.real", root)
    b.write()
    result = t.run(b)
    if t.kind == "wherry" and result.code == 0:
        t.equal(os.listdir(os.path.join(root + ".real", "tmp")), [], "nothing but the program ran")


# What a container sees of its host


def test_old_root_is_unreachable(t):
    b = t.bundle(script=f"ls {t.dir} && echo reached; cat /proc/1/root/..{t.dir}/secret && echo reached; true")
    t.file("secret", "x")
    t.lacks(t.output(b), "reached")


def test_abstract_sockets_of_the_runtime(t):
    """CVE-2020-15257: a container in the host's network namespace sees every abstract name."""
    before = {line.split()[-1] for line in read("/proc/net/unix").splitlines() if "@" in line}
    t.created(t.bundle("true"))
    after = {line.split()[-1] for line in read("/proc/net/unix").splitlines() if "@" in line}
    t.equal(after - before, set(), "new abstract sockets")


def test_setuid_copy_of_the_runtime_refuses(t):
    if t.kind != "wherry":
        t.skip("only Wherry promises this")
    copy = t.path("setuid-runtime")
    subprocess.run(["cp", os.path.realpath(t.runtime.path), copy], check=True)
    os.chmod(copy, 0o4755)

    def drop():
        os.setresuid(12345, 12345, 12345)

    result = subprocess.run([copy, "--version"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, preexec_fn=drop,
                            check=False, timeout=30)
    t.true(result.returncode != 0, "a setuid binary refuses to work")


def test_huge_numbers_and_deep_nesting(t):
    b = t.bundle("true")
    for text in ("[" * 100000, '{"ociVersion":"1.0.2","process":' + '{"a":' * 20000,
                 '{"ociVersion":"1.0.2","process":{"args":["x"],"cwd":"/","user":{"uid":1e400,"gid":0}}}',
                 b'{"ociVersion":"1.0.2\xff\xfe"}'.decode("latin-1")):
        with open(os.path.join(b.path, "config.json"), "w", encoding="latin-1") as file:
            file.write(text)
        result = t.runtime.call("create", "--bundle", b.path, "x1")
        t.true(result.code > 0, f"an error, not a crash: {result.code}")
        t.clean()


@wherry_only("delete --force works on a damaged state")
def test_damaged_state(t):
    for content in ("", "{", "\0" * 100, '{"id":"other"}'):
        c = t.running()
        directory = os.path.join(t.runtime.root, c.id)
        for name in os.listdir(directory):
            path = os.path.join(directory, name)
            if name.endswith(".json") and os.path.isfile(path):
                with open(path, "w", encoding="ascii") as file:
                    file.write(content)
        t.runtime.fails("state", c.id)
        c.delete("--force")
        t.true(not os.path.exists(directory), "the state directory is gone")
        sandbox.remove_cgroup_tree(t.cgroup_dir(c.bundle))  # nothing names it any more


@known_differences({"runc": "1.1 leaves /proc of the host in the mount namespace", "crun": "1.8 does the same"})
def test_no_pivot_leaves_no_procfs_to_copy(t):
    """A user namespace inside may mount procfs only where it sees one in full, and it sees a masked one."""
    b = t.bundle(script="unshare -mrpf sh -c 'mount -t proc none /proc && echo bare'; echo end")
    b.capabilities(["CAP_SETFCAP"])
    b.process["noNewPrivileges"] = False
    b.own_rootfs()
    result = t.run(b, "--no-pivot")
    t.equal(result.out, "end\n", "output")
    t.matches(result.err, "mount: .*ermi")
