// SPDX-License-Identifier: Apache-2.0
#include "shim/rootfs.hpp"

#include <unistd.h>

#include <algorithm>

#include "os/core/calls.hpp"
#include "plan/mount_options.hpp"
#include "wherry/error.hpp"

namespace wherry::shim {
namespace {

constexpr std::size_t kLongestValue = 255;    // fsconfig(2) takes strings of 256 bytes with their end
constexpr std::size_t kLongestData = 4095;    // mount(2) takes a page
constexpr int kUnmountNoFollow = 8;           // umount2(2) UMOUNT_NOFOLLOW
constexpr int kUnmountTries = 10;             // 10 ms apart, then it is detached
constexpr unsigned kMoveEmptyPaths = 4 | 64;  // MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH

[[noreturn]] void fail(const Mount& mount, const std::string& step, int error) {
  throw Error("mount " + mount.type + " " + mount.source + " as the root file system").because(error).detail(step);
}

// File systems of the old mount API do not say which option they refuse.
std::string create_with_options(const Mount& mount) {
  std::string text = "create";
  for (const std::string& option : mount.options) text += (text.size() == 6 ? " with " : ",") + option;
  return text;
}

void refuse_unknown(const Mount& mount) {
  for (const std::string& option : mount.options) {
    const std::string name = option.substr(0, option.find('='));
    if (name == "loop" || name == "uidmap" || name == "gidmap")
      throw Error("mount " + mount.type + " " + mount.source + " as the root file system")
          .detail("the option " + name + " is not supported")
          .remedy("use a snapshotter that gives plain overlay or bind mounts");
  }
}

os::Fd clone_tree(const Mount& mount, const plan::MountOptions& options) {
  const unsigned recursive = options.recursive ? static_cast<unsigned>(os::kAtRecursive) : 0U;
  auto tree = os::open_tree(os::kAtFdcwd, mount.source.c_str(), os::kOpenTreeClone | recursive);
  if (!tree) fail(mount, "open_tree", tree.error());
  mount_attr attributes{};
  attributes.attr_set = options.set.value;
  attributes.attr_clr = options.clear.value;
  if (attributes.attr_set == 0 && attributes.attr_clr == 0) return std::move(*tree);
  if (auto set = os::mount_setattr(tree->get(), "", os::kAtEmptyPath, attributes); !set)
    fail(mount, "mount_setattr", set.error());
  return std::move(*tree);
}

os::Fd new_file_system(const Mount& mount, const plan::MountOptions& options) {
  auto context = os::fsopen(mount.type.c_str());
  if (!context) fail(mount, "fsopen", context.error());
  const auto configure = [&](unsigned command, const char* key, const char* value) {
    if (auto set = os::fsconfig(context->get(), command, key, value, 0); !set)
      fail(mount, key == nullptr ? create_with_options(mount) : key, set.error());
  };
  if (!mount.source.empty()) configure(FSCONFIG_SET_STRING, "source", mount.source.c_str());
  if (options.readonly) configure(FSCONFIG_SET_FLAG, "ro", nullptr);
  for (const auto* list : {&options.superblock, &options.data})
    for (const std::string& option : *list) {
      const std::size_t equal = option.find('=');
      if (equal == std::string::npos)
        configure(FSCONFIG_SET_FLAG, option.c_str(), nullptr);
      else
        configure(FSCONFIG_SET_STRING, option.substr(0, equal).c_str(), option.c_str() + equal + 1);
    }
  configure(FSCONFIG_CMD_CREATE, nullptr, nullptr);
  auto made = os::fsmount(context->get(), static_cast<unsigned>(options.set.value));
  if (!made) fail(mount, "fsmount", made.error());
  return std::move(*made);
}

bool fits_fsconfig(const plan::MountOptions& options) {
  return std::all_of(options.data.begin(), options.data.end(), [](const std::string& option) {
    return option.size() - std::min(option.size(), option.find('=') + 1) <= kLongestValue;
  });
}

// Layers by short names: descriptors of their directories, held until the mount is made.
std::string shorten_layers(const Mount& mount, const std::string& option, std::vector<os::Fd>& held) {
  constexpr std::string_view kLower = "lowerdir=";
  if (option.compare(0, kLower.size(), kLower) != 0) return option;
  std::string out(kLower);
  for (std::size_t at = kLower.size(); at <= option.size();) {
    const std::size_t end = std::min(option.find(':', at), option.size());
    auto layer = os::openat(os::kAtFdcwd, option.substr(at, end - at).c_str(), os::kPath | os::kDirectory);
    if (!layer) fail(mount, "open a layer", layer.error());
    if (out.size() > kLower.size()) out.push_back(':');
    out += "/proc/self/fd/" + std::to_string(layer->get());
    held.push_back(std::move(*layer));
    at = end + 1;
  }
  return out;
}

std::string joined(const std::vector<std::string>& options) {
  std::string out;
  for (const std::string& option : options) out.append(out.empty() ? "" : ",").append(option);
  return out;
}

// Overlays with many layers: what fsconfig(2) takes for one option is too little for their list.
void mount_classic(const Mount& mount, const plan::MountOptions& options, const std::string& rootfs) {
  // mount(2) walks its target by name, and this name would lead through a root file system.
  if (!mount.target.empty()) fail(mount, "its options are too long for a mount with a target", E2BIG);
  std::vector<os::Fd> held;
  std::string data = joined(options.data);
  if (data.size() > kLongestData) {
    std::vector<std::string> shortened;
    for (const std::string& option : options.data) shortened.push_back(shorten_layers(mount, option, held));
    data = joined(shortened);
  }
  if (data.size() > kLongestData) fail(mount, "its options are longer than a page", E2BIG);
  // The MOUNT_ATTR_* of ro, nosuid, nodev and noexec have the values of MS_*.
  constexpr std::uint64_t kSame = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
  if (auto mounted =
          os::mount(mount.source.c_str(), rootfs.c_str(), mount.type.c_str(), options.set.value & kSame, data.c_str());
      !mounted)
    fail(mount, "mount", mounted.error());
}

void mount_one(const Mount& mount, const std::string& rootfs) {
  refuse_unknown(mount);
  const plan::MountOptions options = plan::parse_mount_options(mount.options);
  const bool bind = options.bind || mount.type == "bind";
  if (!bind && !fits_fsconfig(options)) return mount_classic(mount, options, rootfs);
  const os::Fd tree = bind ? clone_tree(mount, options) : new_file_system(mount, options);
  auto root = os::openat(os::kAtFdcwd, rootfs.c_str(), os::kPath | os::kDirectory);
  if (!root) fail(mount, rootfs, root.error());
  // `target` lies in what was mounted before: it may be a hostile image.
  auto target = os::openat2(root->get(), mount.target.empty() ? "." : mount.target.c_str(),
                            static_cast<std::uint64_t>(os::kPath), RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
  if (!target) fail(mount, "open its target", target.error());
  if (auto moved = os::move_mount(tree.get(), "", target->get(), "", kMoveEmptyPaths); !moved)
    fail(mount, "move_mount", moved.error());
}

}  // namespace

void mount_rootfs(const std::vector<Mount>& mounts, const std::string& rootfs) {
  if (mounts.empty()) return;
  if (auto made = os::mkdirat(os::kAtFdcwd, rootfs.c_str(), 0711); !made && made.error() != EEXIST)
    throw Error("make the directory " + rootfs).because(made.error());
  try {
    for (const Mount& mount : mounts) mount_one(mount, rootfs);
  } catch (...) {
    (void)unmount_rootfs(rootfs);  // the first error is the one that is thrown
    throw;
  }
}

std::string unmount_rootfs(const std::string& rootfs) noexcept {
  for (int tries = 0;;) {
    const auto done = os::umount2(rootfs.c_str(), kUnmountNoFollow);
    if (done) continue;                                               // there may be another one below it
    if (done.error() == EINVAL || done.error() == ENOENT) return {};  // umount2(2): it is no mount point
    if (done.error() != EBUSY) return "unmount " + rootfs + ": " + errno_name(done.error());
    if (++tries < kUnmountTries)
      ::usleep(10000);
    else if (!os::umount2(rootfs.c_str(), kUnmountNoFollow | os::kMntDetach))
      return "unmount " + rootfs + ": EBUSY";
  }
}

}  // namespace wherry::shim
