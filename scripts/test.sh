#!/usr/bin/env bash
# test.sh JOBS: runs every test of the built tree; set-up and the release build come before it.
set -euo pipefail
cd "$(dirname "$0")/.."
jobs=$1
python=.venv/bin/python

say() { printf '\n==> %s\n' "$*"; }

say "C++ unit tests"
ctest --test-dir build/release --output-on-failure --parallel "$jobs" --progress

say "C++ unit tests with AddressSanitizer and UndefinedBehaviorSanitizer"
scripts/build.sh asan "$jobs" unit_tests
ctest --test-dir build/asan --output-on-failure --parallel "$jobs" --progress

say "Python client: types, style, tests"
(cd client/python && ../../.venv/bin/mypy)
.venv/bin/ruff check client tests scripts
.venv/bin/ruff format --check client tests scripts
$python -m pytest -q client/python/tests

say "Documents and architecture"
$python -m pytest -q tests/repository

say "A real server, real NumPy, real models"
$python -m pytest -q -n "$jobs" tests/integration
