// SPDX-License-Identifier: Apache-2.0
// What the tests include, for a Catch2 of version 3: it has other names for it.
#pragma once

#include <catch2/catch_all.hpp>

namespace Catch {
namespace Matchers {
inline auto Contains(const char* part) { return ContainsSubstring(part); }
inline auto Contains(const std::string& part) { return ContainsSubstring(part); }
}  // namespace Matchers
using Matchers::Contains;
}  // namespace Catch
using Catch::Approx;
