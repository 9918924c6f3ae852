#!/usr/bin/env bash
# setup.sh installs what a command needs and this machine lacks: Debian packages (as root or with sudo), and Python
# packages, torch's CPU wheel among them, into the project's own environment, .venv. It does nothing if nothing is
# missing.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/torch_index.sh

TORCH_VERSION=2.13.0
TORCH_CPU_INDEX=https://download.pytorch.org/whl/cpu
VENV=.venv
APT_PATIENCE=600 # Seconds for another apt-get: a machine that has just started often installs its updates.

say() { printf '==> %s\n' "$*"; }
fail() {
  printf 'setup: %s\n' "$*" >&2
  exit 1
}

check_root() {
  [ "$(id -u)" = 0 ] || command -v sudo >/dev/null || fail "root is needed to run '$*': run as root, or install sudo"
}
as_root() {
  check_root "$@"
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

is_installed() { [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

# apt-get waits for the lock of what is installed, if told so, but not for that of the lists.
update_lists() {
  local said waiting= began=$SECONDS
  check_root apt-get update # Within the substitution below its words would be taken for those of apt-get.
  until said=$(as_root apt-get update -qq 2>&1); do
    [[ $said == */lists/lock* ]] && ((SECONDS - began < APT_PATIENCE)) || {
      printf '%s\n' "$said" >&2
      fail "apt-get update failed: is the network reachable?"
    }
    [ "$waiting" ] || say "Another apt-get is at work: waiting until it ends"
    waiting=yes
    sleep 2
  done
}

install_debian_packages() {
  command -v apt-get >/dev/null || fail "this script knows Debian's packages only; docs/building.md lists what other systems need"
  local missing=() package
  for package in $(grep -v '^#' scripts/debian-packages.txt) "$@"; do
    is_installed "$package" || missing+=("$package")
  done
  if [ ${#missing[@]} = 0 ]; then
    say "Debian packages: all there"
    return
  fi
  say "Debian packages: installing ${missing[*]}"
  update_lists
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq -o DPkg::Lock::Timeout="$APT_PATIENCE" --no-install-recommends "${missing[@]}" >/dev/null ||
    fail "apt-get could not install ${missing[*]}"
}

torch_index() {
  if pytorch_answers "$TORCH_CPU_INDEX"; then echo "--index-url $TORCH_CPU_INDEX"; fi
}

make_venv() {
  [ -x "$VENV/bin/python" ] || python3 -m venv "$VENV" || fail "python3 -m venv failed: is python3-venv installed?"
}

install_torch() {
  local stamp="$VENV/.installed-torch" quiet=-q
  if [ "$(cat "$stamp" 2>/dev/null)" = "$TORCH_VERSION" ]; then return; fi
  make_venv
  say "Python packages: installing torch $TORCH_VERSION (CPU) into $VENV"
  if [ -t 1 ]; then quiet=; fi # On a terminal pip shows how far the download of torch is.
  # shellcheck disable=SC2046,SC2086  # The index is two words or none.
  "$VENV/bin/pip" install $quiet $(torch_index) "torch==$TORCH_VERSION" || fail "pip could not install torch $TORCH_VERSION"
  echo "$TORCH_VERSION" >"$stamp"
}

# install_python_packages [REQUIREMENTS]: torch and the Python client, and what the file names.
install_python_packages() {
  install_torch
  local stamp="$VENV/.installed${1:+-with-requirements}" wanted
  wanted=$(cat scripts/setup.sh client/python/pyproject.toml "$@" | sha256sum)
  if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ]; then
    say "Python packages: all there"
    return
  fi
  say "Python packages: installing the Python client${1:+ and what $1 names} into $VENV"
  "$VENV/bin/pip" install -q ${1:+-r "$1"} -e client/python || fail "pip could not install the Python packages"
  echo "$wanted" >"$stamp"
}

# install_what_compiles PACKAGE...: what the compiler needs, torch beside Debian's packages where Python can do so.
install_what_compiles() {
  local torch=
  if python3 -c 'import ensurepip' 2>/dev/null; then
    install_torch &
    torch=$!
  fi
  install_debian_packages "$@"
  if [ -n "$torch" ]; then wait "$torch" || exit 1; else install_torch; fi
}

# The tests run a client in a third language, JavaScript, and walk through the page in a browser; lint checks its types.
install_node_packages() {
  local target=build/node
  if [ -d "$target/node_modules" ] && cmp -s tests/integration/node/package-lock.json "$target/package-lock.json"; then
    say "Node packages: all there"
    return
  fi
  say "Node packages: installing into $target"
  mkdir -p "$target"
  cp tests/integration/node/package.json tests/integration/node/package-lock.json "$target/"
  npm ci --silent --no-fund --no-audit --prefix "$target" || {
    rm -f "$target/package-lock.json"
    fail "npm could not install the packages of tests/integration/node"
  }
}

# pyarrow stays out of .venv, so that not everybody has to download it. Without it Arrow Flight is not measured.
install_bench_packages() {
  local venv=build/bench-venv
  if "$venv/bin/python" -c 'import pyarrow.flight' 2>/dev/null; then
    say "Arrow Flight: there"
    return
  fi
  say "Arrow Flight: installing pyarrow into $venv"
  { python3 -m venv "$venv" && "$venv/bin/pip" install -q -r tests/bench/requirements.txt; } ||
    say "Arrow Flight: pip could not install pyarrow; going on without it"
}

# What same_host.py compares with, without what these packages need besides and .venv has.
install_bench_peers() {
  local folder=build/bench-peers
  if [ -d "$folder" ]; then
    say "tenso and tritonclient: there"
    return
  fi
  say "tenso and tritonclient: installing into $folder"
  "$VENV/bin/pip" install -q --no-deps --target "$folder.new" -r tests/bench/peers.txt ||
    fail "pip could not install what tests/bench/peers.txt names"
  mv "$folder.new" "$folder"
}

# What is shipped, and what is tested and measured, has its code laid out by this.
layout_packages=(bolt-19)

lint_packages=(clang-format-14)

# The compiled core of the Python client is built with Python's headers. A Python that did not come from Debian has its own.
has_headers() { python3 -c 'import os, sysconfig; os.stat(sysconfig.get_path("include") + "/Python.h")' 2>/dev/null; }
if has_headers; then core_packages=(); else core_packages=(python3-dev); fi

# The C++ tests are built with these.
test_packages=(libgmock-dev libgtest-dev)
test_requirements=tests/requirements.txt

# The page is looked at with this: 97 MB to download, and 10 s to install.
browser_packages=(chromium-headless-shell)

# A Node.js that did not come from Debian serves as well.
if command -v npm >/dev/null; then node_packages=(); else node_packages=(nodejs npm); fi

# The examples in Ruby and Go run with these: 12 MB and 90 MB to download.
language_packages=(ruby ruby-grpc golang-go golang-google-grpc-dev golang-goprotobuf-dev)

case "${1:-build}" in
demo)
  install_debian_packages
  install_python_packages
  ;;
build)
  install_debian_packages "${test_packages[@]}" "${core_packages[@]}"
  install_python_packages "$test_requirements"
  ;;
tested) # What the programs that are tested are built with: a part of `test`, which installs the rest beside the compiler.
  install_what_compiles "${test_packages[@]}" "${layout_packages[@]}" libbenchmark-dev
  ;;
system)
  install_debian_packages "${test_packages[@]}"
  ;;
