// SPDX-License-Identifier: Apache-2.0
// The `delete` verb. containerd calls it behind every container, most of which are gone by then.
#include <unistd.h>

#include <cstdlib>

#include "os/files.hpp"
#include "os/sockets.hpp"
#include "shim/bundle.hpp"
#include "shim/commands.hpp"
#include "shim/events.hpp"
#include "shim/log.hpp"
#include "shim/messages.hpp"
#include "shim/rootfs.hpp"
#include "wherry/wherry.hpp"

namespace wherry::shim {
namespace {

constexpr std::uint32_t kKilled = 137;
constexpr std::size_t kLargestNumber = 64;

std::uint32_t saved_pid(const std::string& bundle) {
  auto text = os::read_file(os::kAtFdcwd, (bundle + "/" + kPidFile).c_str(), kLargestNumber);
  return text ? static_cast<std::uint32_t>(std::strtoul(text->c_str(), nullptr, 10)) : 0;
}

// Only where nobody listens any more: in a pod the shim serves the others.
void remove_stale_socket(const std::string& bundle) {
  constexpr std::string_view kScheme = "unix://";
  auto address = os::read_file(os::kAtFdcwd, (bundle + "/" + kAddressFile).c_str(), 4096);
  if (!address || address->compare(0, kScheme.size(), kScheme) != 0) return;
  const std::string path = address->substr(kScheme.size());
  const auto connected = os::connect_to(path, os::kSockStream);
  if (!connected && connected.error() == ECONNREFUSED) (void)::unlink(path.c_str());
}

}  // namespace

std::string remove_left_over(const Arguments& arguments) {
  const std::string bundle = arguments.bundle.empty() ? "." : arguments.bundle;
  DeleteResponse response{saved_pid(bundle), kKilled, {}};
  try {
    Settings settings;
    settings.root = saved_root(bundle, arguments.container_namespace);
    for (const std::string& warning : wherry::remove(settings, arguments.id, true)) log_warning(warning);
  } catch (const Error& error) {
    log_warning(error.message());
  }
  if (const std::string left = unmount_rootfs(bundle + "/rootfs"); !left.empty()) log_warning(left);
  remove_stale_socket(bundle);
  response.exited_at = now();
  return encode(response);
}

}  // namespace wherry::shim
