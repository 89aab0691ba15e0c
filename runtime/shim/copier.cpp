// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "shim/stdio.hpp"

namespace wherry::shim {
namespace {

constexpr std::size_t kPiece = 65536;
constexpr int kTurns = 16;        // then others get their turn
constexpr int kLastTurns = 1024;  // more than a pipe holds, in pages: one who writes on and on is not read on
constexpr std::chrono::milliseconds kFirstLook{4}, kLastChance{8192};

bool is_file(int fd) {
  struct stat status {};
  return ::fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
}

}  // namespace

Copier::Copier(Loop& loop, os::Fd from, os::Fd to, os::Fd keeper, std::function<void()> ended)
    : loop_(loop), from_(std::move(from)), to_(std::move(to)), keeper_(std::move(keeper)), ended_(std::move(ended)) {
  writes_to_file_ = is_file(to_.get());
  can_splice_ = !writes_to_file_;  // splice(2): not to a file that is appended to
  // One shot each: the end of either side is reported whether it is asked for or not, and would be without end.
  from_watch_ = loop_.watch(from_.get(), EPOLLIN | EPOLLONESHOT, [this](std::uint32_t) { move(); });
  if (!writes_to_file_) to_watch_ = loop_.watch(to_.get(), EPOLLONESHOT, [this](std::uint32_t) { move(); });
}

Copier::~Copier() {
  loop_.cancel(timer_);
  loop_.forget(from_watch_);
  loop_.forget(to_watch_);
}

void Copier::wait_for(bool source) {
  if (source)
    loop_.change(from_watch_, EPOLLIN | EPOLLONESHOT);
  else
    loop_.change(to_watch_, EPOLLOUT | EPOLLONESHOT);
}

void Copier::move() {
  for (int turn = 0; turn < kTurns && from_; ++turn) {
    const Moved moved = move_some();
    if (moved == Moved::kEnd) return end();
    if (moved == Moved::kSourceEmpty) return wait_for(true);
    if (moved == Moved::kTargetFull) return wait_for(false);
  }
  wait_for(rest_.empty());
}

Copier::Moved Copier::move_some() {
  if (!rest_.empty()) return write_rest();
  if (can_splice_ && !target_lost_) {
    const Moved moved = splice_some();
    if (moved != Moved::kCannotSplice) return moved;
    can_splice_ = false;
  }
  return copy_some();
}

Copier::Moved Copier::splice_some() {
  const ssize_t size = ::splice(from_.get(), nullptr, to_.get(), nullptr, kPiece, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
  if (size > 0) return Moved::kSome;
  if (size == 0) return Moved::kEnd;
  if (errno == EINVAL) return Moved::kCannotSplice;
  if (errno == EIO) return Moved::kEnd;  // a terminal whose other side is closed
  if (errno == EINTR) return Moved::kSome;
  if (errno != EAGAIN) {
    target_lost_ = true;
    return Moved::kSome;
  }
  // Which of the two is it?
  os::pollfd target{to_.get(), os::kPollOut, 0};
  const bool full = os::poll(&target, 1, 0) && (target.revents & os::kPollOut) == 0;
  return full ? Moved::kTargetFull : Moved::kSourceEmpty;
}

Copier::Moved Copier::copy_some() {
  static std::array<char, kPiece> buffer;
  const ssize_t size = ::read(from_.get(), buffer.data(), buffer.size());
  if (size == 0) return Moved::kEnd;
  if (size < 0) return errno == EAGAIN ? Moved::kSourceEmpty : errno == EINTR ? Moved::kSome : Moved::kEnd;
  if (target_lost_) return Moved::kSome;
  rest_.assign(buffer.data(), static_cast<std::size_t>(size));
  return write_rest();
}

Copier::Moved Copier::write_rest() {
  const ssize_t size = ::write(to_.get(), rest_.data(), rest_.size());
  if (size < 0 && errno == EAGAIN) return Moved::kTargetFull;
  if (size < 0 && errno == EINTR) return Moved::kSome;
  if (size < 0) {
    target_lost_ = true;
    rest_.clear();
    return Moved::kSome;
  }
  rest_.erase(0, static_cast<std::size_t>(size));
  if (rest_.empty()) rest_.shrink_to_fit();
  return Moved::kSome;
}

void Copier::finish() {
  if (!from_) return;
  for (int turn = 0; turn < kLastTurns && move_some() == Moved::kSome;) ++turn;
  end();
}

void Copier::end() {
  loop_.forget(from_watch_);
  loop_.forget(to_watch_);
  from_.reset();
  const bool fifo = static_cast<bool>(keeper_);
  keeper_.reset();
  if (fifo)
    close_when_read(kFirstLook);
  else
    to_.reset();
  if (ended_) ended_();
}

// fifo(7): without any reader left, what was written goes with its last writer, and a reader that comes later waits for
// another one. A client may be slower than a short life.
void Copier::close_when_read(std::chrono::milliseconds delay) {
  os::pollfd target{to_.get(), 0, 0};
  const bool has_reader = !os::poll(&target, 1, 0) || (target.revents & os::kPollErr) == 0;
  if (has_reader || delay > kLastChance) return to_.reset();
  timer_ = loop_.after(delay, [this, delay] { close_when_read(delay * 2); });
}

}  // namespace wherry::shim
