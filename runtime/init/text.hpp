// SPDX-License-Identifier: Apache-2.0
// The few string operations that wherry-init needs; all bounded, none allocates.
#pragma once

#include "plan/wire.hpp"

namespace wherry::init {

using plan::TextView;

inline uint32_t length(const char* text) noexcept {
  uint32_t size = 0;
  while (text[size] != 0) ++size;
  return size;
}

inline bool equal(TextView a, TextView b) noexcept {
  return a.size == b.size && __builtin_memcmp(a.data, b.data, a.size) == 0;
}

template <unsigned N>
inline bool equal(TextView a, const char (&b)[N]) noexcept {
  return equal(a, TextView{b, N - 1});
}

// Index of the first `wanted` at or after `from`, or text.size.
inline uint32_t find(TextView text, char wanted, uint32_t from = 0) noexcept {
  while (from < text.size && text.data[from] != wanted) ++from;
  return from;
}

inline bool contains(TextView text, TextView wanted) noexcept {
  for (uint32_t at = 0; at + wanted.size <= text.size; ++at)
    if (equal(TextView{text.data + at, wanted.size}, wanted)) return true;
  return false;
}

// A fixed buffer that remembers whether everything fitted.
template <unsigned N>
class Line {
 public:
  Line() noexcept { data_[0] = 0; }
  Line& add(TextView text) noexcept {
    if (text.size >= N - size_) {
      fits_ = false;
      return *this;
    }
    __builtin_memcpy(data_ + size_, text.data, text.size);
    size_ += text.size;
    data_[size_] = 0;
    return *this;
  }
  Line& add(const char* text) noexcept { return add(TextView{text, length(text)}); }
  Line& add(int64_t number) noexcept {
    char digits[24];
    unsigned at = sizeof digits;
    uint64_t rest = number < 0 ? 0 - static_cast<uint64_t>(number) : static_cast<uint64_t>(number);
    do digits[--at] = static_cast<char>('0' + rest % 10);
    while ((rest /= 10) != 0);
    if (number < 0) digits[--at] = '-';
    return add(TextView{digits + at, static_cast<uint32_t>(sizeof digits) - at});
  }
  void clear() noexcept { size_ = 0, data_[0] = 0, fits_ = true; }
  [[nodiscard]] bool fits() const noexcept { return fits_; }
  [[nodiscard]] const char* data() const noexcept { return data_; }
  [[nodiscard]] uint32_t size() const noexcept { return size_; }

 private:
  char data_[N];
  uint32_t size_ = 0;
  bool fits_ = true;
};

}  // namespace wherry::init
