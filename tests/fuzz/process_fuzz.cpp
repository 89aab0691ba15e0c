// SPDX-License-Identifier: Apache-2.0
// process.json of exec: any bytes are a process or a FaultsError, and a valid process has what exec needs.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "oci/reader.hpp"
#include "oci/validate.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const auto process = wherry::oci::read_process({reinterpret_cast<const char*>(data), size});
    if (!wherry::oci::validate_process(process).empty()) return 0;
    if (process.args.empty() || !process.cwd.starts_with('/')) __builtin_trap();
    for (const auto& arg : process.args) {
      if (arg.find('\0') != std::string::npos) __builtin_trap();
    }
  } catch (const wherry::oci::FaultsError&) {  // the other allowed outcome
  }
  return 0;
}
