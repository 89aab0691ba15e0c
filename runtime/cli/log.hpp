// SPDX-License-Identifier: Apache-2.0
// The program's log, the only one there is: the library throws, the command line writes it down once.
//
// Lines have the shape that containerd, conmon and Podman parse: key=value text, or one JSON object with
// level, msg and time. Without a file they go to standard error; with one, they go there, and an error's bare
// message to standard error as well.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace spdlog {
class logger;
}

namespace wherry::cli {

enum class Level : std::uint8_t { kDebug, kInfo, kWarning, kError };

struct LogOptions {
  std::string file;  // appended to; made with mode 0644; "" for none
  bool json = false;
  Level least = Level::kInfo;
};

// "debug", "info", "warning" or "warn", "error" (also "fatal", "panic"); throws Error for another word.
[[nodiscard]] Level parse_level(const std::string& name);

// One line with its newline; `unix_seconds` is printed in UTC.
[[nodiscard]] std::string format_line(bool json, Level level, std::string_view message, std::int64_t unix_seconds);

// Nothing is made or opened before the first line.
class Log {
 public:
  Log();
  ~Log();
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  void configure(LogOptions options) { options_ = std::move(options); }
  void write(Level level, const std::string& message) noexcept;
  void debug(const std::string& message) noexcept { write(Level::kDebug, message); }
  void warning(const std::string& message) noexcept { write(Level::kWarning, message); }
  void error(const std::string& message) noexcept { write(Level::kError, message); }

 private:
  void open();

  LogOptions options_;
  std::unique_ptr<spdlog::logger> logger_;
};

}  // namespace wherry::cli
