// SPDX-License-Identifier: Apache-2.0
// What the shim finds and leaves in a bundle's directory, and where it keeps the state of containers.
#pragma once

#include <string>

namespace wherry::shim {

inline constexpr const char* kPidFile = "init.pid";
inline constexpr const char* kAddressFile = "address";   // containerd 1.x finds the shim by it when it comes back
inline constexpr const char* kRootFile = "wherry-root";  // Settings::root, for the `delete` that follows a lost shim

// `root` of the options, or /run/containerd/wherry; the namespace below it.
[[nodiscard]] std::string state_root(const std::string& root, const std::string& container_namespace);
void save_root(const std::string& bundle, const std::string& root);
void save_address(const std::string& bundle, const std::string& address);
// What save_root() has written, else state_root().
[[nodiscard]] std::string saved_root(const std::string& bundle, const std::string& container_namespace);

// Whether config.json names its cgroup as systemd does, slice:prefix:name. CRI has no other way to tell it to a shim
// that is not runc's: it sends runc's Options to no other.
[[nodiscard]] bool names_systemd_cgroup(const std::string& bundle);

// Containers with the same group share a shim: an annotation of config.json, or the id.
[[nodiscard]] std::string group_of(const std::string& bundle, const std::string& id);
// A socket path of less than 106 bytes, the same for the same three.
[[nodiscard]] std::string socket_path(const std::string& directory, const std::string& address,
                                      const std::string& container_namespace, const std::string& group);

}  // namespace wherry::shim
