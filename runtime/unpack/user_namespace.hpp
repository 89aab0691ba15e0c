// SPDX-License-Identifier: Apache-2.0
// A user without privileges unpacks as root of a user namespace: owners are real as far as /etc/subuid goes, and no
// mode of the image's keeps the program out.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "image/tree.hpp"

namespace wherry::unpacking {

struct Identity {
  bool privileged = true;                  // root of the namespace that the program was started in
  unsigned uid = 0, gid = 0;               // there
  std::vector<image::IdRange> uids, gids;  // of the namespace entered; empty when privileged
  bool many_ids = true;                    // more than its own
};

// To be called while there is one thread. `self` is how to start this program again. Throws Error.
[[nodiscard]] Identity enter_user_namespace(const std::string& self);

// The other half: `wherry-unpack map-ids PID FD UIDS GIDS`, started outside the namespace.
int map_ids(const std::vector<std::string>& words);

// The first range of subuid(5) for a user, by name or number. Exposed for its test.
[[nodiscard]] std::optional<image::IdRange> find_subordinate(std::string_view text, std::string_view name,
                                                             std::string_view uid);

}  // namespace wherry::unpacking
