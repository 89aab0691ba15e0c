// SPDX-License-Identifier: Apache-2.0
// An owned file descriptor. Closing never fails visibly: close(2) releases the number even on error.
#pragma once

#include "os/core/result.hpp"
#include "os/core/syscall.hpp"

namespace wherry::os {

class Fd {
 public:
  constexpr Fd() noexcept = default;
  constexpr explicit Fd(int number) noexcept : complement_(~number) {}
  constexpr Fd(Fd&& other) noexcept : complement_(~other.release()) {}
  Fd& operator=(Fd&& other) noexcept {
    if (this != &other) reset(other.release());
    return *this;
  }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  ~Fd() { reset(); }

  // NOLINTNEXTLINE(clang-analyzer-core.uninitialized.UndefReturn): it loses sight of a structured binding's parts
  [[nodiscard]] constexpr int get() const noexcept { return ~complement_; }
  [[nodiscard]] constexpr explicit operator bool() const noexcept { return get() >= 0; }
  constexpr int release() noexcept {
    const int number = get();
    complement_ = 0;
    return number;
  }
  void reset(int number = -1) noexcept {
    if (get() >= 0) (void)raw_syscall(__NR_close, get());
    complement_ = ~number;
  }

 private:
  int complement_ = 0;  // ~number: an empty Fd is all zero bits, so a table of them costs no page before its use
};

inline Result<Fd> fd_of(long result) noexcept {
  return result < 0 ? Result<Fd>::failure(static_cast<int>(-result)) : Result<Fd>(Fd(static_cast<int>(result)));
}

}  // namespace wherry::os
