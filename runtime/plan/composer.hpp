// SPDX-License-Identifier: Apache-2.0
// The compilation in progress. One function per topic adds its steps; compile.cpp calls them in order.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "oci/spec.hpp"
#include "plan/facts.hpp"
#include "plan/plan.hpp"

namespace wherry::plan {

class Composer {
 public:
  Composer(const oci::Spec& the_spec, const Facts& the_facts) : spec(the_spec), facts(the_facts) {
    plan.steps.reserve(72);
  }

  template <class S>
  void host(S step, std::string origin = {}) {
    add(Lane::kHost, std::move(step), std::move(origin));
  }
  template <class S>
  void beside(S step, std::string origin = {}) {
    add(Lane::kBeside, std::move(step), std::move(origin));
  }
  template <class S>
  void init(S step, std::string origin = {}) {
    add(Lane::kInit, std::move(step), std::move(origin));
  }
  template <class S>
  void pid1(S step, std::string origin = {}) {
    add(Lane::kPid1, std::move(step), std::move(origin));
  }
  // Throws Error when the container needs more slots than wherry-init has.
  [[nodiscard]] Slot new_slot(const std::string& origin);

  [[nodiscard]] const oci::Namespace* find(oci::NamespaceType type) const {
    return oci::find_namespace(spec.linux, type);
  }
  [[nodiscard]] bool is_new(oci::NamespaceType type) const {
    const oci::Namespace* found = find(type);
    return found != nullptr && found->path.empty();
  }
  [[nodiscard]] bool has(oci::NamespaceType type) const { return find(type) != nullptr; }
  // config-linux.md "Namespaces": without a mount namespace of its own the container's mounts are made in the
  // runtime's: all of them below a copy of the rootfs, which lies over the rootfs until delete.
  [[nodiscard]] bool mounts_on_host() const { return !has(oci::NamespaceType::kMount) && needs_mounts(); }
  [[nodiscard]] bool mounts() const { return has(oci::NamespaceType::kMount) || needs_mounts(); }
  // No root of the host's: mknod(2) and a fresh mount of a kernel file system may be EPERM.
  [[nodiscard]] bool in_user_namespace() const {
    return has(oci::NamespaceType::kUser) || !facts.privileged || facts.in_user_namespace;
  }
  // The container's root is not the host's: sources are opened before the user namespace is entered.
  [[nodiscard]] bool opens_early() const { return facts.privileged && has(oci::NamespaceType::kUser); }

  // An unprivileged caller can open what is its own as long as pid 1 has not become root inside, who may be somebody
  // else.
  [[nodiscard]] bool opens_as_caller() const { return !facts.privileged && is_new(oci::NamespaceType::kUser); }

  const oci::Spec& spec;
  const Facts& facts;
  Plan plan;

  // Slots of what the init lane has opened; slot::kNone where pid 1 opens it by its path.
  struct Opened {
    Slot root = slot::kNone;
    Slot null_device = slot::kNone;
    Slot notify = slot::kNone;
    Slot user_namespace = slot::kNone;                 // the one that is joined
    Slot layers = slot::kNone, changes = slot::kNone;  // of an overlay at "/"
    std::vector<Slot> mounts;                          // by index in spec.mounts
    std::vector<Slot> mappings;                        // likewise: of what pid 1 maps, which an earlier mount brings
    std::vector<bool> shown;                           // likewise: the same, in a user namespace
    std::vector<Slot> devices;                         // by index in the list of wanted devices
  } opened;

  // Of the process, found by compile_process() and needed again for what comes after AwaitStart. Bit N is capability N.
  struct Capabilities {
    uint64_t bounding = 0, effective = 0, permitted = 0, inheritable = 0, ambient = 0;
  } capabilities;
  std::vector<std::string> environment;

 private:
  [[nodiscard]] bool needs_mounts() const {
    return !spec.mounts.empty() || !spec.linux.masked_paths.empty() || !spec.linux.readonly_paths.empty() ||
           spec.root.readonly || spec.linux.rootfs_propagation || (spec.process && spec.process->terminal);
  }

  template <class S>
  void add(Lane lane, S step, std::string origin) {
    plan.steps.push_back({lane, Step(std::move(step)), std::move(origin)});
  }
};

// compile_overlay.cpp: what the options of an overlay name. Throws Error.
struct OverlayParts {
  std::string directory;            // holds all layers
  std::vector<std::string> lowers;  // below it, the topmost first
  std::string changes;              // holds `upper` and `work`; empty: there are none
  std::string upper, work;
  std::vector<std::string> options;
};
[[nodiscard]] OverlayParts parse_overlay(const std::vector<std::string>& data, const std::string& origin);

// "/mounts/3"
[[nodiscard]] std::string pointer(const std::string& base, std::size_t index);

// compile_entry.cpp
struct Joined {
  oci::NamespaceType type;
  Slot slot;
  std::string origin;
};
[[nodiscard]] uint64_t clone_flag(oci::NamespaceType type);
void enter_namespaces(Composer& out, const std::vector<Joined>& joined);  // all but the cgroup namespace
void compile_keyring(Composer& out, const oci::Process& process, const std::string& base);
[[nodiscard]] std::optional<uint32_t> host_id(const std::vector<oci::IdMapping>& maps, uint32_t id);
[[nodiscard]] std::vector<IdMap> id_maps(const std::vector<oci::IdMapping>& mappings);
void compile_early_sources(Composer& out);
void compile_callers_sources(Composer& out);
void compile_entry(Composer& out);
void compile_identity(Composer& out);

// compile_rootfs.cpp
void compile_root(Composer& out);
void compile_mounts(Composer& out);
void compile_devices(Composer& out);
void compile_console(Composer& out);
void compile_pivot(Composer& out);
void compile_protected_paths(Composer& out);

// compile_process.cpp; `base` is the pointer of the process object, "" for a process document.
void compile_raised_limits(Composer& out, const oci::Process& process, const std::string& base);
void compile_affinity(Composer& out, const std::string& cpus, Lane lane, const std::string& origin);
void compile_process(Composer& out, const oci::Process& process, const std::string& base);
void compile_filter(Composer& out, const oci::Process& process, const std::string& base);
void compile_program(Composer& out, const oci::Process& process, const std::string& base);

// compile_hooks.cpp
void compile_hooks(Composer& out, HookKind kind);
void compile_hook_state(Composer& out, HookKind kind);  // what they read; the host's part
void compile_hook_calls(Composer& out, HookKind kind);

}  // namespace wherry::plan
