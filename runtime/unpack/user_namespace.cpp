// SPDX-License-Identifier: Apache-2.0
#include "unpack/user_namespace.hpp"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>

#include "container/id_maps.hpp"
#include "container/users.hpp"
#include "os/files.hpp"
#include "os/spawn.hpp"
#include "wherry/error.hpp"

namespace wherry::unpacking {
namespace {

using image::IdRange;

constexpr std::size_t kLargestFile = 4U << 20U;

std::string_view take(std::string_view& rest, char separator) {
  const std::size_t end = std::min(rest.find(separator), rest.size());
  const std::string_view part = rest.substr(0, end);
  rest.remove_prefix(std::min(rest.size(), end + 1));
  return part;
}

std::optional<std::uint32_t> number(std::string_view text) {
  std::uint32_t value = 0;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || fault != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<IdRange> subordinate(const char* file, unsigned uid) {
  const auto text = os::read_file(os::kAtFdcwd, file, kLargestFile);
  if (!text) return std::nullopt;
  const std::string digits = std::to_string(uid);
  return find_subordinate(text.value(), container::user_name(digits), digits);
}

std::string encode(const std::vector<IdRange>& ranges) {
  std::string text;
  for (const IdRange& range : ranges)
    text += std::to_string(range.container) + ":" + std::to_string(range.host) + ":" + std::to_string(range.size) + ",";
  return text;
}

std::vector<plan::IdMap> decode(std::string_view text) {
  std::vector<plan::IdMap> maps;
  while (!text.empty()) {
    std::string_view one = take(text, ',');
    const auto container = number(take(one, ':')), host = number(take(one, ':')), size = number(one);
    if (!container || !host || !size) throw Error("map-ids is for this program's own use");
    maps.push_back({*container, *host, *size});
  }
  return maps;
}

void set_single(Identity& identity) {
  identity.uids = {{0, identity.uid, 1}};
  identity.gids = {{0, identity.gid, 1}};
  identity.many_ids = false;
}

void set_ranges(Identity& identity) {
  set_single(identity);
  const auto uids = subordinate("/etc/subuid", identity.uid);
  const auto gids = subordinate("/etc/subgid", identity.uid);
  if (!uids || !gids) return;
  identity.uids.push_back({1, uids->host, uids->size});
  identity.gids.push_back({1, gids->host, gids->size});
  identity.many_ids = true;
}

// The helper waits outside; when this process is inside, it writes the maps. What it could not do is the result.
std::optional<std::string> try_to_enter(const std::string& self, const Identity& identity) {
  int ends[2] = {-1, -1};
  if (auto made = os::socketpair(os::kSockSeqpacket, ends); !made) throw Error("make a socket").because(made.error());
  const os::Fd ours(ends[0]);
  os::Fd theirs(ends[1]);
  os::Program program;
  program.path = self;
  program.args = {
      "wherry-unpack",      "map-ids", std::to_string(::getpid()), std::to_string(theirs.get()), encode(identity.uids),
      encode(identity.gids)};
  program.kept = {theirs.get()};
  auto helper = os::spawn(program);
  if (!helper) throw Error("start " + self).because(helper.error());
  theirs.reset();
  if (auto entered = os::unshare(CLONE_NEWUSER); !entered)
    throw Error("make a user namespace")
        .because(entered.error())
        .remedy("allow them to users (kernel.unprivileged_userns_clone, user.max_user_namespaces), or be root");
  char answer[1024];
  auto asked = os::write(ours.get(), "?", 1);
  auto size = asked ? os::read(ours.get(), answer, sizeof answer) : asked;
  (void)os::reap(helper->pidfd.get());  // what it did, its answer says
  if (!size || *size == 0) return "the helper ended early";
  const std::string text(answer, static_cast<std::size_t>(*size));
  if (text == "+") return std::nullopt;
  return text;
}

}  // namespace

std::optional<IdRange> find_subordinate(std::string_view text, std::string_view name, std::string_view uid) {
  while (!text.empty()) {
    std::string_view line = take(text, '\n');
    const std::string_view user = take(line, ':');
    if (user != name && user != uid) continue;
    const auto first = number(take(line, ':'));
    const auto count = number(line);
    if (first && count && *count != 0 && *first <= 0xffffffffU - *count) return IdRange{0, *first, *count};
  }
  return std::nullopt;
}

Identity enter_user_namespace(const std::string& self) {
  Identity identity;
  identity.uid = ::geteuid();
  identity.gid = ::getegid();
  if (identity.uid == 0) return identity;
  identity.privileged = false;
  set_ranges(identity);
  // Whether newuidmap(1) is there and agrees is known only when it was asked; a map once written stays.
  if (const auto fault = try_to_enter(self, identity)) {
    if (identity.many_ids) throw Error("map ids").detail(*fault);
    throw Error("map the caller's own id").detail(*fault);
  }
  return identity;
}

int map_ids(const std::vector<std::string>& words) {
  const auto pid = words.size() == 4 ? number(words[0]) : std::nullopt;
  const auto fd = words.size() == 4 ? number(words[1]) : std::nullopt;
  if (!pid || !fd) throw Error("map-ids is for this program's own use");
  const int socket = static_cast<int>(*fd);
  char asked = 0;
  auto size = os::read(socket, &asked, 1);
  if (!size || *size != 1) return 1;
  std::string answer = "+";
  try {
    plan::MapIds maps;
    maps.uids = decode(words[2]);
    maps.gids = decode(words[3]);
    container::write_id_maps(maps, static_cast<pid_t>(*pid));
  } catch (const Error& error) {
    answer = error.message().substr(0, 1000);
  }
  return os::write(socket, answer.data(), answer.size()) ? 0 : 1;
}

}  // namespace wherry::unpacking
