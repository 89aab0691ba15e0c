// SPDX-License-Identifier: Apache-2.0
// What a container's cgroup may use: the resources of config.json in terms of cgroup v2 (cgroup-v2.rst).
//
// Plain values: absent means "leave the file as it is". Each struct names its fields once, in fields();
// encoding, printing and comparing for explain all go through that list. A visitor meets integers, bools,
// enums, std::string, std::optional, std::vector and structs that have fields() themselves.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace wherry::plan {

inline constexpr std::int64_t kNoLimit = -1;  // written as "max"

// io.weight or io.bfq.weight of one block device. Unit as Limits::io_weight.
struct IoDeviceWeight {
  std::uint32_t major = 0;
  std::uint32_t minor = 0;
  std::uint16_t weight = 0;
  bool operator==(const IoDeviceWeight&) const = default;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& v) {
    v("major", self.major);
    v("minor", self.minor);
    v("weight", self.weight);
  }
};

// One line of io.max. Bytes or operations per second; 0 lifts the limit, absent leaves it.
struct IoThrottle {
  std::uint32_t major = 0;
  std::uint32_t minor = 0;
  std::optional<std::uint64_t> read_bps;
  std::optional<std::uint64_t> write_bps;
  std::optional<std::uint64_t> read_iops;
  std::optional<std::uint64_t> write_iops;
  bool operator==(const IoThrottle&) const = default;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& v) {
    v("major", self.major);
    v("minor", self.minor);
    v("read_bps", self.read_bps);
    v("write_bps", self.write_bps);
    v("read_iops", self.read_iops);
    v("write_iops", self.write_iops);
  }
};

// hugetlb.SIZE.max and, where the kernel has it, hugetlb.SIZE.rsvd.max. Bytes.
struct HugetlbLimit {
  std::string page_size;  // as the kernel spells it in the file's name: "2MB"
  std::uint64_t limit = 0;
  bool operator==(const HugetlbLimit&) const = default;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& v) {
    v("page_size", self.page_size);
    v("limit", self.limit);
  }
};

// One line of rdma.max.
struct RdmaLimit {
  std::string device;
  std::optional<std::uint32_t> hca_handles;
  std::optional<std::uint32_t> hca_objects;
  bool operator==(const RdmaLimit&) const = default;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& v) {
    v("device", self.device);
    v("hca_handles", self.hca_handles);
    v("hca_objects", self.hca_objects);
  }
};

// config-linux.md "Unified": a file of the cgroup and its content, written line by line.
struct UnifiedFile {
  std::string name;  // CONTROLLER.PARAMETER, no slash
  std::string value;
  bool operator==(const UnifiedFile&) const = default;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& v) {
    v("name", self.name);
    v("value", self.value);
  }
};

struct Limits {
  std::optional<std::uint64_t> cpu_weight;      // cpu.weight, 1 to 10000
  std::optional<std::int64_t> cpu_quota;        // cpu.max, microseconds per period, or kNoLimit
  std::optional<std::uint64_t> cpu_period;      // cpu.max, microseconds
  std::optional<std::uint64_t> cpu_burst;       // cpu.max.burst, microseconds
  std::optional<std::int64_t> cpu_idle;         // cpu.idle, 0 or 1
  std::string cpuset_cpus;                      // cpuset.cpus; empty: leave
  std::string cpuset_mems;                      // cpuset.mems; empty: leave
  std::optional<std::int64_t> memory_max;       // bytes, or kNoLimit
  std::optional<std::int64_t> memory_low;       // bytes, or kNoLimit (all of it is protected)
  std::optional<std::int64_t> memory_swap_max;  // bytes of swap alone, or kNoLimit; 0 forbids swap
  bool check_before_update = false;             // refuse a memory_max below what is in use
  std::optional<std::int64_t> pids_max;         // tasks, or kNoLimit
  std::optional<std::uint16_t> io_weight;       // 10 to 1000: io.bfq.weight, or scaled to io.weight
  std::vector<IoDeviceWeight> io_device_weights;
  std::vector<IoThrottle> io_throttles;
  std::vector<HugetlbLimit> hugetlb;
  std::vector<RdmaLimit> rdma;
  std::vector<UnifiedFile> unified;  // last, so it wins over the fields above
  bool operator==(const Limits&) const = default;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& v) {
    v("cpu_weight", self.cpu_weight);
    v("cpu_quota", self.cpu_quota);
    v("cpu_period", self.cpu_period);
    v("cpu_burst", self.cpu_burst);
    v("cpu_idle", self.cpu_idle);
    v("cpuset_cpus", self.cpuset_cpus);
    v("cpuset_mems", self.cpuset_mems);
    v("memory_max", self.memory_max);
    v("memory_low", self.memory_low);
    v("memory_swap_max", self.memory_swap_max);
    v("check_before_update", self.check_before_update);
    v("pids_max", self.pids_max);
    v("io_weight", self.io_weight);
    v("io_device_weights", self.io_device_weights);
    v("io_throttles", self.io_throttles);
    v("hugetlb", self.hugetlb);
    v("rdma", self.rdma);
    v("unified", self.unified);
  }
};

enum class DeviceType : std::uint8_t { kAny, kChar, kBlock };

// The last rule that matches a device and an access decides about it; what no rule matches is denied.
struct DeviceRule {
  bool allow = false;
  DeviceType type = DeviceType::kAny;
  std::optional<std::uint32_t> major;  // absent: any
  std::optional<std::uint32_t> minor;
  bool read = false;
  bool write = false;
  bool mknod = false;
  bool operator==(const DeviceRule&) const = default;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& v) {
    v("allow", self.allow);
    v("type", self.type);
    v("major", self.major);
    v("minor", self.minor);
    v("read", self.read);
    v("write", self.write);
    v("mknod", self.mknod);
  }
};

}  // namespace wherry::plan
