#!/usr/bin/env bash
# lint.sh JOBS: checks what machines can check of the style of C++, Python and JavaScript. It needs the compile commands of
# the release build, and what `setup.sh lint` installs.
set -euo pipefail
cd "$(dirname "$0")/.."
jobs=$1

say() { printf '\n==> %s\n' "$*"; }

say "C++: format, names, size of functions, locks, likely mistakes"
git ls-files '*.cc' '*.h' '*.c' | xargs clang-format-14 --dry-run -Werror
python3 scripts/tidy.py "$jobs"

say "Python: types and style"
(cd client/python && ../../.venv/bin/mypy)
.venv/bin/ruff check client tests scripts packaging docker
.venv/bin/ruff format --check client tests scripts packaging docker

say "JavaScript of the page: types"
build/node/node_modules/.bin/tsc -p server/page
