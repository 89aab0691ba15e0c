# SPDX-License-Identifier: Apache-2.0
# bin/wherry, bin/containerd-shim-wherry-v2; libexec/wherry: wherry-init (the fallback for hosts that forbid executing a
# memfd) and wherry-systemd (for the systemd cgroup manager); man pages, completions; the target `uninstall`; and the
# Debian package (cpack).
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
if(TARGET wherry_shim_program)
  install(TARGETS wherry_shim_program RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
endif()
if(TARGET wherry_init)
  # 0555: a container must find no writable bit on the program that set it up.
  install(TARGETS wherry_init RUNTIME DESTINATION "${CMAKE_INSTALL_LIBEXECDIR}/wherry"
    PERMISSIONS OWNER_READ OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
endif()
if(TARGET wherry_systemd)
  install(TARGETS wherry_systemd RUNTIME DESTINATION "${CMAKE_INSTALL_LIBEXECDIR}/wherry")
endif()
if(TARGET wherry-manual)
  install(DIRECTORY "${WHERRY_MANUAL_DIR}/" DESTINATION "${CMAKE_INSTALL_MANDIR}/man8" FILES_MATCHING PATTERN "*.8")
  install(FILES "${WHERRY_MANUAL_DIR}/wherry.bash" RENAME wherry
    DESTINATION "${CMAKE_INSTALL_DATADIR}/bash-completion/completions")
  install(FILES "${WHERRY_MANUAL_DIR}/wherry.fish" DESTINATION "${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d")
  # Where zsh looks: Debian's has a directory for packages below /usr, and the usual one below /usr/local.
  if(CMAKE_INSTALL_PREFIX STREQUAL "/usr")
    set(WHERRY_ZSH_DIR "${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions")
  else()
    set(WHERRY_ZSH_DIR "${CMAKE_INSTALL_DATADIR}/zsh/site-functions")
  endif()
  install(FILES "${WHERRY_MANUAL_DIR}/_wherry" DESTINATION "${WHERRY_ZSH_DIR}")
endif()

# `podman --runtime wherry` finds it without a path. Podman reads /etc alone, so this is for the package.
if(CMAKE_INSTALL_PREFIX STREQUAL "/usr" AND TARGET wherry)
  install(FILES "${PROJECT_SOURCE_DIR}/cmake/podman.conf" RENAME wherry.conf
    DESTINATION "${CMAKE_INSTALL_FULL_SYSCONFDIR}/containers/containers.conf.d")
endif()

configure_file("${PROJECT_SOURCE_DIR}/cmake/uninstall.cmake.in" "${PROJECT_BINARY_DIR}/uninstall.cmake" @ONLY)
add_custom_target(uninstall COMMAND "${CMAKE_COMMAND}" -P "${PROJECT_BINARY_DIR}/uninstall.cmake" VERBATIM)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_CONTACT "the Wherry project <wherry@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "OCI container runtime")
set(CPACK_PACKAGING_INSTALL_PREFIX "${CMAKE_INSTALL_PREFIX}")  # the program knows where its init is
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION admin)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)  # of wherry-unpack; the runtime itself needs nothing
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION
  "Wherry makes and runs containers as the OCI runtime specification describes them,
with the command line of runc, under Docker, containerd and Podman or alone.")
include(CPack)
