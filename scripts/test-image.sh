#!/usr/bin/env bash
# test-image.sh builds the container image, starts it, and converts NumPy arrays through it: with the Docker engine, or,
# if none answers, with buildah, as root, on a base image that debootstrap makes. Both keep what a later run can use
# again.
set -euo pipefail
cd "$(dirname "$0")/.."

source scripts/debian.sh
source scripts/torch_index.sh

IMAGE=tensorferry:test
PORT=8001
ADMIN_PORT=8002
MOST_UNPACKED=450 # MB: docker/README.md says how much it is.
BASE=localhost/debian:$SUITE # Where no registry is asked.
PYTHON=.venv/bin/python
eval "$(grep '^TORCH_' scripts/setup.sh)"

say() { printf '==> %s\n' "$*"; }
fail() {
  printf 'test-image: %s\n' "$*" >&2
  exit 1
}

# --- These functions use Docker. Each has a namesake below.

docker_build() { DOCKER_BUILDKIT=1 docker build --progress plain "$@"; }
docker_create() { container=$(docker create --read-only --cap-drop ALL --publish "127.0.0.1::$PORT" "$IMAGE"); }
docker_start() {
  docker start "$container" >/dev/null
  exec docker logs --follow "$container"
}
docker_address() { docker port "$container" "$PORT" | head -n 1; }
docker_inside() { docker exec --interactive "$container" "$@"; }
docker_stop() {
  docker stop -t 60 "$container" >/dev/null
  return "$(docker wait "$container")"
}
docker_health_check() { docker inspect --format '{{range .Config.Healthcheck.Test}}{{.}} {{end}}' "$container"; }
docker_labels() { docker inspect --format '{{range $name, $value := .Config.Labels}}{{$name}}={{$value}} {{end}}' "$container"; }
docker_files() { docker export "$container"; }
docker_remove() { docker rm --force "$container" >/dev/null; }

# --- These use buildah. chroot isolation needs neither a daemon nor namespaces, and shares the network of this machine.

buildah_prepare() {
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || fail "no Docker engine answers, and without one root is needed: run as root, or install sudo"
    exec sudo --preserve-env scripts/test-image.sh
  fi
  export BUILDAH_ISOLATION=chroot
  if ! command -v buildah >/dev/null || ! command -v debootstrap >/dev/null; then
    say "Installing buildah and debootstrap"
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
      buildah debootstrap debian-archive-keyring >/dev/null || fail "apt-get could not install buildah and debootstrap"
  fi
  if ! buildah images --quiet "$BASE" >/dev/null 2>&1; then make_base_image; fi
}

make_base_image() {
  say "Making a base image of Debian $SUITE"
  container=$(buildah from scratch)
  make_debian "$(buildah mount "$container")"
  buildah commit --quiet --rm "$container" "$BASE" >/dev/null
  container=
}

