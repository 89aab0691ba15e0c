// SPDX-License-Identifier: Apache-2.0
#include "container/init_program.hpp"

#include <unistd.h>

#include "init/image.hpp"
#include "os/files.hpp"
#include "wherry/error.hpp"

namespace wherry::container {
namespace {

constexpr const char* kInstalled = WHERRY_LIBEXECDIR "/wherry-init";

std::string_view image_text() {
  const auto image = init::image();
  return {reinterpret_cast<const char*>(image.data()), image.size()};
}

// With vm.memfd_noexec=2 no memfd may be executed. The installed program is run through a detached read-only mount:
// through /proc/PID/exe a plain file could be opened for writing by root in the container (CVE-2019-5736).
os::Result<os::Fd> open_installed() {
  auto tree = os::open_tree(os::kAtFdcwd, kInstalled, os::kOpenTreeClone);
  if (!tree) return tree;
  mount_attr attributes{};
  attributes.attr_set = MOUNT_ATTR_RDONLY;
  auto changed = os::mount_setattr(tree->get(), "", os::kAtEmptyPath, attributes);
  return changed ? std::move(tree) : os::Result<os::Fd>::failure(changed.error());
}

os::Result<os::Child> spawn(const os::Result<os::Fd>& executable, os::Program& program) {
  if (!executable) return os::Result<os::Child>::failure(executable.error());
  program.executable = executable.value().get();
  return os::spawn(program);
}

}  // namespace

os::Child spawn_init(int channel, int page, unsigned preserve_fds) {
  os::Program program;
  program.args = {"wherry-init", std::to_string(channel), std::to_string(page)};
  program.kept = {channel, page};
  program.first_closed = 3 + preserve_fds;
  auto child = spawn(os::sealed_memory("wherry-init", image_text(), true), program);
  if (!child && (child.error() == EACCES || child.error() == EPERM)) child = spawn(open_installed(), program);
  if (!child)
    throw Error("start wherry-init").because(child.error())
        .remedy("set the sysctl vm.memfd_noexec to 0 or 1, or install " + std::string(kInstalled));
  return std::move(*child);
}

}  // namespace wherry::container
