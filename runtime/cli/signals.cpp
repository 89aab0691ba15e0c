// SPDX-License-Identifier: Apache-2.0
#include "cli/signals.hpp"

#include <algorithm>
#include <charconv>
#include <csignal>
#include <string>

namespace wherry::cli {
namespace {

struct Row {
  std::string_view name;
  int number;
};

constexpr Row kSignals[] = {
    {"HUP", SIGHUP},       {"INT", SIGINT},   {"QUIT", SIGQUIT}, {"ILL", SIGILL},       {"TRAP", SIGTRAP},
    {"ABRT", SIGABRT},     {"IOT", SIGIOT},   {"BUS", SIGBUS},   {"FPE", SIGFPE},       {"KILL", SIGKILL},
    {"USR1", SIGUSR1},     {"SEGV", SIGSEGV}, {"USR2", SIGUSR2}, {"PIPE", SIGPIPE},     {"ALRM", SIGALRM},
    {"TERM", SIGTERM},     {"CHLD", SIGCHLD}, {"CLD", SIGCHLD},  {"CONT", SIGCONT},     {"STOP", SIGSTOP},
    {"STKFLT", SIGSTKFLT}, {"TSTP", SIGTSTP}, {"TTIN", SIGTTIN}, {"TTOU", SIGTTOU},     {"URG", SIGURG},
    {"XCPU", SIGXCPU},     {"XFSZ", SIGXFSZ}, {"PROF", SIGPROF}, {"VTALRM", SIGVTALRM}, {"WINCH", SIGWINCH},
    {"IO", SIGIO},         {"POLL", SIGPOLL}, {"PWR", SIGPWR},   {"SYS", SIGSYS},
};

// What user space calls SIGRTMIN: libc keeps the first two real-time signals for itself.
constexpr int kRealTimeMin = 34;
constexpr int kRealTimeMax = 64;

std::optional<int> digits(std::string_view text) {
  int value = 0;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (fault != std::errc() || end != text.data() + text.size() || value < 0) return std::nullopt;
  return value;
}

// "RTMIN", "RTMIN+n", "RTMAX-n"
std::optional<int> real_time(std::string_view name) {
  const bool from_min = name.starts_with("RTMIN");
  if (!from_min && !name.starts_with("RTMAX")) return std::nullopt;
  const std::string_view rest = name.substr(5);
  if (rest.empty()) return from_min ? kRealTimeMin : kRealTimeMax;
  const auto offset = digits(rest.substr(1));
  if (rest[0] != (from_min ? '+' : '-') || !offset || *offset > kRealTimeMax - kRealTimeMin) return std::nullopt;
  return from_min ? kRealTimeMin + *offset : kRealTimeMax - *offset;
}

}  // namespace

std::optional<int> parse_signal(std::string_view text) {
  if (const auto number = digits(text)) return *number >= 0 && *number <= kRealTimeMax ? number : std::nullopt;
  std::string name(text);
  std::ranges::transform(name, name.begin(),
                         [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
  if (name.starts_with("SIG")) name.erase(0, 3);
  const auto* const row = std::ranges::find(kSignals, std::string_view(name), &Row::name);
  return row != std::end(kSignals) ? std::optional(row->number) : real_time(name);
}

}  // namespace wherry::cli
