// SPDX-License-Identifier: Apache-2.0
#include "cgroup/devices.hpp"

#include <linux/bpf.h>

#include <array>
#include <catch2/catch.hpp>
#include <random>

#include "plan/compile_limits.hpp"

using namespace wherry::cgroup;
using wherry::plan::DeviceRule;
using wherry::plan::DeviceType;
using Rules = std::vector<DeviceRule>;

namespace {

struct Request {
  unsigned type = 0;    // BPF_DEVCG_DEV_*
  unsigned access = 0;  // BPF_DEVCG_ACC_*
  std::uint32_t major = 0, minor = 0;
};

// The few opcodes the compiler uses; anything else, running off the end and jumping back fail the test.
class Interpreter {
 public:
  Interpreter(const std::vector<bpf_insn>& code, const Request& request)
      : code_(code), context_{request.access << 16U | request.type, request.major, request.minor} {}

  std::uint64_t run() {
    std::size_t pc = 0;
    while (code_.at(pc).code != (BPF_JMP | BPF_EXIT)) pc = step(pc);
    return registers_[0];
  }

 private:
  std::size_t step(std::size_t pc) {
    const bpf_insn& insn = code_.at(pc);
    const auto immediate = static_cast<std::uint32_t>(insn.imm);
    std::uint64_t& target = registers_.at(insn.dst_reg);
    const auto low = static_cast<std::uint32_t>(target);
    bool taken = false;
    switch (insn.code) {
      case BPF_LDX | BPF_MEM | BPF_W:
        if (insn.src_reg != BPF_REG_1 || insn.off % 4 != 0) FAIL("a load that is not from the context");
        target = context_.at(static_cast<std::size_t>(insn.off) / 4);
        break;
      case BPF_ALU | BPF_MOV | BPF_X:
        target = static_cast<std::uint32_t>(registers_.at(insn.src_reg));
        break;
      case BPF_ALU64 | BPF_MOV | BPF_K:
        target = immediate;
        break;
      case BPF_ALU | BPF_AND | BPF_K:
        target = low & immediate;
        break;
      case BPF_ALU | BPF_RSH | BPF_K:
        target = low >> immediate;
        break;
      case BPF_JMP | BPF_JA:
        taken = true;
        break;
      case BPF_JMP32 | BPF_JEQ | BPF_K:
        taken = low == immediate;
        break;
      case BPF_JMP32 | BPF_JNE | BPF_K:
        taken = low != immediate;
        break;
      default:
        FAIL("opcode " << int{insn.code});
    }
    if (insn.off < 0) FAIL("a jump back");
    return pc + 1 + (taken ? static_cast<std::size_t>(insn.off) : 0);
  }

  const std::vector<bpf_insn>& code_;
  std::array<std::uint32_t, 3> context_;
  std::array<std::uint64_t, 10> registers_{};
};

bool runs_to_allow(const std::vector<bpf_insn>& code, const Request& request) {
  const std::uint64_t result = Interpreter(code, request).run();
  if (result > 1) FAIL("the program returns " << result);
  return result == 1;
}

bool rule_matches(const DeviceRule& rule, const Request& request) {
  if (rule.type == DeviceType::kChar && request.type != BPF_DEVCG_DEV_CHAR) return false;
  if (rule.type == DeviceType::kBlock && request.type != BPF_DEVCG_DEV_BLOCK) return false;
  return (!rule.major || *rule.major == request.major) && (!rule.minor || *rule.minor == request.minor);
}

// The specification of the whole: each kind of access by the last rule about it, else denied.
bool reference(const Rules& rules, const Request& request) {
  for (const unsigned bit : {BPF_DEVCG_ACC_MKNOD, BPF_DEVCG_ACC_READ, BPF_DEVCG_ACC_WRITE}) {
    if ((request.access & bit) == 0) continue;
    bool allowed = false;
    for (const DeviceRule& rule : rules) {
      const bool about = (bit == BPF_DEVCG_ACC_MKNOD && rule.mknod) || (bit == BPF_DEVCG_ACC_READ && rule.read) ||
                         (bit == BPF_DEVCG_ACC_WRITE && rule.write);
      if (about && rule_matches(rule, request)) allowed = rule.allow;
    }
    if (!allowed) return false;
  }
  return true;
}

// Few numbers, so that rules meet; one with the highest bit.
constexpr std::array<std::uint32_t, 4> kNumbers{0, 1, 7, 0xfffffff0};

class Generator {
 public:
  explicit Generator(unsigned seed) : random_(seed) {}
  unsigned below(unsigned bound) { return std::uniform_int_distribution<unsigned>(0, bound - 1)(random_); }
  bool chance(unsigned percent) { return below(100) < percent; }
  std::uint32_t number() { return kNumbers.at(below(kNumbers.size())); }

