"""Measures how much memory models, connections, streams and arrays take, and prints the table of docs/operations.md.

Run it with PYTHONPATH=client/python/src:tests/integration:tests/faults. It takes a minute, and 3 GiB of memory.
"""

from __future__ import annotations

import socket
import ssl
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
import numpy as np
import torch
from torch import Tensor, nn

import tensorferry
from certificates import Authority, Files
from harness import MIB, TIMEOUT_S, Server, becomes_true, connect
from http2 import SETTINGS, connect_raw
from isolated import ISOLATED, children
from served_models import Echo, put
from tensorferry.v1 import tensor_service_pb2 as pb
from tensorferry.v1.tensor_service_pb2_grpc import TensorServiceStub
from wire import array, request, request_part

CONNECTIONS, STREAMS, PER_CONNECTION = 500, 200, 20
MODELS, LARGE_MODELS, WEIGHTS = 20, 4, 64 * MIB
MESSAGE, CHUNKED = 32 * MIB, 512 * MIB
ONE = request(array("|u1", (4,), b"abcd"))


class Large(nn.Module):
    """Its weights are WEIGHTS bytes."""

    def __init__(self) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.rand(WEIGHTS // 4))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.weights[:4]


@dataclass(frozen=True)
class Row:
    what: str
    count: int
    nbytes: float  # Of each.

    def __str__(self) -> str:
        size = f"{self.nbytes / MIB:.1f} MiB" if self.nbytes >= MIB else f"{self.nbytes / 1024:.0f} KiB"
        return f"| {self.what} | {self.count:,} | {size} |"


def private_bytes(pid: int) -> int:
    """Memory that a process has for itself."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return 1024 * sum(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Private"))


def settled(server: Server) -> int:
    """Resident memory once it has stopped to change."""
    seen = [-1]

    def is_steady() -> bool:
        time.sleep(0.2)
        seen.append(server.rss())
        return seen[-1] == seen[-2]

    becomes_true(is_steady, timeout_s=10)
    return seen[-1]


@contextmanager
def called(*flags: str) -> Iterator[Server]:
    """A server that has answered a call already, so that what is made once is there."""
    with Server(*flags) as server:
        with connect(server.address) as channel:
            TensorServiceStub(channel).Convert(ONE, timeout=TIMEOUT_S)
        yield server
        assert server.stop() == 0


def idle() -> Row:
    with Server() as server:
        return Row("the server, without models, before its first call", 1, settled(server))


def connections() -> Row:
    with called() as server, ExitStack() as stack:
        before = settled(server)
        for _ in range(CONNECTIONS):
            connection = stack.enter_context(connect_raw(server.address))
            assert any(kind == SETTINGS for kind, *_ in connection.frames())
        return Row("a connection that is idle", CONNECTIONS, (settled(server) - before) / CONNECTIONS)


def tls_connections() -> Row:
    with tempfile.TemporaryDirectory() as root, ExitStack() as stack:
        authority = Authority(Path(root) / "authority")
        files = Files(Path(root), authority.sign("server"))
        context = ssl.create_default_context(cafile=str(authority.certificate))
        context.set_alpn_protocols(["h2"])
        server = stack.enter_context(Server(*files.flags))
        host, port = server.address.rsplit(":", 1)

        def open_one() -> None:
            connection = stack.enter_context(socket.create_connection((host, int(port)), TIMEOUT_S))
            secured = stack.enter_context(context.wrap_socket(connection, server_hostname="localhost"))
            secured.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]))
            assert secured.recv(9)

        open_one()
        before = settled(server)
        for _ in range(CONNECTIONS):
            open_one()
        return Row("the same, with TLS", CONNECTIONS, (settled(server) - before) / CONNECTIONS)


def streams() -> Row:
    with called() as server, ExitStack() as stack:
        channels = [stack.enter_context(connect(server.address)) for _ in range(STREAMS // PER_CONNECTION)]
        for channel in channels:
            TensorServiceStub(channel).Convert(ONE, timeout=TIMEOUT_S)
        before = settled(server)
        for channel in channels:
            for _ in range(PER_CONNECTION):
                open_stream(TensorServiceStub(channel), stack)
        return Row("an open stream that is idle", STREAMS, (settled(server) - before) / STREAMS)


def open_stream(stub: TensorServiceStub, stack: ExitStack) -> None:
    """Opens a stream, has one request answered on it, and leaves it open until the stack ends."""
    ended = stack.enter_context(_event())

    def parts() -> Iterator[pb.ConvertStreamRequest]:
        yield request_part(ONE)
        ended.wait()

    call: grpc.Call = stub.ConvertStream(parts(), timeout=TIMEOUT_S)
    stack.callback(call.cancel)
    assert next(iter(call)).response.tensors


@contextmanager
def _event() -> Iterator[threading.Event]:
    event = threading.Event()
    try:
        yield event
    finally:
        event.set()


def models(what: str, module: Callable[[], nn.Module], count: int) -> Row:
    with tempfile.TemporaryDirectory() as root:
        put(Path(root) / "first", Echo())
        with called("--model-dir", root) as server:
            before = settled(server)
        for number in range(count):
            put(Path(root) / f"model-{number}", module())
        with called("--model-dir", root) as server:
            return Row(what, count, (settled(server) - before) / count)


def worker() -> Row:
    with tempfile.TemporaryDirectory() as root:
        put(Path(root) / "isolated", Echo(), ISOLATED)
        with called("--model-dir", root) as server:
            (process,) = children(server.pid)
            return Row(
                "the worker process of a model with `isolation: process`, beside its weights", 1, private_bytes(process)
            )


def arrays(what: str, nbytes: int, **options: bool) -> Row:
    """What one array takes at most while it is converted, in parts of its size."""
    data = np.ones(nbytes, np.uint8)
    with called() as server, tensorferry.Client(server.address) as client:
        before = settled(server)
        client.convert(data, **options)
        return Row(f"{what} of {nbytes // MIB} MiB, at most", 1, server.peak_rss() - before)


def main() -> int:
    rows = [
        idle(),
        models("a small TorchScript model (`x.clone()`)", Echo, MODELS),
        models(f"a TorchScript model with {WEIGHTS // MIB} MiB of weights", Large, LARGE_MODELS),
        worker(),
        connections(),
        tls_connections(),
        streams(),
        arrays("an array in one message,", MESSAGE),
        arrays("an array in chunks,", CHUNKED),
        arrays("an array in chunks that is sent back,", CHUNKED, return_data=True),
    ]
    print("| What | Measured with | Resident memory of each |", "| --- | --- | --- |", *rows, sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
