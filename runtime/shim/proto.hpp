// SPDX-License-Identifier: Apache-2.0
// Protocol Buffers (proto3) for plain structs. A message is a struct with one field list, which drives both directions:
//
//   struct KillRequest {
//     std::string id;
//     std::uint32_t signal = 0;
//     template <class Self, class Visitor>
//     static void fields(Self& self, Visitor& visit) { visit(1, self.id), visit(3, self.signal); }
//   };
//
// The wire format itself is nanopb's. Bytes come from outside: every length is checked against what is there, and a
// repeated field has at most kMostElements. Unknown fields are skipped, a field of another wire type is a fault.
#pragma once

#include <pb_decode.h>
#include <pb_encode.h>

#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace wherry::shim {

inline constexpr std::size_t kMostElements = 65536;

template <class T>
concept Scalar = std::is_integral_v<T> || std::is_enum_v<T>;

class Encoder {
 public:
  explicit Encoder(std::string& out) : stream_{&Encoder::append, &out, SIZE_MAX, 0, nullptr} {}

  template <Scalar T>
  void operator()(std::uint32_t tag, const T& value) {
    if (value == T{}) return;  // proto3: a default is not sent
    pb_encode_tag(&stream_, PB_WT_VARINT, tag);
    pb_encode_varint(&stream_, static_cast<std::uint64_t>(static_cast<std::int64_t>(value)));
  }
  void operator()(std::uint32_t tag, const double& value) {
    std::uint64_t bits = 0;
    std::memcpy(&bits, &value, sizeof bits);
    if (bits == 0) return;
    pb_encode_tag(&stream_, PB_WT_64BIT, tag);
    pb_encode_fixed64(&stream_, &bits);
  }
  void operator()(std::uint32_t tag, const std::string& value) {
    if (!value.empty()) string(tag, value);
  }
  void operator()(std::uint32_t tag, const std::vector<std::string>& values) {
    for (const std::string& value : values) string(tag, value);
  }
  template <class Message>
  void operator()(std::uint32_t tag, const std::optional<Message>& message) {
    if (message) sub_message(tag, *message);
  }
  template <class Message>
  void operator()(std::uint32_t tag, const std::vector<Message>& messages) {
    for (const Message& message : messages) sub_message(tag, message);
  }

 private:
  static bool append(pb_ostream_t* stream, const pb_byte_t* data, std::size_t size) {
    static_cast<std::string*>(stream->state)->append(reinterpret_cast<const char*>(data), size);
    return true;
  }
  void string(std::uint32_t tag, const std::string& value) {
    pb_encode_tag(&stream_, PB_WT_STRING, tag);
    pb_encode_string(&stream_, reinterpret_cast<const pb_byte_t*>(value.data()), value.size());
  }
  template <class Message>
  void sub_message(std::uint32_t tag, const Message& message) {
    std::string inner;
    Encoder encoder(inner);
    Message::fields(message, encoder);
    string(tag, inner);
  }

  pb_ostream_t stream_;
};

template <class Message>
[[nodiscard]] std::string encode(const Message& message) {
  std::string out;
  Encoder encoder(out);
  Message::fields(message, encoder);
  return out;
}

// One field at a time: the visitor that takes the value whose tag has just been read.
class FieldDecoder {
 public:
  FieldDecoder(pb_istream_t& stream, pb_wire_type_t type, std::uint32_t tag)
      : stream_(stream), type_(type), wanted_(tag) {}

  template <Scalar T>
  void operator()(std::uint32_t tag, T& value) {
    std::uint64_t read = 0;
    if (!matches(tag, PB_WT_VARINT)) return;
    ok_ = ok_ && pb_decode_varint(&stream_, &read);
    value = static_cast<T>(read);
  }
  void operator()(std::uint32_t tag, double& value) {
    std::uint64_t bits = 0;
    if (!matches(tag, PB_WT_64BIT)) return;
    ok_ = ok_ && pb_decode_fixed64(&stream_, &bits);
    std::memcpy(&value, &bits, sizeof value);
  }
  void operator()(std::uint32_t tag, std::string& value) {
    if (matches(tag, PB_WT_STRING)) string(value);
  }
  void operator()(std::uint32_t tag, std::vector<std::string>& values) {
    if (matches(tag, PB_WT_STRING) && has_room(values)) string(values.emplace_back());
  }
  template <class Message>
  void operator()(std::uint32_t tag, std::optional<Message>& message) {
    if (!matches(tag, PB_WT_STRING)) return;
    if (!message) message.emplace();  // a message that comes twice is merged
    sub_message(*message);
  }
  template <class Message>
  void operator()(std::uint32_t tag, std::vector<Message>& messages) {
    if (matches(tag, PB_WT_STRING) && has_room(messages)) sub_message(messages.emplace_back());
  }

  [[nodiscard]] bool known() const noexcept { return known_; }
  [[nodiscard]] bool ok() const noexcept { return ok_; }

 private:
  bool matches(std::uint32_t tag, pb_wire_type_t type) {
    if (tag != wanted_) return false;
    known_ = true;
    ok_ = ok_ && type == type_;
    return ok_;
  }
  template <class Element>
  bool has_room(const std::vector<Element>& elements) {
    return ok_ = elements.size() < kMostElements;
  }
  void string(std::string& value);
  template <class Message>
  void sub_message(Message& message);

  pb_istream_t& stream_;
  pb_wire_type_t type_;
  std::uint32_t wanted_;
  bool known_ = false, ok_ = true;
};

template <class Message>
[[nodiscard]] bool decode_stream(pb_istream_t& stream, Message& message) {
  pb_wire_type_t type = PB_WT_VARINT;
  std::uint32_t tag = 0;
  bool end = false;
  while (pb_decode_tag(&stream, &type, &tag, &end)) {
    if (tag == 0) return false;  // no field has this number
    FieldDecoder field(stream, type, tag);
    Message::fields(message, field);
    if (!field.ok() || (!field.known() && !pb_skip_field(&stream, type))) return false;
  }
  return end;
}

inline void FieldDecoder::string(std::string& value) {
  std::uint32_t size = 0;
  ok_ = pb_decode_varint32(&stream_, &size) && size <= stream_.bytes_left;
  if (!ok_) return;
  value.resize(size);
  ok_ = size == 0 || pb_read(&stream_, reinterpret_cast<pb_byte_t*>(value.data()), size);
}

template <class Message>
void FieldDecoder::sub_message(Message& message) {
  pb_istream_t inner;
  ok_ = pb_make_string_substream(&stream_, &inner) && decode_stream(inner, message) &&
        pb_close_string_substream(&stream_, &inner);
}

template <class Message>
[[nodiscard]] bool decode(std::string_view bytes, Message& message) {
  pb_istream_t stream = pb_istream_from_buffer(reinterpret_cast<const pb_byte_t*>(bytes.data()), bytes.size());
  return decode_stream(stream, message);
}

}  // namespace wherry::shim
