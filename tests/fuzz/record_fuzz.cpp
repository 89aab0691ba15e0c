// SPDX-License-Identifier: Apache-2.0
// The runtime's state.json: any bytes are a record or an Error, and a record survives being written and read
// again.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "oci/record.hpp"
#include "wherry/error.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const auto record = wherry::oci::read_record({reinterpret_cast<const char*>(data), size});
    if (wherry::oci::read_record(wherry::oci::write_record(record)) != record) __builtin_trap();
  } catch (const wherry::Error&) {  // the other allowed outcome
  }
  return 0;
}
