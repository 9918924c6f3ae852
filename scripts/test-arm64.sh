#!/usr/bin/env bash
# test-arm64.sh configures a build for arm64 in a Debian 12 of its own, with Debian's cross compiler, its libraries for
# arm64 and torch's wheel for arm64. It needs root. The Debian stays in build/arm64.
set -euo pipefail
cd "$(dirname "$0")/.."

source scripts/debian.sh
source scripts/torch_index.sh

WORK=build/arm64
ROOT=$WORK/root
TORCH=$WORK/torch
PYTHON=.venv/bin/python
# What runs while the project is built, and headers without a library, are packages of this machine's architecture.
NATIVE='build-essential|ccache|cmake|curl|libcli11-dev|ninja-build|nlohmann-json3-dev|pkg-config|protobuf-compiler.*|python3.*'

say() { printf '==> %s\n' "$*"; }
fail() {
  printf 'test-arm64: %s\n' "$*" >&2
  exit 1
}
inside() { TORCH_FOLDER=$PWD/$TORCH/torch in_debian "$ROOT" "$@"; }

if [ "$(id -u)" != 0 ]; then
  command -v sudo >/dev/null || fail "root is needed to install a Debian of its own: run as root, or install sudo"
  exec sudo --preserve-env scripts/test-arm64.sh
fi
[ "$(dpkg --print-architecture)" = amd64 ] || fail "a cross build begins on amd64, and this is $(dpkg --print-architecture)"

install_debian() {
  say "Making a Debian $SUITE with a compiler and libraries for arm64 in $ROOT (1.5 GB)"
  rm -rf --one-file-system "$ROOT" "$ROOT.new" && mkdir -p "$ROOT.new"
  make_debian "$ROOT.new"
  mv "$ROOT.new" "$ROOT"
  if [ -e /etc/resolv.conf ]; then cp /etc/resolv.conf "$ROOT/etc/resolv.conf"; fi
  local native libraries
  native=$(grep -v '^#' scripts/debian-packages.txt | grep -xE "$NATIVE")
  libraries=$(grep -v '^#' scripts/debian-packages.txt | grep -vxE "$NATIVE" | sed 's/$/:arm64/')
  logged $WORK/apt.log "arm64 could not be added" inside dpkg --add-architecture arm64
  logged $WORK/apt.log "apt-get update failed in the new Debian" inside apt-get update
  # shellcheck disable=SC2086  # One package a word.
  logged $WORK/apt.log "the packages could not be installed" inside apt-get install -y --no-install-recommends \
    $native $libraries crossbuild-essential-arm64 libgtest-dev:arm64 libgmock-dev:arm64
  touch "$ROOT/.complete"
}

install_torch() {
  eval "$(grep '^TORCH_' scripts/setup.sh)"
  local index=()
  if pytorch_answers "$TORCH_CPU_INDEX"; then index=(--index-url "$TORCH_CPU_INDEX"); fi
  say "Downloading torch $TORCH_VERSION for arm64"
  rm -rf "$TORCH.new" && mkdir -p "$TORCH.new"
  logged $WORK/pip.log "pip could not download torch" "$PYTHON" -m pip download "${index[@]}" \
    --platform manylinux_2_28_aarch64 --python-version 3.11 --only-binary=:all: --no-deps --dest "$TORCH.new" \
    "torch==$TORCH_VERSION"
  "$PYTHON" -m zipfile -e "$TORCH.new"/torch-*.whl "$TORCH.new"
  rm "$TORCH.new"/torch-*.whl
  mv "$TORCH.new" "$TORCH"
}

mkdir -p $WORK
[ -d "$TORCH" ] || install_torch
[ -e "$ROOT/.complete" ] || install_debian

say "Configuring for arm64"
build=/source/$WORK/release
logged $WORK/cmake.log "cmake could not configure" inside cmake -S /source -B "$build" -G Ninja \
  -DCMAKE_BUILD_TYPE=Release -DCMAKE_TOOLCHAIN_FILE=/source/cmake/aarch64-linux-gnu.cmake \
  -DTorch_DIR=/torch/share/cmake/Torch
grep -q '^set(CMAKE_SYSTEM_PROCESSOR "aarch64")' $WORK/release/CMakeFiles/*/CMakeSystem.cmake || fail "the build is not for arm64"
say "A build for arm64 is configured in $WORK/release"
