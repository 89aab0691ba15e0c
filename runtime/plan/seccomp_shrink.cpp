// SPDX-License-Identifier: Apache-2.0
// Classic BPF only jumps forward, so one pass from the top tells which system call numbers reach which
// instruction while the accumulator holds nothing but the number or the architecture. Where it meets a
// return, the result for these numbers is known; where it meets a load of an argument, the rest of the
// program is kept for them. Out of these ranges a search tree is made for each architecture.
#include "plan/seccomp_shrink.hpp"

#include <linux/seccomp.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <utility>

namespace wherry::plan {
namespace {

using Code = std::vector<sock_filter>;

constexpr std::uint16_t kLoad = BPF_LD | BPF_W | BPF_ABS, kReturn = BPF_RET | BPF_K, kJump = BPF_JMP | BPF_JA,
                        kEqual = BPF_JMP | BPF_JEQ | BPF_K, kAtLeast = BPF_JMP | BPF_JGE | BPF_K,
                        kAbove = BPF_JMP | BPF_JGT | BPF_K;
constexpr std::uint32_t kNumberOffset = offsetof(seccomp_data, nr), kArchOffset = offsetof(seccomp_data, arch);
constexpr std::uint32_t kHighest = UINT32_MAX;
constexpr std::size_t kChunk = 100;  // ranges decided by one tree: its jumps must fit in 8 bits

struct Range {
  std::uint32_t low = 0, high = kHighest;
};
using Ranges = std::vector<Range>;

// What becomes of a system call: a result, or the instruction of the old program to go on with.
struct Fate {
  bool is_return = false;
  std::uint32_t value = 0;
  auto operator<=>(const Fate&) const = default;  // NOLINT(modernize-use-nullptr): it sees the compiler's own 0
};
struct Piece {  // the numbers from `low` to the next piece's
  std::uint32_t low = 0;
  Fate fate;
};
using Pieces = std::vector<Piece>;

bool is_conditional(const sock_filter& insn) { return BPF_CLASS(insn.code) == BPF_JMP && insn.code != kJump; }

void append(Ranges& to, const Ranges& from) { to.insert(to.end(), from.begin(), from.end()); }

// The numbers of `all` for which the comparison holds, and the others.
std::pair<Ranges, Ranges> divide(const Ranges& all, const sock_filter& insn) {
  // Held: [low, high]; the comparison with JGT of the highest number never holds.
  const bool never = insn.code == kAbove && insn.k == kHighest;
  const Range held{insn.code == kAbove ? insn.k + 1 : insn.k, insn.code == kEqual ? insn.k : kHighest};
  std::pair<Ranges, Ranges> parts;
  for (const Range& range : all) {
    const std::uint32_t low = std::max(range.low, held.low), high = std::min(range.high, held.high);
    if (never || low > high) {
      parts.second.push_back(range);
      continue;
    }
    parts.first.push_back({low, high});
    if (range.low < low) parts.second.push_back({range.low, low - 1});
    if (high < range.high) parts.second.push_back({high + 1, range.high});
  }
  return parts;
}

// The pass, for one architecture.
class Flow {
 public:
  Flow(const Code& program, std::uint32_t arch) : program_(program), arch_(arch), states_(program.size()) {}

  // Nothing if there is an instruction that it does not understand.
  std::optional<Pieces> run() {
    states_[0].with_arch = {Range{}};  // named_archs(): the first instruction loads it
    for (std::size_t pc = 0; pc < program_.size(); ++pc) {
      if (!step(pc)) return std::nullopt;
    }
    return pieces();
  }

 private:
  struct State {  // the numbers that come by, by what the accumulator holds
    Ranges with_arch, with_number;
  };

  bool pass(std::size_t pc, std::size_t offset, const Ranges& ranges, bool number) {
    if (ranges.empty()) return true;
    const std::size_t to = pc + 1 + offset;
    if (to >= program_.size()) return false;
    append(number ? states_[to].with_number : states_[to].with_arch, ranges);
    return true;
  }

  void settle(const Ranges& ranges, const Fate& fate) {
    for (const Range& range : ranges) found_.emplace_back(range, fate);
  }

  bool load(std::size_t pc, const Ranges& all) {
    const std::uint32_t offset = program_[pc].k;
    if (offset == kNumberOffset || offset == kArchOffset) return pass(pc, 0, all, offset == kNumberOffset);
    settle(all, {false, static_cast<std::uint32_t>(pc)});
    return true;
  }

