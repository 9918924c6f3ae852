# tensorferry_import(NAME MODULE...): tensorferry::NAME, from pkg-config. The build and the installed package use it alike.
#
# gRPC's own CMake package on Debian knows the shared library only; its archives come through `pkg-config --static`.
# OpenSSL, zlib and libc stay shared, so that their security updates reach us.
function(tensorferry_import name)
  pkg_check_modules(${name}_PC REQUIRED ${ARGN})
  add_library(tensorferry::${name} INTERFACE IMPORTED GLOBAL)
  target_include_directories(tensorferry::${name} SYSTEM INTERFACE ${${name}_PC_INCLUDE_DIRS})
  if(TENSORFERRY_SHARED_DEPS)
    target_link_libraries(tensorferry::${name} INTERFACE ${${name}_PC_LINK_LIBRARIES} Threads::Threads)
    return()
  endif()
  set(archives)
  set(libraries)
  foreach(library IN LISTS ${name}_PC_STATIC_LIBRARIES)
    if(library MATCHES "^(grpc|gpr|upb|address_sorting|absl_|protobuf|utf8_|re2|cares)")
      find_library(TENSORFERRY_${library}_ARCHIVE lib${library}.a REQUIRED)
      mark_as_advanced(TENSORFERRY_${library}_ARCHIVE)
      list(APPEND archives ${TENSORFERRY_${library}_ARCHIVE})
    else()
      list(APPEND libraries ${library})
    endif()
  endforeach()
  list(REMOVE_DUPLICATES archives)
  list(REMOVE_DUPLICATES libraries)
  list(JOIN archives "," group)  # One linker argument: CMake would reorder the archives of a list.
  target_link_libraries(tensorferry::${name} INTERFACE "-Wl,--start-group,${group},--end-group" ${libraries} Threads::Threads)
endfunction()
