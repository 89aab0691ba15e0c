# SPDX-License-Identifier: Apache-2.0
# wherry_warnings: include roots and warnings; all that freestanding code (wherry-init) takes.
# wherry_flags:    wherry_warnings plus wherry_hardening, sanitizers and link options, for everything else.

include(GNUInstallDirs)

add_library(wherry_warnings INTERFACE)
target_include_directories(wherry_warnings INTERFACE
  "${PROJECT_SOURCE_DIR}/runtime" "${PROJECT_SOURCE_DIR}/include")
target_compile_options(wherry_warnings INTERFACE
  -Wall -Wextra -Wshadow -Wconversion
  # GCC's bug 80635: false alarms about std::optional, many more of them since 13.
  $<$<AND:$<CXX_COMPILER_ID:GNU>,$<VERSION_GREATER_EQUAL:$<CXX_COMPILER_VERSION>,13>>:-Wno-maybe-uninitialized>
  $<$<BOOL:${WHERRY_WERROR}>:-Werror>
  -ffunction-sections -fdata-sections)

add_library(wherry_hardening INTERFACE)
target_compile_options(wherry_hardening INTERFACE -fPIE -fstack-protector-strong)
# _FORTIFY_SOURCE needs optimisation, and hides bugs from the address sanitizer's interceptors.
if(NOT WHERRY_SANITIZE)
  target_compile_options(wherry_hardening INTERFACE $<$<CONFIG:Release>:-U_FORTIFY_SOURCE>)
  target_compile_definitions(wherry_hardening INTERFACE $<$<CONFIG:Release>:_FORTIFY_SOURCE=2>)
endif()

add_library(wherry_flags INTERFACE)
target_link_libraries(wherry_flags INTERFACE wherry_warnings wherry_hardening wherry_sanitizers wherry_link)
target_compile_definitions(wherry_flags INTERFACE
  WHERRY_VERSION="${PROJECT_VERSION}"
  WHERRY_LIBEXECDIR="${CMAKE_INSTALL_FULL_LIBEXECDIR}/wherry")