  bool compare(std::size_t pc, const State& state) {
    const sock_filter& insn = program_[pc];
    const bool holds = insn.code == kEqual ? arch_ == insn.k : insn.code == kAbove ? arch_ > insn.k : arch_ >= insn.k;
    const auto [yes, no] = divide(state.with_number, insn);
    return pass(pc, holds ? insn.jt : insn.jf, state.with_arch, false) && pass(pc, insn.jt, yes, true) &&
           pass(pc, insn.jf, no, true);
  }

  bool step(std::size_t pc) {
    const State state = std::move(states_[pc]);
    if (state.with_arch.empty() && state.with_number.empty()) return true;
    const sock_filter& insn = program_[pc];
    Ranges all = state.with_arch;
    append(all, state.with_number);
    switch (insn.code) {
      case kLoad:
        return load(pc, all);
      case kReturn:
        settle(all, {true, insn.k});
        return true;
      case kJump:
        return pass(pc, insn.k, state.with_arch, false) && pass(pc, insn.k, state.with_number, true);
      case kEqual:
      case kAtLeast:
      case kAbove:
        return compare(pc, state);
      default:
        return false;
    }
  }

  // In order, without gap, neighbours of one fate joined.
  std::optional<Pieces> pieces() {
    std::sort(found_.begin(), found_.end(), [](const auto& a, const auto& b) { return a.first.low < b.first.low; });
    Pieces result;
    std::uint64_t next = 0;
    for (const auto& [range, fate] : found_) {
      if (range.low != next) return std::nullopt;
      next = std::uint64_t{range.high} + 1;
      if (result.empty() || result.back().fate != fate) result.push_back({range.low, fate});
    }
    if (next != std::uint64_t{kHighest} + 1) return std::nullopt;
    return result;
  }

  const Code& program_;
  std::uint32_t arch_;
  std::vector<State> states_;
  std::vector<std::pair<Range, Fate>> found_;
};

class Writer {
 public:
  explicit Writer(const Code& old) : old_(old) {}

  Code write(const std::vector<std::pair<std::uint32_t, Pieces>>& archs, std::uint32_t other_result) {
    emit(kLoad, kArchOffset);
    std::vector<std::size_t> to_arch;
    for (const auto& [arch, pieces] : archs) {
      emit(kEqual, arch, 0, 1);
      to_arch.push_back(emit(kJump));
    }
    emit(kReturn, other_result);
    for (std::size_t i = 0; i < archs.size(); ++i) {
      land(to_arch[i]);
      write_arch(archs[i].second);
    }
    write_kept();
    return std::move(code_);
  }

 private:
  struct Pending {
    std::size_t at = 0;
    bool if_true = false;
  };

  std::size_t emit(std::uint16_t code, std::uint32_t k = 0, std::uint8_t jt = 0, std::uint8_t jf = 0) {
    code_.push_back({code, jt, jf, k});
    return code_.size() - 1;
  }
  [[nodiscard]] std::size_t distance(std::size_t from) const { return code_.size() - from - 1; }
  void land(std::size_t jump) { code_[jump].k = static_cast<std::uint32_t>(distance(jump)); }
  void land(const Pending& jump) {
    (jump.if_true ? code_[jump.at].jt : code_[jump.at].jf) = static_cast<std::uint8_t>(distance(jump.at));
  }

  void write_arch(const Pieces& pieces) {
    emit(kLoad, kNumberOffset);
    std::vector<std::pair<std::size_t, std::size_t>> chunks;  // first piece, jump to it
    for (std::size_t first = (pieces.size() - 1) / kChunk * kChunk; first != 0; first -= kChunk) {
      emit(kAtLeast, pieces[first].low, 0, 1);
      chunks.emplace_back(first, emit(kJump));
    }
    write_chunk(pieces, 0);
    for (const auto& [first, jump] : chunks) {
      land(jump);
      write_chunk(pieces, first);
    }
  }

  void write_chunk(const Pieces& pieces, std::size_t first) {
    const std::size_t last = std::min(first + kChunk, pieces.size());
    if (last - first > 1) write_node(pieces, first, last);
    if (last - first == 1) waiting_[pieces[first].fate];
    for (const auto& [fate, jumps] : waiting_) {
      for (const Pending& jump : jumps) land(jump);
      write_fate(fate);
    }
    waiting_.clear();
  }

  void write_node(const Pieces& pieces, std::size_t first, std::size_t last) {
    const std::size_t middle = first + (last - first) / 2;
    const std::size_t at = emit(kAtLeast, pieces[middle].low);
    write_side(pieces, first, middle, {at, false});
    write_side(pieces, middle, last, {at, true});
  }

  void write_side(const Pieces& pieces, std::size_t first, std::size_t last, const Pending& jump) {
    if (last - first == 1) {
      waiting_[pieces[first].fate].push_back(jump);
      return;
    }
    land(jump);
    write_node(pieces, first, last);
  }

