// SPDX-License-Identifier: Apache-2.0
// Configs that are valid, but that compile() refuses: how each is made from the default config, and the exact
// message.
#include <catch2/catch.hpp>
#include <functional>

#include "plan/compile.hpp"
#include "unit/plan/plan_fixtures.hpp"
#include "wherry/error.hpp"

using namespace wherry;
using oci::NamespaceType;
using oci::Spec;

namespace {

void drop_namespace(Spec& spec, NamespaceType type) {
  std::erase_if(spec.linux.namespaces, [type](const oci::Namespace& entry) { return entry.type == type; });
}

void mount(Spec& spec, std::string destination, std::string type, std::string source, oci::Strings options) {
  spec.mounts = {{std::move(destination), std::move(type), std::move(source), std::move(options), {}, {}}};
}

// Nothing left that needs a mount namespace.
void strip(Spec& spec) {
  drop_namespace(spec, NamespaceType::kMount);
  spec.mounts.clear();
  spec.linux.masked_paths.clear();
  spec.linux.readonly_paths.clear();
  spec.root.readonly = false;
  spec.process->terminal = false;
}

oci::Seccomp filter_with(oci::SeccompAction action) {
  oci::Seccomp filter;
  filter.default_action = oci::SeccompAction::kAllow;
  filter.syscalls.push_back({{"reboot"}, action, std::nullopt, {}});
  return filter;
}

struct Refusal {
  const char* name;
  std::function<void(Spec&)> change;
  const char* message;
};

const Refusal kRefusals[] = {
    {"unknown option on a bind mount",
     [](Spec& spec) {
       mount(spec, "/data", "bind", "/srv", {"rbind", "ro", "sise=1"});
     },
     "config.json /mounts/0: bind /srv on /data: EINVAL: unknown mount option \"sise=1\"; "
     "a bind mount has no file system options"},
    {"a relative source is the bundle's",
     [](Spec& spec) {
       mount(spec, "/data", "none", "srv", {"bind", "x"});
     },
     "config.json /mounts/0: bind /bundle/srv on /data: EINVAL: unknown mount option \"x\"; "
     "a bind mount has no file system options"},
    {"idmap with nothing to map by",
     [](Spec& spec) {
       mount(spec, "/data", "bind", "/srv", {"bind", "idmap"});
     },
     "config.json /mounts/0: mount /srv on /data: there is nothing to map ids by; "
     "add uidMappings and gidMappings, or a user namespace"},
    {"intelRdt without resctrl", [](Spec& spec) { spec.linux.intel_rdt = oci::IntelRdt{}; },
     "config.json /linux/intelRdt: make a resctrl group: no resctrl is mounted; "
     "mount -t resctrl resctrl /sys/fs/resctrl, or remove it"},
    {"mappings of a cgroup mount",
     [](Spec& spec) {
       mount(spec, "/data", "cgroup", "cgroup", {});
       spec.mounts[0].uid_mappings = spec.mounts[0].gid_mappings = {{0, 1000, 1}};
     },
     "config.json /mounts/0: mount cgroup on /data: EINVAL: cgroups cannot be id-mapped; remove idmap and the "
     "mappings"},
    {"tmpcopyup on another file system", [](Spec& spec) { mount(spec, "/data", "ext4", "/dev/sda1", {"tmpcopyup"}); },
     "config.json /mounts/0: mount ext4 on /data: EINVAL: tmpcopyup is for tmpfs"},
    {"type bind without the option", [](Spec& spec) { mount(spec, "/data", "bind", "/srv", {"ro"}); },
     "config.json /mounts/0: mount /srv on /data: EINVAL: type \"bind\" without the option bind or rbind; "
     "name a file system type, or add the option bind or rbind"},
    {"type none without the option", [](Spec& spec) { mount(spec, "/data", "none", "/srv", {}); },
     "config.json /mounts/0: mount /srv on /data: EINVAL: type \"none\" without the option bind or rbind; "
     "name a file system type, or add the option bind or rbind"},
    {"no type", [](Spec& spec) { mount(spec, "/data", "", "/srv", {}); },
     "config.json /mounts/0: mount /srv on /data: EINVAL: no type; name a file system type, or add the "
     "option bind or rbind"},
    {"another file system on /proc", [](Spec& spec) { mount(spec, "/proc", "tmpfs", "tmpfs", {}); },
     "config.json /mounts/0: mount tmpfs on /proc: it cannot be mounted because it is inside /proc; choose "
     "another destination"},
    {"inside /proc, spelled strangely", [](Spec& spec) { mount(spec, "//proc/./sys/", "tmpfs", "tmpfs", {}); },
     "config.json /mounts/0: mount tmpfs on //proc/./sys/: it cannot be mounted because it is inside /proc; "
     "choose another destination"},
    {"a bind inside /proc", [](Spec& spec) { mount(spec, "/proc/self", "bind", "/srv", {"bind"}); },
     "config.json /mounts/0: mount bind on /proc/self: it cannot be mounted because it is inside /proc; "
     "choose another destination"},
    {"mounts without a mount namespace, in a user namespace",
     [](Spec& spec) {
       strip(spec);
       spec.linux.namespaces.push_back({oci::NamespaceType::kUser, {}});
       spec.linux.uid_mappings = spec.linux.gid_mappings = {{0, 100000, 65536}};
       mount(spec, "/tmp", "tmpfs", "tmpfs", {});
     },
     "config.json /linux/namespaces: mount file systems: there is no mount namespace, and the user namespace has no "
     "right to the host's mounts; add {\"type\": \"mount\"} to linux.namespaces"},
    {"an overlay at / without a mount namespace",
     [](Spec& spec) {
       strip(spec);
       mount(spec, "/", "overlay", "overlay", {"lowerdir=/a", "upperdir=/u", "workdir=/w"});
     },
     "config.json /mounts/0: mount overlay on /: there is no mount namespace; add {\"type\": \"mount\"} to "
     "linux.namespaces"},
    {"SCMP_ACT_NOTIFY without an agent",
     [](Spec& spec) { spec.linux.seccomp = filter_with(oci::SeccompAction::kNotify); },
     "config.json /linux/seccomp/listenerPath: compile the seccomp filter: SCMP_ACT_NOTIFY needs the socket "
     "of an agent"},
    {"a node that no kernel has",
     [](Spec& spec) {
       spec.linux.memory_policy = oci::MemoryPolicy{oci::MemoryPolicyMode::kBind, "0,1024", {}};
     },
     "config.json /linux/memoryPolicy/nodes: set the memory policy: ERANGE: they go up to 1023"},
    {"a limit that cgroup v2 does not have",
     [](Spec& spec) {
       spec.linux.resources = oci::Resources{};
       spec.linux.resources->memory = oci::MemoryResources{};
       spec.linux.resources->memory->swappiness = 10;
     },
     "config.json /linux/resources/memory/swappiness: convert memory/swappiness to cgroup v2: cgroup v1 "
     "only, cgroup v2 has "
     "no counterpart; remove it"},
    {"more sources than slots",
     [](Spec& spec) {
       spec.linux.namespaces.push_back({NamespaceType::kUser, ""});
       spec.linux.uid_mappings = spec.linux.gid_mappings = {{0, 100000, 65536}};
       mount(spec, "/data", "bind", "/srv", {"bind"});
       spec.mounts.resize(1100, spec.mounts.front());
     },
     "config.json /mounts/1007: open the sources of all mounts and devices: more than 1000 in one user "
     "namespace"},
};

std::string refusal_of(const Spec& spec) {
  try {
    (void)plan::compile(spec, test::root_facts());
    return "not refused";
  } catch (const Error& error) {
    return error.message();
  }
}

Spec default_spec() {
  for (auto& [name, spec] : test::bundle_specs())
    if (name == "bundle-hello") return spec;
  FAIL("no bundle hello");
  return {};
}

}  // namespace

