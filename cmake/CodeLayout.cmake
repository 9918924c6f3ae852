# With TENSORFERRY_BOLT the server's code is laid out anew once it is linked: docs/adr/0029.
if(NOT TENSORFERRY_BOLT)
  return()
endif()
file(GLOB llvm_folders /usr/lib/llvm-*/bin)
list(SORT llvm_folders COMPARE NATURAL ORDER DESCENDING)
find_program(TENSORFERRY_LLVM_BOLT NAMES llvm-bolt llvm-bolt-19 HINTS ${llvm_folders})
if(NOT TENSORFERRY_LLVM_BOLT)
  message(FATAL_ERROR "TENSORFERRY_BOLT needs llvm-bolt: Debian's package bolt-19, or -DTENSORFERRY_BOLT=OFF")
endif()

# tensorferry_lay_out(SERVER CLIENT) lays out the program of the target SERVER, in place, whenever it was linked, by what
# it does for the load that the program of the target CLIENT sends.
function(tensorferry_lay_out server client)
  target_link_options(${server} PRIVATE -Wl,--emit-relocs)
  add_dependencies(${server} ${client})
  add_custom_command(TARGET ${server} POST_BUILD VERBATIM
    COMMENT "Laying out the code of ${server}"
    COMMAND ${PROJECT_SOURCE_DIR}/cmake/lay_out.sh
      ${TENSORFERRY_LLVM_BOLT} $<TARGET_FILE:${server}> $<TARGET_FILE:${client}>)
  set_property(TARGET ${server} APPEND PROPERTY LINK_DEPENDS ${PROJECT_SOURCE_DIR}/cmake/lay_out.sh)
endfunction()

# tensorferry_keep_from_strip() and tensorferry_strip_again() stand around an install() of such a program: `strip`, which
# `cmake --install --strip` and CPack call, leaves a program that does not start. Its symbols are gone already.
macro(tensorferry_keep_from_strip component)
  install(CODE "set(tensorferry_do_strip \"\${CMAKE_INSTALL_DO_STRIP}\")\nset(CMAKE_INSTALL_DO_STRIP OFF)"
    COMPONENT ${component})
endmacro()
macro(tensorferry_strip_again component)
  install(CODE "set(CMAKE_INSTALL_DO_STRIP \"\${tensorferry_do_strip}\")" COMPONENT ${component})
endmacro()
