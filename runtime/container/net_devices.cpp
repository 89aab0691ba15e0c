// SPDX-License-Identifier: Apache-2.0
#include "container/net_devices.hpp"

#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include <algorithm>
#include <cstring>
#include <optional>

#include "os/core/calls.hpp"
#include "wherry/error.hpp"

namespace wherry::container {
namespace {

constexpr int kAfNetlink = 16, kSockRaw = 3;
constexpr unsigned kIffUp = 1;
constexpr std::size_t kLargestAnswer = 65536;  // of one datagram; a dump comes in many
constexpr std::size_t kLargestDump = 64U << 20U;

class Request {
 public:
  template <class Body>
  Request(std::uint16_t type, std::uint16_t flags, const Body& body) {
    nlmsghdr header{};
    header.nlmsg_type = type;
    header.nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
    bytes_.append(reinterpret_cast<const char*>(&header), sizeof header);
    bytes_.append(reinterpret_cast<const char*>(&body), sizeof body);
  }
  Request& add(std::uint16_t type, std::string_view value) {
    const rtattr header{static_cast<unsigned short>(sizeof(rtattr) + value.size()), type};
    bytes_.append(reinterpret_cast<const char*>(&header), sizeof header).append(value);
    bytes_.resize((bytes_.size() + 3) & ~std::size_t{3});
    return *this;
  }
  Request& add_name(std::uint16_t type, const std::string& name) {
    return add(type, std::string(name.c_str(), name.size() + 1));
  }
  Request& add(std::uint16_t type, std::uint32_t value) {
    return add(type, std::string_view(reinterpret_cast<const char*>(&value), sizeof value));
  }
  [[nodiscard]] const std::string& bytes() {
    const auto size = static_cast<std::uint32_t>(bytes_.size());
    std::memcpy(bytes_.data(), &size, sizeof size);  // nlmsg_len
    return bytes_;
  }

