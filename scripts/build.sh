#!/usr/bin/env bash
# build.sh PRESET JOBS [TARGET...]: configures where needed, and builds. With TESTS=OFF in the environment a folder that
# is new is configured without the C++ tests, and needs no GoogleTest; the next build without it adds them.
# With UNITY=ON a folder that is new compiles several files as one, which saves a quarter of the first build, and makes
# every later change take longer.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/ccache.sh
preset=$1 jobs=$2
shift 2
tests=${TESTS:-ON}
without_tests=build/$preset/.configured-without-tests

configure() {
  local log
  log=$(mktemp)
  cmake --preset "$preset" ${UNITY:+-DCMAKE_UNITY_BUILD="$UNITY"} "$@" >"$log" 2>&1 || {
    cat "$log" >&2
    echo "build: cmake could not configure; its words are above" >&2
    exit 1
  }
  rm -f "$log"
}

# On a terminal ninja shows each step, in one line that changes. Elsewhere every twentieth step becomes a line.
show_progress() {
  if [ -t 1 ]; then
    "$@"
  else
    "$@" | awk '/^\[[0-9]+\/[0-9]+\] / { if (++steps % 20 == 0) { print; fflush() }; next }
      $0 != "ninja: no work to do."'
  fi
}

bolt_is_missing() { [ "${BOLT:-}" = ON ] && ! grep -q '^TENSORFERRY_BOLT:BOOL=ON' "build/$preset/CMakeCache.txt"; }

printf '==> Building (%s) on %s cores\n' "$preset" "$jobs"
if [ ! -f "build/$preset/build.ninja" ]; then
  if [ "$tests" = OFF ]; then
    configure -DTENSORFERRY_TESTS=OFF
    touch "$without_tests"
  else
    configure
  fi
elif [ "$tests" = ON ] && [ -f "$without_tests" ]; then
  unset UNITY
  configure -DTENSORFERRY_TESTS=ON
  rm "$without_tests"
fi
if bolt_is_missing; then configure -DTENSORFERRY_BOLT=ON; fi
export NINJA_STATUS='[%f/%t] '
show_progress cmake --build "build/$preset" --parallel "$jobs" ${1:+--target "$@"}
