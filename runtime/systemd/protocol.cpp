// SPDX-License-Identifier: Apache-2.0
#include "systemd/protocol.hpp"

#include <algorithm>
#include <charconv>

#include "plan/field_codec.hpp"

template <>
struct wherry::plan::LastOf<wherry::systemd::Operation> {
  static constexpr systemd::Operation kValue = systemd::Operation::kAttach;
};

namespace wherry::systemd {
namespace {

constexpr unsigned kMaxId = 8191;  // NR_CPUS of the largest kernels

template <class Message>
std::vector<unsigned char> encode_fields(const Message& message) {
  std::vector<unsigned char> out;
  plan::FieldWriter write(out);
  Message::fields(message, write);
  return out;
}

// The one encoding of a message is what it must have come from: nothing that the reader skips can differ.
template <class Message>
std::optional<Message> decode_fields(std::span<const unsigned char> bytes) {
  if (bytes.size() > kMaxMessage) return std::nullopt;
  plan::WireReader wire(bytes.data(), bytes.size());
  plan::FieldReader read(wire);
  Message message;
  Message::fields(message, read);
  if (!wire.finished() || !std::ranges::equal(encode_fields(message), bytes)) return std::nullopt;
  return message;
}

bool take_number(std::string_view& text, unsigned& number) {
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
  if (parsed.ec != std::errc() || number > kMaxId) return false;
  text.remove_prefix(static_cast<std::size_t>(parsed.ptr - text.data()));
  return true;
}

bool take(std::string_view& text, char wanted) {
  if (text.empty() || text.front() != wanted) return false;
  text.remove_prefix(1);
  return true;
}

}  // namespace

std::vector<unsigned char> encode(const Request& request) { return encode_fields(request); }
std::vector<unsigned char> encode(const Reply& reply) { return encode_fields(reply); }

std::optional<Request> decode_request(std::span<const unsigned char> bytes) {
  auto request = decode_fields<Request>(bytes);
  if (!request || request->version != kProtocolVersion) return std::nullopt;
  return request;
}

std::optional<Reply> decode_reply(std::span<const unsigned char> bytes) { return decode_fields<Reply>(bytes); }

std::optional<std::vector<unsigned char>> id_mask(const std::string& list) {
  std::vector<unsigned char> mask;
  std::string_view text = list;
  while (!text.empty()) {
    unsigned first = 0;
    if (!take_number(text, first)) return std::nullopt;
    unsigned last = first;
    if (take(text, '-') && !take_number(text, last)) return std::nullopt;
    if (last < first) return std::nullopt;
    mask.resize(std::max<std::size_t>(mask.size(), last / 8 + 1));
    for (unsigned id = first; id <= last; ++id)
      mask[id / 8] = static_cast<unsigned char>(mask[id / 8] | 1U << (id % 8));
    if (!text.empty() && (!take(text, ',') || text.empty())) return std::nullopt;
  }
  return mask;
}

}  // namespace wherry::systemd
