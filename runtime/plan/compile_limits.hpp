// SPDX-License-Identifier: Apache-2.0
// linux.resources of config.json in terms of cgroup v2. Pure.
#pragma once

#include <cstdint>
#include <vector>

#include "oci/spec.hpp"
#include "plan/limits.hpp"

namespace wherry::plan {

// config-linux.md "Control groups". -1 stays "no limit", 0 of memory, CPU and block I/O means "not set"
// (engines always send some), pids.limit 0 is a real limit. Throws Error, with a pointer below
// /linux/resources, for a value that cannot be right and for a property of cgroup v1 that restricts and has no
// counterpart in v2.
[[nodiscard]] Limits compile_limits(const oci::Resources& resources);

// memory.limit and memory.swap as they were asked for, 0 for "not set". memory.swap counts both together, cgroup v2
// swap alone: who updates one of them needs the other.
struct AskedMemory {
  std::int64_t limit = 0;
  std::int64_t swap = 0;
  bool operator==(const AskedMemory&) const = default;
};

// What holds after `resources` have been asked for on top of `old`.
[[nodiscard]] AskedMemory asked_memory(const oci::Resources& resources, const AskedMemory& old = {});

// The limits of an update: what `resources` leaves unset stays, but for memory.swap.max, which follows memory.max.
[[nodiscard]] Limits compile_update(const oci::Resources& resources, const AskedMemory& old);

// linux.resources.devices in order, then what every container may use: mknod of any node, the default devices
// of config-linux.md and terminals. An absent or empty list denies all else (GHSA-g54h-m393-cpwq).
[[nodiscard]] std::vector<DeviceRule> compile_device_rules(const oci::Linux& linux_config);

// cpu.shares (2 to 262144, default 1024) as cpu.weight (1 to 10000, default 100).
[[nodiscard]] std::uint64_t cpu_weight_of_shares(std::uint64_t shares);

}  // namespace wherry::plan
