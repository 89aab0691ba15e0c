// SPDX-License-Identifier: Apache-2.0
#include "oci/default_spec.hpp"

#include <catch2/catch.hpp>

#include "oci/reader.hpp"
#include "oci/validate.hpp"

using namespace wherry::oci;

TEST_CASE("default spec: valid, private and without a user namespace", "[oci]") {
  const Spec spec = read_spec(default_config_json(false));
  CHECK(validate(spec).empty());
  CHECK(spec.oci_version == "1.3.0");
  CHECK(spec.process->terminal);
  CHECK(spec.process->no_new_privileges);
  CHECK(spec.root.readonly);
  CHECK(spec.linux.namespaces.size() == 6);
  CHECK(find_namespace(spec.linux, NamespaceType::kUser) == nullptr);
  CHECK(spec.linux.resources.has_value());
  CHECK(spec.linux.masked_paths.size() == 11);
  CHECK(spec.process->capabilities->ambient.empty());
}

TEST_CASE("default spec, rootless: what differs", "[oci]") {
  const Spec spec = read_spec(default_config_json(true, 1000, 1001));
  CHECK(validate(spec).empty());
  CHECK(find_namespace(spec.linux, NamespaceType::kNetwork) == nullptr);
  CHECK(find_namespace(spec.linux, NamespaceType::kUser) != nullptr);
  CHECK(spec.linux.uid_mappings == std::vector<IdMapping>{{0, 1000, 1}});
  CHECK(spec.linux.gid_mappings == std::vector<IdMapping>{{0, 1001, 1}});
  CHECK(!spec.linux.resources.has_value());
  for (const Mount& mount : spec.mounts) {
    if (mount.destination == "/sys") CHECK(mount.options.front() == "rbind");
    if (mount.destination == "/dev/pts") CHECK(mount.options.back() == "mode=0620");
  }
}

TEST_CASE("default spec: indented by tabs, no newline at the end", "[oci]") {
  const std::string json = default_config_json(false);
  CHECK(json.starts_with("{\n\t\"ociVersion\": \"1.3.0\",\n\t\"process\": {\n\t\t\"terminal\": true,\n"));
  CHECK(json.ends_with("\n\t}\n}"));
}
