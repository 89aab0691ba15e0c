// SPDX-License-Identifier: Apache-2.0
// config.json and resources.json: any bytes are a value or a FaultsError, and what can be read can be
// validated.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "oci/reader.hpp"
#include "oci/state.hpp"
#include "oci/validate.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    const auto spec = wherry::oci::read_spec(text);
    for (const auto& [key, value] : spec.linux.sysctl) {
      const std::string path = wherry::oci::sysctl_path(key);
      if (path.starts_with('/') || path.find("..") == 0 || path.find("/../") != std::string::npos) __builtin_trap();
    }
    (void)wherry::oci::validate(spec);
  } catch (const wherry::oci::FaultsError& error) {
    if (error.faults().empty()) __builtin_trap();
    (void)wherry::oci::json_quote(error.message());
  }
  try {
    (void)wherry::oci::validate_resources(wherry::oci::read_resources(text));
  } catch (const wherry::oci::FaultsError&) {  // the other allowed outcome
  }
  return 0;
}