test)
  # Triton's perf_analyzer, of its client's wheel, needs libb64.
  install_debian_packages "${test_packages[@]}" "${core_packages[@]}" "${layout_packages[@]}" libbenchmark-dev valgrind \
    openssl prometheus libb64-0d haproxy nginx-light zsh "${lint_packages[@]}" "${language_packages[@]}" \
    "${node_packages[@]}" "${browser_packages[@]}"
  install_python_packages "$test_requirements"
  install_node_packages
  tests/integration/oip/environments.sh clients
  ;;
lint)
  install_debian_packages "${test_packages[@]}" "${lint_packages[@]}" "${node_packages[@]}"
  install_python_packages "$test_requirements"
  install_node_packages
  ;;
bench)
  install_debian_packages "${layout_packages[@]}" "${core_packages[@]}" libbenchmark-dev
  install_python_packages "$test_requirements"
  install_bench_packages
  tests/integration/oip/environments.sh tritonclient
  ;;
bench-triton) # A real Triton, 55 MB to download, its clients, and others that use shared memory.
  install_debian_packages "${layout_packages[@]}" "${core_packages[@]}" libbenchmark-dev libb64-0d
  install_python_packages "$test_requirements"
  install_bench_peers
  tests/integration/oip/environments.sh tritonclient
  tests/integration/oip/environments.sh perf-analyzer
  tests/integration/oip/environments.sh triton
  ;;
packages)
  install_debian_packages "${layout_packages[@]}" "${core_packages[@]}" debootstrap debian-archive-keyring gzip help2man \
    patchelf systemd-container
  install_python_packages
  ;;
fuzz)
  install_debian_packages "${test_packages[@]}" clang-14 libclang-rt-14-dev
  install_python_packages "$test_requirements"
  ;;
*) fail "usage: $0 [demo|build|tested|system|test|lint|bench|bench-triton|packages|fuzz]" ;;
esac
