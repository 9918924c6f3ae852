#!/usr/bin/env bash
# ready.sh JOBS: installs what `make test` needs, and builds the programs that its tests run. What the tests alone need,
# such as Node.js, Chromium and clients of others, is installed while the compiler runs; its messages come after the build's.
set -euo pipefail
cd "$(dirname "$0")/.."
jobs=$1

scripts/setup.sh tested

messages=$(mktemp)
trap 'rm -f "$messages"' EXIT
scripts/setup.sh test >"$messages" 2>&1 &
setup=$!
built=0 installed=0
UNITY=ON BOLT=ON scripts/build.sh release "$jobs" tested_programs || built=$?
wait "$setup" || installed=$?
cat "$messages" # Also where the build failed: a missing package may be why.
exit $((built != 0 ? built : installed))
