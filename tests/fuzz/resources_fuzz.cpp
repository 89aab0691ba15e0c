// SPDX-License-Identifier: Apache-2.0
// The resources of update: any bytes are resources or an Error, and what comes of them are values that cgroup v2 knows.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "oci/reader.hpp"
#include "oci/validate.hpp"
#include "plan/compile_limits.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const auto resources = wherry::oci::read_resources({reinterpret_cast<const char*>(data), size});
    if (!wherry::oci::validate_resources(resources).empty()) return 0;
    const auto limits = wherry::plan::compile_update(resources, {1 << 20, 1 << 21});
    if (limits.memory_max.value_or(1) < wherry::plan::kNoLimit || limits.memory_max == 0) __builtin_trap();
    if (limits.memory_swap_max.value_or(0) < wherry::plan::kNoLimit) __builtin_trap();
    if (limits.pids_max.value_or(1) == 0) __builtin_trap();
    const auto weight = limits.cpu_weight.value_or(1);
    if (weight < 1 || weight > 10000) __builtin_trap();
    for (const auto& file : limits.unified) {
      if (file.name.find('/') != std::string::npos) __builtin_trap();
    }
  } catch (const wherry::Error&) {  // the other allowed outcome
  }
  return 0;
}
