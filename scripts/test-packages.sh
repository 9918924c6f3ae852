#!/usr/bin/env bash
# test-packages.sh installs the Debian packages of build/release/packages in a new Debian 12, over an older one, starts the
# server there as its unit does, converts an array, builds the example with the C++ library, has systemd run the service
# where it can, and removes the packages. It needs root. The Debian stays in build/debian, and each run works on a copy of
# it.
set -euo pipefail
cd "$(dirname "$0")/.."

source scripts/debian.sh

PACKAGES=build/release/packages
BASE=build/debian/$SUITE
ROOT=build/debian/root
PYTHON=.venv/bin/python
MOST_DOWNLOADED=120 MOST_INSTALLED=400 # MB, of the server's package: docs/deployment.md says how much it is.

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

# install PACKAGE...: Debian's packages by their names, ours by their files.
install() {
  inside env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >"$PACKAGES/install.log" 2>&1 || {
    tail -n 30 "$PACKAGES/install.log" >&2
    fail "the packages could not be installed; apt's words are above"
  }
}

# Makes a package of the server that is older, and has a file more.
make_older_package() {
  local tree=$ROOT/packages/older
  dpkg-deb --raw-extract "$PACKAGES"/tensorferry-server_*.deb "$tree"
  sed -i 's/^Version: .*/Version: 0.0.1-1/' "$tree/DEBIAN/control"
  touch "$tree/usr/lib/tensorferry/no-longer-there"
  dpkg-deb -Znone --build "$tree" "$ROOT/packages/older.deb" >/dev/null
  rm -rf "$tree"
}

# Compiles the example with the C++ library of the package, as somebody's own project.
build_example() {
  mkdir -p "$ROOT/examples"
  cp -r client/examples/project client/examples/convert.cc "$ROOT/examples/"
  install cmake g++ make
  inside sh -c 'cmake -S examples/project -B examples/build && cmake --build examples/build' >"$PACKAGES/example.log" 2>&1 || {
    tail -n 30 "$PACKAGES/example.log" >&2
    fail "the example could not be built with libtensorferry-client-dev; the last lines are above"
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

inside apt-get update -qq || fail "apt-get update failed in the new Debian: is the network reachable?"
say "Installing an older tensorferry-server, and changing its settings"
make_older_package
install ./packages/older.deb
echo TENSORFERRY_MEMORY_BUDGET=123MiB >>"$ROOT/etc/default/tensorferry-server"
echo >"$ROOT/var/lib/tensorferry/models/mine"

say "Installing $(cd "$PACKAGES" && echo *.deb) over it"
install $(cd "$PACKAGES" && printf './packages/%s ' *.deb)
[ ! -e "$ROOT/usr/lib/tensorferry/no-longer-there" ] || fail "the older package was not replaced"
grep -q 123MiB "$ROOT/etc/default/tensorferry-server" || fail "the new package has overwritten settings"
rm "$ROOT/var/lib/tensorferry/models/mine" || fail "the new package has removed a model"
differ=$(inside dpkg --verify tensorferry tensorferry-server | grep -v ' c /etc/default/' || true)
[ -z "$differ" ] || fail "files differ from those of the packages: $differ"
inside id tensorferry >/dev/null || fail "the user tensorferry was not made"
for page in tensorferry tensorferry-server tensorferry-convert tensorferry-bench; do
  inside sh -c "zcat /usr/share/man/man1/$page.1.gz" | grep -q '^\.SH' || fail "the manual page of $page is missing"
done
for file in bash-completion/completions/tensorferry zsh/vendor-completions/_tensorferry; do
  inside test -s "/usr/share/$file" || fail "the completion $file is missing"
done
inside systemd-analyze verify --man=no tensorferry-server.service || fail "systemd does not understand the unit"
inside systemd-analyze security --offline=true --no-pager /lib/systemd/system/tensorferry-server.service >"$PACKAGES/security.log"
rating=$(sed -nE 's/.*Overall exposure level.*: ([0-9.]+) .*/\1/p' "$PACKAGES/security.log")
grep -q "rates it $rating of 10" docs/deployment.md || fail "systemd rates the unit '$rating', and docs/deployment.md another figure"
for package in tensorferry tensorferry-server; do
  inside zcat "/usr/share/doc/$package/LICENSE.libraries.gz" | grep '^==== .*libprotobuf-dev' >/dev/null ||
    fail "the licences of the libraries in $package are missing"
done
inside setpriv --reuid tensorferry --regid tensorferry --clear-groups test -x /etc/tensorferry ||
  fail "the server cannot read its secrets in /etc/tensorferry"

say "Starting it as the unit does"
variables=$(sed -n 's/^Environment=//p' packaging/systemd/tensorferry-server.service
  grep '^[A-Z]' "$ROOT/etc/default/tensorferry-server")
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
grep -q 'a memory budget of 123 MiB' "$PACKAGES/server.log" || fail "the settings were not taken: $PACKAGES/server.log"

say "Converting an array with the installed command"
"$PYTHON" -c 'import numpy, sys; numpy.save(sys.stdout.buffer, numpy.linspace(0, 1, 1000))' |
  inside tensorferry convert - --server "$address" || fail "the array did not convert"

say "Building the example with libtensorferry-client-dev, and converting an array with it"
build_example
inside examples/build/convert "$address" | grep 'every bit equal' || fail "the array did not convert"

kill "$server" && wait "$server" || fail "the server ended with exit code $?, expected 0"
server=

scripts/test-service.sh "$ROOT"

say "Removing the packages"
inside env DEBIAN_FRONTEND=noninteractive apt-get purge -y -qq tensorferry tensorferry-server libtensorferry-client-dev \
  >"$PACKAGES/purge.log" 2>&1 || fail "the packages could not be removed: $PACKAGES/purge.log"
left=$(find "$ROOT/usr" "$ROOT/etc" "$ROOT/var/lib/tensorferry" -path '*tensorferry*' 2>/dev/null || true)
[ -z "$left" ] || fail "files were left behind: $left"
downloaded=$(($(stat --format %s "$PACKAGES"/tensorferry-server_*.deb) / 1000000))
installed=$(($(dpkg-deb --field "$PACKAGES"/tensorferry-server_*.deb Installed-Size) * 1024 / 1000000))
[ "$downloaded" -le "$MOST_DOWNLOADED" ] && [ "$installed" -le "$MOST_INSTALLED" ] ||
  fail "tensorferry-server has $downloaded MB, unpacked $installed MB: at most $MOST_DOWNLOADED and $MOST_INSTALLED are expected"
say "The packages work: tensorferry-server has $downloaded MB, unpacked $installed MB"
