// SPDX-License-Identifier: Apache-2.0
// What wherry-init is told before there is a plan must be what the plan says later.
#include <sched.h>

#include <algorithm>

#include "plan/compile.hpp"
#include "unit/plan/plan_fixtures.hpp"

using namespace wherry;
using namespace wherry::plan;

namespace {

uint64_t planned_types(const Plan& plan) {
  const auto index = index_of<CreateNamespaces<Owned>>(plan);
  return index ? std::get<CreateNamespaces<Owned>>(plan.steps[*index].step).types.value : 0;
}

bool joins_or_maps(const oci::Spec& spec) {
  return std::ranges::any_of(spec.linux.namespaces, [](const oci::Namespace& entry) {
    return !entry.path.empty() || entry.type == oci::NamespaceType::kUser;
  });
}

}  // namespace

TEST_CASE("ahead: the same namespaces as in the plan, or none", "[plan]") {
  for (const auto& [name, spec] : test::engine_specs()) {
    INFO(name);
    const uint64_t ahead = namespaces_ahead(spec, test::root_facts()).value;
    CHECK(ahead == (joins_or_maps(spec) ? 0 : planned_types(compile(spec, test::root_facts()))));
    CHECK(namespaces_ahead(spec, test::user_facts()).value == 0);
  }
}

TEST_CASE("ahead: not before a namespace that is joined, nor outside a new user namespace", "[plan]") {
  oci::Spec spec;
  spec.linux.namespaces = {{oci::NamespaceType::kNetwork, ""}, {oci::NamespaceType::kPid, ""}};
  CHECK(namespaces_ahead(spec, test::root_facts()).value == CLONE_NEWNET);
  spec.linux.namespaces[1].path = "/proc/1/ns/pid";
  CHECK(namespaces_ahead(spec, test::root_facts()).value == 0);
  spec.linux.namespaces[1] = {oci::NamespaceType::kUser, ""};
  CHECK(namespaces_ahead(spec, test::root_facts()).value == 0);
}
