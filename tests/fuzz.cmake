# SPDX-License-Identifier: Apache-2.0
# `fuzzers` builds them all. One libFuzzer target per file: tests/fuzz/<name>.cpp → fuzz_<name>, seeds in tests/fuzz/corpus/<name>/.
if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  message(FATAL_ERROR "WHERRY_FUZZ needs clang: libFuzzer is part of it (cmake --preset asan)")
endif()

file(GLOB fuzzers CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/fuzz/*.cpp")
add_custom_target(fuzzers)
foreach(source IN LISTS fuzzers)
  get_filename_component(name "${source}" NAME_WE)
  add_executable(fuzz_${name} "${source}")
  target_link_libraries(fuzz_${name} PRIVATE wherry_flags ${WHERRY_TEST_LIBRARIES} wherry_init_hosted)
  target_compile_definitions(fuzz_${name} PRIVATE WHERRY_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
  target_compile_options(fuzz_${name} PRIVATE -fsanitize=fuzzer,address,undefined)
  target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer,address,undefined)
  add_dependencies(fuzzers fuzz_${name})
endforeach()
