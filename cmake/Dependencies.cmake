# Everything that is not ours, as targets. Headers of others are SYSTEM: their warnings are not ours.
set(CMAKE_FIND_PACKAGE_TARGETS_GLOBAL ON)  # A project that takes this one in links what tensorferry::client links.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(fmt REQUIRED)
find_package(nlohmann_json REQUIRED)
pkg_check_modules(libzip REQUIRED IMPORTED_TARGET GLOBAL libzip)
pkg_check_modules(xxhash REQUIRED IMPORTED_TARGET GLOBAL libxxhash)
add_library(xxHash::xxhash ALIAS PkgConfig::xxhash)

include(ImportLibraries)
tensorferry_import(absl absl_statusor absl_status absl_cord absl_inlined_vector)
if(TENSORFERRY_GRPC)
  tensorferry_import(protobuf protobuf)
  tensorferry_import(grpc grpc++ protobuf)
  find_program(PROTOC protoc REQUIRED)
  find_program(GRPC_CPP_PLUGIN grpc_cpp_plugin REQUIRED)
endif()
if(TENSORFERRY_CLIENT_ONLY)
  return()
endif()

find_package(OpenSSL REQUIRED)
find_package(spdlog REQUIRED)
if(TENSORFERRY_GRPC)
  find_package(ZLIB REQUIRED)
  find_package(Boost 1.81 REQUIRED)  # Its headers alone: Asio and Beast.
  find_package(CLI11 REQUIRED)
  # By pkg-config: its CMake package asks for the libraries of its HTTP server and client, too.
  pkg_check_modules(prometheus REQUIRED IMPORTED_TARGET prometheus-cpp-core)
endif()

# libtorch: -DTorch_DIR=…/share/cmake/Torch of an unpacked libtorch, else the wheel of the project's environment or of
# TENSORFERRY_TORCH_PYTHON. Torch_DIR alone is set: on CMAKE_PREFIX_PATH, torch's copy of protobuf's headers would win.
if(NOT Torch_DIR)
  execute_process(
    COMMAND ${TENSORFERRY_TORCH_PYTHON} -c "import importlib.util as find; print(find.find_spec('torch').submodule_search_locations[0] + '/share/cmake')"
    OUTPUT_VARIABLE torch_cmake_prefix OUTPUT_STRIP_TRAILING_WHITESPACE RESULT_VARIABLE torch_missing)
  if(torch_missing)
    message(FATAL_ERROR "No libtorch: run `make setup`, or give -DTorch_DIR=<libtorch>/share/cmake/Torch")
  endif()
  set(Torch_DIR ${torch_cmake_prefix}/Torch CACHE PATH "Folder of TorchConfig.cmake")
endif()
include(${Torch_DIR}/TorchConfigVersion.cmake)
if(PACKAGE_VERSION VERSION_LESS 2.11)
  message(FATAL_ERROR "libtorch ${PACKAGE_VERSION} in ${Torch_DIR}: 2.11 or newer is needed")
endif()
get_filename_component(TENSORFERRY_TORCH_ROOT ${Torch_DIR}/../../.. ABSOLUTE)

# Not by find_package: that of a CUDA build asks for the whole CUDA toolkit, and nothing here is compiled for CUDA.
# Torch's include folder holds its own copies of protobuf's and fmt's headers: -idirafter puts it behind the system's.
add_library(tensorferry_torch INTERFACE)
add_library(tensorferry::torch ALIAS tensorferry_torch)
target_compile_options(tensorferry_torch INTERFACE
  "SHELL:-idirafter ${TENSORFERRY_TORCH_ROOT}/include"
  "SHELL:-idirafter ${TENSORFERRY_TORCH_ROOT}/include/torch/csrc/api/include")
target_link_libraries(tensorferry_torch INTERFACE
  ${TENSORFERRY_TORCH_ROOT}/lib/libtorch_cpu.so ${TENSORFERRY_TORCH_ROOT}/lib/libc10.so)
# Packages that the usual wheel compiles need libtorch.so, which the loader finds for them only if it is loaded already.
target_link_libraries(tensorferry_torch INTERFACE
  -Wl,--push-state,--no-as-needed ${TENSORFERRY_TORCH_ROOT}/lib/libtorch.so -Wl,--pop-state)
if(EXISTS ${TENSORFERRY_TORCH_ROOT}/lib/libtorch_cuda.so)
  # Nothing calls it by name; loaded, it registers its kernels.
  target_link_libraries(tensorferry_torch INTERFACE
    -Wl,--push-state,--no-as-needed ${TENSORFERRY_TORCH_ROOT}/lib/libtorch_cuda.so -Wl,--pop-state)
  target_link_options(tensorferry_torch INTERFACE -Wl,-rpath-link,${TENSORFERRY_TORCH_ROOT}/lib)
endif()
