// SPDX-License-Identifier: Apache-2.0
#include "image/overlay.hpp"

#include <sched.h>

#include "image/store.hpp"
#include "image/tree.hpp"
#include "os/core/calls.hpp"

namespace wherry::image {
namespace {

bool can_mount(const Draft& draft) {
  for (const char* name : {"lower", "upper", "work"})
    if (!os::mkdirat(draft.fd(), name, 0700)) return false;
  if (os::raw_syscall(__NR_fsetxattr, draft.fd(), os::address(kOpaqueName), os::address("y"), 1, 0) < 0) return false;
  auto context = os::fsopen("overlay");
  if (!context) return false;
  for (const char* key : {"lower", "upper", "work"}) {
    const std::string option = std::string(key) + "dir", value = draft.path() + "/" + key;
    if (!os::fsconfig(context->get(), FSCONFIG_SET_STRING, option.c_str(), value.c_str(), 0)) return false;
  }
  return os::fsconfig(context->get(), FSCONFIG_SET_FLAG, "userxattr", nullptr, 0) &&
         os::fsconfig(context->get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0);
}

}  // namespace

bool overlay_works(const std::string& store) {
  if (!os::unshare(CLONE_NEWNS)) return false;
  const Draft draft = Store(store).draft();
  return can_mount(draft);
}

}  // namespace wherry::image
