// SPDX-License-Identifier: Apache-2.0
#include "cgroup/devices.hpp"

#include <linux/bpf.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <optional>
#include <utility>

#include "os/core/calls.hpp"
#include "wherry/error.hpp"

namespace wherry::cgroup {
namespace {

using plan::DeviceRule;
using plan::DeviceType;
using Rules = std::vector<DeviceRule>;

constexpr const char* kPointer = "/linux/resources/devices";
constexpr const char* kProgramName = "wherry_devices";  // at most 15 characters
constexpr unsigned kMaxPrograms = 64;                   // BPF_CGROUP_MAX_PROGS
constexpr int kLoadAttempts = 5;                        // as libbpf has it
constexpr unsigned kMknod = BPF_DEVCG_ACC_MKNOD, kRead = BPF_DEVCG_ACC_READ, kWrite = BPF_DEVCG_ACC_WRITE,
                   kAllAccess = kMknod | kRead | kWrite;

unsigned access_of(const DeviceRule& rule) {
  return (rule.read ? kRead : 0U) | (rule.write ? kWrite : 0U) | (rule.mknod ? kMknod : 0U);
}

// --- rules to a tree -----------------------------------------------------------------------------

using Number = std::optional<std::uint32_t>;  // absent: a number that no rule names
using Numbers = std::vector<std::uint32_t>;
using Access = unsigned;  // bits of kAllAccess

struct MinorTree {
  Access other = 0;
  std::vector<std::pair<std::uint32_t, Access>> minors;  // those that differ from `other`
  bool operator==(const MinorTree&) const = default;
};
struct MajorTree {
  MinorTree other;
  std::vector<std::pair<std::uint32_t, MinorTree>> majors;  // those that differ from `other`
  bool operator==(const MajorTree&) const = default;
};

bool matches(const DeviceRule& rule, DeviceType type, const Number& major, const Number& minor) {
  return (rule.type == DeviceType::kAny || rule.type == type) && (!rule.major || rule.major == major) &&
         (!rule.minor || rule.minor == minor);
}

// Rules in order, for each kind of access on its own: the last one decides.
Access allowed(const Rules& rules, DeviceType type, const Number& major, const Number& minor) {
  Access access = 0;
  for (const DeviceRule& rule : rules) {
    if (!matches(rule, type, major, minor)) continue;
    access = rule.allow ? access | access_of(rule) : access & ~access_of(rule);
  }
  return access;
}

Numbers sorted(Numbers numbers) {
  std::sort(numbers.begin(), numbers.end());
  numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
  return numbers;
}

Numbers majors_of(const Rules& rules) {
  Numbers numbers;
  for (const DeviceRule& rule : rules) {
    if (rule.major) numbers.push_back(*rule.major);
  }
  return sorted(std::move(numbers));
}

Numbers minors_of(const Rules& rules, const Number& major) {
  Numbers numbers;
  for (const DeviceRule& rule : rules) {
    if (rule.minor && (!rule.major || rule.major == major)) numbers.push_back(*rule.minor);
  }
  return sorted(std::move(numbers));
}

MinorTree minor_tree(const Rules& rules, DeviceType type, const Number& major) {
  MinorTree tree{allowed(rules, type, major, std::nullopt), {}};
  for (const std::uint32_t minor : minors_of(rules, major)) {
    const Access access = allowed(rules, type, major, minor);
    if (access != tree.other) tree.minors.emplace_back(minor, access);
  }
  return tree;
}

MajorTree major_tree(const Rules& rules, DeviceType type) {
  MajorTree tree{minor_tree(rules, type, std::nullopt), {}};
  for (const std::uint32_t major : majors_of(rules)) {
    MinorTree branch = minor_tree(rules, type, major);
    if (branch != tree.other) tree.majors.emplace_back(major, std::move(branch));
  }
  return tree;
}

// --- tree to instructions ------------------------------------------------------------------------

constexpr int kResult = BPF_REG_0, kContext = BPF_REG_1, kType = BPF_REG_2, kAsked = BPF_REG_3, kMajor = BPF_REG_4,
              kMinor = BPF_REG_5;

bpf_insn instruction(unsigned code, int destination, int source = 0, std::size_t offset = 0,
                     std::uint32_t immediate = 0) {
  bpf_insn result{};
  result.code = static_cast<std::uint8_t>(code);
  result.dst_reg = static_cast<std::uint8_t>(destination) & 15U;
  result.src_reg = static_cast<std::uint8_t>(source) & 15U;
  result.off = static_cast<std::int16_t>(offset);
  result.imm = static_cast<std::int32_t>(immediate);
  return result;
}

bpf_insn load_word(int destination, std::size_t offset) {
  return instruction(BPF_LDX | BPF_MEM | BPF_W, destination, kContext, offset);
}
bpf_insn with_constant(unsigned operation, int destination, std::uint32_t immediate) {
  return instruction(BPF_ALU | operation | BPF_K, destination, 0, 0, immediate);
}

class Program {
 public:
  std::vector<bpf_insn> compile(const Rules& rules) {
    const MajorTree characters = major_tree(rules, DeviceType::kChar);
    const MajorTree blocks = major_tree(rules, DeviceType::kBlock);
    load_context();
    // A type that a later kernel may add is denied.
    const std::size_t not_block = jump(BPF_JNE, kType, BPF_DEVCG_DEV_BLOCK);
    add(blocks);
    land(not_block);
    leaf(jump(BPF_JNE, kType, BPF_DEVCG_DEV_CHAR), 0);
    add(characters);
    finish();
    return std::move(code_);
  }

