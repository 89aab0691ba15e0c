// SPDX-License-Identifier: Apache-2.0
// features.md and features-linux.md: what this build supports, from the very tables that it works with.
#include <linux/seccomp.h>

#include <algorithm>

#include "oci/names.hpp"
#include "oci/state.hpp"
#include "os/core/calls.hpp"
#include "plan/capabilities.hpp"
#include "plan/compile_unit.hpp"
#include "plan/mount_options.hpp"
#include "plan/seccomp.hpp"
#include "wherry/wherry.hpp"

namespace wherry {
namespace {

using Strings = std::vector<std::string>;

constexpr bool kIdmappedMounts = true;
constexpr bool kNetDevices = true;

// The highest number that a capability set has room for: all that libcap has a name for.
constexpr unsigned kLastCapability = 63;

// An object with one member a line.
class Object {
 public:
  explicit Object(unsigned depth) : indent_(2 * std::size_t{depth}, ' ') {}

  Object& raw(std::string_view key, std::string_view json) {
    text_ += text_.empty() ? "{\n" : ",\n";
    text_ += indent_ + "  ";
    oci::append_json_quoted(text_, key);
    text_.append(": ").append(json);
    return *this;
  }
  Object& boolean(std::string_view key, bool value) { return raw(key, value ? "true" : "false"); }
  Object& text(std::string_view key, std::string_view value) { return raw(key, oci::json_quote(value)); }
  // features.md: an empty list is "known to be empty", null or absent is "not known".
  Object& list(std::string_view key, const Strings& values) {
    std::string json = "[";
    for (const std::string& value : values) {
      if (json.size() > 1) json += ", ";
      oci::append_json_quoted(json, value);
    }
    return raw(key, json + "]");
  }
  [[nodiscard]] std::string done() const { return text_ + "\n" + indent_ + "}"; }

 private:
  std::string text_, indent_;
};

template <typename Enum>
Strings names() {
  Strings list;
  for (const auto& entry : oci::Names<Enum>::kTable) list.emplace_back(entry.name);
  return list;
}

// The specification names architectures that a libseccomp may be too old for.
Strings filter_architectures() {
  Strings list;
  for (const auto& entry : oci::Names<oci::SeccompArch>::kTable) {
    oci::Seccomp probe;
    probe.architectures = {entry.value};
    try {
      (void)plan::compile_seccomp(probe);  // only whether it throws matters
      list.emplace_back(entry.name);
    } catch (const Error&) {
    }
  }
  return list;
}

// seccomp(2): a flag that the kernel knows gets as far as the missing filter, EFAULT.
bool kernel_knows(oci::SeccompFlag flag) {
  unsigned long bits = 0;
  switch (flag) {
    case oci::SeccompFlag::kTsync:
      bits = SECCOMP_FILTER_FLAG_TSYNC;
      break;
    case oci::SeccompFlag::kLog:
      bits = SECCOMP_FILTER_FLAG_LOG;
      break;
    case oci::SeccompFlag::kSpecAllow:
      bits = SECCOMP_FILTER_FLAG_SPEC_ALLOW;
      break;
    case oci::SeccompFlag::kWaitKillableRecv:  // Linux 5.19; only together with a listener
      bits = 1UL << 5U | SECCOMP_FILTER_FLAG_NEW_LISTENER;
      break;
  }
  return os::raw_syscall(__NR_seccomp, SECCOMP_SET_MODE_FILTER, static_cast<long>(bits), 0) == -EFAULT;
}

Strings supported_flags() {
  Strings list;
  for (const auto& entry : oci::Names<oci::SeccompFlag>::kTable) {
    if (kernel_knows(entry.value)) list.emplace_back(entry.name);
  }
  return list;
}

Strings mount_options() {
  Strings options = plan::known_mount_options();
  if (!kIdmappedMounts)
    std::erase_if(options, [](const std::string& name) { return name == "idmap" || name == "ridmap"; });
  return options;
}

std::string enabled(unsigned depth, bool value) { return Object(depth).boolean("enabled", value).done(); }

std::string cgroup_features() {
  return Object(2)
      .boolean("v1", false)
      .boolean("v2", true)
      .boolean("systemd", true)
      .boolean("systemdUser", true)
      .boolean("rdma", true)
      .done();
}

std::string seccomp_features() {
  return Object(2)
      .boolean("enabled", true)
      .list("actions", names<oci::SeccompAction>())
      .list("operators", names<oci::SeccompOperator>())
      .list("archs", filter_architectures())
      .list("knownFlags", names<oci::SeccompFlag>())
      .list("supportedFlags", supported_flags())
      .done();
}

std::string memory_policy_features() {
  return Object(2).list("modes", names<oci::MemoryPolicyMode>()).list("flags", names<oci::MemoryPolicyFlag>()).done();
}

std::string linux_features() {
  return Object(1)
      .list("namespaces", names<oci::NamespaceType>())
      .list("capabilities", plan::capability_names(kLastCapability))
      .raw("cgroup", cgroup_features())
      .raw("seccomp", seccomp_features())
      .raw("apparmor", enabled(2, true))
      .raw("selinux", enabled(2, true))
      .raw("intelRdt", Object(2).boolean("enabled", true).boolean("schemata", true).boolean("monitoring", true).done())
      .raw("memoryPolicy", memory_policy_features())
      .raw("mountExtensions", Object(2).raw("idmap", enabled(3, kIdmappedMounts)).done())
      .raw("netDevices", enabled(2, kNetDevices))
      .done();
}

}  // namespace

std::string features_json() {
  return Object(0)
      .text("ociVersionMin", "1.0.0")
      .text("ociVersionMax", "1.3.0")
      .list("hooks", {"prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"})
      .list("mountOptions", mount_options())
      .raw("linux", linux_features())
      .raw("annotations", Object(1).text("wherry.version", WHERRY_VERSION).done())
      .list("potentiallyUnsafeConfigAnnotations", {plan::kPropertyAnnotation})
      .done();
}

}  // namespace wherry
