# SPDX-License-Identifier: Apache-2.0
# Every switch of the build, and the language rules all targets share.

option(WHERRY_WERROR "Treat compiler warnings as errors" OFF)
option(WHERRY_STATIC "Link the runtime as one static-pie executable (release builds)" ON)
option(WHERRY_SYSTEMD "Build wherry-systemd, which the systemd cgroup manager needs (libsystemd)" ON)
option(WHERRY_TESTS "Build the tests" ${PROJECT_IS_TOP_LEVEL})
option(WHERRY_FUZZ "Build the fuzz targets (needs clang)" OFF)
option(WHERRY_ONLY_INIT "Build wherry-init only (cross compiling for another architecture)" OFF)
set(WHERRY_SANITIZE "" CACHE STRING "Sanitizers, separated by semicolons, e.g. address;undefined")

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
# In gnu++ modes `linux` is a predefined macro; the code uses it as a name.
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Release or Debug" FORCE)
endif()
set(CMAKE_C_FLAGS_RELEASE "-O2 -DNDEBUG")
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -DNDEBUG")
set(CMAKE_C_FLAGS_DEBUG "-O0 -g")
set(CMAKE_CXX_FLAGS_DEBUG "-O0 -g")