 private:
  std::string bytes_;
};

// Calls visit(header, body) for each message that is whole.
template <class Visit>
void for_each_message(std::string_view bytes, Visit&& visit) {
  nlmsghdr header;
  while (bytes.size() >= sizeof header) {
    std::memcpy(&header, bytes.data(), sizeof header);
    if (header.nlmsg_len < sizeof header || header.nlmsg_len > bytes.size()) return;
    visit(header, bytes.substr(sizeof header, header.nlmsg_len - sizeof header));
    bytes.remove_prefix(std::min<std::size_t>((header.nlmsg_len + std::size_t{3}) & ~std::size_t{3}, bytes.size()));
  }
}

template <class Visit>
void for_each_attribute(std::string_view bytes, Visit&& visit) {
  rtattr header;
  while (bytes.size() >= sizeof header) {
    std::memcpy(&header, bytes.data(), sizeof header);
    if (header.rta_len < sizeof header || header.rta_len > bytes.size()) return;
    visit(header.rta_type, bytes.substr(sizeof header, header.rta_len - sizeof header));
    bytes.remove_prefix(std::min<std::size_t>((header.rta_len + std::size_t{3}) & ~std::size_t{3}, bytes.size()));
  }
}

template <class Body>
std::optional<Body> body_of(std::string_view& bytes) {
  Body body;
  if (bytes.size() < sizeof body) return std::nullopt;
  std::memcpy(&body, bytes.data(), sizeof body);
  bytes.remove_prefix(std::min<std::size_t>((sizeof body + 3) & ~std::size_t{3}, bytes.size()));
  return body;
}

struct Answer {
  int error = 0;          // errno
  bool complete = false;  // NLMSG_ERROR or NLMSG_DONE was among it
};

Answer answer_in(std::string_view datagram) {
  Answer answer;
  for_each_message(datagram, [&](const nlmsghdr& header, std::string_view body) {
    if (header.nlmsg_type == NLMSG_DONE) answer.complete = true;
    if (header.nlmsg_type != NLMSG_ERROR) return;
    answer.complete = true;
    if (body.size() >= sizeof(int)) {
      int error;
      std::memcpy(&error, body.data(), sizeof error);
      answer.error = -error;
    }
  });
  return answer;
}

// Sends, and receives up to the acknowledgement or the end of the dump.
os::Result<std::string> talk(int socket, Request request) {
  const std::string& bytes = request.bytes();
  if (auto sent = os::send_message(socket, bytes.data(), bytes.size()); !sent)
    return os::Result<std::string>::failure(sent.error());
  std::string all;
  std::vector<char> buffer(kLargestAnswer);
  for (;;) {
    auto got = os::read(socket, buffer.data(), buffer.size());
    if (!got) return os::Result<std::string>::failure(got.error());
    const std::string_view datagram(buffer.data(), static_cast<std::size_t>(*got));
    const Answer answer = answer_in(datagram);
    if (answer.error != 0) return os::Result<std::string>::failure(answer.error);
    all.append(datagram);
    if (answer.complete) return all;
    if (datagram.empty() || all.size() > kLargestDump) return os::Result<std::string>::failure(EPROTO);
  }
}

std::string must(os::Result<std::string> answer, const Error& failure) {
  if (!answer) throw Error(failure).because(answer.error());
  return std::move(*answer);
}

std::vector<int> links(int socket, const Error& failure) {
  return parse_links(must(talk(socket, Request(RTM_GETLINK, NLM_F_DUMP, ifinfomsg{})), failure));
}

int index_of(int socket, const std::string& name, const Error& failure) {
  auto answer = talk(socket, Request(RTM_GETLINK, NLM_F_ACK, ifinfomsg{}).add_name(IFLA_IFNAME, name));
  if (!answer && answer.error() == ENODEV)
    throw Error(failure).because(ENODEV).remedy("name a network device of the host");
  const std::vector<int> found = parse_links(must(std::move(answer), failure));
  if (found.empty()) throw Error(failure).because(EPROTO);
  return found.front();
}

void set_up(int socket, int device, const Error& failure) {
  ifinfomsg link{};
  link.ifi_index = device;
  link.ifi_flags = link.ifi_change = kIffUp;
  (void)must(talk(socket, Request(RTM_SETLINK, NLM_F_ACK, link)), failure);
}

void add_address(int socket, int device, const NetAddress& address, bool renamed, const Error& failure) {
  ifaddrmsg body{};
  body.ifa_family = address.family;
  body.ifa_prefixlen = address.prefix;
  body.ifa_flags = IFA_F_PERMANENT;
  body.ifa_index = static_cast<unsigned>(device);
  Request request(RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE, body);
  if (!address.local.empty()) request.add(IFA_LOCAL, std::string_view(address.local));
  if (!address.address.empty()) request.add(IFA_ADDRESS, std::string_view(address.address));
  if (!address.broadcast.empty()) request.add(IFA_BROADCAST, std::string_view(address.broadcast));
  if (!address.label.empty() && !renamed) request.add_name(IFA_LABEL, address.label);  // it begins with the name
  (void)must(talk(socket, request), failure);
}

}  // namespace

std::vector<NetAddress> parse_addresses(std::string_view messages, int index) {
  std::vector<NetAddress> found;
  for_each_message(messages, [&](const nlmsghdr& header, std::string_view rest) {
    if (header.nlmsg_type != RTM_NEWADDR) return;
    const auto body = body_of<ifaddrmsg>(rest);
    if (!body || body->ifa_index != static_cast<unsigned>(index) || body->ifa_scope != RT_SCOPE_UNIVERSE) return;
    NetAddress address;
    address.family = body->ifa_family;
    address.prefix = body->ifa_prefixlen;
    std::uint32_t flags = body->ifa_flags;
    for_each_attribute(rest, [&](unsigned short type, std::string_view value) {
      if (type == IFA_LOCAL) address.local = value;
      if (type == IFA_ADDRESS) address.address = value;
      if (type == IFA_BROADCAST) address.broadcast = value;
      if (type == IFA_LABEL) address.label = value.substr(0, value.find('\0'));
      if (type == IFA_FLAGS && value.size() == sizeof flags) std::memcpy(&flags, value.data(), sizeof flags);
    });
    if ((flags & IFA_F_PERMANENT) != 0) found.push_back(std::move(address));
  });
  return found;
}

std::vector<int> parse_links(std::string_view messages) {
  std::vector<int> found;
  for_each_message(messages, [&](const nlmsghdr& header, std::string_view rest) {
    const auto body = header.nlmsg_type == RTM_NEWLINK ? body_of<ifinfomsg>(rest) : std::nullopt;
    if (body) found.push_back(body->ifi_index);
  });
  return found;
}

void move_net_device(const plan::MoveNetDevice& device, int inside, pid_t pid) {
  const Error failure("move the network device " + device.host_name);
  auto outside = os::socket(kAfNetlink, kSockRaw);
  if (!outside) throw Error(failure).because(outside.error());
  const int index = index_of(outside->get(), device.host_name, failure);
  const std::string dump = must(talk(outside->get(), Request(RTM_GETADDR, NLM_F_DUMP, ifaddrmsg{})), failure);
  const std::vector<NetAddress> addresses = parse_addresses(dump, index);
  const std::vector<int> before = links(inside, failure);
  // The kernel moves first and renames then.
  const auto namesake = talk(inside, Request(RTM_GETLINK, NLM_F_ACK, ifinfomsg{}).add_name(IFLA_IFNAME, device.name));
  if (!namesake && namesake.error() != ENODEV) throw Error(failure).because(namesake.error());
  if (namesake)
    throw Error(failure).because(EEXIST).detail("the container has a network device " + device.name + " already");
  ifinfomsg link{};
  link.ifi_index = index;
  link.ifi_change = kIffUp;  // down: its name is to change
  Request move(RTM_SETLINK, NLM_F_ACK, link);
  move.add_name(IFLA_IFNAME, device.name).add(IFLA_NET_NS_PID, static_cast<std::uint32_t>(pid));
  (void)must(talk(outside->get(), move), failure);
  // The kernel keeps the index if it is free there; the name may be a pattern.
  for (const int arrived : links(inside, failure)) {
    if (std::find(before.begin(), before.end(), arrived) != before.end()) continue;
    for (const NetAddress& address : addresses)
      add_address(inside, arrived, address, device.name != device.host_name, failure);
    return set_up(inside, arrived, failure);
  }
  throw Error(failure).because(ENODEV).detail("it did not arrive");
}

}  // namespace wherry::container
