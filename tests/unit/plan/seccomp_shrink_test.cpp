// SPDX-License-Identifier: Apache-2.0
#include "plan/seccomp_shrink.hpp"

#include <linux/audit.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <memory>
#include <random>

#include "unit/plan/filter_interpreter.hpp"

using wherry::plan::shrink;
using wherry::test::run_filter;

namespace {

using Code = std::vector<sock_filter>;

class Generator {
 public:
  explicit Generator(unsigned seed) : random_(seed) {}
  unsigned below(unsigned bound) { return std::uniform_int_distribution<unsigned>(0, bound - 1)(random_); }
  template <class List>
  auto one_of(const List& list) {
    return list[below(static_cast<unsigned>(std::size(list)))];
  }

 private:
  std::mt19937 random_;
};

constexpr std::uint32_t kActions[] = {SCMP_ACT_ALLOW, SCMP_ACT_ERRNO(1), SCMP_ACT_ERRNO(38), SCMP_ACT_KILL_PROCESS,
                                      SCMP_ACT_LOG};
constexpr std::uint64_t kValues[] = {0, 1, 8, 0x80000000, 0xffffffff, 0x100000000, 0x7fffffff00000001, ~0ULL};
constexpr std::uint32_t kOtherArchs[] = {SCMP_ARCH_X86, SCMP_ARCH_X86_64, SCMP_ARCH_X32, SCMP_ARCH_AARCH64,
                                         SCMP_ARCH_ARM};

void add_random_rule(scmp_filter_ctx context, Generator& generator) {
  const int number = static_cast<int>(generator.below(440));
  std::vector<scmp_arg_cmp> conditions;
  for (unsigned arg = 0; arg < 3 && generator.below(4) == 0; ++arg) {
    const auto op = static_cast<scmp_compare>(1 + generator.below(7));
    conditions.push_back({arg, op, generator.one_of(kValues), generator.one_of(kValues)});
  }
  // Refused ones (a repetition, the default action) are no rules.
  (void)seccomp_rule_add_array(context, generator.one_of(kActions), number, static_cast<unsigned>(conditions.size()),
                               conditions.data());
}

Code random_program(Generator& generator) {
  const std::unique_ptr<void, decltype(&seccomp_release)> context(seccomp_init(generator.one_of(kActions)),
                                                                  &seccomp_release);
  REQUIRE(context != nullptr);
  (void)seccomp_attr_set(context.get(), SCMP_FLTATR_CTL_OPTIMIZE, 1 + generator.below(2));
  for (unsigned i = generator.below(3); i != 0; --i)
    (void)seccomp_arch_add(context.get(), generator.one_of(kOtherArchs));
  for (unsigned i = generator.below(generator.below(8) == 0 ? 400 : 40); i != 0; --i)
    add_random_rule(context.get(), generator);
  const int file = memfd_create("filter", MFD_CLOEXEC);
  REQUIRE(file >= 0);
  REQUIRE(seccomp_export_bpf(context.get(), file) == 0);
  Code code(static_cast<std::size_t>(lseek(file, 0, SEEK_END)) / sizeof(sock_filter));
  REQUIRE(pread(file, code.data(), code.size() * sizeof(sock_filter), 0) ==
          static_cast<ssize_t>(code.size() * sizeof(sock_filter)));
  close(file);
  return code;
}

std::size_t differences(const Code& before, const Code& after, Generator& generator) {
  constexpr std::uint32_t kArchs[] = {AUDIT_ARCH_X86_64, AUDIT_ARCH_I386, AUDIT_ARCH_AARCH64, AUDIT_ARCH_ARM, 0,
                                      AUDIT_ARCH_S390X};
  std::size_t wrong = 0;
  for (const std::uint32_t arch : kArchs) {
    for (const std::uint32_t base : {0U, 0x40000000U, 0x7fffff00U, 0xfffffe00U}) {
      for (std::uint32_t offset = 0; offset < 512; ++offset) {
        seccomp_data data{};
        data.arch = arch;
        data.nr = static_cast<int>(base + offset);
        for (auto& arg : data.args) arg = generator.one_of(kValues) + generator.below(3) - 1;
        if (run_filter(before, data) != run_filter(after, data)) ++wrong;
      }
    }
  }
  return wrong;
}

constexpr sock_filter kLoadArch{BPF_LD | BPF_W | BPF_ABS, 0, 0, 4};
constexpr sock_filter kLoadNumber{BPF_LD | BPF_W | BPF_ABS, 0, 0, 0};
constexpr sock_filter result(std::uint32_t value) { return {BPF_RET | BPF_K, 0, 0, value}; }

bool same(const Code& a, const Code& b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(sock_filter)) == 0);
}

}  // namespace

TEST_CASE("a shrunk program decides as before", "[plan][seccomp]") {
  Generator generator(815);
  for (int round = 0; round < 120; ++round) {
    Code before = random_program(generator);
    if (generator.below(2) == 0) {  // as a ceiling in front of it
      const std::uint32_t ceiling = generator.below(512);
      before.insert(before.begin(), {kLoadArch,
                                     {BPF_JMP | BPF_JEQ | BPF_K, 0, 3, generator.one_of(kOtherArchs)},
                                     kLoadNumber,
                                     {BPF_JMP | BPF_JGT | BPF_K, 0, 1, ceiling},
                                     result(SECCOMP_RET_ERRNO | 38)});
    }
    const Code after = shrink(before);
    REQUIRE(after.size() <= before.size());
    REQUIRE(differences(before, after, generator) == 0);
  }
}

TEST_CASE("long ranges of one fate become one comparison", "[plan][seccomp]") {
  Code program{kLoadArch, {BPF_JMP | BPF_JEQ | BPF_K, 1, 0, AUDIT_ARCH_X86_64}, result(0), kLoadNumber};
  for (std::uint32_t number = 10; number < 60; ++number) {
    program.push_back({BPF_JMP | BPF_JEQ | BPF_K, 0, 1, number});
    program.push_back(result(SECCOMP_RET_ALLOW));
  }
  program.push_back(result(SECCOMP_RET_ERRNO | 1));
  const Code after = shrink(program);
  CHECK(after.size() <= 10);
  Generator generator(1);
  CHECK(differences(program, after, generator) == 0);
}

TEST_CASE("what is not understood stays as it is", "[plan][seccomp]") {
  const Code masked_number{kLoadArch,
                           {BPF_JMP | BPF_JEQ | BPF_K, 1, 0, AUDIT_ARCH_X86_64},
                           result(0),
                           kLoadNumber,
                           {BPF_ALU | BPF_AND | BPF_K, 0, 0, 0xff},
                           {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 1},
                           result(1),
                           result(2)};
  const Code ordered_arch{kLoadArch, {BPF_JMP | BPF_JGE | BPF_K, 0, 1, 5}, result(1), result(2)};
  const Code no_arch{kLoadNumber, {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 5}, result(1), result(2)};
  const Code twice{kLoadArch, {BPF_JMP | BPF_JEQ | BPF_K, 0, 3, 5}, kLoadNumber,
                   kLoadArch, {BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 7}, result(2)};
  for (const Code& program : {masked_number, ordered_arch, no_arch, twice, Code{}, Code{result(1)}})
    CHECK(same(shrink(program), program));
}
