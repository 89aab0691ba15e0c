// SPDX-License-Identifier: Apache-2.0
// What a plan does otherwise where the host's own rights are missing.
#include <linux/mount.h>

#include <catch2/catch.hpp>

#include "plan/compile.hpp"
#include "unit/plan/plan_fixtures.hpp"

using namespace wherry;
using namespace wherry::plan;

namespace {

template <class S>
std::vector<S> all(const Plan& plan) {
  std::vector<S> found;
  for (const PlannedStep& planned : plan.steps)
    if (const auto* step = std::get_if<S>(&planned.step)) found.push_back(*step);
  return found;
}

template <class S>
std::size_t place_of(const Plan& plan) {
  const auto index = index_of<S>(plan);
  REQUIRE(index);
  return *index;
}

oci::Spec engine_spec(const std::string& name) {
  for (test::NamedSpec& named : test::engine_specs())
    if (named.name == name) return std::move(named.spec);
  FAIL("there is no " << name);
  return {};
}

std::string fallback_of(const Plan& plan, const std::string& type) {
  for (const Mount<Owned>& mount : all<Mount<Owned>>(plan))
    if (mount.type == type) return mount.fallback;
  return "no such mount";
}

Bind<Owned> bind_on(const Plan& plan, const std::string& target) {
  for (const Bind<Owned>& bind : all<Bind<Owned>>(plan))
    if (bind.target == target) return bind;
  FAIL("nothing is bound on " << target);
  return {};
}

void leave_away(oci::Spec& spec, oci::NamespaceType type) {
  std::erase_if(spec.linux.namespaces, [&](const oci::Namespace& entry) { return entry.type == type; });
}

}  // namespace

TEST_CASE("root of an outer container's user namespace makes no nodes and filters none", "[plan]") {
  const oci::Spec spec = engine_spec("ctr-2.1.9");
  const Plan real = compile(spec, test::root_facts());
  CHECK(all<AttachDeviceFilter>(real).size() == 1);
  CHECK(!all<CreateDevice<Owned>>(real).empty());
  CHECK(fallback_of(real, "sysfs").empty());

  Facts facts = test::root_facts();
  facts.in_user_namespace = true;
  const Plan nested = compile(spec, facts);
  CHECK(all<AttachDeviceFilter>(nested).empty());
  CHECK(all<CreateDevice<Owned>>(nested).empty());
  CHECK(all<BindDevice<Owned>>(nested).size() == all<CreateDevice<Owned>>(real).size());
  CHECK(fallback_of(nested, "sysfs") == "/sys");
  CHECK(fallback_of(nested, "proc").empty());  // the host's would show other pids
}

TEST_CASE("an ordinary user's cgroups are bound read-only", "[plan]") {
  oci::Spec spec = engine_spec("ctr-2.1.9");
  leave_away(spec, oci::NamespaceType::kCgroup);
  oci::Mount cgroups;
  cgroups.destination = "/sys/fs/cgroup";
  cgroups.type = cgroups.source = "cgroup";
  cgroups.options = {"rw"};
  spec.mounts.push_back(cgroups);
  CHECK(bind_on(compile(spec, test::root_facts()), "/sys/fs/cgroup").recursive_set.value == 0);
  const Bind<Owned> bind = bind_on(compile(spec, test::user_facts()), "/sys/fs/cgroup");
  CHECK(bind.recursive_set.value == MOUNT_ATTR_RDONLY);
  CHECK(bind.clear.value == 0);
}

TEST_CASE("the offsets of clocks are written before the process is hidden", "[plan]") {
  oci::Spec spec = engine_spec("ctr-2.1.9");
  spec.linux.namespaces.push_back({oci::NamespaceType::kTime, ""});
  spec.linux.namespaces.push_back({oci::NamespaceType::kUser, ""});
  spec.linux.uid_mappings = spec.linux.gid_mappings = {{0, 1000, 1}};
  for (const Facts& facts : {test::root_facts(), test::user_facts()}) {
    const Plan plan = compile(spec, facts);
    CHECK(place_of<MapIds>(plan) < place_of<CreateTimeNamespace<Owned>>(plan));
    CHECK(place_of<CreateTimeNamespace<Owned>>(plan) < place_of<HideFromTracers<Owned>>(plan));
  }
}

TEST_CASE("a joined user namespace owns the new time namespace", "[plan]") {
  oci::Spec spec = engine_spec("ctr-2.1.9");
  spec.linux.namespaces.push_back({oci::NamespaceType::kTime, ""});
  spec.linux.namespaces.push_back({oci::NamespaceType::kUser, "/proc/1/ns/user"});
  for (const Facts& facts : {test::root_facts(), test::user_facts()}) {
    const Plan plan = compile(spec, facts);
    CHECK(place_of<HideFromTracers<Owned>>(plan) < place_of<EnterNamespace<Owned>>(plan));
    CHECK(place_of<EnterNamespace<Owned>>(plan) < place_of<CreateTimeNamespace<Owned>>(plan));
  }
}
