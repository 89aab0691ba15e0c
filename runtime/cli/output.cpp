// SPDX-License-Identifier: Apache-2.0
#include "cli/output.hpp"

#include <algorithm>

#include "os/files.hpp"
#include "wherry/error.hpp"

namespace wherry::cli {
namespace {

constexpr std::size_t kLeastWidth = 12;
constexpr std::size_t kPadding = 3;

std::size_t code_points(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::count_if(text, [](char c) { return (c & 0xC0) != 0x80; }));
}

}  // namespace

void print(std::string_view text) {
  if (const auto written = os::write_all(1, text); !written)
    throw Error("write standard output").because(written.error());
}

std::string format_table(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths(rows.empty() ? 0 : rows[0].size(), kLeastWidth);
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], code_points(row[i]) + kPadding);
  }
  std::string text;
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      text += row[i];
      if (i + 1 < row.size()) text.append(widths[i] - code_points(row[i]), ' ');
    }
    text += '\n';
  }
  return text;
}

bool wants_json(const std::string& format) {
  if (format != "json" && format != "table") throw Error("--format " + format).detail("is neither table nor json");
  return format == "json";
}

}  // namespace wherry::cli
