// SPDX-License-Identifier: Apache-2.0
// What runtime-spec 1.3 demands of a config.json beyond its JSON shape. Pure: no file, no kernel, no clock.
// What only the host can tell (does a path exist, of which type is a namespace file) belongs to the plan's
// facts.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "oci/reader.hpp"
#include "oci/spec.hpp"

namespace wherry::oci {

// All faults at once, in the order of the document's properties; empty: the spec is valid.
[[nodiscard]] std::vector<Fault> validate(const Spec& spec);

// For exec: pointers are relative to the process document ("/args").
[[nodiscard]] std::vector<Fault> validate_process(const Process& process);

// For update: pointers are relative to the resources document ("/memory/limit").
[[nodiscard]] std::vector<Fault> validate_resources(const Resources& resources);

// "net.ipv4.conf.eth0/100.forwarding" and "net/ipv4/conf/eth0.100/forwarding" name the same file: the first
// separator decides (sysctl.d(5)). Returns the path below /proc/sys, "" for a key that is no sysctl name.
[[nodiscard]] std::string sysctl_path(std::string_view key);

}  // namespace wherry::oci
