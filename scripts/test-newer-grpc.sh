#!/usr/bin/env bash
# test-newer-grpc.sh JOBS builds server and command with the gRPC of Debian experimental, and with all else of Debian sid, in
# a Debian of its own, and has the tests call them. It needs root. The Debian stays in build/newer-grpc.
set -euo pipefail
cd "$(dirname "$0")/.."
jobs=$1

SUITE=sid
source scripts/debian.sh

WORK=build/newer-grpc
ROOT=$WORK/root
PYTHON=.venv/bin/python
say() { printf '==> %s\n' "$*"; }
fail() {
  printf 'test-newer-grpc: %s\n' "$*" >&2
  exit 1
}
TORCH_FOLDER=$("$PYTHON" -c 'from importlib.util import find_spec; print(find_spec("torch").submodule_search_locations[0])')
inside() { in_debian "$ROOT" "$@"; }

if [ "$(id -u)" != 0 ]; then
  command -v sudo >/dev/null || fail "root is needed to install a Debian of its own: run as root, or install sudo"
  exec sudo --preserve-env scripts/test-newer-grpc.sh "$jobs"
fi

install_debian() {
  say "Making a Debian sid with gRPC of experimental in $ROOT (1.5 GB)"
  rm -rf --one-file-system "$ROOT" "$ROOT.new" && mkdir -p "$ROOT.new"
  make_debian "$ROOT.new"
  mv "$ROOT.new" "$ROOT"
  if [ -e /etc/resolv.conf ]; then cp /etc/resolv.conf "$ROOT/etc/resolv.conf"; fi
  inside /source/scripts/experimental-grpc.sh
  logged $WORK/apt.log "apt-get update failed in the new Debian" inside apt-get update
  # shellcheck disable=SC2046  # One package a word. Debian 12's Boost has its version in its name.
  logged $WORK/apt.log "the packages could not be installed" inside apt-get install -y --no-install-recommends \
    $(grep -v '^#' scripts/debian-packages.txt | sed 's/^libboost.*/libboost-dev/') libgtest-dev libgmock-dev
  touch "$ROOT/.complete"
}

mkdir -p $WORK
[ -e "$ROOT/.complete" ] || install_debian

say "Building against $(inside pkg-config --modversion grpc++ protobuf absl_base | xargs printf 'gRPC %s, protobuf %s, abseil %s'), $(inside g++ --version | head -n 1)"
build=/source/$WORK/release
logged $WORK/cmake.log "cmake could not configure" inside cmake -S /source -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release \
  -DCMAKE_UNITY_BUILD=ON -DTENSORFERRY_BOLT=OFF -DTENSORFERRY_TESTS=OFF -DTorch_DIR=/torch/share/cmake/Torch
logged $WORK/build.log "it does not build" inside ninja -C "$build" -j "$jobs" -k 0 tensorferry-server tensorferry

# The programs need that Debian's libraries. Started by these files they have them, and the machine's files in their places.
enter() {
  cat >"$WORK/$1" <<SCRIPT
#!/bin/sh
exec unshare --mount sh -c '
  for folder in /proc /dev /tmp "$PWD" "$TORCH_FOLDER:/torch"; do
    mkdir -p "$PWD/$ROOT\${folder#*:}" && mount --rbind "\${folder%%:*}" "$PWD/$ROOT\${folder#*:}" || exit
  done
  exec chroot "$PWD/$ROOT" env --chdir="\$PWD" "$PWD/$WORK/release/bin/$1" "\$@"' "$1" "\$@"
SCRIPT
  chmod +x "$WORK/$1"
}
enter tensorferry-server
enter tensorferry
"$WORK/tensorferry" version

# Without those that say what 1.51.1 does with malformed HTTP/2 and writes to the log, those of other languages, and those
# with a stand-in for the CUDA driver, as that is built for this machine's Debian.
tested=(acceptance_npy acceptance_wire bounds connections framing http_infer metrics models restarts sealed_memory service
  shared_memory streams tls tokens typed_values values)
files=("${tested[@]/#/tests/integration/test_}")
files=("${files[@]/%/.py}")
say "Having the tests call that server"
TENSORFERRY_SERVER=$PWD/$WORK/tensorferry-server "$PYTHON" -m pytest -q -n "$jobs" --dist loadfile \
  -k 'not cuda' "${files[@]}"