 private:
  void add(const bpf_insn& insn) { code_.push_back(insn); }

  // Comparisons are of 32 bits (BPF_JMP32), for the highest bit of a number is no sign.
  std::size_t jump(unsigned condition, int reg, std::uint32_t immediate) {
    add(instruction(BPF_JMP32 | condition | BPF_K, reg, 0, 0, immediate));
    return code_.size() - 1;
  }
  std::size_t jump() {
    add(instruction(BPF_JMP | BPF_JA, 0));
    return code_.size() - 1;
  }
  void land(std::size_t jump) { code_[jump].off = static_cast<std::int16_t>(code_.size() - jump - 1); }
  // The jump goes where `access` is what is allowed.
  void leaf(std::size_t jump, Access access) { leaves_[access].push_back(jump); }

  void load_context() {
    add(load_word(kAsked, offsetof(bpf_cgroup_dev_ctx, access_type)));  // (access << 16) | type
    add(load_word(kMajor, offsetof(bpf_cgroup_dev_ctx, major)));
    add(load_word(kMinor, offsetof(bpf_cgroup_dev_ctx, minor)));
    add(instruction(BPF_ALU | BPF_MOV | BPF_X, kType, kAsked));
    add(with_constant(BPF_AND, kType, 0xffff));
    add(with_constant(BPF_RSH, kAsked, 16));
  }

  void add(const MinorTree& tree) {
    for (const auto& [minor, access] : tree.minors) leaf(jump(BPF_JEQ, kMinor, minor), access);
    leaf(jump(), tree.other);
  }

  void add(const MajorTree& tree) {
    std::vector<std::pair<std::size_t, const MinorTree*>> branches;
    for (const auto& [major, branch] : tree.majors) {
      const std::size_t to = jump(BPF_JEQ, kMajor, major);
      if (branch.minors.empty()) {
        leaf(to, branch.other);
      } else {
        branches.emplace_back(to, &branch);
      }
    }
    add(tree.other);
    for (const auto& [from, branch] : branches) {
      land(from);
      add(*branch);
    }
  }

  void land_leaf(Access access) {
    for (const std::size_t jump : leaves_[access]) land(jump);
  }
  void answer(std::uint32_t result) {
    add(instruction(BPF_ALU64 | BPF_MOV | BPF_K, kResult, 0, 0, result));
    add(instruction(BPF_JMP | BPF_EXIT, 0));
  }

  // The verifier refuses instructions that nothing reaches.
  void finish() {
    for (Access access = 1; access < kAllAccess; ++access) {
      if (leaves_[access].empty()) continue;
      land_leaf(access);
      add(with_constant(BPF_AND, kAsked, ~access));
      leaf(jump(BPF_JEQ, kAsked, 0), kAllAccess);
      leaf(jump(), 0);
    }
    land_leaf(0);
    answer(0);
    if (leaves_[kAllAccess].empty()) return;
    land_leaf(kAllAccess);
    answer(1);
  }

