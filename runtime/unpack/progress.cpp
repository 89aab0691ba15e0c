// SPDX-License-Identifier: Apache-2.0
#include "unpack/progress.hpp"

#include <sys/ioctl.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdio>

#include "os/files.hpp"
#include "wherry/error.hpp"

namespace wherry::unpacking {
namespace {

constexpr std::int64_t kInterval = 100'000'000;  // ns between two bars
constexpr int kStandardError = 2;

std::atomic<int> the_signal{0};
static_assert(std::atomic<int>::is_always_lock_free);

void remember_signal(int number) { the_signal = number; }

void say(const std::string& text) noexcept { (void)os::write_all(kStandardError, text); }  // nowhere left to complain

unsigned terminal_columns() {
  winsize size{};
  return ::ioctl(kStandardError, TIOCGWINSZ, &size) == 0 && size.ws_col != 0 ? size.ws_col : 80;
}

}  // namespace

std::string human_size(std::uint64_t bytes) {
  constexpr const char* kUnits[] = {"B", "kB", "MB", "GB", "TB"};
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  for (; value >= 999.95 && unit + 1 < std::size(kUnits); ++unit) value /= 1000;
  char text[32];
  (void)std::snprintf(text, sizeof text, unit == 0 ? "%.0f %s" : "%.1f %s", value, kUnits[unit]);
  return text;
}

std::string bar(std::size_t layer, std::size_t layers, std::uint64_t bytes, std::uint64_t of_bytes,
                std::uint64_t elapsed_ms, unsigned columns) {
  const std::string left = "layer " + std::to_string(layer) + "/" + std::to_string(layers) + " ";
  std::string right = " " + human_size(bytes) + " of " + human_size(of_bytes);
  if (elapsed_ms >= 200) right += ", " + human_size(bytes * 1000 / elapsed_ms) + "/s";
  constexpr std::size_t kLeast = 6, kMost = 40;
  const std::size_t room = columns > left.size() + right.size() + 3 ? columns - left.size() - right.size() - 3 : 0;
  if (room < kLeast) return (left + right.substr(1)).substr(0, columns);
  const std::size_t width = std::min(room, kMost);
  const std::size_t filled = of_bytes == 0 ? width : static_cast<std::size_t>(bytes * width / of_bytes);
  std::string middle(std::min(filled, width), '=');
  if (middle.size() < width) middle += '>';
  middle.resize(width, ' ');
  return left + "[" + middle + "]" + right;
}

Progress::Progress(Show show) : show_(show), begun_(os::monotonic_ns()) {}
Progress::~Progress() { clear(); }

std::uint64_t Progress::elapsed_ms() const noexcept {
  return static_cast<std::uint64_t>(os::monotonic_ns() - begun_) / 1'000'000;
}

void Progress::clear() noexcept {
  if (visible_) say("\r\x1b[K");
  visible_ = false;
}

void Progress::progress(std::uint64_t bytes, std::uint64_t of_bytes, std::size_t layers, std::size_t of_layers) {
  if (const int number = caught_signal(); number != 0)
    throw Error("unpack").detail("interrupted").exit_code(128 + number);
  if (show_ != Show::kBar) return;
  const std::int64_t now = os::monotonic_ns();
  if (now - drawn_ < kInterval) return;
  drawn_ = now;
  visible_ = true;
  say("\r" + bar(std::min(layers + 1, of_layers), of_layers, bytes, of_bytes, elapsed_ms(), terminal_columns() - 1) +
      "\x1b[K");
}

void Progress::layer(const std::string& name, std::uint64_t size, bool reused) {
  if (show_ == Show::kLines) say("layer " + name + " " + human_size(size) + (reused ? " (in the store)\n" : "\n"));
}

void catch_signals() {
  struct sigaction action = {};
  action.sa_handler = remember_signal;
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) (void)sigaction(number, &action, nullptr);  // cannot fail
}

int caught_signal() noexcept { return the_signal; }

}  // namespace wherry::unpacking
