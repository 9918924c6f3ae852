#!/usr/bin/env bash
# test.sh JOBS: runs every test of the built tree; set-up and the release build come before it.
set -euo pipefail
cd "$(dirname "$0")/.."
jobs=$1
python=$PWD/.venv/bin/python

# Packages of models are compiled without optimising what calls torch's operators: they compute the same.
export AOT_INDUCTOR_COMPILE_WRAPPER_OPT_LEVEL=O0

# run_pytest ARGUMENT...: in several processes, of which each runs whole files: what a file's tests share is made once.
# There is one process more than cores, as tests wait for servers to start and for events.
run_pytest() { "$python" -m pytest -q -n $((jobs + 1)) --dist loadfile --no-loadscope-reorder "$@"; }

# What compiles and lints needs the processor alone, and tests often wait for something else: it runs beside them, at the
# lowest priority. Its words come when it has failed or is waited for.
beside=$(mktemp -d)
begin_beside() {
  set -m # It gets a process group, so that all of it can be ended.
  nice -n 19 bash -c '
    { scripts/build.sh asan "$1" unit_tests && scripts/lint.sh "$1"; } >"$2/log" 2>&1 || touch "$2/failed"
  ' beside "$jobs" "$beside" </dev/null &
  beside_group=$!
  set +m
}
end_beside() {
  if [ -n "${beside_group:-}" ]; then kill -- "-$beside_group" 2>/dev/null || true; fi
  rm -rf "$beside"
}
trap end_beside EXIT
fail_with_beside() {
  if [ ! -e "$beside/failed" ]; then return; fi
  cat "$beside/log"
  exit 1
}

say() {
  fail_with_beside
  printf '\n==> %s (after %s min %s s)\n' "$*" $((SECONDS / 60)) $((SECONDS % 60))
}

# run_programs runs test programs as wholes: with sanitizers a program takes longer to start than most tests take.
run_programs() {
  printf '%s\n' "$@" | xargs -P "$jobs" -I {} bash -c '
    {} --gtest_brief=1 >{}.log 2>&1 || { cat {}.log; echo "{} failed"; exit 255; }
    echo "$(basename {}): $(grep -E "^\[  PASSED" {}.log)"'
}

say "Documents and architecture"
"$python" -m pytest -q tests/repository

say "What calls allocate, and the command's own code"  # Sanitizers have an allocator of their own.
run_programs build/release/bin/allocation_test build/release/bin/command_test

say "Instructions of the hot path"
"$python" -m pytest -q tests/counts

begin_beside
say "Python client"
run_pytest client/python/tests

say "Python client, compiled core"
scripts/core.sh "$jobs"
(cd client/python/tests && TENSORFERRY_CORE=compiled run_pytest test_arguments.py \
  test_clients.py test_compiled.py test_deadlines.py test_errors.py test_kept_streams.py test_many.py \
  test_native_chunks.py test_progress.py test_raised.py test_retries.py test_stream.py)

say "Manifests of Docker, Kubernetes and KServe, dashboard and alerts"
"$python" -m pytest -q tests/manifests

say "What bench.py makes of its measurements"
"$python" -m pytest -q tests/bench

say "A real server, real NumPy, real models"
run_pytest tests/integration

say "Build of the C++ unit tests, style and types, which began beside the Python client's tests"
wait "$beside_group"
beside_group=
fail_with_beside
cat "$beside/log"

say "C++ unit tests with AddressSanitizer and UndefinedBehaviorSanitizer"
# Some tests ask for more memory than there is. The allocator is to refuse it, and the sanitizer not to end the process.
ASAN_OPTIONS=allocator_may_return_null=1 run_programs build/asan/bin/*_test
