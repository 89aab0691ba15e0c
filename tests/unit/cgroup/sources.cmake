# SPDX-License-Identifier: Apache-2.0
unit_sources(
  cgroupfs_test.cpp
  devices_test.cpp
  location_test.cpp
  stats_test.cpp)
