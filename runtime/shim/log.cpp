// SPDX-License-Identifier: Apache-2.0
#include "shim/log.hpp"

#include <time.h>
#include <unistd.h>

#include <array>

namespace wherry::shim {
namespace {

void log(const char* level, const std::string& message) noexcept {
  try {
    std::array<char, 32> stamp{};
    const time_t now = ::time(nullptr);
    tm parts{};
    (void)::strftime(stamp.data(), stamp.size(), "%Y-%m-%dT%H:%M:%SZ", ::gmtime_r(&now, &parts));
    std::string line = std::string("time=\"") + stamp.data() + "\" level=" + level + " msg=\"";
    for (const char c : message) {
      if (c == '"' || c == '\\') line.push_back('\\');
      line.push_back(static_cast<unsigned char>(c) < ' ' ? ' ' : c);
    }
    (void)!::write(STDERR_FILENO, (line + "\"\n").c_str(), line.size() + 2);
  } catch (...) {
    // No memory for a line of the log: the caller goes on.
  }
}

}  // namespace

void log_warning(const std::string& message) noexcept { log("warning", message); }

void log_note(const std::string& message) noexcept { log("info", message); }

}  // namespace wherry::shim
