// SPDX-License-Identifier: Apache-2.0
// What reaches wherry-systemd and what it answers: any bytes are a message or none, and a message has one encoding. The
// values of annotations as well: text is a property or an Error.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "cgroup/unit_name.hpp"
#include "plan/compile_unit.hpp"
#include "systemd/protocol.hpp"
#include "wherry/error.hpp"

namespace {

using namespace wherry;

void read_text(const std::string& text) {
  for (const char* name : {"TimeoutStopUSec", "TimeoutStopSec", "KillSignal", "SendSIGHUP", "CollectMode", "After"}) {
    try {
      (void)plan::parse_unit_property(name, text);
    } catch (const Error&) {  // the other allowed outcome
    }
  }
  try {
    (void)cgroup::unit_name(text, "id", "system.slice");
  } catch (const Error&) {
  }
  if (const auto mask = systemd::id_mask(text); mask && mask->size() > 1024) __builtin_trap();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::span bytes(data, size);
  if (const auto request = systemd::decode_request(bytes); request && !std::ranges::equal(encode(*request), bytes))
    __builtin_trap();
  if (const auto reply = systemd::decode_reply(bytes); reply && !std::ranges::equal(encode(*reply), bytes))
    __builtin_trap();
  read_text(std::string(reinterpret_cast<const char*>(data), size));
  return 0;
}
