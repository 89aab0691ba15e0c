// SPDX-License-Identifier: Apache-2.0
// JSON values into C++ values, driven by one field list per struct:
//
//   constexpr auto fields(const Root*) {
//     return std::tuple{must("path", &Root::path), may("readonly", &Root::readonly)};
//   }
//
// The list is found by argument-dependent lookup. Nothing throws: each fault is noted with its JSON pointer,
// the value keeps its default, and reading goes on. Private to oci/.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "oci/names.hpp"
#include "oci/reader.hpp"
#include "oci/tape.hpp"

namespace wherry::oci {

template <typename Struct, typename Member>
struct Field {
  std::string_view name;
  Member Struct::*member;
  bool required;
};

// A REQUIRED property.
template <typename Struct, typename Member>
constexpr Field<Struct, Member> must(std::string_view name, Member Struct::*member) {
  return {name, member, true};
}

template <typename Struct, typename Member>
constexpr Field<Struct, Member> may(std::string_view name, Member Struct::*member) {
  return {name, member, false};
}

template <typename Struct>
concept HasFields = requires(const Struct* object) {
  fields(object);
};

// "invalid memory policy mode: " for a type that has a noun, else nothing.
template <typename Value>
std::string accusation() {
  if constexpr (requires { Names<Value>::kNoun; }) return "invalid " + std::string(Names<Value>::kNoun) + ": ";
  return {};
}

class TypedReader {
 public:
  TypedReader(const Tape& tape, std::vector<Fault>& faults) : tape_(tape), faults_(faults) {}

  // `out` holds a default-constructed value.
  template <typename Value>
  void read_document(Value& out) {
    read(0, Place{}, out);
  }

 private:
  // Where a value is, as a chain on the stack: the pointer's text is made only for a fault.
  struct Place {
    const Place* parent = nullptr;
    std::string_view key;
    std::size_t index = 0;
    bool is_key = false;
  };

  void fault(const Place& place, std::string message);
  void wrong_type(std::size_t at, const Place& place, std::string_view wanted);
  void out_of_range(std::size_t at, const Place& place, std::int64_t low, std::uint64_t high);
  [[nodiscard]] std::string spelled(const JsonValue& value) const;

  // Notes a fault unless the value is of that kind.
  [[nodiscard]] bool expect(std::size_t at, const Place& place, JsonKind kind, std::string_view wanted) {
    if (tape_.at(at).kind == kind) return true;
    wrong_type(at, place, wanted);
    return false;
  }

  void read(std::size_t at, const Place& place, bool& out);
  void read(std::size_t at, const Place& place, std::string& out);

  template <std::integral Integer>
  void read(std::size_t at, const Place& place, Integer& out) {
    using Limits = std::numeric_limits<Integer>;
    const JsonValue& value = tape_.at(at);
    if (value.kind == JsonKind::kUnsigned && std::in_range<Integer>(value.data)) {
      out = static_cast<Integer>(value.data);
    } else if (value.kind == JsonKind::kNegative && std::in_range<Integer>(static_cast<std::int64_t>(value.data))) {
      out = static_cast<Integer>(static_cast<std::int64_t>(value.data));
    } else {
      out_of_range(at, place, static_cast<std::int64_t>(Limits::min()), static_cast<std::uint64_t>(Limits::max()));
    }
  }

  template <typename Enum>
  requires std::is_enum_v<Enum>
  void read(std::size_t at, const Place& place, Enum& out) {
    if (!expect(at, place, JsonKind::kString, "a string")) return;
    const std::string_view name = tape_.text(tape_.at(at));
    if (const std::optional<Enum> value = parse_name<Enum>(name)) {
      out = *value;
      return;
    }
    std::string message = accusation<Enum>() + "must be one of";
    for (const auto& entry : Names<Enum>::kTable) {
      message += (&entry == &Names<Enum>::kTable[0] ? " " : ", ");
      message += entry.name;
    }
    fault(place, message + "; is " + spelled(tape_.at(at)));
  }

