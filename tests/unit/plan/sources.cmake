unit_sources(capabilities_test.cpp limits_test.cpp seccomp_shrink_test.cpp seccomp_test.cpp)
unit_links(wherry::seccomp)
