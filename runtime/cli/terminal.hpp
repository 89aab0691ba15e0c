// SPDX-License-Identifier: Apache-2.0
// The terminal of a foreground process: what is typed goes to the pty, what comes from the pty goes to
// standard output.
#pragma once

#include <termios.h>

#include <array>
#include <optional>

#include "os/core/calls.hpp"

namespace wherry::cli {

// The caller's terminal passes every key on as it is while this lives. Output processing stays, because the
// library has switched off the pty's own translation of newlines.
class RawMode {
 public:
  explicit RawMode(int terminal) noexcept;  // does nothing for what is no terminal
  ~RawMode();
  RawMode(const RawMode&) = delete;
  RawMode& operator=(const RawMode&) = delete;

 private:
  int terminal_;
  std::optional<termios> before_;
};

// Bytes that were read and not yet written.
class Backlog {
 public:
  [[nodiscard]] bool empty() const noexcept { return begin_ == end_; }
  // The errno, EAGAIN included; EPIPE at the end of the file. Only for an empty backlog.
  int fill(int from) noexcept;
  // As much as one write(2) of at most `most` bytes takes; the errno.
  int drain(int to, std::size_t most) noexcept;
  void append(char byte) noexcept;  // only behind fill() that met the end
  void drop() noexcept { begin_ = end_ = 0; }
  [[nodiscard]] char last() const noexcept { return last_; }  // byte that was ever read

 private:
  std::array<char, 8192> bytes_;
  std::size_t begin_ = 0, end_ = 0;
  char last_ = '\n';
};

// Copies between a pty's master and the standard streams, driven by poll(2): ask wishes(), poll, call step().
class Terminal {
 public:
  static constexpr unsigned kStreams = 3;

  // Sets the master non-blocking and takes the window size over from the caller's terminal.
  explicit Terminal(int master) noexcept;

  void resize() const noexcept;
  void wishes(os::pollfd (&fds)[kStreams]) const noexcept;
  void step(const os::pollfd (&fds)[kStreams]) noexcept;
  // Nobody has the other side open at the moment: poll(2) would return at once, for ever.
  [[nodiscard]] bool hung_up() const noexcept { return hung_up_; }
  void retry() noexcept { hung_up_ = false; }
  // After the end of the process: reads on if there is anything to read; false when all has been written.
  [[nodiscard]] bool finish() noexcept;

 private:
  void end_input() noexcept;
  void pause() noexcept { hung_up_ = true; }
  void read_output() noexcept;
  void write_output() noexcept;

  int master_;
  RawMode raw_;
  Backlog input_, output_;
  int last_reads_ = 64;  // after the end
  bool input_open_ = true, output_open_ = true, hung_up_ = false;
};

}  // namespace wherry::cli
