// SPDX-License-Identifier: Apache-2.0
// Events to containerd, in the order in which they were published: one Forward call at a time over a connection of
// this object's own. Nobody waits for it. While containerd is away events are kept, the newest kMostQueued of them,
// and an event that cannot be delivered for long is dropped: containerd learns the state by State and Wait.
#pragma once

#include <deque>
#include <functional>
#include <string>

#include "shim/frame.hpp"
#include "shim/loop.hpp"
#include "shim/messages.hpp"

namespace wherry::shim {

class Events {
 public:
  static constexpr std::size_t kMostQueued = 4096;

  // `address`: a path, with or without unix://; empty: events go nowhere.
  Events(Loop& loop, std::string address, std::string event_namespace);
  ~Events();
  Events(const Events&) = delete;
  Events& operator=(const Events&) = delete;

  // `name` is the message's, such as "TaskExit".
  template <class Message>
  void publish(const char* topic, const char* name, const Message& message) {
    queue(topic, Any{std::string("containerd.events.") + name, encode(message)});
  }

  // Calls `done` when the queue is empty, or when `limit` has passed.
  void flush(std::chrono::milliseconds limit, std::function<void()> done);

 private:
  void queue(const char* topic, Any event);
  void send_next();
  void connect();
  void ready(std::uint32_t events);
  void write();
  void read();
  void delivered();
  void failed();
  void disconnect();
  void finish_if_empty();

  Loop& loop_;
  std::string address_, namespace_;
  std::deque<std::string> queue_;  // requests of ttrpc, ready to be framed
  os::Fd socket_;
  std::uint64_t watch_ = 0, timer_ = 0;
  std::uint32_t stream_ = 0;
  FrameReader reader_;
  std::string unsent_;
  bool sending_ = false;  // the front of the queue is on its way
  unsigned attempts_ = 0;
  std::function<void()> flushed_;
  std::uint64_t flush_timer_ = 0;
};

[[nodiscard]] Timestamp now();

}  // namespace wherry::shim