buildah_build() { buildah bud --layers --pull-never --format docker --build-arg BASE="$BASE" "$@"; }
buildah_create() {
  local port
  for port in "$PORT" "$ADMIN_PORT"; do
    if (exec <>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
      fail "port $port is taken, and without a Docker engine the server needs this machine's own"
    fi
  done
  container=$(buildah from --pull-never "$IMAGE")
}
buildah_start() { exec buildah run "$container" -- $(buildah_config '{{range .Entrypoint}}{{.}} {{end}}'); }
buildah_address() { echo "127.0.0.1:$PORT"; }
buildah_inside() { buildah run "$container" -- "$@"; }
# The processes between this script and the server would kill it on a signal, so the signal goes to the innermost
# process.
buildah_stop() {
  local pid=$server child
  while child=$(cat "/proc/$pid/task/"*/children) && [ -n "$child" ]; do pid=${child% }; done
  kill -TERM "$pid"
  wait "$server"
}
buildah_health_check() { buildah_config '{{range .Healthcheck.Test}}{{.}} {{end}}'; }
buildah_config() { buildah inspect --format "{{with .Docker.Config}}$1{{end}}" "$container"; }
buildah_labels() { buildah_config '{{range $name, $value := .Labels}}{{$name}}={{$value}} {{end}}'; }
buildah_files() { tar --create --directory "$(buildah mount "$container")" .; }
buildah_remove() {
  if [ -n "$server" ] && kill -0 "$server" 2>/dev/null; then buildah_stop || true; fi
  buildah rm "$container" >/dev/null
}

# ---

container= server=
cleanup() {
  if [ -n "$container" ]; then "${engine}_remove"; fi
}
trap cleanup EXIT

# The wheel comes from PyTorch's index, or else from where pip finds one here.
find_torch() {
  if pytorch_answers "$TORCH_CPU_INDEX"; then return; fi
  say "PyTorch's index does not answer: taking the wheel from where this machine's pip finds it"
  mkdir -p build/wheels
  "$PYTHON" -m pip download -q --no-deps --dest build/wheels "torch==$TORCH_VERSION" || fail "pip could not find torch $TORCH_VERSION"
  build_options+=(--build-context wheels=build/wheels)
}

convert_from_outside() {
  "$PYTHON" - "$1" <<'END'
import sys

import ml_dtypes
import numpy as np
import tensorferry

values = np.arange(-3, 3)
with tensorferry.Client(sys.argv[1]) as client:
    for dtype in ("int32", ">f4", "bool", "complex128", ml_dtypes.bfloat16):
        receipt = client.convert(values.astype(dtype).reshape(2, 3))
        if not (receipt.dtype_equal and receipt.digest_equal):
            sys.exit(f"not equal: {receipt}")
        print(f"    {receipt.source_dtype:>10} {receipt.shape} -> torch.{receipt.dtype}, dtype and digest equal")
END
}

convert_inside() {
  "$PYTHON" -c 'import numpy, sys; numpy.save(sys.stdout.buffer, numpy.linspace(0, 1, 1000))' |
    "${engine}_inside" tensorferry convert -
}

if docker info >/dev/null 2>&1; then
  engine=docker
else
  engine=buildah
  buildah_prepare
fi

build_options=()
find_torch
log=build/image.log
say "Building $IMAGE with $engine (log: $log)"
mkdir -p build
version=$(sed -n 's/^project(tensorferry VERSION \([^ ]*\).*/\1/p' CMakeLists.txt)
build_options+=(--build-arg GRPC="${GRPC:-}" --build-arg VERSION="$version" --build-arg REVISION="$(git rev-parse HEAD 2>/dev/null || echo unknown)")
build_options+=(--build-arg CREATED="$(date -u +%Y-%m-%dT%H:%M:%SZ)" --build-arg SOURCE=https://example.org/tensorferry)
"${engine}_build" --file docker/Dockerfile --tag "$IMAGE" --build-arg JOBS="$(nproc)" \
  "${build_options[@]}" . >"$log" 2>&1 || {
  tail -n 30 "$log" >&2
  fail "$engine could not build the image; its last words are above, all of them in $log"
}

say "Starting it"
"${engine}_create"
began=$EPOCHREALTIME
exec {server_stdout}< <("${engine}_start")
server=$!
read -r -t 120 ready <&"$server_stdout" || fail "no ready line in 120 s, or before the server ended; its log is above"
[[ $ready == "tensorferry-server ready "* ]] || fail "expected the ready line, got '$ready'"
echo "    $ready"
awk -v began="$began" -v ended="$EPOCHREALTIME" -v engine="$engine" \
  'BEGIN {printf "    %.2f s after %s was told to start it\n", ended - began, engine}'

say "Labels and bill of materials"
labels=$("${engine}_labels")
for label in title description vendor licenses version revision source created; do
  grep -Eq "org\.opencontainers\.image\.$label=[^ ]" <<<"$labels" || fail "the label $label is missing or empty: $labels"
done
file_of_image() { "${engine}_files" | tar --extract --to-stdout --wildcards "*$1"; }
debian=$(eval "$(file_of_image etc/os-release)" && echo "debian-${VERSION_ID:-$VERSION_CODENAME}")
file_of_image usr/share/sbom/tensorferry.cdx.json | "$PYTHON" -c '
import json, sys
components = json.load(sys.stdin)["components"]
names = [component["name"] for component in components]
wanted = ("torch", "libgrpc++-dev", "libssl", "libzip", "libc6") # Of some the number changes with Debian.
missing = [start for start in wanted if not any(name.startswith(start) for name in names)]
if missing: sys.exit(f"the bill of materials lacks {missing}")
debian = {component["purl"].rpartition("distro=")[2] for component in components if component["purl"].startswith("pkg:deb/")}
if debian != {sys.argv[1]}: sys.exit(f"the bill of materials is for {debian}, expected {sys.argv[1]}")
print(f"    {len(components)} components")' "$debian" || fail "the bill of materials is not complete"

health_check=($("${engine}_health_check"))
say "Health check: ${health_check[*]:1}"
[ "${health_check[0]}" = CMD ] || fail "the health check needs a shell, which the image does not have: ${health_check[*]}"
"${engine}_inside" "${health_check[@]:1}" || fail "the health check failed"
"${engine}_inside" "${health_check[@]:1}" --json | grep -q '"tensorferry.v1.TensorService"' ||
  fail "the health check does not ask for readiness, which is the health of tensorferry.v1.TensorService"

say "Converting arrays from outside, with the Python client"
convert_from_outside "$("${engine}_address")" || fail "an array did not convert"
say "Converting an array inside, with the image's own command"
convert_inside || fail "an array did not convert inside the image"

say "Stopping it with SIGTERM"
"${engine}_stop" || fail "the server ended with exit code $?, expected 0"

say "Files"
files=$("${engine}_files" | tar --list --verbose)
for library in libc6 libprotobuf-dev; do # One is in the image, the other within the programs.
  "${engine}_files" | tar --extract --to-stdout --wildcards '*usr/share/doc/tensorferry/LICENSE.libraries.gz' |
    zcat | grep "^==== \(.*, \)\?$library\(,\|$\)" >/dev/null || fail "the licence of $library is missing"
done
grep -q 'opt/torch/lib/libtorch.so$' <<<"$files" || fail "libtorch.so is missing, which packages of torch's wheel with CUDA need"
awk -v most="$MOST_UNPACKED" '
  { total += $3; sizes[$6] = $3 }
  END {
    for (file in sizes) if (sizes[file] > 1e6) printf "%8.1f MB  %s\n", sizes[file] / 1e6, file | "sort -rn"
    close("sort -rn")
    printf "%8.1f MB  in all, unpacked\n", total / 1e6
    exit total / 1e6 > most
  }' <<<"$files" || fail "the image has grown: at most $MOST_UNPACKED MB are expected"
