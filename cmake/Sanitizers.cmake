# SPDX-License-Identifier: Apache-2.0
# WHERRY_SANITIZE="address;undefined" instruments everything that links wherry_flags.
# wherry-init does not: it has no C library for a sanitizer's runtime to live in.

add_library(wherry_sanitizers INTERFACE)
if(WHERRY_SANITIZE)
  list(JOIN WHERRY_SANITIZE "," sanitizers)
  target_compile_options(wherry_sanitizers INTERFACE
    -fsanitize=${sanitizers} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(wherry_sanitizers INTERFACE -fsanitize=${sanitizers})
endif()
