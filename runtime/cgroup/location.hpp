// SPDX-License-Identifier: Apache-2.0
// Where the container's cgroup is: the cgroup2 mount and the path below it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace wherry::cgroup {

// The path of the cgroup2 mount, without a trailing slash: /sys/fs/cgroup, /sys/fs/cgroup/unified on a hybrid
// host, or the first one in /proc/self/mountinfo. Throws Error when there is none.
[[nodiscard]] std::string find_mount();

// The caller's own cgroup as /proc/self/cgroup shows it: absolute, relative to the caller's cgroup namespace.
[[nodiscard]] std::string own_cgroup();

// The sibling of the caller's own cgroup that is named `id`: a child could get no controllers while the
// caller is in its parent (cgroup-v2.rst "No Internal Process Constraint").
[[nodiscard]] std::string default_path(std::string_view id);

// linux.cgroupsPath as a path below the mount, absolute and without "." or doubled slashes. Empty:
// default_path(id). Relative: beside the caller's own cgroup. Throws Error for "..", the mount's root and the
// systemd form.
[[nodiscard]] std::string resolve(std::string_view cgroups_path, std::string_view id);

// The pure parts of the above, for texts of /proc/self/mountinfo and /proc/self/cgroup.
[[nodiscard]] std::string parse_mount(std::string_view mountinfo);  // empty: none
// Where whole file systems of these types are mounted.
[[nodiscard]] std::vector<std::string> mounts_of_types(std::string_view mountinfo,
                                                       const std::vector<std::string_view>& types);
[[nodiscard]] std::string parse_own_cgroup(std::string_view cgroup);  // empty: none
[[nodiscard]] std::string resolve_from(std::string_view own, std::string_view cgroups_path, std::string_view id);

}  // namespace wherry::cgroup
