# SPDX-License-Identifier: Apache-2.0
# The libraries Wherry links, as targets that are safe in a static link. docs/DEPENDENCIES.md says why each is here.
#   wherry::json  wherry::log  wherry::cli11  wherry::seccomp  wherry::cap  wherry::nettle  wherry::zstd  wherry::gzip
#   wherry::nanopb  wherry::systemd
if(WHERRY_ONLY_INIT)
  return()
endif()

find_package(Threads REQUIRED)
find_package(nlohmann_json 3.10 REQUIRED)
find_package(fmt 9 REQUIRED)
find_package(spdlog 1.10 REQUIRED)
find_package(CLI11 2 REQUIRED)

add_library(wherry::json INTERFACE IMPORTED)
target_link_libraries(wherry::json INTERFACE nlohmann_json::nlohmann_json)

add_library(wherry::cli11 INTERFACE IMPORTED)
target_link_libraries(wherry::cli11 INTERFACE CLI11::CLI11)

# The distribution's header-only spdlog still asks for fmt's shared library, which no static link can take.
get_target_property(spdlog_links spdlog::spdlog_header_only INTERFACE_LINK_LIBRARIES)
list(REMOVE_ITEM spdlog_links fmt::fmt)
list(APPEND spdlog_links fmt::fmt-header-only)
list(REMOVE_DUPLICATES spdlog_links)
set_target_properties(spdlog::spdlog_header_only PROPERTIES INTERFACE_LINK_LIBRARIES "${spdlog_links}")
add_library(wherry::log INTERFACE IMPORTED)
target_link_libraries(wherry::log INTERFACE spdlog::spdlog_header_only fmt::fmt-header-only)

# By plain name, so that the linker takes the archive in a static link and the shared library otherwise.
function(wherry_system_library name header library)
  string(TOUPPER "WHERRY_${name}_INCLUDE" variable)
  find_path(${variable} ${header} PATH_SUFFIXES ${name} REQUIRED)  # nanopb: in a directory of its own since Debian 13
  mark_as_advanced(${variable})
  add_library(wherry::${name} INTERFACE IMPORTED GLOBAL)
  target_link_libraries(wherry::${name} INTERFACE ${library})
  target_include_directories(wherry::${name} SYSTEM INTERFACE "${${variable}}")
endfunction()
wherry_system_library(seccomp seccomp.h seccomp)
wherry_system_library(cap sys/capability.h cap)
wherry_system_library(nanopb pb_decode.h protobuf-nanopb)
wherry_system_library(nettle nettle/sha2.h nettle)
wherry_system_library(zstd zstd.h zstd)

# gzip: ISA-L where the distribution has it (x86-64), zlib elsewhere.
find_path(WHERRY_ISAL_INCLUDE isa-l/igzip_lib.h)
mark_as_advanced(WHERRY_ISAL_INCLUDE)
add_library(wherry::gzip INTERFACE IMPORTED GLOBAL)
if(WHERRY_ISAL_INCLUDE)
  set(WHERRY_GZIP_SOURCE gzip_isal.cpp)
  target_link_libraries(wherry::gzip INTERFACE isal)
else()
  find_package(ZLIB REQUIRED)
  set(WHERRY_GZIP_SOURCE gzip_zlib.cpp)
  target_link_libraries(wherry::gzip INTERFACE ZLIB::ZLIB)
endif()
if(WHERRY_SYSTEMD)
  wherry_system_library(systemd systemd/sd-bus.h systemd)
endif()
