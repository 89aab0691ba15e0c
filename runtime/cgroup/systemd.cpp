// SPDX-License-Identifier: Apache-2.0
#include "cgroup/systemd.hpp"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <utility>

#include "cgroup/file.hpp"
#include "os/core/calls.hpp"
#include "wherry/error.hpp"

namespace wherry::cgroup {
namespace {

// More than wherry-systemd takes at worst: each of its calls and jobs has a limit of its own.
constexpr std::chrono::milliseconds kAnswerLimit{180000};

constexpr const char* kProgram = WHERRY_LIBEXECDIR "/wherry-systemd";

// Engines guess exit codes from these, wherever they stand.
constexpr std::string_view kPhrases[] = {"no such file or directory", "executable file not found", "permission denied",
                                         "operation not permitted"};

bool has_phrase(std::string text) {
  std::ranges::transform(text, text.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return std::ranges::any_of(kPhrases, [&](std::string_view phrase) { return text.find(phrase) != std::string::npos; });
}

struct Remedy {
  std::string_view name;  // of the D-Bus error
  int error;
  const char* text;
};
constexpr Remedy kRemedies[] = {
    {"org.freedesktop.systemd1.UnitExists", 0, "give each container its own linux.cgroupsPath"},
    {"org.freedesktop.DBus.Error.PropertyReadOnly", 0, "this systemd does not take it: remove it"},
    {"", ENOENT, "is systemd the host's init, and for a user, is dbus-user-session installed?"},
    {"", ECONNREFUSED, "is systemd the host's init, and for a user, is dbus-user-session installed?"},
    {"", EACCES, "run as root, or with the bus of the user's own manager in XDG_RUNTIME_DIR"},
    {"", EPERM, "run as root, or with the bus of the user's own manager in XDG_RUNTIME_DIR"},
};

const char* remedy_for(const systemd::Reply& reply) {
  for (const Remedy& row : kRemedies)
    if (row.name.empty() ? row.error == reply.error : row.name == reply.name) return row.text;
  return "";
}

[[noreturn]] void refuse(const std::string& what, const systemd::Reply& reply) {
  std::string detail = has_phrase(reply.text) ? "" : reply.text;
  if (!reply.name.empty()) detail += (detail.empty() ? "" : " ") + ("(" + reply.name + ")");
  Error error = Error(what).at("/linux/cgroupsPath").because(reply.error).remedy(remedy_for(reply));
  if (detail.empty()) throw std::move(error);
  throw std::move(error).detail(std::move(detail));
}

systemd::Request about(const std::string& unit, systemd::Operation operation) {
  systemd::Request request;
  request.operation = operation;
  request.unit = unit;
  return request;
}

bool answers_in_time(int channel) {
  os::pollfd fds{channel, os::kPollIn, 0};
  const Deadline deadline(kAnswerLimit);
  while (!deadline.passed()) {
    const auto ready = os::poll(&fds, 1, deadline.remaining_ms());  // EINTR: look again
    if (ready && fds.revents != 0) return true;
  }
  return false;
}

os::Program program(const os::Fd& channel) {
  os::Program program;
  program.path = kProgram;
  program.args = {"wherry-systemd", std::to_string(channel.get())};
  program.kept = {channel.get()};
  program.own_group = true;  // a terminal's SIGINT is for the runtime, which has to clean up with it
  return program;
}

}  // namespace

Systemd::Systemd(std::string bus) : bus_(std::move(bus)) {
  int ends[2] = {-1, -1};
  if (auto made = os::socketpair(os::kSockSeqpacket, ends); !made)
    throw Error("make a socket pair").because(made.error());
  channel_.reset(ends[0]);
  their_channel_.reset(ends[1]);
  spawning_.emplace(program(their_channel_));
}

Systemd::~Systemd() {
  their_channel_.reset();
  channel_.reset();
  if (spawning_) {
    if (auto child = spawning_->finish()) child_ = std::move(*child);
  }
  if (!child_.pidfd) return;
  (void)os::pidfd_send_signal(child_.pidfd.get(), SIGKILL);  // it has answered all there was, or never will
  (void)os::reap(child_.pidfd.get());
}

void Systemd::start_scope(const std::string& unit, std::vector<plan::UnitProperty> properties, pid_t pid) {
  systemd::Request wanted = about(unit, systemd::Operation::kStart);
  wanted.pid = static_cast<std::uint32_t>(pid);
  wanted.properties = std::move(properties);
  request("start", std::move(wanted));
}

void Systemd::set_properties(const std::string& unit, std::vector<plan::UnitProperty> properties) {
  systemd::Request wanted = about(unit, systemd::Operation::kSet);
  wanted.properties = std::move(properties);
  if (!wanted.properties.empty()) request("set properties of", std::move(wanted));
}

void Systemd::stop(const std::string& unit) { request("stop", about(unit, systemd::Operation::kStop)); }

void Systemd::attach(const std::string& unit, pid_t pid) {
  systemd::Request wanted = about(unit, systemd::Operation::kAttach);
  wanted.pid = static_cast<std::uint32_t>(pid);
  request("enter", std::move(wanted));
}

void Systemd::request(const char* operation, systemd::Request request) {
  const std::string what = std::string(operation) + " the unit " + request.unit;
  if (spawning_) {
    auto child = spawning_->finish();
    spawning_.reset();
    their_channel_.reset();  // from here on the channel's end is the program's end
    if (!child)
      throw Error(std::string("start ") + kProgram)
          .because(child.error())
          .remedy("install it, or use --cgroup-manager cgroupfs");
    child_ = std::move(*child);
  }
  request.bus = bus_;
  const std::vector<unsigned char> bytes = systemd::encode(request);
  if (bytes.size() > systemd::kMaxMessage) throw Error(what).because(E2BIG).detail("its properties are too long");
  if (auto sent = os::send_message(channel_.get(), bytes.data(), bytes.size()); !sent)
    throw Error(what).because(sent.error()).detail("wherry-systemd does not listen");
  if (!answers_in_time(channel_.get()))
    throw Error(what)
        .because(ETIMEDOUT)
        .detail("wherry-systemd does not answer")
        .remedy("see what systemd does: systemctl list-jobs");
  std::vector<unsigned char> answer(systemd::kMaxMessage);
  const auto received = os::receive_message(channel_.get(), answer.data(), answer.size(), nullptr, 0);
  const auto size = received ? static_cast<std::size_t>(received->size) : 0;
  const auto reply = systemd::decode_reply({answer.data(), size});
  if (!reply) throw Error(what).because(EPIPE).detail("wherry-systemd ended without an answer");
  if (reply->error != 0) refuse(what, *reply);
}

}  // namespace wherry::cgroup