TEST_CASE("golden: what compile() refuses, and what it says", "[golden]") {
  const Spec base = default_spec();
  CHECK(refusal_of(base) == "not refused");
  for (const Refusal& row : kRefusals) {
    INFO(row.name);
    Spec spec = base;
    row.change(spec);
    CHECK(refusal_of(spec) == row.message);
  }
}

TEST_CASE("golden: what looks alike but is allowed", "[golden]") {
  const Spec base = default_spec();
  const std::function<void(Spec&)> kAllowed[] = {
      [](Spec& spec) { mount(spec, "/proc", "bind", "/proc", {"rbind"}); },
      [](Spec& spec) { mount(spec, "/proc", "proc", "proc", {"nosuid"}); },
      [](Spec& spec) { mount(spec, "/proc/meminfo", "bind", "/var/lib/lxcfs/proc/meminfo", {"bind"}); },
      [](Spec& spec) { mount(spec, "/process", "tmpfs", "tmpfs", {"tmpcopyup"}); },
      [](Spec& spec) {
        mount(spec, "/sys/fs/cgroup", "cgroup", "cgroup", {"xattr", "name=systemd"});
      },
      [](Spec& spec) { spec.linux.seccomp = filter_with(oci::SeccompAction::kKillProcess); },
      strip,
  };
  for (std::size_t i = 0; i < std::size(kAllowed); ++i) {
    INFO(i);
    Spec spec = base;
    kAllowed[i](spec);
    CHECK(refusal_of(spec) == "not refused");
  }
}
