# Completes the staged files of the Debian packages: cpack runs it before it packs them.
set(staged ${CPACK_TEMPORARY_DIRECTORY})
set(licence ${CPACK_TENSORFERRY_SOURCE}/LICENSE)

function(run)
  execute_process(COMMAND ${ARGN} COMMAND_ERROR_IS_FATAL ANY)
endfunction()

# add_man_page(COMPONENT PROGRAM WHAT): the manual page is what the program says of itself.
function(add_man_page component program what)
  set(folder ${staged}/${component}/usr/share/man/man1)
  file(MAKE_DIRECTORY ${folder})
  run(help2man --no-info --no-discard-stderr --name ${what} --output ${folder}/${program}.1
    ${CPACK_TENSORFERRY_BIN}/${program})
  run(gzip -9 --no-name --force ${folder}/${program}.1)
endfunction()

add_man_page(server tensorferry-server "turns NumPy arrays into torch tensors over gRPC")
add_man_page(command tensorferry "converts NumPy arrays to torch tensors on a tensorferry server")
foreach(pair server:tensorferry-server command:tensorferry client:libtensorferry-client-dev)
  string(REPLACE ":" ";" pair ${pair})
  list(POP_FRONT pair component)
  configure_file(${licence} ${staged}/${component}/usr/share/doc/${pair}/copyright COPYONLY)
endforeach()
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
