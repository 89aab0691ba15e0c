// SPDX-License-Identifier: Apache-2.0
#include "shim/commands.hpp"
#include "shim/messages.hpp"
#include "wherry/wherry.hpp"

namespace wherry::shim {

std::string information(const Surroundings& surroundings) {
  RuntimeInfo info;
  info.name = "io.containerd.wherry.v2";
  info.version = RuntimeVersion{WHERRY_VERSION, ""};
  Any options;
  if (!surroundings.standard_input.empty() && decode(surroundings.standard_input, options)) info.options = options;
  info.features = Any{"types.containerd.io/opencontainers/runtime-spec/1/features/Features", features_json()};
  return encode(info);
}

}  // namespace wherry::shim
