// SPDX-License-Identifier: Apache-2.0
// A parsed JSON document as one flat array: each value is followed by its children. One allocation for the
// values and one for all text, against one per value in a tree; the order of the document is kept. Private to
// oci/.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "oci/reader.hpp"

namespace wherry::oci {

enum class JsonKind : std::uint8_t { kNull, kBool, kUnsigned, kNegative, kReal, kString, kArray, kObject };

struct JsonValue {
  JsonKind kind = JsonKind::kNull;
  std::uint32_t key_begin = 0;  // into the text; empty in an array
  std::uint32_t key_size = 0;
  std::uint32_t end = 0;  // index after the last descendant: the next sibling
  // kBool 0/1; kUnsigned; kNegative as two's complement; kString and kReal: begin << 32 | size in the text;
  // kArray and kObject: number of children
  std::uint64_t data = 0;
};

class Tape {
 public:
  // Nesting is bounded, since readers recurse; size is bounded, since positions are 32 bits wide.
  static constexpr std::size_t kMaxDepth = 64;
  static constexpr std::size_t kMaxBytes = 16U << 20U;

  // Throws FaultsError for text that is not one JSON value in UTF-8.
  Tape(std::string_view json, std::string_view document);

  [[nodiscard]] const JsonValue& at(std::size_t index) const noexcept { return values_[index]; }
  [[nodiscard]] std::string_view key(const JsonValue& value) const noexcept {
    return std::string_view(text_).substr(value.key_begin, value.key_size);
  }
  // Of a string; of a real number, how the document spells it.
  [[nodiscard]] std::string_view text(const JsonValue& value) const noexcept {
    return std::string_view(text_).substr(value.data >> 32U, static_cast<std::uint32_t>(value.data));
  }

 private:
  friend class TapeWriter;
  std::vector<JsonValue> values_;
  std::string text_;
};

}  // namespace wherry::oci
