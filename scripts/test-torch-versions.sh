#!/usr/bin/env bash
# test-torch-versions.sh VERSION... has each version of torch export programs, in an environment of its own, and compares
# what the server answers with them. Environments and programs stay in build/torch-versions.
#
# Where PyTorch's index of CPU wheels cannot be reached, those of PyPI are taken: up to torch 2.10 its wheels for arm64
# are such, and run in qemu, in a Debian of its own, for which root is needed. Later ones bring CUDA, 4 GB of it.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/debian.sh
source scripts/torch_index.sh

WORK=build/torch-versions
ARM64=$WORK/arm64
PYTHON=.venv/bin/python
NEEDED=(filelock typing_extensions sympy networkx jinja2 fsspec)  # What torch imports, in Python alone.

say() { printf '==> %s\n' "$*"; }
fail() {
  printf 'test-torch-versions: %s\n' "$*" >&2
  exit 1
}
pip() { "$PYTHON" -m pip --disable-pip-version-check "$@" 2> >(grep -v 'is ignored: it is neither' >&2); }
is_older_than() { [ "$1" != "$2" ] && [ "$(printf '%s\n' "$1" "$2" | sort -V | head -n 1)" = "$1" ]; }

eval "$(grep '^TORCH_CPU_INDEX=' scripts/setup.sh)"
if pytorch_answers "$TORCH_CPU_INDEX"; then has_index=1; else has_index=; fi

# runs_in_qemu VERSION: whether that version is to be had as a wheel for arm64 alone.
runs_in_qemu() { [ -z "$has_index" ] && is_older_than "$1" 2.11; }

# Python for arm64, of Debian's packages: nothing of them is run while they are unpacked.
install_arm64() {
  [ "$(id -u)" = 0 ] || fail "root is needed to unpack a Debian for arm64"
  if ! command -v qemu-aarch64-static >/dev/null || ! command -v debootstrap >/dev/null; then
    say "Installing qemu-user-static and debootstrap"
    apt-get update -qq && apt-get install -y -qq --no-install-recommends qemu-user-static debootstrap >/dev/null
  fi
  if [ -e "$ARM64/.complete" ]; then return; fi
  say "Unpacking Python for arm64 into $ARM64"
  rm -rf --one-file-system "$ARM64" && mkdir -p "$ARM64"
  local mirror
  mirror=$(debian_mirror) || mirror=
  # shellcheck disable=SC2086  # The mirror is a word or none.
  logged $WORK/debootstrap.log "debootstrap failed" debootstrap --arch=arm64 --foreign --variant=minbase \
    --include=python3,libgomp1,libstdc++6 "$SUITE" "$ARM64" $mirror
  local package
  for package in "$ARM64"/var/cache/apt/archives/*.deb; do dpkg -x "$package" "$ARM64"; done
  rm "$ARM64"/var/cache/apt/archives/*.deb
  touch "$ARM64/.complete"
}

# install VERSION puts torch and what it imports into a folder.
install() {
  local folder=$WORK/torch-$1
  if [ -e "$folder/.complete" ]; then return; fi
  rm -rf "$folder" && mkdir -p "$folder"
  say "Installing torch $1 into $folder"
  local where=()
  if [ -n "$has_index" ]; then where=(--index-url "$TORCH_CPU_INDEX"); fi
  if runs_in_qemu "$1"; then
    where=(--platform manylinux_2_28_aarch64 --python-version 3.11 --only-binary=:all: --no-deps)
  elif [ -n "$has_index" ]; then
    where+=(--no-deps)
  fi
  pip install -q --no-compile --target "$folder" "${where[@]}" "torch==$1" || fail "pip could not install torch $1"
  if [ ${#where[@]} != 0 ]; then pip install -q --no-compile --target "$folder" "${NEEDED[@]}"; fi
  touch "$folder/.complete"
}

# write VERSION exports the programs with that version.
write() {
  local run=("$PYTHON" -S)
  if runs_in_qemu "$1"; then run=(qemu-aarch64-static -L "$ARM64" "$ARM64/usr/bin/python3.11"); fi
  rm -rf "$WORK/programs/$1"
  say "Exporting with torch $1"
  PYTHONPATH=$WORK/torch-$1 "${run[@]}" -W ignore tests/versions/version_programs.py "$WORK/programs/$1" ||
    fail "torch $1 did not export"
}

mkdir -p "$WORK"
rm -rf "$WORK/programs"
for version in "$@"; do
  if runs_in_qemu "$version"; then install_arm64; fi
  install "$version"
  write "$version"
done
say "Serving"
PYTHONPATH=client/python/src:tests/integration "$PYTHON" -W ignore tests/versions/serve_versions.py "$WORK/programs"
