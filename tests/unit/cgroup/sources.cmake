# SPDX-License-Identifier: Apache-2.0
unit_sources(
  cgroupfs_test.cpp
  devices_test.cpp
  location_test.cpp
  stats_test.cpp
  unit_name_test.cpp
  unit_properties_test.cpp)
