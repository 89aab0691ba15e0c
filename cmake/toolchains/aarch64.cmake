# SPDX-License-Identifier: Apache-2.0
# Debian's cross compiler (package g++-aarch64-linux-gnu). Everything but wherry-init needs the libraries that
# tests/aarch64/fetch unpacks.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_ASM_COMPILER aarch64-linux-gnu-gcc)

set(WHERRY_AARCH64_ROOT "${CMAKE_CURRENT_LIST_DIR}/../../build/aarch64-root")
if(WHERRY_ONLY_INIT)
  # It links no library at all, so no test program may be linked either.
  set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)
else()
  set(CMAKE_FIND_ROOT_PATH "${WHERRY_AARCH64_ROOT}" /usr/aarch64-linux-gnu)
  set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
  set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
  set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
  set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
  set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)
  include_directories(SYSTEM "${WHERRY_AARCH64_ROOT}/usr/include")
  set(CMAKE_EXE_LINKER_FLAGS_INIT "-L${WHERRY_AARCH64_ROOT}/usr/lib/aarch64-linux-gnu")
  set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64-static)
endif()
