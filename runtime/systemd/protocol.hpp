// SPDX-License-Identifier: Apache-2.0
// What Wherry and wherry-systemd say to each other over a SOCK_SEQPACKET pair: a request, then its reply; an end of
// file ends the program. One datagram each, of kMaxMessage bytes at most; the fields as plan/field_codec.hpp writes
// them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "plan/unit.hpp"

namespace wherry::systemd {

inline constexpr std::size_t kMaxMessage = 128U << 10U;
inline constexpr std::uint32_t kProtocolVersion = 1;

enum class Operation : std::uint8_t {
  kStart,   // StartTransientUnit of a scope with `pid`; answered when the job is done
  kSet,     // SetUnitProperties, until the next boot
  kStop,    // StopUnit, waiting for the job, then ResetFailedUnit; no such unit is success
  kAttach,  // AttachProcessesToUnit: `pid`
};

struct Request {
  std::uint32_t version = kProtocolVersion;
  Operation operation{};
  std::string bus;  // a D-Bus address; empty: the system's manager
  std::string unit;
  std::uint32_t pid = 0;
  std::vector<plan::UnitProperty> properties;
  bool operator==(const Request&) const = default;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& v) {
    v("version", self.version);
    v("operation", self.operation);
    v("bus", self.bus);
    v("unit", self.unit);
    v("pid", self.pid);
    v("properties", self.properties);
  }
};

struct Reply {
  std::int32_t error = 0;  // errno; 0: done
  std::string name;        // of the D-Bus error: "org.freedesktop.systemd1.UnitExists"; may be empty
  std::string text;        // what systemd says to it, or which call failed
  bool operator==(const Reply&) const = default;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& v) {
    v("error", self.error);
    v("name", self.name);
    v("text", self.text);
  }
};

[[nodiscard]] std::vector<unsigned char> encode(const Request& request);
[[nodiscard]] std::vector<unsigned char> encode(const Reply& reply);
// None for bytes that encode() did not write.
[[nodiscard]] std::optional<Request> decode_request(std::span<const unsigned char> bytes);
[[nodiscard]] std::optional<Reply> decode_reply(std::span<const unsigned char> bytes);

// A list as the kernel writes it ("0-3,7") as a bit mask, the first id in the lowest bit of the first byte. None for
// what is no such list, or ids above 8191.
[[nodiscard]] std::optional<std::vector<unsigned char>> id_mask(const std::string& list);

}  // namespace wherry::systemd
