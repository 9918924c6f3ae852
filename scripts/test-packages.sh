#!/usr/bin/env bash
# test-packages.sh installs the Debian packages of build/release/packages in a new Debian 12, starts the server there as
# its unit does, converts an array, and removes the packages. It needs root. The Debian stays in build/debian, and each
# run works on a copy of it.
set -euo pipefail
cd "$(dirname "$0")/.."

source scripts/debian.sh

PACKAGES=build/release/packages
BASE=build/debian/base
ROOT=build/debian/root
PYTHON=.venv/bin/python

say() { printf '==> %s\n' "$*"; }
fail() {
  printf 'test-packages: %s\n' "$*" >&2
  exit 1
}

if [ "$(id -u)" != 0 ]; then
  command -v sudo >/dev/null || fail "root is needed to install packages in a Debian of their own: run as root, or install sudo"
  exec sudo --preserve-env scripts/test-packages.sh
fi

# "${enter[@]}" COMMAND... runs in the new Debian. Its mounts are seen by nobody else, and end with the command.
enter=(unshare --mount sh -c 'mount -t proc proc "$1/proc" && exec env -i PATH=/usr/sbin:/usr/bin LC_ALL=C.UTF-8 chroot "$@"'
  enter "$PWD/$ROOT")
inside() { "${enter[@]}" "$@"; }

install_packages() {
  inside apt-get update -qq || fail "apt-get update failed in the new Debian: is the network reachable?"
  inside env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    $(cd "$ROOT" && ls -d packages/*.deb | sed 's,^,./,') >"$PACKAGES/install.log" 2>&1 || {
    tail -n 30 "$PACKAGES/install.log" >&2
    fail "the packages could not be installed; apt's words are above"
  }
}

server=
cleanup() {
  if [ -n "$server" ] && kill -0 "$server" 2>/dev/null; then kill "$server" && wait "$server" || true; fi
  rm -rf "$ROOT"
}
trap cleanup EXIT

rm -rf "$ROOT"
if [ ! -d "$BASE/etc" ]; then
  say "Making a Debian $SUITE"
  rm -rf build/debian && mkdir -p build/debian/new
  make_debian build/debian/new
  mv build/debian/new "$BASE"
fi
cp -a "$BASE" "$ROOT"
if [ -e /etc/resolv.conf ]; then cp /etc/resolv.conf "$ROOT/etc/resolv.conf"; fi
mkdir "$ROOT/packages"
cp "$PACKAGES"/*.deb "$ROOT/packages/"

say "Installing $(cd "$PACKAGES" && echo *.deb)"
install_packages
inside dpkg --verify tensorferry tensorferry-server || fail "files differ from those of the packages"
inside id tensorferry >/dev/null || fail "the user tensorferry was not made"
for page in tensorferry tensorferry-server tensorferry-convert tensorferry-bench; do
  inside sh -c "zcat /usr/share/man/man1/$page.1.gz" | grep -q '^\.SH' || fail "the manual page of $page is missing"
done
for file in bash-completion/completions/tensorferry zsh/vendor-completions/_tensorferry; do
  inside test -s "/usr/share/$file" || fail "the completion $file is missing"
done
inside systemd-analyze verify --man=no tensorferry-server.service || fail "systemd does not understand the unit"
# It takes tenths: docs/deployment.md says 1.4 of 10.
inside systemd-analyze security --offline=true --threshold=14 --no-pager /lib/systemd/system/tensorferry-server.service \
  >"$PACKAGES/security.log" || fail "the unit is less restricted than it was: $PACKAGES/security.log"

say "Starting it as the unit does"
variables=$(sed -n 's/^Environment=//p' packaging/systemd/tensorferry-server.service)
exec {server_stdout}< <(exec "${enter[@]}" setpriv --reuid tensorferry --regid tensorferry --clear-groups \
  env $variables TENSORFERRY_LISTEN=127.0.0.1:0 tensorferry-server 2>"$PACKAGES/server.log")
server=$!
read -r -t 60 ready <&"$server_stdout" || {
  cat "$PACKAGES/server.log" >&2
  fail "no ready line in 60 s, or before the server ended; its log is above"
}
address=$(sed -nE 's/^tensorferry-server ready grpc=([^ ]+).*/\1/p' <<<"$ready")
[ -n "$address" ] || fail "expected the ready line, got '$ready'"
echo "    $ready"

say "Converting an array with the installed command"
"$PYTHON" -c 'import numpy, sys; numpy.save(sys.stdout.buffer, numpy.linspace(0, 1, 1000))' |
  inside tensorferry convert - --server "$address" || fail "the array did not convert"

kill "$server" && wait "$server" || fail "the server ended with exit code $?, expected 0"
server=

say "Removing the packages"
inside env DEBIAN_FRONTEND=noninteractive apt-get purge -y -qq tensorferry tensorferry-server libtensorferry-client-dev \
  >"$PACKAGES/purge.log" 2>&1 || fail "the packages could not be removed: $PACKAGES/purge.log"
left=$(find "$ROOT/usr" "$ROOT/etc" "$ROOT/var/lib/tensorferry" -path '*tensorferry*' 2>/dev/null || true)
[ -z "$left" ] || fail "files were left behind: $left"
say "The packages work: $(du -h --total "$PACKAGES"/*.deb | tail -n 1 | cut -f 1) to download"
