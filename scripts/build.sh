#!/usr/bin/env bash
# build.sh PRESET JOBS [TARGET...]: configures where needed, and builds.
set -euo pipefail
cd "$(dirname "$0")/.."
preset=$1 jobs=$2
shift 2

printf '==> Building (%s) on %s cores\n' "$preset" "$jobs"
if [ ! -f "build/$preset/build.ninja" ]; then
  log=$(mktemp)
  cmake --preset "$preset" >"$log" 2>&1 || {
    cat "$log" >&2
    echo "build: cmake could not configure; its words are above" >&2
    exit 1
  }
  rm -f "$log"
fi
cmake --build "build/$preset" --parallel "$jobs" ${1:+--target "$@"} -- --quiet
