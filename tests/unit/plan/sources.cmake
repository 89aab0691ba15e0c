unit_sources(
  ahead_test.cpp
  capabilities_test.cpp
  codec_test.cpp
  compile_order_test.cpp
  compile_unit_test.cpp
  diagnose_test.cpp
  explain_test.cpp
  limits_test.cpp
  mount_options_test.cpp
  narrate_test.cpp
  overlay_test.cpp
  seccomp_shrink_test.cpp
  seccomp_test.cpp
  user_namespace_test.cpp
  wire_test.cpp)
unit_links(nlohmann_json::nlohmann_json wherry::seccomp)
