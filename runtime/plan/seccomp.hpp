// SPDX-License-Identifier: Apache-2.0
// linux.seccomp of config.json as the classic BPF program that seccomp(2) takes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "oci/spec.hpp"

namespace wherry::plan {

struct CompiledFilter {
  std::vector<std::uint8_t> program;  // struct sock_filter[] in the host's byte order; empty: no filter to load
  std::uint32_t flags = 0;            // SECCOMP_FILTER_FLAG_*, NEW_LISTENER included when `notify`
  bool notify = false;                // some call goes to the agent at linux.seccomp.listenerPath
  bool operator==(const CompiledFilter&) const = default;
};

// config-linux.md "Seccomp". Names that libseccomp does not know are skipped; rules that repeat the default
// action are left out; several conditions on one argument are alternatives, as in other runtimes. The native
// architecture is always part of the filter; a call of an architecture that is not part of it kills the
// thread. Calls above the highest that a rule names get ENOSYS unless the default lets through. Throws Error with a
// pointer below /linux/seccomp. Depends on nothing but its argument and libseccomp's version.
[[nodiscard]] CompiledFilter compile_seccomp(const oci::Seccomp& seccomp);

// All that the result of compile_seccomp() depends on, as bytes: one text, one filter. listenerPath and
// listenerMetadata are no part of it.
[[nodiscard]] std::string filter_key(const oci::Seccomp& seccomp);

}  // namespace wherry::plan
