#!/usr/bin/env bash
# test-fleet.sh [wheel]: runs a job of Ray Data and an application of Ray Serve on a local cluster of two nodes, with a
# server of build/release on each, or with what the wheels of build/wheel/dist install. Ray and what it needs, 770 MB, go
# into build/ray-venv.
set -euo pipefail
cd "$(dirname "$0")/.."

RAY="ray[data,serve]==2.60.0"
VENV=build/ray-venv
FILES=build/fleet
say() { printf '==> %s\n' "$*"; }

mapfile -t needed < <(.venv/bin/python -c 'import tomllib; print(*tomllib.load(open("client/python/pyproject.toml", "rb"))["project"]["dependencies"], sep="\n")')
wanted="$RAY pytest ${needed[*]}"
if [ "$(cat "$VENV/.installed" 2>/dev/null)" != "$wanted" ]; then
  say "Installing $RAY into $VENV"
  python3 -m venv --clear "$VENV"
  "$VENV/bin/pip" install -q "$RAY" "pytest>=8" "${needed[@]}" || {
    echo "test-fleet: pip could not install $RAY" >&2
    exit 1
  }
  echo "$wanted" >"$VENV/.installed"
fi

packages=$PWD/client/python/src
server=$PWD/build/release/bin/tensorferry-server
if [ "${1:-}" = wheel ]; then
  packages=$PWD/build/fleet-wheel
  server=$packages/bin/tensorferry-server
  say "Installing the wheels into $packages"
  rm -rf "$packages"
  "$VENV/bin/pip" install -q --no-deps --no-compile --target "$packages" build/wheel/dist/*.whl || {
    echo "test-fleet: pip could not install the wheels" >&2
    exit 1
  }
  # The installed torch, in which the launcher finds libtorch, is that of .venv.
  ln -s "$PWD"/.venv/lib/python3*/site-packages/torch{,-*.dist-info} "$packages/"
fi

say "Running a job and an application on two nodes"
.venv/bin/python tests/fleet/files.py "$FILES"
PYTHONPATH=$packages TENSORFERRY_FLEET_FILES=$PWD/$FILES RAY_DEDUP_LOGS=0 RAY_DATA_DISABLE_PROGRESS_BARS=1 \
  TENSORFERRY_SERVER_PROGRAM=$server "$VENV/bin/python" -m pytest -q tests/fleet
