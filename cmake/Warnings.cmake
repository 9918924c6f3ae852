# Compile options of our own code; generated code and headers of others do without.
add_library(tensorferry_warnings INTERFACE)
add_library(tensorferry::warnings ALIAS tensorferry_warnings)
target_compile_options(tensorferry_warnings INTERFACE
  -Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow -Wnon-virtual-dtor -Wold-style-cast -Wswitch
  -Wno-missing-field-initializers  # Designated initialisers name what differs from the defaults.
  $<$<BOOL:${TENSORFERRY_WERROR}>:-Werror>)
