# Compile and link options of every program that is installed, and of the libraries in it, in the folder that includes
# this file and those below: as Debian builds its packages. Overflows of the stack and of buffers whose size is known end
# the process, the linker's tables are read-only, and jumps go where they may, where the processor checks that.
# docs/configuration.md says what they cost.
if(NOT TENSORFERRY_HARDENING)
  return()
endif()
include(CheckCXXCompilerFlag)
add_compile_options(-fstack-protector-strong)
check_cxx_compiler_flag(-fcf-protection TENSORFERRY_HAS_CF_PROTECTION)
if(TENSORFERRY_HAS_CF_PROTECTION)  # x86 alone has it.
  add_compile_options(-fcf-protection)
endif()
# The C library's checks need optimised code, and sanitizers have better ones of their own.
if(NOT CMAKE_CXX_FLAGS MATCHES "-fsanitize")
  add_compile_options($<$<NOT:$<CONFIG:Debug>>:-U_FORTIFY_SOURCE> $<$<NOT:$<CONFIG:Debug>>:-D_FORTIFY_SOURCE=2>)
endif()
add_link_options(-Wl,-z,relro,-z,now)