  template <typename Value>
  void read(std::size_t at, const Place& place, std::optional<Value>& out) {
    // Go writes a zero enum as "" where omitempty is missing.
    const bool blank =
        std::is_enum_v<Value> && tape_.at(at).kind == JsonKind::kString && tape_.text(tape_.at(at)).empty();
    out.reset();
    if (!blank) read(at, place, out.emplace());
  }

  template <typename Value>
  void read(std::size_t at, const Place& place, std::vector<Value>& out) {
    out.clear();
    if (!expect(at, place, JsonKind::kArray, "an array")) return;
    const JsonValue& array = tape_.at(at);
    out.reserve(array.data);
    for (std::size_t child = at + 1; child < array.end; child = tape_.at(child).end) {
      const std::size_t index = out.size();
      read(child, Place{&place, {}, index, false}, out.emplace_back());
    }
  }

  template <typename Value>
  void read(std::size_t at, const Place& place, OrderedMap<Value>& out) {
    out.clear();
    if (!expect(at, place, JsonKind::kObject, "an object")) return;
    const JsonValue& object = tape_.at(at);
    out.reserve(object.data);
    for (std::size_t child = at + 1; child < object.end; child = tape_.at(child).end) {
      const std::string_view key = tape_.key(tape_.at(child));
      const Place child_place{&place, key, 0, true};
      if (key.find('\0') != std::string_view::npos) fault(child_place, "the name must not contain a NUL byte");
      read(child, child_place, map_slot(out, key));
    }
  }

  // A repeated key keeps its place and takes the last value.
  template <typename Value>
  static Value& map_slot(OrderedMap<Value>& map, std::string_view key) {
    for (auto& [name, value] : map) {
      if (name == key) return value = Value{};
    }
    return map.emplace_back(std::string(key), Value{}).second;
  }

  template <HasFields Struct>
  void read(std::size_t at, const Place& place, Struct& out) {
    if (!expect(at, place, JsonKind::kObject, "an object")) return;
    static constexpr auto kFields = fields(static_cast<const Struct*>(nullptr));
    constexpr auto kIndexes = std::make_index_sequence<std::tuple_size_v<decltype(kFields)>>{};
    const JsonValue& object = tape_.at(at);
    std::uint32_t seen = 0;
    for (std::size_t child = at + 1; child < object.end; child = tape_.at(child).end) {
      read_member(child, place, out, kFields, seen, kIndexes);
    }
    note_missing(place, kFields, seen, kIndexes);
  }

  template <typename Struct, typename Fields, std::size_t... kIndex>
  void read_member(std::size_t at, const Place& place, Struct& out, const Fields& list, std::uint32_t& seen,
                   std::index_sequence<kIndex...>) {
    static_assert(sizeof...(kIndex) <= 32, "`seen` has 32 bits");
    const std::string_view key = tape_.key(tape_.at(at));
    const auto try_field = [&](const auto& field, std::uint32_t bit) {
      if (field.name != key) return false;
      auto& member = out.*field.member;
      if ((seen & bit) != 0) member = {};
      seen &= ~bit;
      if (tape_.at(at).kind == JsonKind::kNull) return true;
      seen |= bit;
      read(at, Place{&place, key, 0, true}, member);
      return true;
    };
    (void)(try_field(std::get<kIndex>(list), 1U << kIndex) || ...);  // no match: an unknown property, ignored
  }

  template <typename Fields, std::size_t... kIndex>
  void note_missing(const Place& place, const Fields& list, std::uint32_t seen, std::index_sequence<kIndex...>) {
    const auto check = [&]<typename Struct, typename Member>(const Field<Struct, Member>& field, std::uint32_t bit) {
      if (field.required && (seen & bit) == 0)
        fault(Place{&place, field.name, 0, true}, accusation<Member>() + "is required");
    };
    (check(std::get<kIndex>(list), 1U << kIndex), ...);
  }

  const Tape& tape_;
  std::vector<Fault>& faults_;
};

}  // namespace wherry::oci
