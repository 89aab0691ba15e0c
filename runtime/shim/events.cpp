// SPDX-License-Identifier: Apache-2.0
#include "shim/events.hpp"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "os/sockets.hpp"

namespace wherry::shim {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kAnswerLimit{5000};
constexpr unsigned kMostAttempts = 6;  // then the event is dropped; about 15 s
constexpr const char* kService = "containerd.services.events.ttrpc.v1.Events";

std::string without_scheme(std::string address) {
  constexpr std::string_view kScheme = "unix://";
  if (address.compare(0, kScheme.size(), kScheme) == 0) address.erase(0, kScheme.size());
  return address;
}

}  // namespace

Timestamp now() {
  timespec time{};
  (void)::clock_gettime(CLOCK_REALTIME, &time);  // CLOCK_REALTIME always exists
  return {time.tv_sec, static_cast<std::int32_t>(time.tv_nsec)};
}

Events::Events(Loop& loop, std::string address, std::string event_namespace)
    : loop_(loop), address_(without_scheme(std::move(address))), namespace_(std::move(event_namespace)) {}

Events::~Events() {
  disconnect();
  loop_.cancel(flush_timer_);
}

void Events::queue(const char* topic, Any event) {
  if (address_.empty()) return;
  RpcRequest request;
  request.service = kService;
  request.method = "Forward";
  request.payload = encode(ForwardRequest{Envelope{now(), namespace_, topic, std::move(event)}});
  request.timeout_nano = std::chrono::nanoseconds(kAnswerLimit).count();
  request.metadata.push_back({"containerd-namespace-ttrpc", namespace_});
  if (queue_.size() >= kMostQueued) queue_.erase(queue_.begin() + (sending_ ? 1 : 0));
  queue_.push_back(encode(request));
  if (!sending_ && timer_ == 0) send_next();
}

void Events::send_next() {
  finish_if_empty();
  if (sending_ || queue_.empty()) return;
  sending_ = true;
  if (!socket_) connect();
  if (!socket_) return failed();
  stream_ = stream_ == 0 ? 1 : stream_ + 2;
  unsent_ = encode_frame(stream_, FrameType::kRequest, queue_.front());
  timer_ = loop_.after(kAnswerLimit, [this] {
    timer_ = 0;
    failed();
  });
  write();
}

void Events::connect() {
  auto made = os::connect_to(address_, os::kSockStream | os::kSockNonblock);
  if (!made) return;
  socket_ = std::move(*made);
  reader_.clear();
  stream_ = 0;
  watch_ = loop_.watch(socket_.get(), EPOLLIN, [this](std::uint32_t events) { ready(events); });
}

void Events::ready(std::uint32_t events) {
  if ((events & EPOLLOUT) != 0) write();
  if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0 && socket_) read();
}

void Events::write() {
  while (!unsent_.empty()) {
    const ssize_t size = ::send(socket_.get(), unsent_.data(), unsent_.size(), MSG_NOSIGNAL);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 && errno != EAGAIN) return failed();
    if (size < 0) break;
    unsent_.erase(0, static_cast<std::size_t>(size));
  }
  loop_.change(watch_, EPOLLIN | (unsent_.empty() ? 0U : static_cast<std::uint32_t>(EPOLLOUT)));
}

void Events::read() {
  std::array<char, 4096> buffer;
  const ssize_t size = ::recv(socket_.get(), buffer.data(), buffer.size(), 0);
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (size <= 0) return sending_ ? failed() : disconnect();
  reader_.append({buffer.data(), static_cast<std::size_t>(size)});
  while (auto frame = reader_.next())
    if (sending_ && frame->stream == stream_ && frame->type == static_cast<std::uint8_t>(FrameType::kResponse))
      return delivered();  // also when containerd refuses it: it would refuse it again
}

void Events::delivered() {
  loop_.cancel(timer_);
  timer_ = 0;
  attempts_ = 0;
  sending_ = false;
  if (!queue_.empty()) queue_.pop_front();  // flush() may have given it up
  send_next();
}

void Events::failed() {
  disconnect();
  sending_ = false;
  ++attempts_;
  const bool gives_up = attempts_ >= kMostAttempts;
  if (gives_up) {
    // The next ones fare as this one did; kept, so that a containerd that comes back hears the newest.
    attempts_ = kMostAttempts - 1;
    if (queue_.size() > kMostQueued / 2) queue_.pop_front();
  }
  const milliseconds delay = attempts_ == 1 ? milliseconds(0) : milliseconds(250U << std::min(attempts_, 5U));
  timer_ = loop_.after(delay, [this] {
    timer_ = 0;
    send_next();
  });
}

void Events::disconnect() {
  loop_.cancel(timer_);
  timer_ = 0;
  loop_.forget(watch_);
  watch_ = 0;
  socket_.reset();
  unsent_.clear();
}

void Events::flush(milliseconds limit, std::function<void()> done) {
  flushed_ = std::move(done);
  flush_timer_ = loop_.after(limit, [this] {
    queue_.clear();
    finish_if_empty();
  });
  finish_if_empty();
}

void Events::finish_if_empty() {
  if (!flushed_ || !queue_.empty()) return;
  const auto done = std::move(flushed_);
  flushed_ = nullptr;
  loop_.cancel(flush_timer_);
  loop_.post(done);
}

}  // namespace wherry::shim
