// SPDX-License-Identifier: Apache-2.0
// The verbs of the host voice (container/launch.cpp). Like step.hpp: one field list each; but with std types, since
// they never reach wherry-init.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "plan/limits.hpp"
#include "plan/step.hpp"
#include "plan/unit.hpp"

namespace wherry::plan {

#define WHERRY_STEP(name, why)               \
  static constexpr const char* kName = name; \
  static constexpr const char* kWhy = why;   \
  template <class Self, class V>             \
  static void fields([[maybe_unused]] Self& s, [[maybe_unused]] V&& v)

// Made while nothing runs in it; pid 1 is born inside: moving a process later takes a global lock (cgroup-v2.rst).
struct CreateCgroup {
  std::string mount;  // of cgroup2
  std::string path;   // below it
  bool operator==(const CreateCgroup&) const = default;
  WHERRY_STEP("create-cgroup", "the kernel counts and limits what happens in it") {
    v("mount", s.mount);
    v("path", s.path);
  }
};

// org.freedesktop.systemd1.Manager.StartTransientUnit. A scope is born with a process: wherry-init, until pid 1 is
// there.
struct StartScope {
  std::string mount;  // of cgroup2
  std::string path;   // below it, where systemd is expected to put the unit
  std::string slice, unit;
  std::string bus;                       // address; empty: the system's
  std::vector<UnitProperty> properties;  // that annotations ask for; the limits and devices are other steps'
  bool operator==(const StartScope&) const = default;
  WHERRY_STEP("start-scope", "systemd makes the cgroup, and keeps its hands off what is below it") {
    v("mount", s.mount);
    v("path", s.path);
    v("slice", s.slice);
    v("unit", s.unit);
    v("bus", s.bus);
    v("properties", s.properties);
  }
};

// A value that is kept elsewhere: so that one large verb does not make all steps large.
template <class T>
class Indirect {
 public:
  Indirect() : value_(std::make_unique<T>()) {}
  Indirect(T value) : value_(std::make_unique<T>(std::move(value))) {}  // NOLINT: it is its value
  Indirect(const Indirect& other) : value_(std::make_unique<T>(*other)) {}
  Indirect(Indirect&& other) noexcept = default;
  Indirect& operator=(Indirect other) noexcept {
    value_.swap(other.value_);
    return *this;
  }
  ~Indirect() = default;
  [[nodiscard]] T& operator*() noexcept { return *value_; }
  [[nodiscard]] const T& operator*() const noexcept { return *value_; }
  bool operator==(const Indirect& other) const { return *value_ == *other.value_; }
  template <class Self, class V>
  static void fields(Self& s, V&& v) {
    T::fields(*s, v);
  }

 private:
  std::unique_ptr<T> value_;
};

struct SetLimits {
  Indirect<Limits> limits;
  bool operator==(const SetLimits&) const = default;
  WHERRY_STEP("set-limits", "linux.resources, in force before the program runs") { v("limits", s.limits); }
};

// config-linux.md "Cgroup ownership".
struct DelegateCgroup {
  static constexpr uint32_t kKeep = ~0U;
  uint32_t uid = 0;      // on the host
  uint32_t gid = kKeep;  // the same; it gets no rights by it
  bool operator==(const DelegateCgroup&) const = default;
  WHERRY_STEP("delegate-cgroup", "the container may divide its cgroup, and lift none of its limits") {
    v("uid", s.uid);
    v("gid", s.gid);
  }
};

struct AttachDeviceFilter {
  std::vector<DeviceRule> rules;
  bool operator==(const AttachDeviceFilter&) const = default;
  WHERRY_STEP("attach-device-filter", "which device nodes may be used, whoever makes them") { v("rules", s.rules); }
};

struct IdMap {
  uint32_t container_id = 0, host_id = 0, size = 0;
  bool operator==(const IdMap&) const = default;
  template <class Self, class V>
  static void fields(Self& s, V&& v) {
    v("container", s.container_id);
    v("host", s.host_id);
    v("size", s.size);
  }
};

// user_namespaces(7): the maps of init's new user namespace, written once. Without CAP_SETGID over the parent
// namespace, setgroups must be denied first, or by newgidmap(1).
struct MapIds {
  std::vector<IdMap> uids, gids;
  bool operator==(const MapIds&) const = default;
  WHERRY_STEP("map-ids", "which of the host's ids the container's ids stand for") {
    v("uids", s.uids);
    v("gids", s.gids);
  }
};

// A user namespace that nothing runs in: only its maps count, for mounts (mount_setattr(2), MOUNT_ATTR_IDMAP).
struct CreateIdMapping {
  std::vector<IdMap> uids, gids;
  Slot slot = 0;
  bool operator==(const CreateIdMapping&) const = default;
  WHERRY_STEP("create-id-mapping", "as which ids the owners of files are shown") {
    v("uids", s.uids);
    v("gids", s.gids);
    v("slot", s.slot);
  }
};

// mount_setattr(2): MOUNT_ATTR_IDMAP needs rights over the file system, which a user namespace does not have. The tree
// is one that pid 1 has opened and shown.
struct MapTree {
  Slot slot = 0;
  bool recursive = false;
  std::vector<IdMap> uids, gids;
  std::string user_namespace;  // path of the one that is joined, in place of maps
  bool operator==(const MapTree&) const = default;
  WHERRY_STEP("map-tree", "as which ids the owners of files are shown") {
    v("slot", s.slot);
    v("recursive", s.recursive);
    v("uids", s.uids);
    v("gids", s.gids);
    v("user_namespace", s.user_namespace);
  }
};

// rtnetlink(7): with its permanent addresses, and up. config-linux.md "Network Devices".
struct MoveNetDevice {
  std::string host_name, name;
  bool operator==(const MoveNetDevice&) const = default;
  WHERRY_STEP("move-net-device", "it belongs to the container as long as its network namespace lives") {
    v("host_name", s.host_name);
    v("name", s.name);
  }
};

// The kernel's resctrl documentation; config-linux.md "IntelRdt". Whoever is in the group when it clones has its
// children in it.
struct JoinResctrlGroup {
  std::string group;                  // directory
  bool must_exist = false;            // it is somebody else's, and nothing is to be written
  std::vector<std::string> schemata;  // lines; must be in force already if the group exists
  std::string monitor;                // directory below it; empty: none
  bool operator==(const JoinResctrlGroup&) const = default;
  WHERRY_STEP("join-resctrl-group", "its share of the caches and of the memory's bandwidth") {
    v("group", s.group);
    v("must_exist", s.must_exist);
    v("schemata", s.schemata);
    v("monitor", s.monitor);
  }
};

// Fills slot::kHookState for the hooks that run inside.
struct ProvideHookState {
  std::string status;
  bool operator==(const ProvideHookState&) const = default;
  WHERRY_STEP("provide-hook-state", "hooks read the state of the container on their standard input") {
    v("status", s.status);
  }
};

// config-linux.md "The Container Process State": the state document and slot::kListener, in one message over a
// connection of its own to the agent's socket.
struct HandOverListener {
  std::string path, metadata;
  bool operator==(const HandOverListener&) const = default;
  WHERRY_STEP("hand-over-listener", "an agent decides the calls that the filter reports") {
    v("path", s.path);
    v("metadata", s.metadata);
  }
};

#undef WHERRY_STEP

}  // namespace wherry::plan
