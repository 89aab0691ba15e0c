// SPDX-License-Identifier: Apache-2.0
#include "container/saved.hpp"

#include "oci/reader.hpp"
#include "plan/codec.hpp"

namespace wherry::container {

oci::Spec read_saved_spec(const StateDirectory& directory) { return oci::read_spec(directory.read_file(kConfigFile)); }

plan::Plan read_saved_plan(const StateDirectory& directory) {
  const std::string bytes = directory.read_file(kPlanFile);
  return plan::decode({reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size()});
}

oci::State hook_state(const oci::Record& record, const std::string& status) {
  oci::State state;
  state.oci_version = record.oci_version;
  state.id = record.id;
  state.status = status;
  state.bundle = record.bundle;
  state.annotations = record.annotations;
  return state;
}

}  // namespace wherry::container
