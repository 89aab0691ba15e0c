// SPDX-License-Identifier: Apache-2.0
// What create and run share.
#pragma once

#include "container/launch.hpp"
#include "container/store.hpp"
#include "oci/record.hpp"
#include "wherry/wherry.hpp"

namespace wherry::container {

// config.json, read and validated.
struct Bundle {
  std::string text;
  oci::Spec spec;
};
[[nodiscard]] Bundle read_bundle(const CreateOptions& options);

}  // namespace wherry::container
