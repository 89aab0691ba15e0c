# SPDX-License-Identifier: Apache-2.0
# How executables are linked. Release builds are one static-pie file each: no dynamic loader at start-up
# (0.4 ms instead of 1.05 ms), nothing to find on the host. Sanitizers and fuzzers need shared libraries.

add_library(wherry_link INTERFACE)
target_link_options(wherry_link INTERFACE -Wl,--gc-sections -Wl,-z,relro,-z,now -Wl,-z,noexecstack)
# DT_RELR: the executable relocates itself at each start, and reads a tenth of the table for it.
include(CheckLinkerFlag)
check_linker_flag(CXX -Wl,-z,pack-relative-relocs WHERRY_HAS_RELR)
if(WHERRY_HAS_RELR)
  target_link_options(wherry_link INTERFACE -Wl,-z,pack-relative-relocs)
endif()
if(WHERRY_STATIC AND NOT WHERRY_SANITIZE AND NOT WHERRY_FUZZ)
  # Not for a target with the property WHERRY_DYNAMIC: it needs a library that there is no archive of.
  target_link_options(wherry_link INTERFACE
    $<$<AND:$<CONFIG:Release>,$<NOT:$<BOOL:$<TARGET_PROPERTY:WHERRY_DYNAMIC>>>>:-static-pie>
    $<$<AND:$<CONFIG:Release>,$<BOOL:$<TARGET_PROPERTY:WHERRY_DYNAMIC>>>:-pie>)
endif()
if(NOT WHERRY_STATIC OR WHERRY_SANITIZE OR WHERRY_FUZZ)
  target_link_options(wherry_link INTERFACE -pie)
else()
  target_link_options(wherry_link INTERFACE $<$<NOT:$<CONFIG:Release>>:-pie>)
endif()

# What a start passes through lies together, at the front: scripts/order-start, which reads the linker's map. The script
# has INSERT, and so adds to the linker's own.
set(WHERRY_START_ORDER "${PROJECT_SOURCE_DIR}/cmake/start-order.ld")
check_linker_flag(CXX "-Wl,-T,${WHERRY_START_ORDER}" WHERRY_HAS_ORDER)
function(wherry_order_start target)
  if(WHERRY_HAS_ORDER)
    target_link_options(${target} PRIVATE
      "$<$<CONFIG:Release>:-Wl,-T,${WHERRY_START_ORDER}>" "$<$<CONFIG:Release>:-Wl,-Map,$<TARGET_FILE:${target}>.map>")
    set_property(TARGET ${target} APPEND PROPERTY LINK_DEPENDS "${WHERRY_START_ORDER}")
  endif()
endfunction()
