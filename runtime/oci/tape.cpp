// SPDX-License-Identifier: Apache-2.0
#include "oci/tape.hpp"

#include <nlohmann/json.hpp>
#include <utility>

namespace wherry::oci {

// The events of nlohmann's parser, written down. `false` ends the parse; then `fault` says why.
class TapeWriter {
 public:
  using number_integer_t = std::int64_t;
  using number_unsigned_t = std::uint64_t;
  using number_float_t = double;
  using string_t = std::string;
  using binary_t = nlohmann::json::binary_t;

  explicit TapeWriter(Tape& tape) : tape_(tape) {}

  // NOLINTBEGIN(readability-identifier-naming): the names are nlohmann's
  bool null() { return add(JsonKind::kNull, 0); }
  bool boolean(bool value) { return add(JsonKind::kBool, value ? 1 : 0); }
  bool number_integer(number_integer_t value) { return add(JsonKind::kNegative, static_cast<std::uint64_t>(value)); }
  bool number_unsigned(number_unsigned_t value) { return add(JsonKind::kUnsigned, value); }
  bool number_float(number_float_t, const string_t& spelled) { return add(JsonKind::kReal, keep(spelled)); }
  bool string(string_t& value) { return add(JsonKind::kString, keep(value)); }
  static bool binary(binary_t&) { return false; }
  bool key(string_t& name) {
    pending_key_ = keep(name);
    return true;
  }
  bool start_object(std::size_t) { return open(JsonKind::kObject); }
  bool start_array(std::size_t) { return open(JsonKind::kArray); }
  bool end_object() { return close(); }
  bool end_array() { return close(); }
  bool parse_error(std::size_t, const std::string&, const nlohmann::json::exception& error) {
    fault = "is not valid JSON: " + describe(error.what());
    return false;
  }
  // NOLINTEND(readability-identifier-naming)

  std::string fault;

 private:
  // "[json.exception.parse_error.101] parse error at line 1, column 7: syntax error while parsing value -
  // <why>; last read: '<text>'; expected <what>", less the exception's number and the quotation, which may
  // not be UTF-8.
  static std::string describe(std::string_view what) {
    const std::size_t begin = what.find("] ");
    if (begin != std::string_view::npos) what.remove_prefix(begin + 2);
    constexpr std::string_view kPrefix = "parse error at ";
    if (what.starts_with(kPrefix)) what.remove_prefix(kPrefix.size());
    std::string text(what.substr(0, what.find("; last read: ")));
    const std::size_t expected = what.rfind("; expected ");
    if (expected != std::string_view::npos && expected >= text.size()) text += what.substr(expected);
    constexpr std::size_t kEnough = 200;  // a number out of range is quoted whole, whatever its length
    return text.substr(0, kEnough);
  }

  std::uint64_t keep(std::string_view text) {
    const std::uint64_t begin = tape_.text_.size();
    tape_.text_ += text;
    return begin << 32U | text.size();
  }

  bool add(JsonKind kind, std::uint64_t data) {
    if (!open_.empty()) ++tape_.values_[open_.back()].data;
    const std::uint64_t name = std::exchange(pending_key_, 0);
    JsonValue value;
    value.kind = kind;
    value.key_begin = static_cast<std::uint32_t>(name >> 32U);
    value.key_size = static_cast<std::uint32_t>(name);
    value.end = static_cast<std::uint32_t>(tape_.values_.size()) + 1;
    value.data = data;
    tape_.values_.push_back(value);
    return true;
  }

  bool open(JsonKind kind) {
    if (open_.size() == Tape::kMaxDepth) {
      fault = "is nested deeper than " + std::to_string(Tape::kMaxDepth) + " levels";
      return false;
    }
    add(kind, 0);
    open_.push_back(static_cast<std::uint32_t>(tape_.values_.size()) - 1);
    return true;
  }

  bool close() {
    tape_.values_[open_.back()].end = static_cast<std::uint32_t>(tape_.values_.size());
    open_.pop_back();
    return true;
  }

  Tape& tape_;
  std::vector<std::uint32_t> open_;
  std::uint64_t pending_key_ = 0;
};

Tape::Tape(std::string_view json, std::string_view document) {
  if (json.size() > kMaxBytes) {
    throw FaultsError(std::string(document), {{"", "is larger than " + std::to_string(kMaxBytes) + " bytes"}});
  }
  if (json.empty()) throw FaultsError(std::string(document), {{"", "is empty"}});
  // An escape is never shorter than what it means, so the text is never larger than the document.
  text_.reserve(json.size());
  values_.reserve(json.size() / 16 + 16);
  TapeWriter writer(*this);
  if (!nlohmann::json::sax_parse(json.data(), json.data() + json.size(), &writer)) {
    throw FaultsError(std::string(document), {{"", std::move(writer.fault)}});
  }
}

}  // namespace wherry::oci
