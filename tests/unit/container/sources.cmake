# SPDX-License-Identifier: Apache-2.0
unit_sources(
  filter_cache_test.cpp
  id_maps_test.cpp
  identity_test.cpp
  launch_test.cpp
  net_devices_test.cpp
  notify_test.cpp
  resctrl_test.cpp
  stats_json_test.cpp
  status_test.cpp
  store_test.cpp
  systemd_bus_test.cpp
  users_test.cpp)
