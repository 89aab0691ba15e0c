// SPDX-License-Identifier: Apache-2.0
// What config.json may ask for and this version cannot do. Nothing is ignored in silence.
#include "plan/composer.hpp"
#include "wherry/error.hpp"

namespace wherry::plan {
namespace {

struct Row {
  const char* pointer;
  bool (*is_asked_for)(const oci::Spec& spec);
};

constexpr Row kRows[] = {
    {"/linux/netDevices", [](const oci::Spec& spec) { return !spec.linux.net_devices.empty(); }},
    {"/linux/intelRdt", [](const oci::Spec& spec) { return spec.linux.intel_rdt.has_value(); }},
    {"/linux/mountLabel", [](const oci::Spec& spec) { return !spec.linux.mount_label.empty(); }},
};

[[noreturn]] void refuse(const std::string& pointer) {
  throw Error(pointer.substr(pointer.rfind('/') + 1))
      .at(pointer)
      .detail("it is not supported by this version")
      .remedy("remove it");
}

}  // namespace

void refuse_unsupported(const oci::Spec& spec) {
  for (const Row& row : kRows)
    if (row.is_asked_for(spec)) refuse(row.pointer);
}

// config.md "Linux Process": execCPUAffinity concerns exec alone.
void refuse_unsupported(const oci::Process& process) {
  if (process.exec_cpu_affinity) refuse("/execCPUAffinity");
}

}  // namespace wherry::plan
