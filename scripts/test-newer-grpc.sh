#!/usr/bin/env bash
# test-newer-grpc.sh JOBS compiles what knows gRPC with the gRPC of Debian experimental, and with all else of Debian sid, in
# a Debian of its own. It needs root. The Debian stays in build/newer-grpc.
set -euo pipefail
cd "$(dirname "$0")/.."
jobs=$1

source scripts/debian.sh

WORK=build/newer-grpc
ROOT=$WORK/root
PYTHON=.venv/bin/python
# Each room is one file to the compiler. Nothing is linked, so that rooms without gRPC need not be compiled.
ROOMS=(server/rpc/wire/rpc_wire server/rpc/wire/rpc_guard server/rpc/serve/rpc_serve
  server/rpc/triton_config/rpc_triton_config server/rpc/call/rpc_call server/rpc/native/rpc_native_reader
  server/rpc/native/rpc_native server/rpc/oip/rpc_oip_reader server/rpc/oip/rpc_oip server/rpc/rpc server/web/web_reader
  server/web/web client/client client/bench)
OBJECTS=()
for room in "${ROOMS[@]}"; do
  OBJECTS+=("${room%/*}/CMakeFiles/tensorferry_${room##*/}.dir/Unity/unity_0_cxx.cxx.o")
done

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
  bootstrap sid "$ROOT.new"
  mv "$ROOT.new" "$ROOT"
  if [ -e /etc/resolv.conf ]; then cp /etc/resolv.conf "$ROOT/etc/resolv.conf"; fi
  sed 's/ sid / experimental /' "$ROOT/etc/apt/sources.list" >"$ROOT/etc/apt/sources.list.d/experimental.list"
  # A mirror may be behind, and abseil is sid's: gRPC's package does not want that of experimental.
  echo 'Acquire::Check-Valid-Until "false";' >"$ROOT/etc/apt/apt.conf.d/90mirror"
  printf 'Package: libgrpc* libupb* libproto* protobuf-*\nPin: release a=experimental\nPin-Priority: 990\n' \
    >"$ROOT/etc/apt/preferences.d/grpc"
  logged $WORK/apt.log "apt-get update failed in the new Debian" inside apt-get update
  # shellcheck disable=SC2046  # One package a word. Debian 12's Boost has its version in its name.
  logged $WORK/apt.log "the packages could not be installed" inside apt-get install -y --no-install-recommends \
    $(grep -v '^#' scripts/debian-packages.txt | sed 's/^libboost.*/libboost-dev/') libgtest-dev libgmock-dev
  touch "$ROOT/.complete"
}

mkdir -p $WORK
[ -e "$ROOT/.complete" ] || install_debian

say "Compiling against $(inside pkg-config --modversion grpc++ protobuf absl_base | xargs printf 'gRPC %s, protobuf %s, abseil %s'), $(inside g++ --version | head -n 1)"
build=/source/$WORK/release
logged $WORK/cmake.log "cmake could not configure" inside cmake -S /source -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Debug \
  -DCMAKE_CXX_FLAGS_DEBUG="-O0 -g0" -DCMAKE_UNITY_BUILD=ON -DCMAKE_UNITY_BUILD_BATCH_SIZE=0 \
  -DTENSORFERRY_TESTS=OFF -DTorch_DIR=/torch/share/cmake/Torch
logged $WORK/build.log "it does not compile" inside ninja -C "$build" -j "$jobs" -k 0 "${OBJECTS[@]}"
say "All that knows gRPC or protobuf compiles"
