// SPDX-License-Identifier: Apache-2.0
// A ttrpc server for unary calls. Answers may come in any order and at any time, but from the loop's thread.
//
// What a client can make the server hold is bounded: connections, calls that wait, one frame that is not whole yet, and
// answers that are not read. A client that leaves takes its answers along, nothing else.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "shim/frame.hpp"
#include "shim/loop.hpp"
#include "shim/messages.hpp"

namespace wherry::shim {

// gRPC's codes; containerd maps them to its own kinds of errors.
enum class Code : std::int32_t {
  kOk = 0,
  kUnknown = 2,
  kInvalidArgument = 3,
  kDeadlineExceeded = 4,
  kNotFound = 5,
  kAlreadyExists = 6,
  kResourceExhausted = 8,
  kFailedPrecondition = 9,
  kUnimplemented = 12,
};

class Server;

// Where the answer to one request goes. Answered once; a second answer, or one to a client that has gone, is dropped.
class Call {
 public:
  Call(Server& server, std::uint64_t connection, std::uint32_t stream)
      : server_(&server), connection_(connection), stream_(stream) {}
  template <class Message>
  void answer(const Message& message) const {
    answer_bytes(encode(message));
  }
  void answer_bytes(std::string payload) const;
  void fail(Code code, std::string message) const;

 private:
  Server* server_;
  std::uint64_t connection_;
  std::uint32_t stream_;
};

class Server {
 public:
  using Handler = std::function<void(const Call& call, const RpcRequest& request)>;

  static constexpr std::size_t kMostConnections = 1024;
  static constexpr std::size_t kMostCalls = 4096;        // that wait, for each connection
  static constexpr std::size_t kMostUnread = 8U << 20U;  // bytes of answers, for each connection

  // `listener` is a listening SOCK_STREAM socket. Only peers with this process's own user are served.
  Server(Loop& loop, os::Fd listener, Handler handler);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Closes the connections whose answers have all been read; then calls `done`. No new ones are accepted.
  void finish(std::function<void()> done);

 private:
  friend class Call;
  struct Connection {
    os::Fd fd;
    std::uint64_t watch = 0;
    FrameReader reader;
    std::string unread;  // answers that the socket has not taken yet
    std::uint32_t last_stream = 0;
    std::map<std::uint32_t, std::uint64_t> open;  // stream → its deadline's timer, or 0
  };

  void accept_one();
  void ready(std::uint64_t id, std::uint32_t events);
  [[nodiscard]] bool read(std::uint64_t id);
  void take(std::uint64_t id, const Frame& frame);
  void dispatch(std::uint64_t id, const Frame& frame);
  void respond(std::uint64_t id, std::uint32_t stream, const RpcResponse& response);
  void refuse(std::uint64_t id, std::uint32_t stream, Code code, std::string message);
  void write(std::uint64_t id);
  void close(std::uint64_t id);
  void close_if_finished();

  Loop& loop_;
  os::Fd listener_;
  Handler handler_;
  std::uint64_t watch_ = 0, last_id_ = 0;
  std::map<std::uint64_t, std::unique_ptr<Connection>> connections_;
  std::function<void()> finished_;
};

}  // namespace wherry::shim