  void write_fate(const Fate& fate) {
    if (fate.is_return) {
      emit(kReturn, fate.value);
    } else {
      kept_[fate.value].push_back(emit(kJump));
    }
  }

  // The old instructions that are reached from the kept ones, in their old order: no jump gets longer.
  [[nodiscard]] std::vector<bool> reached() const {
    std::vector<bool> marks(old_.size());
    for (const auto& [pc, jumps] : kept_) marks[pc] = true;
    for (std::size_t pc = 0; pc < old_.size(); ++pc) {
      const sock_filter& insn = old_[pc];
      if (!marks[pc] || BPF_CLASS(insn.code) == BPF_RET) continue;
      const std::size_t next = pc + 1;
      if (insn.code == kJump) {
        marks.at(next + insn.k) = true;
      } else if (is_conditional(insn)) {
        marks.at(next + insn.jt) = marks.at(next + insn.jf) = true;
      } else {
        marks.at(next) = true;
      }
    }
    return marks;
  }

  void write_kept() {
    const std::vector<bool> marks = reached();
    std::vector<std::size_t> skipped(old_.size() + 1);  // unmarked instructions before each
    for (std::size_t pc = 0; pc < old_.size(); ++pc) skipped[pc + 1] = skipped[pc] + (marks[pc] ? 0 : 1);
    const auto shorter = [&](std::size_t pc, std::size_t offset) {
      return offset - (skipped[pc + 1 + offset] - skipped[pc + 1]);
    };
    for (std::size_t pc = 0; pc < old_.size(); ++pc) {
      if (!marks[pc]) continue;
      if (const auto entry = kept_.find(static_cast<std::uint32_t>(pc)); entry != kept_.end()) {
        for (const std::size_t jump : entry->second) land(jump);
      }
      sock_filter insn = old_[pc];
      if (insn.code == kJump) insn.k = static_cast<std::uint32_t>(shorter(pc, insn.k));
      if (is_conditional(insn)) {
        insn.jt = static_cast<std::uint8_t>(shorter(pc, insn.jt));
        insn.jf = static_cast<std::uint8_t>(shorter(pc, insn.jf));
      }
      code_.push_back(insn);
    }
  }

  const Code& old_;
  Code code_;
  std::map<Fate, std::vector<Pending>> waiting_;            // of the chunk that is being written
  std::map<std::uint32_t, std::vector<std::size_t>> kept_;  // old instruction to jumps
};

// The architectures that the program names. Nothing if it looks at the architecture in another way than by
// equality behind a load that all come by at the top: then all unnamed ones are alike.
std::optional<std::vector<std::uint32_t>> named_archs(const Code& program) {
  if (program.size() < 2 || program[0].code != kLoad || program[0].k != kArchOffset) return std::nullopt;
  std::vector<std::uint32_t> archs;
  std::vector<bool> holds_arch(program.size() + 1);
  holds_arch[1] = true;
  for (std::size_t pc = 1; pc < program.size(); ++pc) {
    const sock_filter& insn = program[pc];
    if (insn.code == kLoad && insn.k == kArchOffset) {
      holds_arch[pc + 1] = true;
      continue;
    }
    if (!holds_arch[pc] || insn.code == kLoad || insn.code == kReturn) continue;
    if (insn.code == kJump) {
      holds_arch.at(pc + 1 + insn.k) = true;
    } else if (insn.code == kEqual) {
      holds_arch.at(pc + 1 + insn.jt) = holds_arch.at(pc + 1 + insn.jf) = true;
      if (std::find(archs.begin(), archs.end(), insn.k) == archs.end()) archs.push_back(insn.k);
    } else {
      return std::nullopt;
    }
  }
  return archs;
}

// The least number that is none of them.
std::uint32_t unnamed(const std::vector<std::uint32_t>& archs) {
  std::uint32_t arch = 0;
  while (std::find(archs.begin(), archs.end(), arch) != archs.end()) ++arch;
  return arch;
}

}  // namespace

std::vector<sock_filter> shrink(const std::vector<sock_filter>& program) {
  const auto named = named_archs(program);
  if (!named) return program;
  const auto others = Flow(program, unnamed(*named)).run();
  if (!others || others->size() != 1 || !others->front().fate.is_return) return program;
  std::vector<std::pair<std::uint32_t, Pieces>> archs;
  for (const std::uint32_t arch : *named) {
    auto pieces = Flow(program, arch).run();
    if (!pieces) return program;
    archs.emplace_back(arch, std::move(*pieces));
  }
  Code result = Writer(program).write(archs, others->front().fate.value);
  return result.size() < program.size() ? result : program;
}

}  // namespace wherry::plan
