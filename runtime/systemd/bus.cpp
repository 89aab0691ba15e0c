// SPDX-License-Identifier: Apache-2.0
#include "systemd/bus.hpp"

#include <poll.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <ctime>

namespace wherry::systemd {
namespace {

using plan::PropertyType;
using plan::UnitProperty;

constexpr const char* kDestination = "org.freedesktop.systemd1";
constexpr const char* kPath = "/org/freedesktop/systemd1";
constexpr const char* kManager = "org.freedesktop.systemd1.Manager";
constexpr const char* kUnitExists = "org.freedesktop.systemd1.UnitExists";
constexpr const char* kNoSuchUnit = "org.freedesktop.systemd1.NoSuchUnit";
// Where systemd listens itself, for root, whether there is a bus or not; systemctl(1) goes there first as well.
constexpr const char* kPrivateAddress = "unix:path=/run/systemd/private";

constexpr std::uint64_t kTimeout = 30 * std::uint64_t{1000000};  // microseconds
constexpr std::size_t kLongestText = 1000;                       // of a reply

std::uint64_t now() {
  timespec time{};
  (void)::clock_gettime(CLOCK_MONOTONIC, &time);  // CLOCK_MONOTONIC always exists
  return static_cast<std::uint64_t>(time.tv_sec) * 1000000 + static_cast<std::uint64_t>(time.tv_nsec) / 1000;
}

[[noreturn]] void refuse(int error, std::string name, std::string text) {
  text.resize(std::min(text.size(), kLongestText));
  throw Refusal{{error, std::move(name), std::move(text)}};
}

// sd-bus returns negative errnos.
int must(int result, const char* what) {
  if (result < 0) refuse(-result, "", what);
  return result;
}

class CallError {
 public:
  CallError() = default;
  ~CallError() { sd_bus_error_free(&error_); }
  CallError(const CallError&) = delete;
  CallError& operator=(const CallError&) = delete;
  sd_bus_error* get() { return &error_; }
  [[noreturn]] void refuse(int result) const {
    systemd::refuse(-result, error_.name == nullptr ? "" : error_.name,
                    error_.message == nullptr ? "" : error_.message);
  }

