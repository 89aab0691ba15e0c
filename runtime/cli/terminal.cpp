// SPDX-License-Identifier: Apache-2.0
#include "cli/terminal.hpp"

#include <fcntl.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <cerrno>

namespace wherry::cli {
namespace {

// pipe(7): a pipe that polls writable takes this much without blocking.
constexpr std::size_t kPipeBuf = 4096;

bool again(int fault) { return fault == EAGAIN || fault == EINTR; }

}  // namespace

RawMode::RawMode(int terminal) noexcept : terminal_(terminal) {
  termios settings{};
  if (tcgetattr(terminal, &settings) != 0) return;
  before_ = settings;
  cfmakeraw(&settings);
  settings.c_oflag |= OPOST;
  (void)tcsetattr(terminal, TCSANOW, &settings);  // keys are then handled twice, no worse
}

RawMode::~RawMode() {
  if (before_) (void)tcsetattr(terminal_, TCSADRAIN, &*before_);  // there is nothing to do about it
}

int Backlog::fill(int from) noexcept {
  const auto got = os::read(from, bytes_.data(), bytes_.size());
  if (!got) return got.error();
  if (got.value() == 0) return EPIPE;
  begin_ = 0;
  end_ = static_cast<std::size_t>(got.value());
  last_ = bytes_[end_ - 1];
  return 0;
}

int Backlog::drain(int to, std::size_t most) noexcept {
  const auto written = os::write(to, bytes_.data() + begin_, std::min(end_ - begin_, most));
  if (!written) return written.error();
  begin_ += static_cast<std::size_t>(written.value());
  return 0;
}

void Backlog::append(char byte) noexcept {
  if (empty()) drop();
  bytes_[end_++] = byte;
}

Terminal::Terminal(int master) noexcept : master_(master), raw_(0) {
  const auto flags = os::fcntl(master, F_GETFL);
  if (flags) (void)os::fcntl(master, F_SETFL, flags.value() | O_NONBLOCK);  // poll(2) comes before each call anyway
  resize();
}

void Terminal::resize() const noexcept {
  for (const int stream : {0, 1, 2}) {
    winsize size{};
    if (ioctl(stream, TIOCGWINSZ, &size) != 0) continue;
    if (size.ws_row != 0 && size.ws_col != 0) (void)ioctl(master_, TIOCSWINSZ, &size);  // only looks depend on it
    return;
  }
}

void Terminal::wishes(os::pollfd (&fds)[kStreams]) const noexcept {
  const bool reads_input = input_open_ && input_.empty();
  short master = 0;
  if (output_.empty()) master |= os::kPollIn;
  if (!input_.empty()) master |= os::kPollOut;
  fds[0] = {reads_input ? 0 : -1, os::kPollIn, 0};
  fds[1] = {output_.empty() ? -1 : 1, os::kPollOut, 0};
  fds[2] = {master == 0 || hung_up_ ? -1 : master_, master, 0};
}

void Terminal::step(const os::pollfd (&fds)[kStreams]) noexcept {
  if (fds[0].revents != 0 && input_.empty()) {
    const int fault = input_.fill(0);
    if (fault != 0 && !again(fault)) end_input();
  }
  if ((fds[2].revents & os::kPollOut) != 0 && !input_.empty()) {
    const int fault = input_.drain(master_, SIZE_MAX);
    if (fault != 0 && !again(fault)) input_.drop();
  }
  if ((fds[2].revents & ~os::kPollOut) != 0) output_.empty() ? read_output() : pause();
  if (fds[1].revents != 0 && !output_.empty()) write_output();
}

// A pty has no half to close; what says "no more input" is its end-of-file character, as script(1) sends it.
// It ends a read(2) only at the beginning of a line, and else just sends the line so far.
void Terminal::end_input() noexcept {
  input_open_ = false;
  termios settings{};
  if (tcgetattr(master_, &settings) != 0) return;
  const char end = static_cast<char>(settings.c_cc[VEOF]);
  if (input_.last() != '\n') input_.append(end);
  input_.append(end);
}

void Terminal::read_output() noexcept {
  const int fault = output_.fill(master_);
  if (fault != 0 && !again(fault)) hung_up_ = true;  // pty(7): EIO while the other side is closed
  if (!output_open_) output_.drop();
}

// If nobody reads, the process must not stop at a full pty because of it.
void Terminal::write_output() noexcept {
  const int fault = output_.drain(1, kPipeBuf);
  if (fault == 0 || again(fault)) return;
  output_open_ = false;
  output_.drop();
}

// Whoever still has the terminal open may write for ever; what the process itself wrote is at most a pty's
// buffer.
bool Terminal::finish() noexcept {
  input_open_ = false;
  input_.drop();
  if (!output_.empty()) return true;
  if (--last_reads_ < 0) return false;
  hung_up_ = false;
  read_output();
  return !output_.empty();
}

}  // namespace wherry::cli
