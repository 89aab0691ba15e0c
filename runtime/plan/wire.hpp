// SPDX-License-Identifier: Apache-2.0
// The plan as bytes, little endian, unaligned. Freestanding; the reader trusts nothing and never leaves its bounds.
//
//   PlanHeader, then per step: u16 kind, u8 lane, u8 0, u32 size, then the fields in the order of their list
//   integer, enum, bool, Bits   their bytes
//   Text, Bytes                 u32 size, bytes, NUL
//   List                        u32 count, u32 size, elements
#pragma once

#include <stddef.h>

#include "plan/step.hpp"

namespace wherry::plan {

inline constexpr uint32_t kPlanMagic = 0x59524857;  // "WHRY"
inline constexpr uint32_t kPlanVersion = 1;
inline constexpr uint16_t kFirstHostKind = 256;  // kinds from here on are host_step.hpp's

struct PlanHeader {
  uint32_t magic = kPlanMagic;
  uint32_t version = kPlanVersion;
  uint32_t size = 0;  // of all, this header included
  uint32_t step_count = 0;
  uint32_t slot_count = 0;  // slots are numbered below this
  uint32_t reserved = 0;
};

struct StepHeader {
  uint16_t kind = 0;
  Lane lane{};
  uint8_t reserved = 0;
  uint32_t size = 0;  // of the fields
};

// NUL-terminated view into the plan: `data` may go to a system call as it is.
struct TextView {
  const char* data = "";
  uint32_t size = 0;
  [[nodiscard]] constexpr bool empty() const noexcept { return size == 0; }
};

struct BytesView {
  const unsigned char* data = nullptr;
  uint32_t size = 0;
};

template <class T>
struct ListView {
  const unsigned char* data = nullptr;
  uint32_t bytes = 0;
  uint32_t count = 0;
};

struct Wired {
  using Text = TextView;
  using Bytes = BytesView;
  template <class T>
  using List = ListView<T>;
};

class WireReader {
 public:
  WireReader(const unsigned char* data, size_t size) noexcept : next_(data), left_(size) {}

  [[nodiscard]] bool ok() const noexcept { return ok_; }
  [[nodiscard]] bool finished() const noexcept { return ok_ && left_ == 0; }

  template <class T>
  T scalar() noexcept {
    T value{};
    if (const unsigned char* bytes = take(sizeof value)) __builtin_memcpy(&value, bytes, sizeof value);
    return value;
  }

  BytesView block() noexcept {
    const auto size = scalar<uint32_t>();
    const unsigned char* bytes = take(size);
    const unsigned char* end = take(1);
    if (end == nullptr || *end != 0) return fail();
    return {bytes, size};
  }

  const unsigned char* take(size_t size) noexcept {
    if (!ok_ || size > left_) {
      ok_ = false;
      return nullptr;
    }
    const unsigned char* bytes = next_;
    next_ += size;
    left_ -= size;
    return bytes;
  }

  BytesView fail() noexcept {
    ok_ = false;
    return {};
  }

 private:
  const unsigned char* next_;
  size_t left_;
  bool ok_ = true;
};

template <class T>
inline void read_field(WireReader& reader, T& value) noexcept {
  static_assert(__is_trivially_copyable(T));
  value = reader.scalar<T>();
}
inline void read_field(WireReader& reader, bool& value) noexcept { value = reader.scalar<uint8_t>() != 0; }
template <class Tag>
inline void read_field(WireReader& reader, Bits<Tag>& value) noexcept {
  value.value = reader.scalar<uint64_t>();
}
inline void read_field(WireReader& reader, BytesView& value) noexcept { value = reader.block(); }
inline void read_field(WireReader& reader, TextView& value) noexcept {
  const BytesView bytes = reader.block();
  value = reader.ok() ? TextView{reinterpret_cast<const char*>(bytes.data), bytes.size} : TextView{};
}
template <class T>
inline void read_field(WireReader& reader, ListView<T>& value) noexcept {
  value.count = reader.scalar<uint32_t>();
  value.bytes = reader.scalar<uint32_t>();
  value.data = reader.take(value.bytes);
  if (value.data == nullptr) value = {};
}

// False when the fields do not fill exactly `size` bytes.
template <class Step>
[[nodiscard]] inline bool decode_step(const unsigned char* data, size_t size, Step& step) noexcept {
  WireReader reader(data, size);
  Step::fields(step, [&](const char*, auto& field) { read_field(reader, field); });
  return reader.finished();
}

// Calls visit(element) for each; false when the list is malformed or visit says false.
template <class T, class Visit>
[[nodiscard]] inline bool for_each(const ListView<T>& list, Visit&& visit) noexcept {
  WireReader reader(list.data, list.bytes);
  for (uint32_t i = 0; i < list.count; ++i) {
    T element{};
    read_field(reader, element);
    if (!reader.ok() || !visit(element)) return false;
  }
  return reader.finished();
}

}  // namespace wherry::plan
