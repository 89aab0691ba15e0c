// SPDX-License-Identifier: Apache-2.0
// Device rules as a BPF program on the container's cgroup: cgroup v2 has no devices controller
// (cgroup-v2.rst "Device controller"). Loading (about 50 us) needs no cgroup, so it may run ahead of
// attaching.
#pragma once

#include <cstdint>
#include <vector>

#include "os/core/fd.hpp"
#include "plan/limits.hpp"

struct bpf_insn;  // <linux/bpf.h>

namespace wherry::cgroup {

// Everything is allowed, so no program is needed (privileged containers).
[[nodiscard]] bool allows_everything(const std::vector<plan::DeviceRule>& rules);

// BPF_PROG_TYPE_CGROUP_DEVICE; returns 1 to allow. An access of several kinds (O_RDWR) is allowed if each
// kind is.
[[nodiscard]] std::vector<bpf_insn> compile_device_program(const std::vector<plan::DeviceRule>& rules);

// An empty Fd when the rules allow everything. Throws Error, with what to do if the kernel refuses (CAP_BPF
// and CAP_NET_ADMIN, or CAP_SYS_ADMIN, in the initial user namespace).
[[nodiscard]] os::Fd load_device_program(const std::vector<plan::DeviceRule>& rules);

// Wherry's program is on the cgroup: neither were all devices allowed, nor has anybody put another in its place.
[[nodiscard]] bool has_device_program(int dir_fd);

// Puts the program on the cgroup, in one step in place of an earlier one of Wherry's if there is one;
// programs of others stay. An empty fd (< 0) takes Wherry's program away.
void attach_device_program(int dir_fd, int program_fd);

}  // namespace wherry::cgroup
