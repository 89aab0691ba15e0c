// SPDX-License-Identifier: Apache-2.0
// A file of the cache of seccomp filters: bytes that were not sealed for this name are nothing, and what is something
// gives the same bytes again.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "container/filter_cache.hpp"

using namespace wherry;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (const auto filter = container::open_filter("name", bytes);
      filter && container::seal_filter("name", *filter) != bytes)
    __builtin_trap();
  const plan::CompiledFilter made{{data, data + size}, static_cast<std::uint32_t>(size), size % 2 == 1};
  const std::string sealed = container::seal_filter("name", made);
  if (container::open_filter("name", sealed) != made || container::open_filter("other", sealed)) __builtin_trap();
  return 0;
}
