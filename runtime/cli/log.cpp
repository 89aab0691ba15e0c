// SPDX-License-Identifier: Apache-2.0
#include "cli/log.hpp"

#include <fcntl.h>
#include <spdlog/logger.h>
#include <spdlog/sinks/sink.h>

#include <chrono>
#include <vector>

#include "oci/state.hpp"
#include "os/files.hpp"
#include "wherry/error.hpp"

namespace wherry::cli {
namespace {

using spdlog::level::level_enum;

struct Row {
  std::string_view name;
  Level level;
};

// logrus' names; the first one of a level is the one that is printed.
constexpr Row kLevels[] = {
    {"debug", Level::kDebug},  {"trace", Level::kDebug}, {"info", Level::kInfo},   {"warning", Level::kWarning},
    {"warn", Level::kWarning}, {"error", Level::kError}, {"fatal", Level::kError}, {"panic", Level::kError},
};

constexpr std::string_view name_of(Level level) {
  for (const Row& row : kLevels) {
    if (row.level == level) return row.name;
  }
  return {};
}

constexpr level_enum kSpdlogLevels[] = {level_enum::debug, level_enum::info, level_enum::warn, level_enum::err};

Level level_of(level_enum level) {
  for (std::size_t i = 0; i < std::size(kSpdlogLevels); ++i) {
    if (kSpdlogLevels[i] == level) return static_cast<Level>(i);
  }
  return Level::kError;
}

class LineFormatter : public spdlog::formatter {
 public:
  explicit LineFormatter(bool json) : json_(json) {}
  void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& out) override {
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(message.time.time_since_epoch()).count();
    const std::string_view text(message.payload.data(), message.payload.size());
    const std::string line = format_line(json_, level_of(message.level), text, seconds);
    out.append(line.data(), line.data() + line.size());
  }
  [[nodiscard]] std::unique_ptr<formatter> clone() const override { return std::make_unique<LineFormatter>(json_); }

 private:
  bool json_;
};

// The message and nothing else, for whoever reads standard error while the log goes elsewhere.
class BareFormatter : public spdlog::formatter {
 public:
  void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& out) override {
    out.append(message.payload.data(), message.payload.data() + message.payload.size());
    out.push_back('\n');
  }
  [[nodiscard]] std::unique_ptr<formatter> clone() const override { return std::make_unique<BareFormatter>(); }
};

// One write(2) for a line, so that lines of several processes in one O_APPEND file never mix. Not a
// base_sink: that one links the code of every pattern flag there is, 150 KB.
class DescriptorSink : public spdlog::sinks::sink {
 public:
  DescriptorSink(int borrowed, std::unique_ptr<spdlog::formatter> formatter)
      : formatter_(std::move(formatter)), number_(borrowed) {}
  DescriptorSink(os::Fd owned, std::unique_ptr<spdlog::formatter> formatter)
      : formatter_(std::move(formatter)), owned_(std::move(owned)), number_(owned_.get()) {}

  void log(const spdlog::details::log_msg& message) override {
    spdlog::memory_buf_t line;
    formatter_->format(message, line);
    (void)os::write_all(number_, {line.data(), line.size()});  // there is nobody left to tell
  }
  void flush() override {}
  void set_pattern(const std::string&) override {}  // engines parse the one format there is
  void set_formatter(std::unique_ptr<spdlog::formatter> formatter) override { formatter_ = std::move(formatter); }

 private:
  std::unique_ptr<spdlog::formatter> formatter_;
  os::Fd owned_;
  int number_;
};

}  // namespace

Level parse_level(const std::string& name) {
  for (const Row& row : kLevels) {
    if (row.name == name) return row.level;
  }
  throw Error("--log-level " + name).detail("is none of debug, info, warning, error");
}

std::string format_line(bool json, Level level, std::string_view message, std::int64_t unix_seconds) {
  const std::string time = oci::rfc3339_utc(unix_seconds, 0);
  std::string line = json ? "{\"level\":\"" : "time=\"" + time + "\" level=";
  line += name_of(level);
  line += json ? "\",\"msg\":" : " msg=";
  oci::append_json_quoted(line, message);
  if (json) line += ",\"time\":\"" + time + "\"}";
  line += '\n';
  return line;
}

Log::Log() = default;
Log::~Log() = default;

void Log::open() {
  std::vector<spdlog::sink_ptr> sinks;
  std::string complaint;
  if (options_.file.empty()) {
    sinks.push_back(std::make_shared<DescriptorSink>(2, std::make_unique<LineFormatter>(options_.json)));
  } else {
    auto file = os::openat(AT_FDCWD, options_.file.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_NOCTTY, 0644);
    if (file) {
      sinks.push_back(
          std::make_shared<DescriptorSink>(std::move(*file), std::make_unique<LineFormatter>(options_.json)));
    } else {
      complaint = "open log file " + options_.file + ": " + errno_name(file.error());
    }
    sinks.push_back(std::make_shared<DescriptorSink>(2, std::make_unique<BareFormatter>()));
    if (file) sinks.back()->set_level(level_enum::err);
  }
  logger_ = std::make_unique<spdlog::logger>("wherry", sinks.begin(), sinks.end());
  logger_->set_level(kSpdlogLevels[static_cast<std::size_t>(options_.least)]);
  if (!complaint.empty()) logger_->log(level_enum::err, complaint);
}

void Log::write(Level level, const std::string& message) noexcept {
  if (level < options_.least) return;
  try {
    if (!logger_) open();
    logger_->log(kSpdlogLevels[static_cast<std::size_t>(level)], message);
  } catch (...) {  // out of memory: the plain words are better than none
    (void)os::write_all(2, message);
    (void)os::write_all(2, "\n");
  }
}

}  // namespace wherry::cli
