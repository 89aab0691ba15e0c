# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034
# Sourced by the scripts beside it (bash): paths, messages, and what must be installed for what.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
JOBS=${JOBS:-$(nproc)}

# Debian packages, by what needs them.
PACKAGES_BUILD=(cmake ninja-build g++ libc6-dev linux-libc-dev nlohmann-json3-dev libspdlog-dev libfmt-dev
  libcli11-dev catch2 libseccomp-dev libcap-dev nettle-dev libzstd-dev libnanopb-dev libsystemd-dev)
# gzip: ISA-L where Debian has it, else zlib.
if [ "$(uname -m)" = x86_64 ]; then PACKAGES_BUILD+=(libisal-dev); else PACKAGES_BUILD+=(zlib1g-dev); fi
PACKAGES_RUN=(busybox-static util-linux uidmap)
PACKAGES_CLANG=(clang-14 clang libclang-rt-14-dev)
PACKAGES_TIDY=(clang-tidy-14)
PACKAGES_FORMAT=(clang-format-14)
PACKAGES_CROSS=(g++-aarch64-linux-gnu qemu-user-static)
PACKAGES_SCRIPTS=(python3)
PACKAGES_DEB=(file dpkg-dev)  # for CPack
PACKAGES_PACKAGE=("${PACKAGES_DEB[@]}" zsh fish groff-base)  # and to check the syntax of completions and man pages
PACKAGES_IMAGES=(umoci buildah skopeo podman containerd docker-registry zstd busybox-static)
PACKAGES_VM=(qemu-system-x86 busybox-static debootstrap e2fsprogs apparmor)

say() { printf '%s\n' "$*"; }
die() { printf '%s: %s\n' "${0##*/}" "$*" >&2; exit 1; }

missing_packages() {
  local package
  for package in "$@"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || say "$package"
  done
}

# Installs those of the named packages that are not there, and says which. Those that this release of Debian does not
# have are left out and go into LACKING, if there is such a variable; otherwise they are an error.
need_packages() {
  local missing package known=()
  mapfile -t missing < <(missing_packages "$@")
  [ "${#missing[@]}" -gt 0 ] || return 0
  command -v apt-get >/dev/null || die "this system has no apt-get; install these by hand: ${missing[*]}"
  [ "$(id -u)" = 0 ] || die "as root, run: apt-get install ${missing[*]}"
  say "installing: ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  apt-get -qq update || return
  if [ -n "${LACKING+set}" ]; then
    for package in "${missing[@]}"; do
      if apt-cache show "$package" >/dev/null 2>&1; then known+=("$package"); else LACKING+=" $package"; fi
    done
    [ "${#known[@]}" -gt 0 ] || return 0
    missing=("${known[@]}")
  fi
  apt-get -qq -y --no-install-recommends -o Dpkg::Use-Pty=0 install "${missing[@]}" >/dev/null
}

# configure_and_build PRESET [TARGET...]
configure_and_build() {
  local preset=$1
  shift
  (cd "$ROOT" && cmake --preset "$preset" &&
    cmake --build "build/$preset" --parallel "$JOBS" ${1+--target "$@"})
}

# Where the build of PRESET puts the runtime's program.
wherry_program() { say "$ROOT/build/$1/runtime/cli/wherry"; }

# The controllers that a cgroup2-shell would find, as one line.
cgroup2_controllers() { "$ROOT/scripts/cgroup2-shell" cat /sys/fs/cgroup/cgroup.controllers; }
