// SPDX-License-Identifier: Apache-2.0
#include "plan/explain.hpp"

#include "container/create.hpp"
#include "container/facts.hpp"
#include "oci/default_spec.hpp"
#include "plan/compile.hpp"
#include "wherry/wherry.hpp"

namespace wherry {

Explanation explain(const Settings& settings, const CreateOptions& options) {
  const container::Bundle bundle = container::read_bundle(options);
  const plan::Plan plan = plan::compile(bundle.spec, container::collect_facts(settings, options, bundle.spec));
  return {plan::explain_text(plan), plan::explain_json(plan)};
}

std::string default_config(bool rootless, std::uint32_t uid, std::uint32_t gid) {
  return oci::default_config_json(rootless, uid, gid);
}

}  // namespace wherry