  DeviceRule rule() {
    DeviceRule rule;
    rule.allow = chance(60);
    rule.type = static_cast<DeviceType>(below(3));
    if (chance(60)) rule.major = number();
    if (chance(50)) rule.minor = number();
    const bool all = chance(40);
    rule.read = all || chance(50);
    rule.write = all || chance(50);
    rule.mknod = all || chance(50);
    return rule;
  }

 private:
  std::mt19937 random_;
};

std::vector<Request> all_requests() {
  std::vector<Request> requests;
  for (const unsigned type : {unsigned{BPF_DEVCG_DEV_BLOCK}, unsigned{BPF_DEVCG_DEV_CHAR}}) {
    for (unsigned access = 1; access < 8; ++access) {
      for (const std::uint32_t major : {0U, 1U, 7U, 0xfffffff0U, 99U}) {
        for (const std::uint32_t minor : {0U, 1U, 7U, 0xfffffff0U, 99U})
          requests.push_back({type, access, major, minor});
      }
    }
  }
  return requests;
}

constexpr DeviceRule kAllowAll{true, DeviceType::kAny, std::nullopt, std::nullopt, true, true, true};

}  // namespace

TEST_CASE("the device program decides as the rules do", "[cgroup][devices]") {
  const std::vector<Request> requests = all_requests();
  Generator generator(4711);
  for (int round = 0; round < 1500; ++round) {
    Rules rules(generator.below(7));
    for (DeviceRule& rule : rules) rule = generator.rule();
    const std::vector<bpf_insn> code = compile_device_program(rules);
    std::size_t wrong = 0;
    bool everything = true;
    for (const Request& request : requests) {
      const bool expected = reference(rules, request);
      everything = everything && expected;
      if (runs_to_allow(code, request) != expected) ++wrong;
    }
    REQUIRE(wrong == 0);
    REQUIRE(allows_everything(rules) == everything);
  }
}

TEST_CASE("no rules deny everything", "[cgroup][devices]") {
  const std::vector<bpf_insn> code = compile_device_program({});
  for (const Request& request : all_requests()) REQUIRE_FALSE(runs_to_allow(code, request));
  CHECK_FALSE(allows_everything({}));
}

TEST_CASE("a type that no rule can name is denied", "[cgroup][devices]") {
  CHECK_FALSE(runs_to_allow(compile_device_program({kAllowAll}), {3, BPF_DEVCG_ACC_READ, 1, 3}));
}

TEST_CASE("the default devices need a short program", "[cgroup][devices]") {
  const Rules rules = wherry::plan::compile_device_rules({});
  const std::vector<bpf_insn> code = compile_device_program(rules);
  CHECK(code.size() <= 32);
  CHECK(runs_to_allow(code, {BPF_DEVCG_DEV_CHAR, 7, 1, 3}));
  CHECK(runs_to_allow(code, {BPF_DEVCG_DEV_CHAR, 7, 136, 1000}));
  CHECK(runs_to_allow(code, {BPF_DEVCG_DEV_BLOCK, BPF_DEVCG_ACC_MKNOD, 8, 0}));
  CHECK_FALSE(runs_to_allow(code, {BPF_DEVCG_DEV_BLOCK, BPF_DEVCG_ACC_READ, 8, 0}));
  CHECK_FALSE(runs_to_allow(code, {BPF_DEVCG_DEV_CHAR, BPF_DEVCG_ACC_READ | BPF_DEVCG_ACC_MKNOD, 1, 1}));
  CHECK_FALSE(runs_to_allow(code, {BPF_DEVCG_DEV_CHAR, BPF_DEVCG_ACC_READ, 10, 200}));
}

TEST_CASE("privileged containers load no program", "[cgroup][devices]") {
  wherry::oci::Linux privileged;
  privileged.resources.emplace();
  privileged.resources->devices = {{false, {}, {}, {}, "rwm"}, {true, {}, {}, {}, "rwm"}};
  const Rules rules = wherry::plan::compile_device_rules(privileged);
  CHECK(allows_everything(rules));
  CHECK_FALSE(load_device_program(rules));
}

TEST_CASE("rights that come in pieces add up", "[cgroup][devices]") {
  const Rules pieces{{true, DeviceType::kChar, 1, 7, true, false, false},
                     {true, DeviceType::kChar, 1, std::nullopt, false, true, false}};
  const std::vector<bpf_insn> code = compile_device_program(pieces);
  CHECK(runs_to_allow(code, {BPF_DEVCG_DEV_CHAR, BPF_DEVCG_ACC_READ | BPF_DEVCG_ACC_WRITE, 1, 7}));
  CHECK_FALSE(runs_to_allow(code, {BPF_DEVCG_DEV_CHAR, BPF_DEVCG_ACC_READ, 1, 8}));
}
