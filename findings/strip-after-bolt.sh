#!/usr/bin/env bash
# `strip` of Debian 12 takes a program that llvm-bolt has laid out, writes one that the system cannot load, and ends with 0.
#
# Expected, before it was run: strip leaves out symbols, says so if it cannot, and then ends with an error. What is loaded
# stays where it was.
# Found on 2026-11-29 on x86-64, when packages of a server that had been laid out were built: `cmake --install --strip` and
# the tools of Debian packages call strip as a matter of course, and only the first start shows what became of it.
# BOLT puts new program headers and the new code behind the rest of the file, in a segment of their own. strip gives that
# segment another address, so that the code is in none, and says of sections that they "can't be allocated".
# llvm-bolt's own --remove-symtab makes a program without symbols that needs no strip.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
chmod 755 . # apt downloads as a user of its own.
apt-get -q download bolt-19=1:19.1.7-3~deb12u1 libz3-4=4.8.12-3.1 binutils-x86-64-linux-gnu=2.40-2 \
  libbinutils=2.40-2 >download.log 2>&1 || {
  cat download.log >&2
  exit 1
}
for package in *.deb; do dpkg-deb -x "$package" .; done
export LD_LIBRARY_PATH=$folder/usr/lib/x86_64-linux-gnu
bolt=$folder/usr/lib/llvm-19/bin/llvm-bolt strip=$folder/usr/bin/x86_64-linux-gnu-strip

cat >half.cc <<'END'
#include <cstdio>
int main(int arguments, char**) { std::printf("a half of %d is %d\n", 2 * arguments, arguments); }
END
g++ -O2 half.cc -o half -Wl,--emit-relocs
"$bolt" half -o laid-out >bolt.log 2>&1
"$bolt" half -o without-symbols -remove-symtab >>bolt.log 2>&1
strip_code=0
"$strip" -o stripped laid-out 2>strip.log || strip_code=$?

# Tells whether the code, which begins at the address of the section .text, is in a segment that is loaded.
where_code_is() {
  local code offset address size
  code=$(readelf -SW "$1" | sed -n 's/.*] \.text  *PROGBITS  *\([0-9a-f]*\) .*/0x\1/p')
  while read -r offset address size; do
    if ((code >= address && code < address + size)); then
      echo "in a segment"
      return
    fi
  done < <(readelf -lW "$1" | awk '$1 == "LOAD" { print $2, $3, $6 }')
  echo "in no segment"
}

"$bolt" --version | grep -i 'LLVM version'
"$strip" --version | head -n 1
echo "Laid out by llvm-bolt:             its code is $(where_code_is laid-out), and it says: $(./laid-out)"
echo "Laid out with --remove-symtab:     its code is $(where_code_is without-symbols), and it says: $(./without-symbols)"
echo "Laid out, and then stripped:       its code is $(where_code_is stripped), exit code of strip: $strip_code"
if [ "$strip_code" != 0 ] || [ "$(where_code_is stripped)" != "in no segment" ]; then
  echo "This is not what was recorded: exit code 0, and code that is in no segment"
  exit 1
fi
echo "As recorded: strip ends with 0. The program that it wrote is not started here: it would end at once."
