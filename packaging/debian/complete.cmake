# Completes the staged files of the Debian packages: cpack runs it before it packs them.
set(staged ${CPACK_TEMPORARY_DIRECTORY})
set(licence ${CPACK_TENSORFERRY_SOURCE}/LICENSE)

function(run)
  execute_process(COMMAND ${ARGN} COMMAND_ERROR_IS_FATAL ANY)
endfunction()

# add_man_page(COMPONENT PAGE WHAT [HELP2MAN ARGUMENT]... COMMAND): the manual page is what the command says of itself.
function(add_man_page component page what)
  set(file ${staged}/${component}/usr/share/man/man1/${page}.1)
  cmake_path(GET file PARENT_PATH folder)
  file(MAKE_DIRECTORY ${folder})
  run(help2man --no-info --no-discard-stderr --name ${what} --output ${file} ${ARGN})
  # help2man calls the page as the program, not as the subcommand.
  file(READ ${file} text)
  string(TOUPPER ${page} title)
  string(REGEX REPLACE "\n\\.TH [A-Z-]+ " "\n.TH ${title} " text "${text}")
  string(REGEX REPLACE "(\n\\.SH NAME\n)[a-z -]+ \\\\-" "\\1${page} \\\\-" text "${text}")
  file(WRITE ${file} "${text}")
  run(gzip -9 --no-name --force ${file})
endfunction()

add_man_page(server tensorferry-server "turns NumPy arrays into torch tensors over gRPC" ${CPACK_TENSORFERRY_BIN}/tensorferry-server)
set(command ${CPACK_TENSORFERRY_BIN}/tensorferry)
execute_process(COMMAND ${command} --help OUTPUT_VARIABLE help COMMAND_ERROR_IS_FATAL ANY)
string(REPLACE ";" "," help "${help}")
string(REGEX MATCH "Subcommands:\n(.*)\n\nExit" listed "${help}")
string(REPLACE "\n" ";" listed "${CMAKE_MATCH_1}")
set(pages)
foreach(line IN LISTS listed)
  string(REGEX MATCH "^  ([a-z]+) +(.*)" is_subcommand "${line}")
  set(subcommand ${CMAKE_MATCH_1})
  set(what ${CMAKE_MATCH_2})
  if(subcommand STREQUAL version)
    continue()  # Its only option is --help.
  endif()
  add_man_page(command tensorferry-${subcommand} ${what}
    --version-string ${CPACK_PACKAGE_VERSION} "${command} ${subcommand}")
  string(APPEND pages ".BR tensorferry-${subcommand} (1)\n")
endforeach()
set(see_also ${staged}/see-also)
file(WRITE ${see_also} "[see also]\n${pages}")
add_man_page(command tensorferry "converts NumPy arrays to torch tensors on a tensorferry server"
  --include ${see_also} ${command})
file(REMOVE ${see_also})

# Debian's zsh looks for completions in another folder than that of who installs by hand.
file(RENAME ${staged}/command/usr/share/zsh/site-functions ${staged}/command/usr/share/zsh/vendor-completions)

foreach(pair server:tensorferry-server command:tensorferry client:libtensorferry-client-dev)
  string(REPLACE ":" ";" pair ${pair})
  list(POP_FRONT pair component)
  configure_file(${licence} ${staged}/${component}/usr/share/doc/${pair}/copyright COPYONLY)
endforeach()
# The library is linked with nothing yet, and depends on the packages of what it is to be linked with.
set(texts ${staged}/LICENSE.libraries)
run(${CPACK_TENSORFERRY_SOURCE}/packaging/licences.py --within ${CPACK_TENSORFERRY_BUILD} OUTPUT_FILE ${texts})
run(gzip -9 --no-name --force ${texts})
file(COPY ${texts}.gz DESTINATION ${staged}/server/usr/share/doc/tensorferry-server)
file(COPY ${texts}.gz DESTINATION ${staged}/command/usr/share/doc/tensorferry)
file(REMOVE ${texts}.gz)
configure_file(${CPACK_TENSORFERRY_SOURCE}/packaging/debian/default ${staged}/server/etc/default/tensorferry-server COPYONLY)

# Only the package of the library may have the CMake package: two packages must not have the same file.
file(REMOVE_RECURSE ${staged}/server/usr/lib/cmake)

# libtorch is in no package of Debian's that is new enough, so it lies in a folder of the server's own.
set(torch ${CPACK_TENSORFERRY_TORCH})
set(private ${staged}/server/usr/lib/tensorferry)
file(GLOB bundled ${torch}/lib/libc10.so ${torch}/lib/libtorch.so ${torch}/lib/libtorch_cpu.so ${torch}/lib/libgomp*.so.1)
file(COPY ${bundled} DESTINATION ${private})
file(GLOB libraries ${private}/*)
run(strip --strip-unneeded ${libraries})
file(GLOB licences ${torch}/../torch-*.dist-info/licenses ${torch}/licenses)
file(COPY ${licences} DESTINATION ${staged}/server/usr/share/doc/tensorferry-server/torch)
run(patchelf --set-rpath /usr/lib/tensorferry ${staged}/server/usr/bin/tensorferry-server)
