# SPDX-License-Identifier: Apache-2.0
# tests/unit/<folder>/sources.cmake names the tests of runtime/<folder>:
#
#   unit_sources(fd_test.cpp path_test.cpp)      # relative to that folder
#   unit_links(wherry::seccomp)                  # only if a test needs more than the tree's libraries
#
# tests/golden/sources.cmake likewise.

macro(unit_sources)
  list(APPEND unit_current_sources ${ARGN})
endmacro()
macro(unit_links)
  list(APPEND unit_current_links ${ARGN})
endmacro()

# A warning while writing; an error where warnings are errors.
function(unit_complain text)
  if(WHERRY_WERROR)
    message(SEND_ERROR "${text}")
  else()
    message(WARNING "${text}")
  endif()
endfunction()

# Compares a folder's list with its files: a test that no list names would never run and nobody would notice.
# Sets `existing` to the listed files that exist.
function(unit_compare directory listed existing)
  file(GLOB_RECURSE present CONFIGURE_DEPENDS RELATIVE "${directory}" "${directory}/*.cpp")
  set(found)
  foreach(source IN LISTS listed)
    if(EXISTS "${directory}/${source}")
      list(APPEND found "${source}")
      list(REMOVE_ITEM present "${source}")
    else()
      unit_complain("${directory}/sources.cmake names a file that does not exist: ${source}")
    endif()
  endforeach()
  if(present)
    unit_complain("not named in ${directory}/sources.cmake, so not built: ${present}")
  endif()
  set(${existing} ${found} PARENT_SCOPE)
endfunction()

# Defines unit_objects_<folder> and unit_tests_<folder>.
function(unit_folder folder directory)
  set(unit_current_sources)
  set(unit_current_links)
  include("${directory}/sources.cmake" OPTIONAL)
  unit_compare("${directory}" "${unit_current_sources}" unit_current_sources)
  if(NOT unit_current_sources)
    return()
  endif()
  list(TRANSFORM unit_current_sources PREPEND "${directory}/")
  add_library(unit_objects_${folder} OBJECT ${unit_current_sources})
  target_link_libraries(unit_objects_${folder}
    PUBLIC wherry_test_flags ${WHERRY_TEST_LIBRARIES} ${unit_current_links})

  add_executable(unit_tests_${folder} EXCLUDE_FROM_ALL)
  set_property(TARGET unit_tests_${folder} PROPERTY WHERRY_DYNAMIC ON)
  target_link_libraries(unit_tests_${folder} PRIVATE unit_objects_main unit_objects_${folder})
  target_link_libraries(unit_tests PRIVATE unit_objects_${folder})
endfunction()

add_library(unit_objects_main OBJECT unit/main.cpp)
target_link_libraries(unit_objects_main PUBLIC wherry_test_flags)
add_executable(unit_tests)
target_link_libraries(unit_tests PRIVATE unit_objects_main)
# runtime/image links a library that there is no archive of.
set_property(TARGET unit_tests PROPERTY WHERRY_DYNAMIC ON)

file(GLOB unit_entries CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/unit/*" "${CMAKE_CURRENT_SOURCE_DIR}/golden")
foreach(directory IN LISTS unit_entries)
  get_filename_component(folder "${directory}" NAME)
  set(room "${PROJECT_SOURCE_DIR}/runtime/${folder}")
  if(NOT IS_DIRECTORY "${directory}")
    continue()
  endif()
  if(EXISTS "${room}" AND NOT EXISTS "${room}/CMakeLists.txt")
    message(STATUS "tests/unit/${folder} waits for runtime/${folder}/CMakeLists.txt")
    continue()
  endif()
  unit_folder(${folder} "${directory}")
endforeach()
