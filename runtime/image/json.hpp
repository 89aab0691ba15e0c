// SPDX-License-Identifier: Apache-2.0
// JSON documents of images: hostile, so that each value is taken by its type or refused. Read as Go reads them: null is
// the same as absent, and names that nobody knows are ignored.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace wherry::image {

using Json = nlohmann::json;

inline constexpr std::size_t kLargestDocument = 4U << 20U;

// Throws Error naming `document` for what is no JSON object or array, or nests deeper than 64 levels.
[[nodiscard]] Json parse_json(const std::string& text, const std::string& document);

// The member, or a null value.
[[nodiscard]] const Json& member(const Json& object, const char* name);
[[nodiscard]] std::string text_of(const Json& object, const char* name);
[[nodiscard]] std::vector<std::string> texts_of(const Json& object, const char* name);
[[nodiscard]] std::uint64_t number_of(const Json& object, const char* name);
// Of an object whose values do not matter: sorted.
[[nodiscard]] std::vector<std::string> keys_of(const Json& object, const char* name);
[[nodiscard]] std::map<std::string, std::string> map_of(const Json& object, const char* name);

}  // namespace wherry::image
