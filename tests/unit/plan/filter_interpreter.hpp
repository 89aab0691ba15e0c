// SPDX-License-Identifier: Apache-2.0
// What the kernel does with a seccomp program, for the opcodes that libseccomp uses.
#pragma once

#include <linux/filter.h>
#include <linux/seccomp.h>

#include <catch2/catch.hpp>
#include <cstdint>
#include <cstring>
#include <vector>

namespace wherry::test {

inline std::uint32_t run_filter(const std::vector<sock_filter>& code, const seccomp_data& data) {
  std::uint32_t a = 0;
  for (std::size_t pc = 0;; ++pc) {
    const sock_filter& insn = code.at(pc);
    const auto branch = [&](bool taken) { pc += taken ? insn.jt : insn.jf; };
    switch (insn.code) {
      case BPF_LD | BPF_W | BPF_ABS:
        if (insn.k + 4 > sizeof data) FAIL("a load from behind the data");
        std::memcpy(&a, reinterpret_cast<const char*>(&data) + insn.k, sizeof a);
        break;
      case BPF_ALU | BPF_AND | BPF_K:
        a &= insn.k;
        break;
      case BPF_JMP | BPF_JA:
        pc += insn.k;
        break;
      case BPF_JMP | BPF_JEQ | BPF_K:
        branch(a == insn.k);
        break;
      case BPF_JMP | BPF_JGE | BPF_K:
        branch(a >= insn.k);
        break;
      case BPF_JMP | BPF_JGT | BPF_K:
        branch(a > insn.k);
        break;
      case BPF_JMP | BPF_JSET | BPF_K:
        branch((a & insn.k) != 0);
        break;
      case BPF_RET | BPF_K:
        return insn.k;
      default:
        FAIL("opcode " << insn.code);
    }
  }
}

}  // namespace wherry::test
