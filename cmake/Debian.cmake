# The Debian packages: `make packages` makes them.
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME tensorferry)
set(CPACK_PACKAGE_VENDOR tensorferry)
set(CPACK_PACKAGE_CONTACT "tensorferry <tensorferry@localhost>")
set(CPACK_PACKAGE_DIRECTORY ${PROJECT_BINARY_DIR}/packages)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_COMPONENTS_ALL server command client)
set(CPACK_STRIP_FILES ON)
set(CPACK_THREADS 0)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_DEBIAN_COMPRESSION_TYPE zstd)  # xz takes minutes for libtorch, and saves a fifth.
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS_PRIVATE_DIRS ${TENSORFERRY_TORCH_ROOT}/lib)

set(CPACK_DEBIAN_SERVER_PACKAGE_NAME tensorferry-server)
set(CPACK_DEBIAN_SERVER_PACKAGE_SECTION net)
set(CPACK_COMPONENT_SERVER_DESCRIPTION "A gRPC server that turns NumPy arrays into torch tensors and runs models on them, with libtorch for CPUs.")
set(CPACK_DEBIAN_SERVER_PACKAGE_DEPENDS "systemd-sysusers, systemd-tmpfiles")
set(CPACK_DEBIAN_SERVER_PACKAGE_RECOMMENDS tensorferry)
set(debian ${PROJECT_SOURCE_DIR}/packaging/debian)
set(CPACK_DEBIAN_SERVER_PACKAGE_CONTROL_EXTRA
  ${debian}/conffiles ${debian}/postinst ${debian}/postrm ${debian}/prerm)
set(CPACK_DEBIAN_SERVER_PACKAGE_CONTROL_STRICT_PERMISSION ON)

set(CPACK_DEBIAN_COMMAND_PACKAGE_NAME tensorferry)
set(CPACK_DEBIAN_COMMAND_PACKAGE_SECTION net)
set(CPACK_COMPONENT_COMMAND_DESCRIPTION "The command that sends arrays in files to a server and compares the tensors that it made with them.")

set(CPACK_DEBIAN_CLIENT_PACKAGE_NAME libtensorferry-client-dev)
set(CPACK_DEBIAN_CLIENT_PACKAGE_SECTION libdevel)
set(CPACK_COMPONENT_CLIENT_DESCRIPTION "Headers and archives of the C++ client, for CMake and pkg-config.")
set(CPACK_DEBIAN_CLIENT_PACKAGE_DEPENDS
  "libabsl-dev, libfmt-dev, libgrpc++-dev, libprotobuf-dev, libxxhash-dev, libzip-dev")

# The script adds what is in the packages alone: libtorch, manual pages, licences, settings of the service.
set(CPACK_PRE_BUILD_SCRIPTS ${PROJECT_SOURCE_DIR}/packaging/debian/complete.cmake)
set(CPACK_TENSORFERRY_SOURCE ${PROJECT_SOURCE_DIR})
set(CPACK_TENSORFERRY_BUILD ${PROJECT_BINARY_DIR})
set(CPACK_TENSORFERRY_BIN ${CMAKE_RUNTIME_OUTPUT_DIRECTORY})
set(CPACK_TENSORFERRY_TORCH ${TENSORFERRY_TORCH_ROOT})
include(CPack)
