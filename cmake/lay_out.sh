#!/usr/bin/env bash
# lay_out.sh LLVM_BOLT SERVER CLIENT: lays out the code of the program SERVER anew, in place, so that what runs together
# lies together (docs/adr/0029). LLVM_BOLT writes a copy of it that counts its branches, CLIENT sends that copy a load,
# and by the counts LLVM_BOLT orders functions and blocks. SERVER must have been linked with --emit-relocs.
set -euo pipefail
bolt=$(realpath "$1") server=$2 client=$3 # It looks for its libraries beside the name that it is called by.

work=$(mktemp -d)
finish() {
  if [ -n "${counting:-}" ]; then kill "$counting" 2>/dev/null || true; fi
  rm -rf "$work"
}
trap finish EXIT
fail() {
  for log in "$work"/*.log; do [ -s "$log" ] && tail -n 20 "$log" >&2; done
  printf 'lay_out: %s; -DTENSORFERRY_BOLT=OFF builds without this step\n' "$*" >&2
  exit 1
}

for name in $(compgen -e TENSORFERRY_); do unset "$name"; done # Settings of whoever builds are not for this server.

# A function of ours that GCC has split would lose handlers of exceptions.
if [ -n "$(nm "$server" | grep -m 1 'tensorferry.*\.cold$')" ]; then
  fail "the server must be compiled with -fno-reorder-blocks-and-partition"
fi

# The server ends without running what the counts would be written by: a process of its own writes them every second.
"$bolt" "$server" -instrument -instrumentation-file="$work/counts" -instrumentation-sleep-time=1 \
  -instrumentation-no-counters-clear -o "$work/counting" >"$work/instrument.log" 2>&1 ||
  fail "llvm-bolt could not make a copy that counts"

mkfifo "$work/ready"
"$work/counting" --listen "unix:$work/socket" --listen 127.0.0.1:0 --http-listen 127.0.0.1:0 --admin-listen off \
  --access-log off >"$work/ready" 2>"$work/server.log" &
counting=$!
read -r -t 60 ready <"$work/ready" || fail "the copy that counts did not start"
tcp=$(sed -n 's/.* grpc=\(127\.0\.0\.1:[^ ]*\).*/\1/p' <<<"$ready")
http=$(sed -n 's/.* http=\([^ ]*\).*/\1/p' <<<"$ready ")

load() {
  "$client" bench --server "$1" --duration 700ms --warmup 0s "${@:2}" >"$work/load.log" 2>&1 ||
    fail "the load '${*:2}' failed"
}
load "$tcp" --size 64B,4KiB,64KiB,1MiB
load "$tcp" --size 64B --outstanding 32
load "$tcp" --size 64B --digest
load "$tcp" --size 4KiB --dtype '>f4'
load "$tcp" --size 64B,64KiB --model identity
load "$tcp" --size 64B,4KiB --mode stream --outstanding 32
load "$tcp" --size 4MiB --mode chunks
load "unix:$work/socket" --size 64B,64KiB
# One of the Open Inference Protocol, which passes through gRPC's services, too.
tensor='{"name":"INPUT0","datatype":"FP32","shape":[4],"data":[1,2,3,4]}'
for _ in $(seq 500); do
  printf 'url = "http://%s/v2/models/identity/infer"\noutput = "/dev/null"\n' "$http"
done >"$work/urls"
curl -sS --fail --config "$work/urls" --json "{\"inputs\":[$tensor]}" >"$work/curl.log" 2>&1 ||
  fail "requests over HTTP failed"

# The process that writes the counts is a child of the server. It ends after the server, and writes them once more before.
# In a container perhaps nobody asks what became of it then.
has_ended() { ! grep -qs '^State:.[^ZX]' "/proc/$1/status"; }
writer=$(cat "/proc/$counting/task/"*/children)
kill "$counting"
wait "$counting" || fail "the copy that counts ended with an error"
for _ in $(seq 600); do
  if has_ended "${writer% }"; then break; fi
  sleep 0.1
done
has_ended "${writer% }" && [ -s "$work/counts" ] || fail "the counts were not written"
counting=

# Code that handles exceptions does not survive all that llvm-bolt can do. So it stays with its function (no -split-eh),
# what never ran stays where it is, as it was (no -use-old-text), and identical functions stay apart (no -icf). Without huge
# pages nothing is padded to 2 MiB. The symbols go here: strip would leave a program that does not start.
"$bolt" "$server" -data="$work/counts" -o "$work/laid-out" -reorder-blocks=ext-tsp -reorder-functions=cdsort \
  -split-functions -split-all-cold -no-huge-pages -align-text=4096 -remove-symtab \
  >"$work/optimize.log" 2>&1 || fail "llvm-bolt could not lay out the code"
"$work/laid-out" --version >"$work/version.log" 2>&1 || fail "the program that was laid out does not start"
cp --remove-destination "$work/laid-out" "$server" # Somebody may be running what was linked.
