// SPDX-License-Identifier: Apache-2.0
// An overlay at "/".
#include <catch2/catch.hpp>

#include "plan/compile.hpp"
#include "plan/composer.hpp"
#include "unit/plan/plan_fixtures.hpp"
#include "wherry/error.hpp"

using namespace wherry;
using namespace wherry::plan;

namespace {

using Texts = std::vector<std::string>;

oci::Spec with_overlay(const Texts& options) {
  oci::Spec spec = test::bundle_specs().front().spec;
  oci::Mount mount;
  mount.destination = "/";
  mount.type = "overlay";
  mount.source = "overlay";
  mount.options = options;
  spec.mounts.insert(spec.mounts.begin(), mount);
  return spec;
}

Plan compiled(const Texts& options) { return compile(with_overlay(options), test::root_facts()); }

Plan in_user_namespace(const Texts& options) {
  oci::Spec spec = with_overlay(options);
  spec.linux.namespaces.push_back({oci::NamespaceType::kUser, ""});
  spec.linux.uid_mappings = spec.linux.gid_mappings = {{0, 100000, 65536}};
  return compile(spec, test::root_facts());
}

}  // namespace

TEST_CASE("an overlay is named from the directories that its parts share") {
  const OverlayParts parts = parse_overlay(
      {"lowerdir=/s/layers/b/diff:/s/layers/a/diff", "upperdir=/b/o/upper", "workdir=/b/o/work", "userxattr"}, "");
  CHECK(parts.directory == "/s/layers");
  CHECK(parts.lowers == Texts{"b/diff", "a/diff"});
  CHECK(parts.changes == "/b/o");
  CHECK(parts.upper == "upper");
  CHECK(parts.work == "work");
  CHECK(parts.options == Texts{"userxattr"});
}

TEST_CASE("one layer, the root directory, and layers without changes") {
  CHECK(parse_overlay({"lowerdir=/a/b"}, "").directory == "/a");
  const OverlayParts parts = parse_overlay({"lowerdir=/a:/b/c"}, "");
  CHECK(parts.directory == "/");
  CHECK(parts.lowers == Texts{"a", "b/c"});
  CHECK(parts.changes.empty());
  CHECK(parse_overlay({"lowerdir=/x\\:y/a:/x\\:y/b"}, "").directory == "/x:y");
  CHECK(parse_overlay({"lowerdir=/aa/x:/ab/x"}, "").lowers == Texts{"aa/x", "ab/x"});
}

TEST_CASE("what cannot be an overlay is refused") {
  for (const Texts& options :
       {Texts{}, Texts{"lowerdir="}, Texts{"lowerdir=a"}, Texts{"lowerdir=/a:"}, Texts{"lowerdir=/a//b"},
        Texts{"lowerdir=/a/../b"}, Texts{"lowerdir=/a/"}, Texts{"lowerdir=/d/a\\:b:/d/c"},
        Texts{"lowerdir=/a", "upperdir=/u"}, Texts{"lowerdir=/a", "upperdir=u", "workdir=/w"},
        Texts{"lowerdir=/" + std::string(300, 'a')}})
    CHECK_THROWS_AS(parse_overlay(options, "/mounts/0"), Error);
}

TEST_CASE("the overlay is mounted by pid 1, over the root and below all else") {
  const Plan plan = compiled({"lowerdir=/s/b:/s/a", "upperdir=/o/u", "workdir=/o/w"});
  const auto root = index_of<MountRoot<Owned>>(plan), overlay = index_of<MountOverlay<Owned>>(plan);
  const auto mount = index_of<Mount<Owned>>(plan), pivot = index_of<PivotRoot<Owned>>(plan);
  REQUIRE(overlay);
  CHECK(*root < *overlay);
  CHECK(*overlay < *mount);
  CHECK(*mount < *pivot);
  CHECK(plan.steps[*overlay].lane == Lane::kPid1);
  CHECK(plan.steps[*overlay].origin == "/mounts/0");
}

TEST_CASE("layers are opened and mapped before the user namespace is entered") {
  const Plan plan = in_user_namespace({"lowerdir=/s/b:/s/a", "upperdir=/o/u", "workdir=/o/w"});
  const auto overlay = index_of<MountOverlay<Owned>>(plan), mapping = index_of<CreateIdMapping>(plan);
  REQUIRE(overlay);
  REQUIRE(mapping);
  const auto& step = std::get<MountOverlay<Owned>>(plan.steps[*overlay].step);
  const Slot wanted = std::get<CreateIdMapping>(plan.steps[*mapping].step).slot;
  for (const auto& [path, slot] : {std::pair{step.directory, step.directory_slot}, {step.changes, step.changes_slot}}) {
    CAPTURE(path);
    REQUIRE(slot != slot::kNone);
    const OpenTree<Owned>* opened = nullptr;
    for (std::size_t i = *mapping; i < *overlay; ++i) {
      const auto* tree = std::get_if<OpenTree<Owned>>(&plan.steps[i].step);
      if (tree != nullptr && tree->slot == slot) opened = tree;
    }
    REQUIRE(opened != nullptr);
    CHECK(opened->path == path);
    CHECK(opened->mapping == wanted);
    CHECK_FALSE(opened->recursive);
  }
  const Plan readonly = in_user_namespace({"lowerdir=/s/a"});
  CHECK(std::get<MountOverlay<Owned>>(readonly.steps[*index_of<MountOverlay<Owned>>(readonly)].step).changes_slot ==
        slot::kNone);
}