 private:
  sd_bus_error error_ = SD_BUS_ERROR_NULL;
};

struct Connection {
  sd_bus* bus = nullptr;
  int error = 0;
};

Connection connect(const char* address, bool is_bus) {
  sd_bus* bus = nullptr;
  int result = sd_bus_new(&bus);
  if (result >= 0) result = sd_bus_set_address(bus, address);
  if (result >= 0) result = sd_bus_set_bus_client(bus, is_bus ? 1 : 0);
  if (result >= 0) result = sd_bus_start(bus);
  // Until here nothing may have gone over the wire: a bus answers to Hello, a manager to the first call.
  const char* name = nullptr;
  if (result >= 0 && is_bus) result = sd_bus_get_unique_name(bus, &name);
  if (result >= 0) return {bus, 0};
  sd_bus_unref(bus);
  return {nullptr, -result};
}

Connection connect_to_system() {
  if (const Connection direct = connect(kPrivateAddress, false); direct.bus != nullptr) return direct;
  sd_bus* bus = nullptr;
  const int result = sd_bus_open_system(&bus);
  return {bus, result < 0 ? -result : 0};
}

void append_devices(sd_bus_message* message, const UnitProperty& property) {
  must(sd_bus_message_open_container(message, 'a', "(ss)"), "DeviceAllow");
  for (std::size_t i = 0; i + 1 < property.texts.size(); i += 2)
    must(sd_bus_message_append(message, "(ss)", property.texts[i].c_str(), property.texts[i + 1].c_str()),
         "DeviceAllow");
  must(sd_bus_message_close_container(message), "DeviceAllow");
}

void append_texts(sd_bus_message* message, const UnitProperty& property) {
  must(sd_bus_message_open_container(message, 'a', "s"), property.name.c_str());
  for (const std::string& text : property.texts)
    must(sd_bus_message_append(message, "s", text.c_str()), property.name.c_str());
  must(sd_bus_message_close_container(message), property.name.c_str());
}

void append_ids(sd_bus_message* message, const UnitProperty& property) {
  const auto mask = property.texts.empty() ? std::nullopt : id_mask(property.texts[0]);
  if (!mask) refuse(EINVAL, "", property.name + " is no list of numbers");
  must(sd_bus_message_append_array(message, 'y', mask->data(), mask->size()), property.name.c_str());
}

const char* signature_of(PropertyType type) {
  switch (type) {
    case PropertyType::kBool:
      return "b";
    case PropertyType::kInt32:
      return "i";
    case PropertyType::kUint64:
      return "t";
    case PropertyType::kText:
      return "s";
    case PropertyType::kTexts:
      return "as";
    case PropertyType::kIdSet:
      return "ay";
    case PropertyType::kDevices:
      return "a(ss)";
  }
  return "";
}

void append_value(sd_bus_message* message, const UnitProperty& property) {
  const char* name = property.name.c_str();
  switch (property.type) {
    case PropertyType::kBool:
      must(sd_bus_message_append(message, "b", property.number != 0 ? 1 : 0), name);
      return;
    case PropertyType::kInt32:
      must(sd_bus_message_append(message, "i", static_cast<std::int32_t>(property.number)), name);
      return;
    case PropertyType::kUint64:
      must(sd_bus_message_append(message, "t", property.number), name);
      return;
    case PropertyType::kText:
      must(sd_bus_message_append(message, "s", property.texts.empty() ? "" : property.texts[0].c_str()), name);
      return;
    case PropertyType::kTexts:
      return append_texts(message, property);
    case PropertyType::kIdSet:
      return append_ids(message, property);
    case PropertyType::kDevices:
      return append_devices(message, property);
  }
}

void append(sd_bus_message* message, const UnitProperty& property) {
  const char* name = property.name.c_str();
  must(sd_bus_message_open_container(message, 'r', "sv"), name);
  must(sd_bus_message_append(message, "s", name), name);
  must(sd_bus_message_open_container(message, 'v', signature_of(property.type)), name);
  append_value(message, property);
  must(sd_bus_message_close_container(message), name);
  must(sd_bus_message_close_container(message), name);
}

bool has_optional(const Request& request) {
  return std::ranges::any_of(request.properties, [](const UnitProperty& property) { return property.optional; });
}

}  // namespace

void Bus::Unref::operator()(sd_bus* bus) const noexcept { sd_bus_close_unref(bus); }
void Bus::Unref::operator()(sd_bus_message* message) const noexcept { sd_bus_message_unref(message); }
void Bus::Unref::operator()(sd_bus_slot* slot) const noexcept { sd_bus_slot_unref(slot); }

Bus::Bus(const std::string& address, int peer) : peer_(peer) {
  const Connection connection = address.empty() ? connect_to_system() : connect(address.c_str(), true);
  if (connection.bus == nullptr) refuse(connection.error, "", "connect to systemd");
  bus_.reset(connection.bus);
  must(sd_bus_set_method_call_timeout(bus_.get(), kTimeout), "set a timeout");
}

// systemd tells whoever has asked for a job how it ended, on a bus those that have subscribed.
void Bus::listen_for_jobs() {
  if (match_) return;
  const auto handler = [](sd_bus_message* message, void* self, sd_bus_error*) {
    Bus& bus = *static_cast<Bus*>(self);
    std::uint32_t id = 0;
    const char *path = nullptr, *unit = nullptr, *result = nullptr;
    if (sd_bus_message_read(message, "uoss", &id, &path, &unit, &result) >= 0 && bus.awaited_ == path)
      bus.result_ = result;
    return 0;
  };
  const bool is_bus = sd_bus_is_bus_client(bus_.get()) > 0;
  sd_bus_slot* slot = nullptr;
  must(sd_bus_match_signal(bus_.get(), &slot, is_bus ? kDestination : nullptr, kPath, kManager, "JobRemoved", handler,
                           this),
       "listen for JobRemoved");
  match_.reset(slot);
  if (is_bus) call(new_call("Subscribe"));
}

Bus::Message Bus::new_call(const char* member) const {
  sd_bus_message* message = nullptr;
  must(sd_bus_message_new_method_call(bus_.get(), &message, kDestination, kPath, kManager, member), member);
  return Message(message);
}

void Bus::call(Message message, std::string* job) {
  CallError error;
  sd_bus_message* reply = nullptr;
  const int result = sd_bus_call(bus_.get(), message.get(), 0, error.get(), &reply);
  const Message owned(reply);
  if (result < 0) error.refuse(result);
  const char* path = nullptr;
  if (job == nullptr) return;
  must(sd_bus_message_read(reply, "o", &path), "read the job's path");
  *job = path;
}

// The signal is queued behind the reply that has named the job, and is looked at here only.
void Bus::wait_for_job(const std::string& job, const std::string& unit) {
  awaited_ = job;
  result_.clear();
  const std::uint64_t end = now() + kTimeout;
  while (result_.empty()) {
    if (must(sd_bus_process(bus_.get(), nullptr), "listen to systemd") > 0) continue;
    if (now() >= end) refuse(ETIMEDOUT, "", "the job for " + unit + " does not end");
    pollfd fds[2] = {{sd_bus_get_fd(bus_.get()), static_cast<short>(sd_bus_get_events(bus_.get())), 0}, {peer_, 0, 0}};
    const int ready = ::poll(fds, 2, static_cast<int>((end - now()) / 1000 + 1));
    if (ready < 0 && errno != EINTR) refuse(errno, "", "listen to systemd");
    if (ready > 0 && (fds[1].revents & (POLLHUP | POLLERR)) != 0) ::_exit(1);  // nobody waits for the answer any more
  }
  if (result_ != "done") refuse(EPROTO, "", "the job for " + unit + " ended with \"" + result_ + "\"");
}

void Bus::reset_failed(const std::string& unit) {
  Message message = new_call("ResetFailedUnit");
  must(sd_bus_message_append(message.get(), "s", unit.c_str()), "ResetFailedUnit");
  try {
    call(std::move(message));
  } catch (const Refusal&) {
    // Not loaded any more: that is what is wanted.
  }
}

void Bus::start_once(const Request& request, Extent extent) {
  listen_for_jobs();
  Message message = new_call("StartTransientUnit");
  sd_bus_message* raw = message.get();
  must(sd_bus_message_append(raw, "ss", request.unit.c_str(), "fail"), "StartTransientUnit");
  must(sd_bus_message_open_container(raw, 'a', "(sv)"), "StartTransientUnit");
  for (const UnitProperty& property : request.properties)
    if (extent == Extent::kAll || !property.optional) append(raw, property);
  must(sd_bus_message_append(raw, "(sv)", "PIDs", "au", 1, request.pid), "PIDs");
  must(sd_bus_message_close_container(raw), "StartTransientUnit");
  must(sd_bus_message_append(raw, "a(sa(sv))", 0), "StartTransientUnit");
  std::string job;
  call(std::move(message), &job);
  wait_for_job(job, request.unit);
}

void Bus::start(const Request& request) {
  Extent extent = Extent::kAll;
  for (bool again = true;;) {
    try {
      return start_once(request, extent);
    } catch (const Refusal& refusal) {
      const bool exists = refusal.reply.name == kUnitExists;
      if (exists && again) {
        again = false;
        reset_failed(request.unit);  // one that has failed keeps its name until then
      } else if (!exists && extent == Extent::kAll && !refusal.reply.name.empty() && has_optional(request)) {
        extent = Extent::kWithoutOptional;
      } else {
        throw;
      }
    }
  }
}

void Bus::set_once(const Request& request, Extent extent) {
  Message message = new_call("SetUnitProperties");
  sd_bus_message* raw = message.get();
  must(sd_bus_message_append(raw, "sb", request.unit.c_str(), 1), "SetUnitProperties");
  must(sd_bus_message_open_container(raw, 'a', "(sv)"), "SetUnitProperties");
  for (const UnitProperty& property : request.properties)
    if (extent == Extent::kAll || !property.optional) append(raw, property);
  must(sd_bus_message_close_container(raw), "SetUnitProperties");
  call(std::move(message));
}

void Bus::set(const Request& request) {
  try {
    set_once(request, Extent::kAll);
  } catch (const Refusal& refusal) {
    if (refusal.reply.name.empty() || !has_optional(request)) throw;
    set_once(request, Extent::kWithoutOptional);
  }
}

void Bus::stop(const std::string& unit) {
  listen_for_jobs();
  Message message = new_call("StopUnit");
  must(sd_bus_message_append(message.get(), "ss", unit.c_str(), "replace"), "StopUnit");
  std::string job;
  try {
    call(std::move(message), &job);
  } catch (const Refusal& refusal) {
    if (refusal.reply.name == kNoSuchUnit) return;
    throw;
  }
  wait_for_job(job, unit);
  reset_failed(unit);
}

void Bus::attach(const std::string& unit, std::uint32_t pid) {
  Message message = new_call("AttachProcessesToUnit");
  must(sd_bus_message_append(message.get(), "ssau", unit.c_str(), "/", 1, pid), "AttachProcessesToUnit");
  call(std::move(message));
}

}  // namespace wherry::systemd
