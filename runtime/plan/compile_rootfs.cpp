// SPDX-License-Identifier: Apache-2.0
// What the container sees below "/".
#include <sys/sysmacros.h>

#include <algorithm>

#include "oci/names.hpp"
#include "os/core/abi.hpp"
#include "plan/composer.hpp"
#include "plan/mount_options.hpp"
#include "wherry/error.hpp"

namespace wherry::plan {
namespace {

using oci::NamespaceType;

// config-linux.md "Default Devices"
struct DefaultDevice {
  const char* path;
  uint32_t major, minor;
};
constexpr DefaultDevice kDefaultDevices[] = {
    {"/dev/null", 1, 3},   {"/dev/zero", 1, 5},    {"/dev/full", 1, 7},
    {"/dev/random", 1, 8}, {"/dev/urandom", 1, 9}, {"/dev/tty", 5, 0},
};

// runtime-linux.md "Dev symbolic links"
struct Link {
  const char* path;
  const char* target;
};
constexpr Link kLinks[] = {
    {"/dev/fd", "/proc/self/fd"},
    {"/dev/stdin", "/proc/self/fd/0"},
    {"/dev/stdout", "/proc/self/fd/1"},
    {"/dev/stderr", "/proc/self/fd/2"},
};

uint64_t propagation_bits(oci::RootfsPropagation propagation) {
  switch (propagation) {  // intentionally no default
    case oci::RootfsPropagation::kPrivate:
      return os::kMsPrivate;
    case oci::RootfsPropagation::kRprivate:
      return os::kMsPrivate | os::kMsRec;
    case oci::RootfsPropagation::kShared:
      return os::kMsShared;
    case oci::RootfsPropagation::kRshared:
      return os::kMsShared | os::kMsRec;
    case oci::RootfsPropagation::kSlave:
      return os::kMsSlave;
    case oci::RootfsPropagation::kRslave:
      return os::kMsSlave | os::kMsRec;
    case oci::RootfsPropagation::kUnbindable:
      return os::kMsUnbindable;
    case oci::RootfsPropagation::kRunbindable:
      return os::kMsUnbindable | os::kMsRec;
  }
  return 0;
}

// What the container's mounts are to the host's: peers when rootfsPropagation says shared, else receivers at most.
uint64_t inherited_propagation(const Composer& out) {
  const auto& wanted = out.spec.linux.rootfs_propagation;
  if (!wanted) return os::kMsSlave | os::kMsRec;
  const uint64_t bits = propagation_bits(*wanted);
  if ((bits & os::kMsShared) != 0) return 0;
  // An unbindable tree could not be bound below.
  return (bits & os::kMsUnbindable) != 0 ? os::kMsPrivate | os::kMsRec : bits | os::kMsRec;
}

bool keeps_host_peers(const Composer& out) { return inherited_propagation(out) == 0; }

std::string normalized(const std::string& path) {
  std::string result;
  std::size_t at = 0;
  while (at < path.size()) {
    const std::size_t end = std::min(path.find('/', at), path.size());
    const std::string_view component(path.data() + at, end - at);
    if (!component.empty() && component != ".") result.append("/").append(component);
    at = end + 1;
  }
  return result.empty() ? "/" : result;
}

std::string absolute(const Composer& out, const std::string& path) {
  return path.empty() || path.front() != '/' ? out.facts.bundle + "/" + path : path;
}

// As runc takes it: a destination may be written as the host sees it, with the rootfs in front.
std::string target_of(const Composer& out, const oci::Mount& mount) {
  const std::string& path = mount.destination;
  const std::string& rootfs = out.facts.rootfs;
  const bool has_rootfs = path.size() > rootfs.size() && path.rfind(rootfs, 0) == 0 && path[rootfs.size()] == '/';
  return normalized(has_rootfs ? path.substr(rootfs.size()) : path);
}

// Such a source may be what an earlier mount brought there: it cannot be opened before that.
bool lies_in_rootfs(const Composer& out, const std::string& source) {
  return source == out.facts.rootfs || source.rfind(out.facts.rootfs + "/", 0) == 0;
}

bool is_below(const std::string& path, const std::string& top) {
  return path == top || top == "/" || path.rfind(top + "/", 0) == 0;
}

// A bind source in the rootfs that an earlier mount covers, or mounts something into.
bool is_brought(const Composer& out, std::size_t index) {
  const oci::Mount& mount = out.spec.mounts[index];
  const std::string source = normalized(absolute(out, mount.source));
  if (!parse_mount_options(mount.options).bind || !lies_in_rootfs(out, source)) return false;
  const std::string inside = normalized(source.substr(out.facts.rootfs.size()));
  return std::any_of(out.spec.mounts.begin(), out.spec.mounts.begin() + static_cast<std::ptrdiff_t>(index),
                     [&](const oci::Mount& earlier) {
                       const std::string target = target_of(out, earlier);
                       return is_below(inside, target) || is_below(target, inside);
                     });
}

// A tmpfs that becomes read-only when the mounts, nodes and links below it are there.
bool is_sealed_late(const Composer& out, const oci::Mount& mount, const MountOptions& options) {
  if (options.bind || mount.type != "tmpfs" || (options.set.value & MOUNT_ATTR_RDONLY) == 0) return false;
  const std::string target = target_of(out, mount);
  return target == "/dev" || std::any_of(out.spec.mounts.begin(), out.spec.mounts.end(), [&](const oci::Mount& other) {
           return target_of(out, other).rfind(target + "/", 0) == 0;
         });
}

// Kernel file systems whose superblock others share, or whose mount flag is all that matters.
bool mount_flag_suffices(const std::string& type) {
  constexpr const char* kTypes[] = {"proc", "sysfs", "tmpfs", "devpts", "mqueue", "cgroup2"};
  return std::find(std::begin(kTypes), std::end(kTypes), type) != std::end(kTypes);
}

// What is bound instead where the kernel forbids a fresh instance: only where the host's is also the container's.
std::string fallback_for(const Composer& out, const std::string& type) {
  if (!out.in_user_namespace()) return {};
  if (type == "sysfs") return "/sys";
  if (type == "proc" && !out.has(NamespaceType::kPid)) return "/proc";
  if (type == "mqueue" && !out.has(NamespaceType::kIpc)) return "/dev/mqueue";
  return {};
}

// What the flags of a bind mount leave unsaid: without any, all is as at the source; with one, the others are cleared,
// as MS_REMOUNT | MS_BIND does, and with it runc and crun. In a user namespace the kernel locks all but nosymfollow.
MountAttributes unsaid_flags(const Composer& out, const MountOptions& options) {
  constexpr uint64_t kFlags =
      MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NOSYMFOLLOW;
  if ((options.set.value | options.clear.value) == 0) return {};
  const bool locked = out.in_user_namespace() || out.facts.in_user_namespace;
  return {(locked ? MOUNT_ATTR_NOSYMFOLLOW : kFlags) & ~(options.set.value | options.recursive_set.value)};
}

void add_bind(Composer& out, const oci::Mount& mount, const MountOptions& options, Slot slot, std::string source,
              const std::string& origin) {
  if (!options.data.empty())
    throw Error("bind " + source + " on " + mount.destination)
        .at(origin)
        .because(EINVAL)
        .detail("unknown mount option \"" + options.data.front() + "\"")
        .remedy("a bind mount has no file system options");
  Bind<Owned> step;
  step.target = target_of(out, mount);
  step.source = std::move(source);
  step.slot = slot;
  step.recursive = options.recursive;
  step.set = options.set;
  step.clear = {options.clear.value | unsaid_flags(out, options).value};
  step.recursive_set = options.recursive_set;
  step.recursive_clear = options.recursive_clear;
  step.propagation = options.propagation;
  out.pid1(std::move(step), origin);
}

void refuse_copy_up(const oci::Mount& mount, const MountOptions& options, const std::string& origin) {
  if (options.copy_up && mount.type != "tmpfs")
    throw Error("mount " + mount.type + " on " + normalized(mount.destination))
        .at(origin)
        .because(EINVAL)
        .detail("tmpcopyup is for tmpfs");
}

// Engines write a context in quotes, as mount(2) needs it where it holds commas.
std::string unquoted_context(const std::string& option) {
  constexpr const char* kContexts[] = {"context=\"", "fscontext=\"", "defcontext=\"", "rootcontext=\""};
  for (const std::string_view start : kContexts) {
    if (option.rfind(start, 0) != 0 || option.back() != '"' || option.size() <= start.size()) continue;
    return option.substr(0, start.size() - 1) + option.substr(start.size(), option.size() - start.size() - 1);
  }
  return option;
}

// These have labels of the policy's own; mqueue is mounted by the kernel already, so that its root is labelled instead.
bool takes_context(const std::string& type) {
  constexpr const char* kOthers[] = {"proc", "sysfs", "mqueue", "cgroup2"};
  return std::find(std::begin(kOthers), std::end(kOthers), type) == std::end(kOthers);
}

// linux.mountLabel, unless the mount has a context of its own.
std::vector<std::string> filesystem_options(const Composer& out, const MountOptions& options, const std::string& type) {
  std::vector<std::string> all = options.superblock;
  bool own_context = false;
  for (const std::string& option : options.data) {
    all.push_back(unquoted_context(option));
    own_context = own_context || option.rfind("context=", 0) == 0;
  }
  const std::string& label = out.spec.linux.mount_label;
  if (!label.empty() && !own_context && takes_context(type)) all.push_back("context=" + label);
  return all;
}

void add_filesystem(Composer& out, const oci::Mount& mount, const MountOptions& options, std::string type,
                    const std::string& origin) {
  Mount<Owned> step;
  step.target = target_of(out, mount);
  step.source = mount.source;
  step.attributes = {options.set.value | options.recursive_set.value};
  if (is_sealed_late(out, mount, options)) step.attributes.value &= ~uint64_t{MOUNT_ATTR_RDONLY};
  step.superblock_readonly = options.readonly && !mount_flag_suffices(type);
  step.options = filesystem_options(out, options, type);
  if (type == "mqueue") step.label = out.spec.linux.mount_label;
  step.propagation = options.propagation;
  step.copy_up = options.copy_up;
  step.fallback = fallback_for(out, type);
  step.type = std::move(type);
  refuse_copy_up(mount, options, origin);
  out.pid1(std::move(step), origin);
}

// An overlay over the root itself: a root made of layers, as `wherry unpack` writes it.
bool covers_root(const oci::Mount& mount) { return mount.type == "overlay" && normalized(mount.destination) == "/"; }

OverlayParts overlay_parts(const MountOptions& options, const std::string& origin) {
  std::vector<std::string> data = options.superblock;
  data.insert(data.end(), options.data.begin(), options.data.end());
  return parse_overlay(data, origin);
}

// ---- id-mapped mounts (config.md "idmap", config-linux.md "mounts": uidMappings)

bool maps_ids(const oci::Mount& mount, const MountOptions& options) {
  return options.idmap || !mount.uid_mappings.empty() || !mount.gid_mappings.empty();
}

void refuse_mapping(const Composer& out, const oci::Mount& mount, const MountOptions& options,
                    const std::string& origin) {
  const Error error = Error("mount " + mount.source + " on " + mount.destination).at(origin);
  if (mount.uid_mappings.empty() && !out.has(NamespaceType::kUser))
    throw Error(error)
        .detail("there is nothing to map ids by")
        .remedy("add uidMappings and gidMappings, or a user namespace");
  if (!out.facts.privileged)
    throw Error(error)
        .because(EPERM)
        .detail("id-mapped mounts need CAP_SYS_ADMIN over the file system")
        .remedy("run as root");
  if (!options.bind && (mount.type == "cgroup" || mount.type == "cgroup2"))
    throw Error(error).because(EINVAL).detail("cgroups cannot be id-mapped").remedy("remove idmap and the mappings");
}

// A joined user namespace serves as it is; a new one exists too late, so its maps are made a second time.
Slot mapping_slot(Composer& out, const oci::Mount& mount, std::vector<CreateIdMapping>& made,
                  const std::string& origin) {
  const bool own = !mount.uid_mappings.empty();
  if (!own && out.opened.user_namespace != slot::kNone) return out.opened.user_namespace;
  CreateIdMapping wanted{id_maps(own ? mount.uid_mappings : out.spec.linux.uid_mappings),
                         id_maps(own ? mount.gid_mappings : out.spec.linux.gid_mappings), slot::kNone};
  for (const CreateIdMapping& one : made)
    if (one.uids == wanted.uids && one.gids == wanted.gids) return one.slot;
  wanted.slot = out.new_slot(origin);
  out.host(wanted, origin);
  made.push_back(wanted);
  return wanted.slot;
}

void open_filesystem(Composer& out, const oci::Mount& mount, const MountOptions& options, Slot slot, Slot mapping,
                     const std::string& origin) {
  refuse_copy_up(mount, options, origin);
  OpenFilesystem<Owned> step;
  step.type = mount.type;
  step.source = mount.source;
  step.attributes = {options.set.value | options.recursive_set.value};
  step.superblock_readonly = options.readonly && !mount_flag_suffices(mount.type);
  step.options = filesystem_options(out, options, mount.type);
  step.slot = slot;
  step.mapping = mapping;
  out.init(std::move(step), origin);
}

void add_opened_filesystem(Composer& out, const oci::Mount& mount, const MountOptions& options, Slot slot,
                           const std::string& origin) {
  Bind<Owned> step;
  step.target = target_of(out, mount);
  step.source = mount.type;
  step.slot = slot;
  step.propagation = options.propagation;
  step.copy_up = options.copy_up;
  out.pid1(std::move(step), origin);
}

void add_overlay(Composer& out, const MountOptions& options, const std::string& origin) {
  if (keeps_host_peers(out))
    throw Error("mount overlay on /")
        .at(origin)
        .detail("it would appear on the host, since rootfsPropagation is shared")
        .remedy("remove linux.rootfsPropagation");
  OverlayParts parts = overlay_parts(options, origin);
  MountOverlay<Owned> step;
  step.directory = std::move(parts.directory);
  step.directory_slot = out.opened.layers;
  step.lowers = std::move(parts.lowers);
  step.changes = std::move(parts.changes);
  step.changes_slot = out.opened.changes;
  step.upper = std::move(parts.upper);
  step.work = std::move(parts.work);
  step.options = std::move(parts.options);
  step.attributes = {options.set.value | options.recursive_set.value};
  out.pid1(std::move(step), origin);
}

// config.md "mounts": a cgroup mount shows the unified hierarchy, from the container's own cgroup if it has a cgroup
// namespace. Without one the host's mount is bound, because mounting cgroup2 anew would change the flags of all; to an
// unprivileged user's container read-only, since the files of that user's other cgroups are there (CVE-2023-25809).
void add_cgroup(Composer& out, const oci::Mount& mount, MountOptions options, const std::string& origin) {
  options.data.clear();  // v1 names and "xattr" mean nothing here
  if (out.has(NamespaceType::kCgroup)) return add_filesystem(out, mount, options, "cgroup2", origin);
  options.recursive = true;
  if (!out.facts.privileged || out.facts.in_user_namespace)
    options.recursive_set.value |= MOUNT_ATTR_RDONLY, options.clear.value &= ~uint64_t{MOUNT_ATTR_RDONLY};
  add_bind(out, mount, options, slot::kNone, out.facts.cgroup_mount, origin);
}

// What may be bound below /proc: files that lxcfs and the like put there.
constexpr const char* kProcFiles[] = {
    "/proc/cpuinfo",
    "/proc/diskstats",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/swaps",
    "/proc/uptime",
    "/proc/loadavg",
    "/proc/slabinfo",
    "/proc/sys/kernel/ns_last_pid",
    "/proc/sys/crypto/fips_enabled",
};

// CVE-2019-16884: what stands in for /proc would take the writes of labels. Bound there may be the host's procfs alone.
void protect_proc(const Composer& out, const oci::Mount& mount, const MountOptions& options,
                  const std::string& origin) {
  const std::string target = target_of(out, mount);
  if (target != "/proc" && target.rfind("/proc/", 0) != 0) return;
  const bool procfs = options.bind ? normalized(absolute(out, mount.source)) == "/proc" : mount.type == "proc";
  if (target == "/proc" && procfs) return;
  if (std::find(std::begin(kProcFiles), std::end(kProcFiles), target) != std::end(kProcFiles)) return;
  throw Error("mount " + (mount.type.empty() ? mount.source : mount.type) + " on " + mount.destination)
      .at(origin)
      .detail("it cannot be mounted because it is inside /proc")
      .remedy("choose another destination");
}

void compile_mount(Composer& out, const oci::Mount& mount, Slot early_slot, const std::string& origin) {
  MountOptions options = parse_mount_options(mount.options);
  protect_proc(out, mount, options, origin);
  if (early_slot != slot::kNone && !options.bind) return add_opened_filesystem(out, mount, options, early_slot, origin);
  if (options.bind) return add_bind(out, mount, options, early_slot, absolute(out, mount.source), origin);
  if (covers_root(mount)) return add_overlay(out, options, origin);
  if (mount.type == "cgroup" || mount.type == "cgroup2") return add_cgroup(out, mount, std::move(options), origin);
  if (mount.type.empty() || mount.type == "bind" || mount.type == "none")
    throw Error("mount " + mount.source + " on " + mount.destination)
        .at(origin)
        .because(EINVAL)
        .detail(mount.type.empty() ? "no type" : "type \"" + mount.type + "\" without the option bind or rbind")
        .remedy("name a file system type, or add the option bind or rbind");
  add_filesystem(out, mount, options, mount.type, origin);
}

bool binds_dev(const oci::Spec& spec) {
  return std::any_of(spec.mounts.begin(), spec.mounts.end(), [](const oci::Mount& mount) {
    return normalized(mount.destination) == "/dev" && parse_mount_options(mount.options).bind;
  });
}

uint64_t device_type_bits(oci::DeviceType type) {
  if (type == oci::DeviceType::kBlock) return os::kTypeBlock;
  return type == oci::DeviceType::kFifo ? os::kTypeFifo : os::kTypeChar;
}

void add_device(Composer& out, const CreateDevice<Owned>& device, Slot slot, const std::string& origin) {
  if (!out.in_user_namespace() || (device.mode.value & os::kTypeMask) == os::kTypeFifo) return out.pid1(device, origin);
  if (slot == slot::kNone) {
    slot = out.new_slot(origin);
    out.pid1(OpenDevice<Owned>{device.path, slot, {device.mode.value & os::kTypeMask}, device.major, device.minor},
             origin);
  }
  out.pid1(BindDevice<Owned>{device.path, slot}, origin);
}

CreateDevice<Owned> described(const oci::Device& device) {
  constexpr uint32_t kDefaultMode = 0666;
  const uint64_t permissions = device.file_mode.value_or(kDefaultMode) & 07777U;
  return {normalized(device.path),
          {device_type_bits(device.type) | permissions},
          static_cast<uint32_t>(device.major.value_or(0)),
          static_cast<uint32_t>(device.minor.value_or(0)),
          device.uid.value_or(0),
          device.gid.value_or(0)};
}

// config.json may list a default device with an owner and mode of its own.
bool is_listed(const oci::Spec& spec, const char* path) {
  return std::any_of(spec.linux.devices.begin(), spec.linux.devices.end(),
                     [&](const oci::Device& device) { return normalized(device.path) == path; });
}

std::vector<std::pair<CreateDevice<Owned>, std::string>> wanted_devices(const Composer& out) {
  std::vector<std::pair<CreateDevice<Owned>, std::string>> devices;
  for (const DefaultDevice& device : kDefaultDevices) {
    if (!is_listed(out.spec, device.path))
      devices.push_back({{device.path, {os::kTypeChar | 0666}, device.major, device.minor, 0, 0}, ""});
  }
  for (std::size_t i = 0; i < out.spec.linux.devices.size(); ++i)
    devices.emplace_back(described(out.spec.linux.devices[i]), pointer("/linux/devices", i));
  return devices;
}

OpenDevice<Owned> open_null_device(Composer& out) {
  out.opened.null_device = out.new_slot("/linux/maskedPaths");
  return {"/dev/null", out.opened.null_device, {os::kTypeChar}, 1, 3};
}

uint32_t mapped_id(const std::vector<oci::IdMapping>& maps, uint32_t id, const std::string& origin) {
  if (const auto mapped = host_id(maps, id)) return *mapped;
  throw Error("make a device node").at(origin).detail("the id " + std::to_string(id) + " is not mapped");
}

void open_devices_early(Composer& out) {
  for (const auto& [device, origin] : wanted_devices(out)) {
    const uint64_t type = device.mode.value & os::kTypeMask;
    Slot& slot = out.opened.devices.emplace_back(slot::kNone);
    if (type == os::kTypeFifo) continue;
    slot = out.new_slot(origin);
    if (origin.empty() || !out.is_new(NamespaceType::kUser)) {
      out.init(OpenDevice<Owned>{device.path, slot, {type}, device.major, device.minor}, origin);
    } else {
      const oci::Linux& config = out.spec.linux;
      out.init(MakeDevice<Owned>{device.path, slot, device.mode, device.major, device.minor,
                                 mapped_id(config.uid_mappings, device.uid, origin + "/uid"),
                                 mapped_id(config.gid_mappings, device.gid, origin + "/gid")},
               origin);
    }
  }
}

// On the disk the ids are the image's, whatever user namespaces its containers have.
void open_layers_early(Composer& out, const MountOptions& options, Slot mapping, Propagation propagation,
                       const std::string& origin) {
  const OverlayParts parts = overlay_parts(options, origin);
  if (out.opened.layers != slot::kNone)
    throw Error("mount overlay on /").at(origin).detail("there is one already").remedy("remove one of them");
  out.opened.layers = out.new_slot(origin);
  out.init(OpenTree<Owned>{parts.directory, out.opened.layers, false, propagation, mapping, false}, origin);
  if (parts.changes.empty()) return;
  out.opened.changes = out.new_slot(origin);
  out.init(OpenTree<Owned>{parts.changes, out.opened.changes, false, propagation, mapping, false}, origin);
}

void open_mounts_early(Composer& out, Propagation propagation) {
  std::vector<CreateIdMapping> mappings;
  out.opened.mappings.assign(out.spec.mounts.size(), slot::kNone);
  for (std::size_t i = 0; i < out.spec.mounts.size(); ++i) {
    const oci::Mount& mount = out.spec.mounts[i];
    const MountOptions options = parse_mount_options(mount.options);
    const bool mapped = maps_ids(mount, options);
    Slot& slot = out.opened.mounts.emplace_back(slot::kNone);
    const std::string origin = pointer("/mounts", i);
    if (!mapped && covers_root(mount) && out.opens_early())
      open_layers_early(out, options, mapping_slot(out, mount, mappings, origin), propagation, origin);
    if (!mapped && !(options.bind && out.opens_early())) continue;
    if (!mapped && lies_in_rootfs(out, absolute(out, mount.source))) continue;
    if (mapped) refuse_mapping(out, mount, options, origin);
    if (mapped && out.opens_early() && is_brought(out, i)) {
      out.opened.shown.resize(out.spec.mounts.size());
      out.opened.shown[i] = true;
      continue;
    }
    const Slot mapping = mapped ? mapping_slot(out, mount, mappings, origin) : slot::kNone;
    if (options.bind && !out.opens_early() && lies_in_rootfs(out, absolute(out, mount.source))) {
      out.opened.mappings[i] = mapping;
      continue;
    }
    slot = out.new_slot(origin);
    if (!options.bind) {
      open_filesystem(out, mount, options, slot, mapping, origin);
      continue;
    }
    out.init(OpenTree<Owned>{absolute(out, mount.source), slot, options.recursive, propagation, mapping,
                             options.idmap_recursive},
             origin);
  }
}

// There when the earlier mounts are, so that no step before pid 1 can open and map it.
void open_brought_source(Composer& out, std::size_t index) {
  const oci::Mount& mount = out.spec.mounts[index];
  const MountOptions options = parse_mount_options(mount.options);
  const std::string origin = pointer("/mounts", index);
  const Slot slot = out.opened.mounts[index] = out.new_slot(origin);
  out.pid1(OpenTree<Owned>{absolute(out, mount.source),
                           slot,
                           options.recursive,
                           {},
                           out.opened.mappings[index],
                           options.idmap_recursive},
           origin);
}

// The same where pid 1 is in a user namespace: it opens the tree, the host maps it.
void show_brought_source(Composer& out, std::size_t index) {
  const oci::Mount& mount = out.spec.mounts[index];
  const MountOptions options = parse_mount_options(mount.options);
  const std::string origin = pointer("/mounts", index);
  const std::string inside = normalized(normalized(absolute(out, mount.source)).substr(out.facts.rootfs.size()));
  MapTree step;
  step.slot = out.opened.mounts[index] = out.new_slot(origin);
  step.recursive = options.idmap_recursive;
  const bool own = !mount.uid_mappings.empty();
  const oci::Namespace* user = oci::find_namespace(out.spec.linux, NamespaceType::kUser);
  if (!own && user != nullptr && !user->path.empty()) {
    step.user_namespace = user->path;
  } else {
    step.uids = id_maps(own ? mount.uid_mappings : out.spec.linux.uid_mappings);
    step.gids = id_maps(own ? mount.gid_mappings : out.spec.linux.gid_mappings);
  }
  out.pid1(OpenTree<Owned>{inside, step.slot, options.recursive, {}, slot::kNone, false, true}, origin);
  out.host(std::move(step), origin);
}

// Never a peer of the host's: the container's mounts would appear there, and pivot_root(2) refuses a shared root.
OpenTree<Owned> open_root_early(Composer& out, Propagation propagation) {
  out.opened.root = out.new_slot("/root/path");
  if (propagation.value == 0) propagation.value = os::kMsPrivate;
  return {out.facts.rootfs, out.opened.root, true, propagation, slot::kNone, false};
}

OpenTree<Owned> open_notify_directory_early(Composer& out, Propagation propagation) {
  out.opened.notify = out.new_slot("");
  return {out.facts.notify_socket, out.opened.notify, false, propagation, slot::kNone, false};
}

Slot at(const std::vector<Slot>& slots, std::size_t index) { return index < slots.size() ? slots[index] : slot::kNone; }

// What would not stay below the rootfs, or cannot be made there.
void refuse_without_mount_namespace(const Composer& out) {
  const auto refuse = [](const char* pointer, const char* what, const char* why) {
    throw Error(what).at(pointer).detail(why).remedy("add {\"type\": \"mount\"} to linux.namespaces");
  };
  if (!out.facts.notify_socket.empty())
    refuse("/linux/namespaces", "bind the socket for sd_notify",
           "there is no mount namespace, so start could not reach it");
  if (!out.mounts_on_host()) return;
  if (out.in_user_namespace())
    refuse("/linux/namespaces", "mount file systems",
           "there is no mount namespace, and the user namespace has no right to the host's mounts");
  if (out.facts.rootfs == "/")
    refuse("/root/path", "mount the rootfs /", "there is no mount namespace, so it would cover the host's root");
  for (std::size_t i = 0; i < out.spec.mounts.size(); ++i)
    if (covers_root(out.spec.mounts[i]))
      refuse(pointer("/mounts", i).c_str(), "mount overlay on /", "there is no mount namespace");
}

// sd_notify(3), where runc has it. The directory and not the socket, which start binds anew.
void add_notify_directory(Composer& out) {
  if (out.facts.notify_socket.empty()) return;
  Bind<Owned> step;
  step.target = "/run/notify";
  step.source = out.facts.notify_socket;
  step.slot = out.opened.notify;
  step.set = {MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC};
  out.pid1(std::move(step));
}

}  // namespace

// In the init lane, with the host's rights: the container's user may not reach these paths, nor map ids.
void compile_early_sources(Composer& out) {
  if (!out.mounts()) return;
  const Propagation propagation{inherited_propagation(out)};
  if (out.opens_early()) out.init(open_root_early(out, propagation), "/root/path");
  open_mounts_early(out, propagation);
  if (!out.opens_early()) return;
  if (!out.facts.notify_socket.empty()) out.init(open_notify_directory_early(out, propagation));
  if (!binds_dev(out.spec)) open_devices_early(out);
  if (!out.spec.linux.masked_paths.empty()) out.init(open_null_device(out), "/linux/maskedPaths");
}

// In the pid1 lane before BecomeRoot: with the rights of the user who called, in a mount namespace that is its own.
void compile_callers_sources(Composer& out) {
  if (!out.opens_as_caller() || !out.has(NamespaceType::kMount)) return;
  const Propagation propagation{inherited_propagation(out)};
  out.pid1(open_root_early(out, propagation), "/root/path");
  if (!out.facts.notify_socket.empty()) out.pid1(open_notify_directory_early(out, propagation));
  for (std::size_t i = 0; i < out.spec.mounts.size(); ++i) {
    const oci::Mount& mount = out.spec.mounts[i];
    const MountOptions options = parse_mount_options(mount.options);
    if (!options.bind) continue;
    const std::string origin = pointer("/mounts", i);
    const Slot slot = out.opened.mounts[i] = out.new_slot(origin);
    out.pid1(OpenTree<Owned>{absolute(out, mount.source), slot, options.recursive, propagation, slot::kNone, false},
             origin);
  }
}

void compile_root(Composer& out) {
  if (!out.has(NamespaceType::kMount)) {
    refuse_without_mount_namespace(out);
    if (!out.mounts_on_host()) return out.pid1(ChangeRoot<Owned>{out.facts.rootfs}, "/root/path");
    if (!out.spec.linux.masked_paths.empty()) out.pid1(open_null_device(out), "/linux/maskedPaths");
    return out.pid1(MountRoot<Owned>{out.facts.rootfs, slot::kNone, false}, "/root/path");
  }
  if (const uint64_t propagation = inherited_propagation(out); propagation != 0)
    out.pid1(SetPropagation<Owned>{{propagation}}, "/linux/rootfsPropagation");
  if (!out.opens_early() && !out.spec.linux.masked_paths.empty()) out.pid1(open_null_device(out), "/linux/maskedPaths");
  out.pid1(MountRoot<Owned>{out.facts.rootfs, out.opened.root, keeps_host_peers(out)}, "/root/path");
}

void compile_mounts(Composer& out) {
  for (std::size_t i = 0; i < out.spec.mounts.size(); ++i) {
    const oci::Mount& mount = out.spec.mounts[i];
    if (at(out.opened.mappings, i) != slot::kNone) open_brought_source(out, i);
    if (i < out.opened.shown.size() && out.opened.shown[i]) show_brought_source(out, i);
    compile_mount(out, mount, at(out.opened.mounts, i), pointer("/mounts", i));
  }
  add_notify_directory(out);
}

void compile_devices(Composer& out) {
  if (!out.mounts() || binds_dev(out.spec)) return;
  const auto devices = wanted_devices(out);
  for (std::size_t i = 0; i < devices.size(); ++i)
    add_device(out, devices[i].first, at(out.opened.devices, i), devices[i].second);
  for (const Link& link : kLinks) out.pid1(CreateSymlink<Owned>{link.path, link.target, false});
  if (out.facts.has_kcore) out.pid1(CreateSymlink<Owned>{"/dev/core", "/proc/kcore", false});
  out.pid1(CreateSymlink<Owned>{"/dev/ptmx", "pts/ptmx", true});
}

void compile_console(Composer& out) {
  const oci::Process& process = *out.spec.process;
  if (!process.terminal) return;
  OpenConsole<Owned> step;
  if (process.console_size) step.rows = process.console_size->height, step.columns = process.console_size->width;
  step.bind_console = true;
  step.plain_newlines = out.facts.keeps_terminal;
  out.pid1(step, "/process/terminal");
}

void compile_pivot(Composer& out) {
  if (!out.mounts()) return;
  if (out.mounts_on_host()) {
    out.pid1(ChangeRoot<Owned>{out.facts.rootfs}, "/root/path");
  } else if (out.facts.no_pivot) {
    for (const std::string& path : out.facts.kernel_mounts)
      out.pid1(HideMount<Owned>{path, keeps_host_peers(out)}, "/root/path");
    out.pid1(MoveRoot<Owned>{}, "/root/path");
  } else {
    out.pid1(PivotRoot<Owned>{keeps_host_peers(out)}, "/root/path");
  }
  const auto& wanted = out.spec.linux.rootfs_propagation;
  if (wanted && (out.mounts_on_host() || (propagation_bits(*wanted) & (os::kMsShared | os::kMsUnbindable)) != 0))
    out.pid1(SetPropagation<Owned>{{propagation_bits(*wanted)}}, "/linux/rootfsPropagation");
}

void compile_protected_paths(Composer& out) {
  for (std::size_t i = 0; i < out.spec.mounts.size(); ++i) {
    const oci::Mount& mount = out.spec.mounts[i];
    if (mount.type == "tmpfs" && is_sealed_late(out, mount, parse_mount_options(mount.options)))
      out.pid1(MakeReadonly<Owned>{target_of(out, mount), true}, pointer("/mounts", i));
  }
  if (out.spec.root.readonly) out.pid1(MakeRootReadonly<Owned>{}, "/root/readonly");
  for (std::size_t i = 0; i < out.spec.linux.readonly_paths.size(); ++i)
    out.pid1(MakeReadonly<Owned>{out.spec.linux.readonly_paths[i], false}, pointer("/linux/readonlyPaths", i));
  const std::vector<std::string>& masked = out.spec.linux.masked_paths;
  for (auto path = masked.begin(); path != masked.end(); ++path) {
    if (std::find(masked.begin(), path, *path) != path) continue;
    out.pid1(MaskPath<Owned>{*path, out.opened.null_device, out.spec.linux.mount_label},
             pointer("/linux/maskedPaths", static_cast<std::size_t>(path - masked.begin())));
  }
}

}  // namespace wherry::plan
