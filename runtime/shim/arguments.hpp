// SPDX-License-Identifier: Apache-2.0
// The command line that containerd gives a shim: Go's flags, then one verb.
#pragma once

#include <string>
#include <vector>

namespace wherry::shim {

struct Arguments {
  std::string verb;  // "start", "delete", or "" for the server
  std::string container_namespace, id, address, bundle;
  bool debug = false, info = false, version = false;
};

// Throws Error for what no shim knows. -name value, -name=value, --name ...; booleans stand alone.
[[nodiscard]] Arguments parse_arguments(const std::vector<std::string>& words);

}  // namespace wherry::shim
