#!/bin/sh
# collect-libraries.sh ROOT PROGRAM...: copies the Debian libraries that the programs load to the same paths under ROOT,
# with their packages' licences, and their packages' status for vulnerability scanners.
set -eu
root=$1
shift

ldd "$@" >/tmp/ldd
# libcuda.so.1 is the driver's, which comes into a container with the GPU.
if grep 'not found' /tmp/ldd | grep -v '^[[:space:]]*libcuda\.so\.1 ' >&2; then exit 1; fi

mkdir -p "$root/etc" "$root/var/lib/dpkg/status.d"
cp /etc/os-release "$root/etc/"
sed -nE 's,.*[[:space:]](/(usr/)?lib[^ ]*) \(.*,\1,p' /tmp/ldd | sort -u | while read -r library; do
  cp --dereference --parents "$library" "$root"
  package=$(dpkg-query --search "*${library#/usr}" | cut -d : -f 1 | head -n 1) # Debian writes /lib or /usr/lib.
  cp --parents "/usr/share/doc/$package/copyright" "$root"
  dpkg-query --status "$package" >"$root/var/lib/dpkg/status.d/$package"
done
