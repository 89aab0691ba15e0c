# SPDX-License-Identifier: Apache-2.0
# Debian's cross compiler (package g++-aarch64-linux-gnu).
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_ASM_COMPILER aarch64-linux-gnu-gcc)
# wherry-init links no library at all, so no test program may be linked either.
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)
