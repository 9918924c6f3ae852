#!/usr/bin/env bash
# environments.sh makes the environments of the clients that this project did not write, under build/oip: their pins
# disagree with each other's and with .venv's. It does nothing if nothing is missing. `environments.sh triton` unpacks
# the real Triton, too; `environments.sh tritonclient` and `perf-analyzer` make one environment alone.
set -euo pipefail
cd "$(dirname "$0")/../../.."
FOLDER=build/oip

say() { printf '==> %s\n' "$*"; }
fail() {
  printf 'oip: %s\n' "$*" >&2
  exit 1
}

# This is pip as it came with .venv, but quiet about places for packages that it was told of and that are not there.
pip() { .venv/bin/pip "$@" 2> >(grep -v 'is ignored: it is neither' >&2); }

# make_environment NAME PACKAGE...
make_environment() {
  local venv=$FOLDER/$1 wanted="${*:2}"
  if [ "$(cat "$venv/.installed" 2>/dev/null)" = "$wanted" ]; then
    say "$1: there"
    return
  fi
  say "$1: installing $wanted into $venv"
  python3 -m venv --clear --without-pip "$venv"
  # shellcheck disable=SC2086  # Packages are words.
  pip --python "$venv/bin/python" install -q --no-compile $wanted || fail "pip could not install $wanted"
  echo "$wanted" >"$venv/.installed"
}

make_tritonclient() { make_environment tritonclient 'tritonclient[grpc,http]==2.73.0' pytest==9.2.0; }

make_perf_analyzer() {
  # Its shared memory utilities import pkg_resources, its perf_analyzer needs the CUDA runtime's library.
  make_environment tritonclient-2.45.0 'tritonclient[grpc,http]==2.45.0' pytest==9.2.0 'setuptools<81' nvidia-cuda-runtime-cu12
}

make_clients() {
  # A sixth of kserve's packages would do for its gRPC client, but it imports the others.
  make_environment kserve kserve==0.21.0 pytest==9.2.0 &
  local kserve=$!
  make_tritonclient
  make_perf_analyzer
  wait "$kserve"
}

unpack_triton() {
  local triton=$FOLDER/triton new=$FOLDER/triton.new
  make_environment triton-python numpy==1.26.4 # With NumPy 2 Triton's outputs are silently empty.
  if [ -d "$triton" ]; then
    say "triton: there"
    return
  fi
  say "triton: unpacking nvidia-pytriton 0.7.0 (tritonserver 2.51.0) into $triton"
  rm -rf "$new"
  mkdir -p "$new"
  pip download -q --no-deps -d "$new" nvidia-pytriton==0.7.0 || fail "pip could not download nvidia-pytriton"
  python3 -m zipfile -e "$new"/nvidia_pytriton-*.whl "$new"
  local server=$new/pytriton/tritonserver version
  version=$("$FOLDER/triton-python/bin/python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
  mv "$server/python_backend_stubs/$version/triton_python_backend_stub" "$server/backends/python/"
  chmod +x "$server/bin/tritonserver" "$server/backends/python/triton_python_backend_stub"
  rm "$new"/nvidia_pytriton-*.whl
  mv "$new" "$triton"
}

case "${1:-clients}" in
clients) make_clients ;;
tritonclient) make_tritonclient ;;
perf-analyzer) make_perf_analyzer ;;
triton) unpack_triton ;;
*) fail "usage: $0 [clients|tritonclient|perf-analyzer|triton]" ;;
esac
