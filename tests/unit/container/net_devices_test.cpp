// SPDX-License-Identifier: Apache-2.0
#include "container/net_devices.hpp"

#include <linux/if_addr.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include <catch2/catch.hpp>

using namespace wherry;

namespace {

std::string bytes_of(const void* data, std::size_t size) { return {static_cast<const char*>(data), size}; }

std::string padded(std::string text) {
  text.resize((text.size() + 3) & ~std::size_t{3});
  return text;
}

std::string attribute(unsigned short type, const std::string& value) {
  const rtattr header{static_cast<unsigned short>(sizeof(rtattr) + value.size()), type};
  return padded(bytes_of(&header, sizeof header) + value);
}

std::string message(std::uint16_t type, const std::string& body) {
  nlmsghdr header{};
  header.nlmsg_len = static_cast<std::uint32_t>(sizeof header + body.size());
  header.nlmsg_type = type;
  return padded(bytes_of(&header, sizeof header) + body);
}

std::string address(unsigned index, unsigned char flags, unsigned char scope, const std::string& attributes) {
  ifaddrmsg body{};
  body.ifa_family = 2;
  body.ifa_prefixlen = 24;
  body.ifa_flags = flags;
  body.ifa_scope = scope;
  body.ifa_index = index;
  return message(RTM_NEWADDR, bytes_of(&body, sizeof body) + attributes);
}

}  // namespace

TEST_CASE("the permanent global addresses of one device are kept", "[container][net_devices]") {
  const std::string local("\x0a\x00\x00\x02", 4), broadcast("\x0a\x00\x00\xff", 4);
  const std::string full = attribute(IFA_ADDRESS, local) + attribute(IFA_LOCAL, local) +
                           attribute(IFA_BROADCAST, broadcast) + attribute(IFA_LABEL, std::string("eth0:1\0", 7));
  const std::uint32_t temporary = 0, permanent = IFA_F_PERMANENT | 0x200;
  const std::string dump =
      address(7, IFA_F_PERMANENT, RT_SCOPE_UNIVERSE, full) + address(8, IFA_F_PERMANENT, RT_SCOPE_UNIVERSE, full) +
      address(7, IFA_F_PERMANENT, RT_SCOPE_LINK, full) + address(7, 0, RT_SCOPE_UNIVERSE, full) +
      address(7, IFA_F_PERMANENT, RT_SCOPE_UNIVERSE, attribute(IFA_FLAGS, bytes_of(&temporary, 4))) +
      address(7, 0, RT_SCOPE_UNIVERSE,
              attribute(IFA_LOCAL, broadcast) + attribute(IFA_FLAGS, bytes_of(&permanent, 4))) +
      message(NLMSG_DONE, std::string(4, '\0'));
  const auto found = container::parse_addresses(dump, 7);
  REQUIRE(found.size() == 2);
  CHECK(found[0] == container::NetAddress{2, 24, local, local, broadcast, "eth0:1"});
  CHECK(found[1].local == broadcast);
}

TEST_CASE("messages that are cut short are nothing", "[container][net_devices]") {
  const std::string one = address(7, IFA_F_PERMANENT, RT_SCOPE_UNIVERSE, attribute(IFA_LOCAL, "1234"));
  for (std::size_t size = 0; size < one.size(); ++size)
    CHECK(container::parse_addresses(std::string_view(one).substr(0, size), 7).empty());
  CHECK(container::parse_addresses(one, 7).size() == 1);
  ifinfomsg link{};
  link.ifi_index = 5;
  const std::string two = message(RTM_NEWLINK, bytes_of(&link, sizeof link));
  CHECK(container::parse_links(two + one + two) == std::vector<int>{5, 5});
  CHECK(container::parse_links(message(RTM_NEWLINK, "short")).empty());
}
