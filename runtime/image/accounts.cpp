// SPDX-License-Identifier: Apache-2.0
#include "image/accounts.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

#include "wherry/error.hpp"

namespace wherry::image {
namespace {

constexpr std::uint32_t kLargestId = 0xfffffffe;  // the last is chown(2)'s "leave it"

std::string_view take(std::string_view& rest, char separator) {
  const std::size_t end = std::min(rest.find(separator), rest.size());
  const std::string_view part = rest.substr(0, end);
  rest.remove_prefix(std::min(rest.size(), end + 1));
  return part;
}

bool is_number(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

// Digits only: no sign, no space, no exponent.
std::optional<std::uint32_t> parse_id(std::string_view text) {
  std::uint32_t value = 0;
  if (!is_number(text)) return std::nullopt;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (fault != std::errc{} || end != text.data() + text.size() || value > kLargestId) return std::nullopt;
  return value;
}

struct Line {
  std::string_view name, members;
  std::uint32_t id = 0, gid = 0;
};

// name:password:uid:gid:...
std::optional<Line> parse_passwd(std::string_view line) {
  Line result;
  result.name = take(line, ':');
  (void)take(line, ':');
  const auto uid = parse_id(take(line, ':'));
  const auto gid = parse_id(take(line, ':'));
  if (result.name.empty() || !uid || !gid) return std::nullopt;
  result.id = *uid;
  result.gid = *gid;
  return result;
}

// name:password:gid:member,member
std::optional<Line> parse_group(std::string_view line) {
  Line result;
  result.name = take(line, ':');
  (void)take(line, ':');
  const auto gid = parse_id(take(line, ':'));
  if (result.name.empty() || !gid) return std::nullopt;
  result.id = *gid;
  result.members = line;
  return result;
}

template <class Parse, class Test>
std::optional<Line> find_line(std::string_view text, Parse&& parse, Test&& test) {
  while (!text.empty()) {
    const auto line = parse(take(text, '\n'));
    if (line && test(*line)) return line;
  }
  return std::nullopt;
}

bool has_member(std::string_view members, std::string_view name) {
  while (!members.empty())
    if (take(members, ',') == name) return true;
  return false;
}

[[noreturn]] void refuse(const std::string& user, const std::string& why) {
  throw Error("use the image's user \"" + user + "\"").detail(why);
}

std::uint32_t number_or_refuse(const std::string& user, std::string_view text) {
  const auto id = parse_id(text);
  if (!id) refuse(user, std::string(text) + " is no id: the largest is 4294967294");
  return *id;
}

}  // namespace

Account find_account(const std::string& user, std::string_view passwd, std::string_view group) {
  constexpr std::size_t kLongestUser = 512;
  if (user.size() > kLongestUser) throw Error("use the image's user").detail("it is longer than 512 bytes");
  const std::size_t colon = user.find(':');
  const std::string name = user.empty() ? "0" : user.substr(0, colon);
  const std::string wanted_group = colon == std::string::npos ? "" : user.substr(colon + 1);
  if (name.empty() || (colon != std::string::npos && wanted_group.empty())) refuse(user, "a part is missing");

  Account account;
  std::optional<Line> line;
  if (is_number(name)) {
    account.uid = number_or_refuse(user, name);
    line = find_line(passwd, parse_passwd, [&](const Line& at) { return at.id == account.uid; });
  } else {
    line = find_line(passwd, parse_passwd, [&](const Line& at) { return at.name == name; });
    if (!line) refuse(user, name + " is not in the image's /etc/passwd");
    account.uid = line->id;
  }
  if (line) account.gid = line->gid;

  if (is_number(wanted_group)) {
    account.gid = number_or_refuse(user, wanted_group);
  } else if (!wanted_group.empty()) {
    const auto found = find_line(group, parse_group, [&](const Line& at) { return at.name == wanted_group; });
    if (!found) refuse(user, wanted_group + " is not in the image's /etc/group");
    account.gid = found->id;
  } else if (!is_number(name)) {
    (void)find_line(group, parse_group, [&](const Line& at) {
      if (has_member(at.members, name) && at.id != account.gid) account.additional_gids.push_back(at.id);
      return false;
    });
    std::ranges::sort(account.additional_gids);
    auto& gids = account.additional_gids;
    gids.erase(std::unique(gids.begin(), gids.end()), gids.end());
  }
  return account;
}

}  // namespace wherry::image
