#!/usr/bin/env bash
# core.sh JOBS: builds the compiled core of the Python client, and puts it beside the client's sources, where the tests
# and benchmarks of this folder find it.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/ccache.sh
jobs=$1
python=$PWD/.venv/bin/python

launcher=()
if command -v ccache >/dev/null; then launcher=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache); fi
log=$(mktemp)
trap 'rm -f "$log"' EXIT
run() {
  "$@" >"$log" 2>&1 || {
    cat "$log" >&2
    echo "core: the compiled core cannot be built; the words of CMake are above" >&2
    exit 1
  }
}
run cmake -S client/python -B build/core -G Ninja "${launcher[@]}" \
  -DPython_EXECUTABLE="$python" -Dnanobind_DIR="$("$python" -m nanobind --cmake_dir)"
run cmake --build build/core --parallel "$jobs"
run cmake --install build/core --prefix client/python/src
