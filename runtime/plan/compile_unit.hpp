// SPDX-License-Identifier: Apache-2.0
// Annotations "org.systemd.property.NAME" as properties of the container's unit. Pure.
#pragma once

#include <string>
#include <vector>

#include "oci/spec.hpp"
#include "plan/unit.hpp"

namespace wherry::plan {

inline constexpr const char* kPropertyAnnotation = "org.systemd.property.";

// In the order of the annotations, and only those on the list of what a config.json may decide: how the unit is
// stopped, described, ordered and collected. Annotations may carry users' text, so properties that start or stop other
// units or act on the host (SuccessAction), or that would lift a limit, are refused. Values are in GVariant's text
// format. Throws Error with a pointer.
[[nodiscard]] std::vector<UnitProperty> compile_unit_properties(const oci::StringMap& annotations);

// One value; throws Error without a pointer. Exposed for its test.
[[nodiscard]] UnitProperty parse_unit_property(const std::string& name, const std::string& value);

}  // namespace wherry::plan
