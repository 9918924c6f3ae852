#!/usr/bin/env bash
# In newer gRPC a call that waits for its answer switches between threads five times in the client, where it switched once:
# another thread reads the socket, and wakes others to wake the one that waits.
#
# Expected, before it was run: one switch per call in either version, as the thread that waits can read its answer itself.
# Found on 2026-11-30 with Python 3.11.7 on x86-64, with grpcio 1.83.0 and 1.85.3 as well: "event engine" threads of gRPC's
# own read and write all sockets since its experiments event_engine_client and event_engine_listener are on.
# GRPC_EXPERIMENTS=-event_engine_client,-event_engine_listener turns them off, for as long as gRPC knows these names.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
for version in 1.51.1 1.83.0; do
  python3 -m venv "$folder/$version"
  "$folder/$version/bin/pip" install -q grpcio=="$version"
done

cat >"$folder/switches.py" <<'END_OF_SOURCE'
import os
import subprocess
import sys
from concurrent import futures
from pathlib import Path

import grpc

CALLS = 1000
MESSAGE = bytes(64)


class Empty(grpc.GenericRpcHandler):
    def service(self, details):
        return grpc.unary_unary_rpc_method_handler(lambda request, context: b"")


def serve():
    server = grpc.server(futures.ThreadPoolExecutor(1), handlers=[Empty()])
    print(server.add_insecure_port("127.0.0.1:0"), flush=True)
    server.start()
    server.wait_for_termination()


def switches(pid):
    """How often its threads have given up the CPU to wait for something."""
    lines = [line for status in Path(f"/proc/{pid}/task").glob("*/status") for line in status.read_text().splitlines()]
    return sum(int(line.split()[1]) for line in lines if line.startswith("voluntary_ctxt_switches"))


def counts():
    with subprocess.Popen([sys.executable, __file__, "serve"], stdout=subprocess.PIPE, text=True) as server:
        try:
            call = grpc.insecure_channel(f"127.0.0.1:{server.stdout.readline().strip()}").unary_unary("/finding/Empty")
            for _ in range(100):
                call(MESSAGE)
            before = [switches(pid) for pid in (os.getpid(), server.pid)]
            for _ in range(CALLS):
                call(MESSAGE)
            return [(switches(pid) - n) / CALLS for pid, n in zip((os.getpid(), server.pid), before)]
        finally:
            server.kill()


if sys.argv[1:] == ["serve"]:
    serve()
else:
    client, server = counts()
    print(f"{grpc.__version__} {client:.1f} {server:.1f}")
END_OF_SOURCE
count() { env GRPC_EXPERIMENTS="${2:-}" taskset --cpu-list "$(taskset -cp $$ | sed 's/.*: //; s/[,-].*//')" "$folder/$1/bin/python" "$folder/switches.py"; }
echo "How often a thread waits per call of 64 bytes, on one CPU: grpcio, in the client, in the server"
older=$(count 1.51.1)
newer=$(count 1.83.0)
without=$(count 1.83.0 -event_engine_client,-event_engine_listener)
printf '  %s\n' "$older" "$newer" "$without (without its event engine)"
if ! awk '{ client[NR] = $2 } END { exit !(client[1] < 2 && client[2] > 3 && client[3] < 2) }' <<<"$older
$newer
$without"; then
  echo "This is not what was recorded: below 2 in the client of 1.51.1 and without the event engine, above 3 with it"
  exit 1
fi
echo "As recorded: a call to 1.83.0 waits that much more often."
