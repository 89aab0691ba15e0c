# SPDX-License-Identifier: Apache-2.0
unit_sources(
  broken_test.cpp
  default_spec_test.cpp
  error_test.cpp
  golden_configs_test.cpp
  reader_test.cpp
  record_test.cpp
  state_test.cpp
  validate_test.cpp)
unit_links(nlohmann_json::nlohmann_json)
