// SPDX-License-Identifier: Apache-2.0
// Private to cgroup/: the files of a cgroup and the walk over a subtree.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "os/core/calls.hpp"

namespace wherry::cgroup {

// The whole file, which cgroupfs gives at offset 0 only.
[[nodiscard]] os::Result<std::string> read_file(int dir, const char* name);

// One write(2): cgroupfs takes a value in one piece. Never makes the file.
[[nodiscard]] os::Status write_file(int dir, const char* name, std::string_view value);

[[nodiscard]] os::Result<os::Fd> open_directory(int dir, const char* name);

// Returns if `number` says that the cgroup was removed meanwhile; else throws Error.
void pass_over_removed(const char* operation, int number);

// Names of the directories, or of the files, in `dir`; none if it is gone. Throws Error.
[[nodiscard]] std::vector<std::string> children(int dir);
[[nodiscard]] std::vector<std::string> file_names(int dir);

// Takes the next line, or the next word, off the front of `text`; empty at the end.
std::string_view next_line(std::string_view& text);
std::string_view next_word(std::string_view& text);

[[nodiscard]] bool has_word(std::string_view text, std::string_view word);

// The value of `key` in a flat keyed file; empty if it has none.
[[nodiscard]] std::string_view value_of(std::string_view text, std::string_view key);

// A decimal number and nothing else ("max" is none).
[[nodiscard]] std::optional<std::uint64_t> parse_number(std::string_view text);

// The components of a path; empty ones and "." are left out.
[[nodiscard]] std::vector<std::string> components(std::string_view path);

// `path` of `what` below the mount, checked: absolute, not the root, no "..". Throws Error.
[[nodiscard]] std::vector<std::string> checked_components(const char* what, std::string_view path);

// The cgroup was removed while `dir` was held: all look-ups in it are ENOENT.
[[nodiscard]] bool is_removed(int dir);

class Deadline {
 public:
  explicit Deadline(std::chrono::milliseconds timeout) noexcept;
  [[nodiscard]] int remaining_ms() const noexcept;  // for poll(2): -1 is for ever
  [[nodiscard]] bool passed() const noexcept { return remaining_ms() == 0; }

 private:
  std::int64_t end_ns_;
};

// Waits until `key` in cgroup.events of `dir` has `value`; false after the deadline. A cgroup that is removed
// meanwhile has neither processes nor anything to thaw. Throws Error if there is no such file.
[[nodiscard]] bool wait_event(int dir, const char* key, char value, const Deadline& deadline);

// enter(fd) for the cgroup and for each below it, leave(parent fd, name) for each below it, children first.
// Holds two descriptors whatever the depth: cgroups cannot be renamed, so ".." is the way back. Throws Error.
template <class Enter, class Leave>
void walk(int top, Enter enter, Leave leave) {
  auto opened = open_directory(top, ".");
  if (!opened) return pass_over_removed("open", opened.error());
  os::Fd current = std::move(*opened);
  enter(current.get());
  std::vector<std::vector<std::string>> pending{children(current.get())};
  std::vector<std::string> path;
  for (;;) {
    if (pending.back().empty()) {
      pending.pop_back();
      if (pending.empty()) return;
      auto parent = open_directory(current.get(), "..");
      if (!parent) return pass_over_removed("open", parent.error());
      current = std::move(*parent);
      leave(current.get(), path.back());
      path.pop_back();
      continue;
    }
    path.push_back(std::move(pending.back().back()));
    pending.back().pop_back();
    auto child = open_directory(current.get(), path.back().c_str());
    if (!child) {
      pass_over_removed("open", child.error());
      path.pop_back();
      continue;
    }
    current = std::move(*child);
    enter(current.get());
    pending.push_back(children(current.get()));
  }
}

}  // namespace wherry::cgroup
