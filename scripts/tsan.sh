#!/usr/bin/env bash
# tsan.sh: runs the unit tests that have threads, built with ThreadSanitizer. It cannot see into libraries that are not
# built with it: the annotations in server/rpc/serve/operation.h tell it what they do. tsan.sh ends with the first
# program that races.
set -euo pipefail
cd "$(dirname "$0")/.."
export TSAN_OPTIONS="ignore_noninstrumented_modules=1 halt_on_error=0 allocator_may_return_null=1"
for test in base_test inference_test rpc_test; do
  log=build/tsan/$test.log
  printf '==> %s with ThreadSanitizer\n' "$test"
  status=0
  "build/tsan/bin/$test" >"$log" 2>&1 || status=$?
  if grep -q 'WARNING: ThreadSanitizer' "$log" || [ "$status" != 0 ]; then
    grep -A 40 -m 1 -E 'WARNING: ThreadSanitizer|\[  FAILED  \]' "$log" >&2 || tail -n 20 "$log" >&2
    echo "tsan: $test failed; all it says is in $log" >&2
    exit 1
  fi
  grep -E '^\[  PASSED  \]' "$log" | sed 's/^/    /'
done
