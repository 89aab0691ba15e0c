// SPDX-License-Identifier: Apache-2.0
// Field lists to bytes and back, as wire.hpp lays them out: for whole plans, and for the messages to wherry-systemd.
// The reader trusts nothing: what does not fit makes WireReader::ok() false.
#pragma once

#include <cstring>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "plan/limits.hpp"
#include "plan/unit.hpp"
#include "plan/wire.hpp"

namespace wherry::plan {

template <class T>
concept HasFields = std::is_class_v<T> && requires(T& value) {
  T::fields(value, [](const char*, auto&) {});
};

template <class T>
struct IsBits : std::false_type {};
template <class Tag>
struct IsBits<Bits<Tag>> : std::true_type {};

// The last value of each enum that a field has: others index tables of names.
template <class Enum>
struct LastOf;
template <>
struct LastOf<HookKind> {
  static constexpr HookKind kValue = HookKind::kPoststop;
};
template <>
struct LastOf<DeviceType> {
  static constexpr DeviceType kValue = DeviceType::kBlock;
};
template <>
struct LastOf<PropertyType> {
  static constexpr PropertyType kValue = PropertyType::kDevices;
};

class FieldWriter {
 public:
  explicit FieldWriter(std::vector<unsigned char>& out) : out_(out) {}

  template <class T>
  requires std::is_arithmetic_v<T> || std::is_enum_v<T>
  void operator()(const char*, const T& value) { raw(&value, sizeof value); }
  template <class Tag>
  void operator()(const char*, const Bits<Tag>& value) {
    raw(&value.value, sizeof value.value);
  }
  void operator()(const char*, const std::string& value) { block(value.data(), value.size()); }
  void operator()(const char*, const std::vector<unsigned char>& value) { block(value.data(), value.size()); }
  template <class T>
  void operator()(const char*, const std::optional<T>& value) {
    (*this)("", value.has_value());
    if (value) (*this)("", *value);
  }
  template <class T>
  void operator()(const char*, const std::vector<T>& list) {
    (*this)("", static_cast<uint32_t>(list.size()));
    const std::size_t at = reserve_size();
    for (const T& element : list) (*this)("", element);
    fill_size(at);
  }
  template <HasFields T>
  void operator()(const char*, const T& value) {
    T::fields(value, *this);
  }

  std::size_t reserve_size() {
    const std::size_t at = out_.size();
    out_.resize(at + sizeof(uint32_t));
    return at;
  }
  void fill_size(std::size_t at) {
    const auto size = static_cast<uint32_t>(out_.size() - at - sizeof(uint32_t));
    std::memcpy(out_.data() + at, &size, sizeof size);
  }

 private:
  void raw(const void* data, std::size_t size) {
    const auto* bytes = static_cast<const unsigned char*>(data);
    out_.insert(out_.end(), bytes, bytes + size);
  }
  void block(const void* data, std::size_t size) {
    (*this)("", static_cast<uint32_t>(size));
    if (size != 0) raw(data, size);
    out_.push_back(0);
  }

  std::vector<unsigned char>& out_;
};

class FieldReader {
 public:
  explicit FieldReader(WireReader& wire) : wire_(wire) {}

  template <class T>
  requires(std::is_arithmetic_v<T> && !std::is_same_v<T, bool>) || IsBits<T>::value void operator()(const char*,
                                                                                                    T& value) {
    read_field(wire_, value);
  }
  template <class Enum>
  requires std::is_enum_v<Enum>
  void operator()(const char*, Enum& value) {
    read_field(wire_, value);
    if (value > LastOf<Enum>::kValue) (void)wire_.fail();
  }
  void operator()(const char*, bool& value) { read_field(wire_, value); }
  void operator()(const char*, std::string& value) {
    const BytesView bytes = wire_.block();
    if (wire_.ok()) value.assign(reinterpret_cast<const char*>(bytes.data), bytes.size);
  }
  void operator()(const char*, std::vector<unsigned char>& value) {
    const BytesView bytes = wire_.block();
    if (wire_.ok()) value.assign(bytes.data, bytes.data + bytes.size);
  }
  template <class T>
  void operator()(const char*, std::optional<T>& value) {
    if (wire_.scalar<uint8_t>() != 0) (*this)("", value.emplace());
  }
  template <class T>
  void operator()(const char*, std::vector<T>& list) {
    const auto count = wire_.scalar<uint32_t>();
    (void)wire_.scalar<uint32_t>();  // the size is for readers that skip
    for (uint32_t i = 0; i < count && wire_.ok(); ++i) (*this)("", list.emplace_back());
  }
  template <HasFields T>
  requires(!IsBits<T>::value) void operator()(const char*, T& value) { T::fields(value, *this); }

 private:
  WireReader& wire_;
};

}  // namespace wherry::plan
