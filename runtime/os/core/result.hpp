// SPDX-License-Identifier: Apache-2.0
// Value or errno. Every system call wrapper returns one; ignoring it is spelled (void) with a reason.
#pragma once

namespace wherry::os {

template <class T>
class [[nodiscard]] Result {
 public:
  constexpr Result() noexcept = default;
  constexpr Result(T value) noexcept : value_(static_cast<T&&>(value)) {}  // NOLINT: a value is a success
  static constexpr Result failure(int number) noexcept {
    Result result{T{}};
    result.error_ = number;
    return result;
  }
  constexpr explicit operator bool() const noexcept { return error_ == 0; }
  [[nodiscard]] constexpr int error() const noexcept { return error_; }  // errno, 0 when ok
  [[nodiscard]] constexpr T& value() noexcept { return value_; }
  [[nodiscard]] constexpr const T& value() const noexcept { return value_; }
  constexpr T& operator*() noexcept { return value_; }
  constexpr T* operator->() noexcept { return &value_; }
  constexpr const T* operator->() const noexcept { return &value_; }

 private:
  T value_{};
  int error_ = 0;
};

// The result of a call that only succeeds or fails.
class [[nodiscard]] Status {
 public:
  constexpr Status() noexcept = default;
  constexpr explicit Status(int number) noexcept : error_(number) {}
  constexpr explicit operator bool() const noexcept { return error_ == 0; }
  [[nodiscard]] constexpr int error() const noexcept { return error_; }

 private:
  int error_ = 0;
};

inline Status status_of(long result) noexcept { return result < 0 ? Status(static_cast<int>(-result)) : Status(); }

inline Result<long> result_of(long result) noexcept {
  return result < 0 ? Result<long>::failure(static_cast<int>(-result)) : Result<long>(result);
}

}  // namespace wherry::os
