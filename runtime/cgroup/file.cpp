// SPDX-License-Identifier: Apache-2.0
#include "cgroup/file.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include "wherry/error.hpp"

namespace wherry::cgroup {
namespace {

constexpr short kPollPri = 2;
constexpr std::int64_t kNotifyIntervalUs = 32000;  // well above the kernel's 10 ms

constexpr unsigned char kDirectoryEntry = 4, kFileEntry = 8;  // DT_DIR, DT_REG

void add_names(const char* buffer, long size, unsigned char wanted, std::vector<std::string>& names) {
  for (long at = 0; at < size;) {
    const auto* entry = reinterpret_cast<const os::DirectoryEntry*>(buffer + at);
    const std::string_view name(entry->name);
    if (entry->type == wanted && name != "." && name != "..") names.emplace_back(name);
    at += entry->size;
  }
}

std::vector<std::string> entries(int dir, unsigned char wanted) {
  std::vector<std::string> names;
  const auto fresh = open_directory(dir, ".");  // with an offset of its own
  if (!fresh) {
    pass_over_removed("open", fresh.error());
    return names;
  }
  alignas(os::DirectoryEntry) std::array<char, 8192> buffer;
  for (;;) {
    const long size = os::raw_syscall(__NR_getdents64, fresh.value().get(), os::address(buffer.data()),
                                      static_cast<long>(buffer.size()));
    if (size < 0) pass_over_removed("read", static_cast<int>(-size));
    if (size <= 0) return names;
    add_names(buffer.data(), size, wanted, names);
  }
}

std::string_view cut(std::string_view& text, std::size_t end) {
  const std::string_view head = text.substr(0, end);
  text.remove_prefix(std::min(text.size(), head.size() + 1));
  return head;
}

}  // namespace

os::Result<std::string> read_file(int dir, const char* name) {
  using Text = os::Result<std::string>;
  const auto file = os::openat(dir, name, os::kRdOnly | os::kNoFollow);
  if (!file) return Text::failure(file.error());
  std::string text;
  std::array<char, 4096> buffer;
  for (;;) {
    const auto count = os::read(file.value().get(), buffer.data(), buffer.size());
    if (!count) return Text::failure(count.error());
    if (count.value() == 0) return text;
    text.append(buffer.data(), static_cast<std::size_t>(count.value()));
  }
}

os::Status write_file(int dir, const char* name, std::string_view value) {
  const auto file = os::openat(dir, name, os::kWrOnly | os::kNoFollow);
  if (!file) return os::Status(file.error());
  const auto count = os::write(file.value().get(), value.data(), value.size());
  if (!count) return os::Status(count.error());
  return static_cast<std::size_t>(count.value()) == value.size() ? os::Status() : os::Status(EIO);
}

void pass_over_removed(const char* operation, int number) {
  if (number != ENOENT && number != ENODEV)
    throw Error(std::string(operation) + " a cgroup's directory").because(number);
}

os::Result<os::Fd> open_directory(int dir, const char* name) {
  return os::openat(dir, name, os::kRdOnly | os::kDirectory | os::kNoFollow);
}

std::vector<std::string> children(int dir) { return entries(dir, kDirectoryEntry); }
std::vector<std::string> file_names(int dir) { return entries(dir, kFileEntry); }

std::string_view next_line(std::string_view& text) { return cut(text, text.find('\n')); }

std::string_view next_word(std::string_view& text) {
  text.remove_prefix(std::min(text.find_first_not_of(" \t\n"), text.size()));
  return cut(text, text.find_first_of(" \t\n"));
}

bool has_word(std::string_view text, std::string_view word) {
  for (;;) {
    const std::string_view next = next_word(text);
    if (next.empty()) return false;
    if (next == word) return true;
  }
}

std::string_view value_of(std::string_view text, std::string_view key) {
  while (!text.empty()) {
    std::string_view line = next_line(text);
    if (next_word(line) == key) return next_word(line);
  }
  return {};
}

std::optional<std::uint64_t> parse_number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::vector<std::string> components(std::string_view path) {
  std::vector<std::string> parts;
  while (!path.empty()) {
    const std::string_view part = cut(path, path.find('/'));
    if (!part.empty() && part != ".") parts.emplace_back(part);
  }
  return parts;
}

std::vector<std::string> checked_components(const char* what, std::string_view path) {
  std::vector<std::string> parts = components(path);
  const bool climbs = std::find(parts.begin(), parts.end(), "..") != parts.end();
  const bool has_nul = path.find('\0') != std::string_view::npos;
  if (parts.empty() || path.front() != '/' || climbs || has_nul)
    throw Error(std::string(what) + " cgroup \"" + std::string(path) + "\"")
        .detail("must be an absolute path below the mount without \"..\"");
  return parts;
}

bool is_removed(int dir) {
  os::statfs64 status{};
  const bool is_cgroup = os::fstatfs(dir, status) && status.type == os::kCgroup2SuperMagic;
  return is_cgroup && os::faccessat2(dir, "cgroup.procs", 0, 0).error() == ENOENT;
}

Deadline::Deadline(std::chrono::milliseconds timeout) noexcept
    : end_ns_(timeout.count() < 0 ? -1 : os::monotonic_ns() + timeout.count() * 1000000) {}

int Deadline::remaining_ms() const noexcept {
  if (end_ns_ < 0) return -1;
  const std::int64_t left = end_ns_ - os::monotonic_ns();
  return left <= 0 ? 0 : static_cast<int>(std::min<std::int64_t>((left + 999999) / 1000000, 1 << 30));
}

namespace {

// poll(2) of one file of cgroupfs. Microseconds; negative waits for ever.
os::Result<long> wait_for_change(int file, std::int64_t timeout_us) {
  os::pollfd wait{file, kPollPri, 0};
  os::timespec64 time{timeout_us / 1000000, timeout_us % 1000000 * 1000};
  return os::result_of(
      os::raw_syscall(__NR_ppoll, os::address(&wait), 1, timeout_us < 0 ? 0 : os::address(&time), 0, 8));
}

}  // namespace

bool wait_event(int dir, const char* key, char value, const Deadline& deadline) {
  const auto file = os::openat(dir, "cgroup.events", os::kRdOnly | os::kNoFollow);
  if (!file && is_removed(dir)) return true;
  if (!file) throw Error("open cgroup.events").because(file.error());
  std::int64_t look_us = 50;
  for (;;) {
    std::array<char, 256> buffer;
    const long size = os::raw_syscall(__NR_pread64, file.value().get(), os::address(buffer.data()),
                                      static_cast<long>(buffer.size()), 0);
    if (size == -ENODEV) return true;  // removed
    if (size < 0) throw Error("read cgroup.events").because(static_cast<int>(-size));
    const std::string_view text(buffer.data(), static_cast<std::size_t>(size));
    if (value_of(text, key) == std::string_view(&value, 1)) return true;
    // kernfs: POLLPRI comes when the file changed after this descriptor's last read, so nothing is missed.
    // But it comes up to 10 ms late when a change follows another (CGROUP_FILE_NOTIFY_MIN_INTV), so the first
    // looks are soon.
    const int left = deadline.remaining_ms();
    const bool soon = look_us < kNotifyIntervalUs && (left < 0 || left > look_us / 1000);
    const auto events = wait_for_change(file.value().get(), soon ? look_us : left < 0 ? -1 : left * 1000LL);
    look_us *= soon ? 2 : 1;
    if (!events && events.error() != EINTR) throw Error("wait for cgroup.events").because(events.error());
    if (deadline.passed() && events && events.value() == 0) return false;
  }
}

}  // namespace wherry::cgroup
