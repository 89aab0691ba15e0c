# SPDX-License-Identifier: Apache-2.0
# bin/wherry and libexec/wherry/wherry-init (the fallback for hosts that forbid executing a memfd).
include(GNUInstallDirs)

# Release files are stripped as they are installed, without asking for `cmake --install --strip`.
install(CODE "
if(\"\${CMAKE_INSTALL_CONFIG_NAME}\" STREQUAL \"Release\")
  set(CMAKE_INSTALL_DO_STRIP TRUE)
endif()")

if(TARGET wherry)
  install(TARGETS wherry RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
endif()
if(TARGET wherry-unpack)
  install(TARGETS wherry-unpack RUNTIME DESTINATION "${CMAKE_INSTALL_LIBEXECDIR}/wherry")
endif()
if(TARGET wherry_init)
  # 0555: a container must find no writable bit on the program that set it up.
  install(TARGETS wherry_init RUNTIME DESTINATION "${CMAKE_INSTALL_LIBEXECDIR}/wherry"
    PERMISSIONS OWNER_READ OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
endif()
