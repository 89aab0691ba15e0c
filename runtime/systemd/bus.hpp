// SPDX-License-Identifier: Apache-2.0
// A connection to a systemd manager over D-Bus (org.freedesktop.systemd1(5)).
#pragma once

#include <memory>
#include <string>

#include "systemd/protocol.hpp"

struct sd_bus;
struct sd_bus_message;
struct sd_bus_slot;

namespace wherry::systemd {

// Of a call that systemd did not carry out; becomes the reply.
struct Refusal {
  Reply reply;
};

// All throw Refusal. Each call has kTimeout; so has each job.
class Bus {
 public:
  // `peer` is polled while a job is awaited: the program ends with it.
  Bus(const std::string& address, int peer);

  void start(const Request& request);
  void set(const Request& request);
  void stop(const std::string& unit);
  void attach(const std::string& unit, std::uint32_t pid);

 private:
  struct Unref {
    void operator()(sd_bus* bus) const noexcept;
    void operator()(sd_bus_message* message) const noexcept;
    void operator()(sd_bus_slot* slot) const noexcept;
  };
  using Message = std::unique_ptr<sd_bus_message, Unref>;
  enum class Extent { kAll, kWithoutOptional };

  [[nodiscard]] Message new_call(const char* member) const;
  // The reply; `job` takes the object path in it, if it is wanted.
  void call(Message message, std::string* job = nullptr);
  void listen_for_jobs();
  void start_once(const Request& request, Extent extent);
  void set_once(const Request& request, Extent extent);
  void reset_failed(const std::string& unit);
  void wait_for_job(const std::string& job, const std::string& unit);

  std::unique_ptr<sd_bus, Unref> bus_;
  std::unique_ptr<sd_bus_slot, Unref> match_;
  int peer_;
  std::string awaited_, result_;  // the job that is waited for, and how it ended; empty: not yet
};

}  // namespace wherry::systemd
