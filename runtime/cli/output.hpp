// SPDX-License-Identifier: Apache-2.0
// Standard output, and tables on it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace wherry::cli {

// Throws Error when not all of it could be written.
void print(std::string_view text);

// Columns are at least 12 wide with 3 spaces between, the last one is not padded: what people cut out of
// runc's `list`. All rows have the same number of cells; widths count code points.
[[nodiscard]] std::string format_table(const std::vector<std::vector<std::string>>& rows);

// "table" or "json", else an Error: is it "json"?
[[nodiscard]] bool wants_json(const std::string& format);

}  // namespace wherry::cli
