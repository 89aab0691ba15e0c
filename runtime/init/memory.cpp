// SPDX-License-Identifier: Apache-2.0
// The four functions that a compiler may call even in a freestanding program (GCC manual, "Standards").
#include <stddef.h>

extern "C" {

void* memcpy(void* __restrict to, const void* __restrict from, size_t size) noexcept {
  auto* target = static_cast<unsigned char*>(to);
  const auto* source = static_cast<const unsigned char*>(from);
  for (size_t i = 0; i < size; ++i) target[i] = source[i];
  return to;
}

void* memmove(void* to, const void* from, size_t size) noexcept {
  auto* target = static_cast<unsigned char*>(to);
  const auto* source = static_cast<const unsigned char*>(from);
  if (target < source) {
    for (size_t i = 0; i < size; ++i) target[i] = source[i];
  } else {
    while (size-- > 0) target[size] = source[size];
  }
  return to;
}

void* memset(void* to, int value, size_t size) noexcept {
  auto* target = static_cast<unsigned char*>(to);
  for (size_t i = 0; i < size; ++i) target[i] = static_cast<unsigned char>(value);
  return to;
}

int memcmp(const void* a, const void* b, size_t size) noexcept {
  const auto* left = static_cast<const unsigned char*>(a);
  const auto* right = static_cast<const unsigned char*>(b);
  for (size_t i = 0; i < size; ++i)
    if (left[i] != right[i]) return left[i] < right[i] ? -1 : 1;
  return 0;
}

}  // extern "C"
