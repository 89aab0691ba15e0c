// SPDX-License-Identifier: Apache-2.0
#include "shim/server.hpp"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>

namespace wherry::shim {

void Call::answer_bytes(std::string payload) const {
  server_->respond(connection_, stream_, RpcResponse{std::nullopt, std::move(payload)});
}

void Call::fail(Code code, std::string message) const {
  server_->refuse(connection_, stream_, code, std::move(message));
}

Server::Server(Loop& loop, os::Fd listener, Handler handler)
    : loop_(loop), listener_(std::move(listener)), handler_(std::move(handler)) {
  watch_ = loop_.watch(listener_.get(), EPOLLIN, [this](std::uint32_t) { accept_one(); });
}

Server::~Server() {
  loop_.forget(watch_);
  while (!connections_.empty()) close(connections_.begin()->first);
}

// The socket's path is closed to others already; this holds when somebody has opened it to them.
static bool is_own_user(int fd) {
  ucred peer{};
  socklen_t size = sizeof peer;
  return ::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.uid == ::geteuid();
}

void Server::accept_one() {
  os::Fd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!fd || !is_own_user(fd.get()) || connections_.size() >= kMostConnections) return;
  const std::uint64_t id = ++last_id_;
  auto connection = std::make_unique<Connection>();
  connection->watch = loop_.watch(fd.get(), EPOLLIN, [this, id](std::uint32_t events) { ready(id, events); });
  connection->fd = std::move(fd);
  connections_[id] = std::move(connection);
}

void Server::ready(std::uint64_t id, std::uint32_t events) {
  if ((events & EPOLLOUT) != 0) write(id);
  if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) == 0 || !connections_.contains(id)) return;
  if (!read(id)) close(id);
}

bool Server::read(std::uint64_t id) {
  static std::array<char, 16384> buffer;
  Connection& connection = *connections_[id];
  const ssize_t size = ::recv(connection.fd.get(), buffer.data(), buffer.size(), 0);
  if (size < 0) return errno == EAGAIN || errno == EINTR;
  if (size == 0) return false;
  connection.reader.append({buffer.data(), static_cast<std::size_t>(size)});
  while (connections_.contains(id)) {
    auto frame = connection.reader.next();
    if (!frame) break;
    take(id, *frame);
  }
  return true;
}

void Server::take(std::uint64_t id, const Frame& frame) {
  Connection& connection = *connections_[id];
  if (frame.too_large)
    return refuse(id, frame.stream, Code::kResourceExhausted, "the message is larger than 4194304 bytes");
  if (frame.type == static_cast<std::uint8_t>(FrameType::kData))
    return refuse(id, frame.stream, Code::kInvalidArgument, "no stream with this id takes data");
  if (frame.type != static_cast<std::uint8_t>(FrameType::kRequest)) return;  // ttrpc: unknown types are ignored
  if (frame.stream % 2 == 0 || frame.stream <= connection.last_stream)
    return refuse(id, frame.stream, Code::kInvalidArgument, "stream ids of a client are odd and grow");
  connection.last_stream = frame.stream;
  if (connection.open.size() >= kMostCalls)
    return refuse(id, frame.stream, Code::kResourceExhausted, "too many calls wait on this connection");
  dispatch(id, frame);
}

void Server::dispatch(std::uint64_t id, const Frame& frame) {
  const std::uint32_t stream = frame.stream;
  RpcRequest request;
  if (!decode(frame.data, request))
    return refuse(id, stream, Code::kInvalidArgument, "the request is no ttrpc.Request");
  if (frame.flags != 0) return refuse(id, stream, Code::kUnimplemented, "there are no streaming methods");
  connections_[id]->open[stream] = 0;
  handler_(Call(*this, id, stream), request);
  // Most calls have their answer by now, and need no timer.
  const auto found = connections_.find(id);
  if (request.timeout_nano <= 0 || found == connections_.end()) return;
  if (const auto open = found->second->open.find(stream); open != found->second->open.end())
    open->second = loop_.after(std::chrono::milliseconds(request.timeout_nano / 1000000 + 1), [this, id, stream] {
      refuse(id, stream, Code::kDeadlineExceeded, "the call's time has run out");
    });
}

void Server::refuse(std::uint64_t id, std::uint32_t stream, Code code, std::string message) {
  const auto found = connections_.find(id);
  if (found == connections_.end()) return;
  found->second->open.try_emplace(stream, 0);  // also for one that was never opened
  respond(id, stream, RpcResponse{RpcStatus{static_cast<std::int32_t>(code), std::move(message)}, {}});
}

void Server::respond(std::uint64_t id, std::uint32_t stream, const RpcResponse& response) {
  const auto found = connections_.find(id);
  if (found == connections_.end()) return;
  Connection& connection = *found->second;
  const auto open = connection.open.find(stream);
  if (open == connection.open.end()) return;
  loop_.cancel(open->second);
  connection.open.erase(open);
  std::string bytes = encode(response);
  if (bytes.size() > kLargestFrame)
    bytes = encode(RpcResponse{
        RpcStatus{static_cast<std::int32_t>(Code::kResourceExhausted), "the answer is larger than 4194304 bytes"}, {}});
  connection.unread += encode_frame(stream, FrameType::kResponse, bytes);
  write(id);
}

void Server::write(std::uint64_t id) {
  const auto found = connections_.find(id);
  if (found == connections_.end()) return;
  Connection& connection = *found->second;
  while (!connection.unread.empty()) {
    const ssize_t size = ::send(connection.fd.get(), connection.unread.data(), connection.unread.size(), MSG_NOSIGNAL);
    if (size < 0 && errno == EINTR) continue;
    // EPIPE and the like: the reading side will see the end, in its own time.
    if (size < 0 && errno != EAGAIN) connection.unread.clear();
    if (size < 0) break;
    connection.unread.erase(0, static_cast<std::size_t>(size));
  }
  // One who asks on and never reads is not served on.
  if (connection.unread.size() > kMostUnread) (void)::shutdown(connection.fd.get(), SHUT_RDWR);
  const std::uint32_t out = connection.unread.empty() ? 0U : static_cast<std::uint32_t>(EPOLLOUT);
  loop_.change(connection.watch, EPOLLIN | out);
  if (connection.unread.empty()) connection.unread.shrink_to_fit();
  close_if_finished();
}

void Server::close(std::uint64_t id) {
  const auto found = connections_.find(id);
  for (const auto& [stream, timer] : found->second->open) loop_.cancel(timer);
  loop_.forget(found->second->watch);
  connections_.erase(found);
  close_if_finished();
}

void Server::finish(std::function<void()> done) {
  loop_.forget(watch_);
  watch_ = 0;
  listener_.reset();
  finished_ = std::move(done);
  close_if_finished();
}

void Server::close_if_finished() {
  if (!finished_) return;
  for (const auto& [id, connection] : connections_)
    if (!connection->unread.empty()) return;
  const auto done = std::move(finished_);
  finished_ = nullptr;
  loop_.post(done);
}

}  // namespace wherry::shim
