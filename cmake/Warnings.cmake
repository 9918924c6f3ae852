# Compile options of our own code; generated code and headers of others do without.
add_library(tensorferry_warnings INTERFACE)
add_library(tensorferry::warnings ALIAS tensorferry_warnings)
target_compile_options(tensorferry_warnings INTERFACE
  -Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow -Wnon-virtual-dtor -Wold-style-cast -Wswitch
  $<$<CXX_COMPILER_ID:Clang>:-Wthread-safety>  # base/thread_annotations.h.
  -Wno-missing-field-initializers  # Designated initialisers name what differs from the defaults.
  $<$<AND:$<CXX_COMPILER_ID:GNU>,$<BOOL:${CMAKE_UNITY_BUILD}>>:-Wno-subobject-linkage>  # It takes a unit's files for headers.
  $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>  # GCC 12 sees overlaps in std::string's concatenation (GCC bug 105651).
  $<$<BOOL:${TENSORFERRY_WERROR}>:-Werror>)
