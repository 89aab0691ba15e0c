// SPDX-License-Identifier: Apache-2.0
// Limits and device rules as properties of a systemd unit (systemd.resource-control(5)). Pure.
//
// systemd writes the files of its properties again whenever it likes (daemon-reload), so each value that it has a
// property for must be one. What it has none for (hugetlb, rdma, cpu.max.burst, single block devices, most of
// `unified`) is written to the cgroup's files alone, which systemd leaves as they are. Single block devices are among
// them because IOReadBandwidthMax= and the like mean the disk below a partition or a mapped device, not the device
// itself.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "plan/limits.hpp"
#include "plan/unit.hpp"

namespace wherry::cgroup {

// In the order of Limits; each name once. A quota without a period, or a period alone, is no property: the caller fills
// in what the cgroup has (update).
[[nodiscard]] std::vector<plan::UnitProperty> limit_properties(const plan::Limits& limits);

// Wherry's own filter decides (devices.hpp); this is a second one, by systemd, which allows all that the rules allow,
// and more where DeviceAllow= cannot say it.
[[nodiscard]] std::vector<plan::UnitProperty> device_properties(const std::vector<plan::DeviceRule>& rules);

// Microseconds of CPU time per second. systemd keeps whole percents: rounded up to one.
[[nodiscard]] std::uint64_t quota_per_second(std::uint64_t quota, std::uint64_t period);

// cgroup-v2.rst, as the kernel reads it: "max", or a number with K, M, G or T behind it.
[[nodiscard]] std::optional<std::uint64_t> parse_amount(std::string_view text);

}  // namespace wherry::cgroup
