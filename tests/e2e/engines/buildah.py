# SPDX-License-Identifier: Apache-2.0
"""buildah, which calls the runtime itself, without conmon."""

import os
import shutil

from e2e.engine import REST, busybox_image, call, code, contains, equal, lines, matches, ok, on_terminal, until, write


class Engine:
    def __init__(self, runtime):
        self.runtime, self.path = runtime, shutil.which(runtime)
        write("/etc/containers/policy.json", '{"default":[{"type":"insecureAcceptAnything"}]}')
        write("/etc/containers/storage.conf",
              '[storage]\ndriver = "overlay"\nrunroot = "/run/containers/storage"\n'
              'graphroot = "/var/lib/containers/storage"\n')
        write("/etc/containers/containers.conf",
              '[containers]\npids_limit = 0\n[engine]\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n')
        archive, _ = busybox_image()
        ok("skopeo", "copy", "oci:/tmp/image/layout:bb", "containers-storage:localhost/bb:latest")

    def __call__(self, *words, **how):
        return ok("buildah", *words, **how)

    def begin(self):
        return self("from", "--pull-never", "localhost/bb").out.strip()

    def run(self, *words, **how):
        return ok("buildah", "run", "--runtime", self.path, "--network", "none", *words, **how)

    def reset(self):
        self("rm", "-a")
        until(lambda: not lines(ok(self.runtime, "list", "-q").out), "no container known to the runtime", REST)
        until(lambda: not [top for top, _, _ in os.walk("/sys/fs/cgroup") if "buildah" in top], "no cgroup", REST)

    def close(self):
        pass


def test_run(buildah):
    name = buildah.begin()
    equal(buildah.run(name, "--", "echo", "hello").out, "hello\n")


def test_exit_codes(buildah):
    name = buildah.begin()
    code(7, "buildah", "run", "--runtime", buildah.path, "--network", "none", name, "--", "sh", "-c", "exit 7")
    contains(call("buildah", "run", "--runtime", buildah.path, "--network", "none", name, "--", "/nonexist").text.lower(),
             "no such file or directory")


def test_terminal(buildah):
    name = buildah.begin()
    shown = on_terminal("buildah", "run", "--runtime", buildah.path, "--network", "none", "-t", name, "--", "tty")
    equal(shown.code, 0, "exit code")
    contains(shown.out, "/dev/pts/")


def test_changes_are_committed(buildah):
    name = buildah.begin()
    buildah.run(name, "--", "sh", "-c", "echo kept > /file")
    buildah("commit", name, "localhost/kept")
    again = buildah("from", "--pull-never", "localhost/kept").out.strip()
    equal(buildah.run(again, "--", "cat", "/file").out, "kept\n")


def test_user_volume_and_capabilities(buildah):
    name = buildah.begin()
    write("/tmp/volume/file", "content")
    equal(buildah.run("-v", "/tmp/volume:/data:ro", name, "--", "cat", "/data/file").out, "content")
    equal(buildah.run("--user", "1000", name, "--", "id", "-u").out, "1000\n")
    matches(buildah.run("--cap-drop", "CAP_CHOWN", name, "--", "grep", "CapEff", "/proc/self/status").out, r"[02468ace]$")


def test_build_in_stages(buildah):
    write("/tmp/stages/Containerfile", "FROM localhost/bb AS maker\nRUN mkdir /out && echo made > /out/file\n"
                                       "FROM localhost/bb\nCOPY --from=maker /out/file /file\nRUN test $(cat /file) = made\n")
    ok("buildah", "build", "--pull-never", "--runtime", buildah.path, "--network", "none", "-t", "staged", "/tmp/stages")
    name = buildah("from", "--pull-never", "localhost/staged").out.strip()
    equal(buildah.run(name, "--", "cat", "/file").out, "made\n")


def test_build_that_fails(buildah):
    write("/tmp/failing/Containerfile", "FROM localhost/bb\nRUN exit 9\n")
    result = call("buildah", "build", "--pull-never", "--runtime", buildah.path, "--network", "none", "/tmp/failing")
    if result.code == 0:
        raise AssertionError("the build is said to have succeeded")
    contains(result.text, "exit status 9")