  std::vector<bpf_insn> code_;
  std::array<std::vector<std::size_t>, kAllAccess + 1> leaves_;
};

// --- bpf(2) --------------------------------------------------------------------------------------

// Always the whole union: BPF_PROG_QUERY of Linux 6.17 writes behind a shorter one.
long bpf(bpf_cmd command, bpf_attr& attributes) {
  return os::raw_syscall(__NR_bpf, command, os::address(&attributes), sizeof attributes);
}

bpf_attr zeroed() {
  bpf_attr attributes;
  std::memset(&attributes, 0, sizeof attributes);
  return attributes;
}

[[noreturn]] void fail(const char* what, long result) {
  Error error = Error(what).at(kPointer).because(static_cast<int>(-result));
  if (result == -EPERM || result == -EACCES)
    throw std::move(error)
        .detail("device rules need CAP_BPF and CAP_NET_ADMIN in the initial user namespace")
        .remedy("run as root, or allow all devices in linux.resources.devices");
  if (result == -EINVAL || result == -ENOSYS)
    throw std::move(error).remedy("the kernel needs CONFIG_CGROUP_BPF and CONFIG_BPF_SYSCALL");
  throw std::move(error);
}

std::vector<std::uint32_t> attached_programs(int dir_fd) {
  std::array<std::uint32_t, kMaxPrograms> ids{};
  bpf_attr attributes = zeroed();
  attributes.query.target_fd = static_cast<std::uint32_t>(dir_fd);
  attributes.query.attach_type = BPF_CGROUP_DEVICE;
  attributes.query.prog_ids = reinterpret_cast<std::uintptr_t>(ids.data());
  attributes.query.prog_cnt = kMaxPrograms;
  const long result = bpf(BPF_PROG_QUERY, attributes);
  if (result < 0) fail("list the device programs of the cgroup", result);
  return {ids.begin(), ids.begin() + std::min(attributes.query.prog_cnt, kMaxPrograms)};
}

// Empty if the program is gone meanwhile or is not one of Wherry's.
os::Fd open_own_program(std::uint32_t id) {
  bpf_attr attributes = zeroed();
  attributes.prog_id = id;
  const long result = bpf(BPF_PROG_GET_FD_BY_ID, attributes);
  if (result == -ENOENT) return {};
  if (result < 0) fail("open a device program of the cgroup", result);
  os::Fd program(static_cast<int>(result));
  bpf_prog_info info{};
  attributes = zeroed();
  attributes.info.bpf_fd = static_cast<std::uint32_t>(program.get());
  attributes.info.info_len = sizeof info;
  attributes.info.info = reinterpret_cast<std::uintptr_t>(&info);
  const long known = bpf(BPF_OBJ_GET_INFO_BY_FD, attributes);
  if (known < 0) fail("look at a device program of the cgroup", known);
  return std::strncmp(info.name, kProgramName, sizeof info.name) == 0 ? std::move(program) : os::Fd();
}

void attach(int dir_fd, int program_fd, int replaced_fd) {
  bpf_attr attributes = zeroed();
  attributes.target_fd = static_cast<std::uint32_t>(dir_fd);
  attributes.attach_bpf_fd = static_cast<std::uint32_t>(program_fd);
  attributes.attach_type = BPF_CGROUP_DEVICE;
  attributes.attach_flags = BPF_F_ALLOW_MULTI;
  if (replaced_fd >= 0) {
    attributes.attach_flags |= BPF_F_REPLACE;
    attributes.replace_bpf_fd = static_cast<std::uint32_t>(replaced_fd);
  }
  const long result = bpf(BPF_PROG_ATTACH, attributes);
  if (result < 0) fail("attach the device program to the cgroup", result);
}

void detach(int dir_fd, int program_fd) {
  bpf_attr attributes = zeroed();
  attributes.target_fd = static_cast<std::uint32_t>(dir_fd);
  attributes.attach_bpf_fd = static_cast<std::uint32_t>(program_fd);
  attributes.attach_type = BPF_CGROUP_DEVICE;
  const long result = bpf(BPF_PROG_DETACH, attributes);
  if (result < 0 && result != -ENOENT) fail("detach a device program from the cgroup", result);
}

}  // namespace

bool allows_everything(const Rules& rules) {
  const MajorTree everything{{kAllAccess, {}}, {}};
  return major_tree(rules, DeviceType::kChar) == everything && major_tree(rules, DeviceType::kBlock) == everything;
}

std::vector<bpf_insn> compile_device_program(const Rules& rules) { return Program().compile(rules); }

os::Fd load_device_program(const Rules& rules) {
  if (allows_everything(rules)) return {};
  const std::vector<bpf_insn> code = compile_device_program(rules);
  if (code.size() > BPF_MAXINSNS)  // so a jump's 16 bits always suffice below
    throw Error("compile the device rules")
        .at(kPointer)
        .detail("more rules than a BPF program of 4096 instructions holds");
  bpf_attr attributes = zeroed();
  attributes.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
  attributes.insns = reinterpret_cast<std::uintptr_t>(code.data());
  attributes.insn_cnt = static_cast<std::uint32_t>(code.size());
  attributes.license = reinterpret_cast<std::uintptr_t>("Apache-2.0");
  std::memcpy(attributes.prog_name, kProgramName, std::strlen(kProgramName));
  // bpf(2): EAGAIN when a signal came while the program was verified.
  long result = -EAGAIN;
  for (int attempt = 0; result == -EAGAIN && attempt < kLoadAttempts; ++attempt)
    result = bpf(BPF_PROG_LOAD, attributes);
  if (result < 0) fail("load the device program", result);
  return os::Fd(static_cast<int>(result));
}

bool has_device_program(int dir_fd) {
  const std::vector<std::uint32_t> ids = attached_programs(dir_fd);
  return std::any_of(ids.begin(), ids.end(), [](std::uint32_t id) { return static_cast<bool>(open_own_program(id)); });
}

void attach_device_program(int dir_fd, int program_fd) {
  os::Fd replaced;
  for (const std::uint32_t id : attached_programs(dir_fd)) {
    os::Fd own = open_own_program(id);
    if (!own) continue;
    if (program_fd < 0 || replaced) {
      detach(dir_fd, own.get());
    } else {
      replaced = std::move(own);
    }
  }
  if (program_fd >= 0) attach(dir_fd, program_fd, replaced.get());
}

}  // namespace wherry::cgroup
