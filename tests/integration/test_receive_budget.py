"""Messages that never come to their end are bounded, too: all that is being received has a budget of its own."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

import grpc

from harness import MIB, TIMEOUT_S, Server, becomes_true, connect, connect_stub
from tensorferry.v1.tensor_service_pb2 import ConvertRequest, ConvertResponse
from tensorferry.v1.tensor_service_pb2_grpc import TensorServiceStub
from wire import array, convert_unary, request

CONVERT = "/tensorferry.v1.TensorService/Convert"


def forward(source: socket.socket, target: socket.socket, most: int | None = None) -> None:
    """Sends on what comes, up to `most` bytes, until either side closes."""
    with suppress(OSError):
        while most is None or most > 0:
            received = source.recv(1 << 20 if most is None else min(most, 1 << 20))
            if not received:
                target.shutdown(socket.SHUT_WR)
                return
            target.sendall(received)
            most = None if most is None else most - len(received)


@contextmanager
def stalling(address: str, most: int) -> Iterator[str]:
    """The address of a relay for one connection that holds back what its client sends after `most` bytes."""
    host, port = address.rsplit(":", 1)
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection((host, int(port))) as server:
        threads: list[threading.Thread] = []

        def relay() -> None:
            client, _ = listener.accept()
            with client:
                down = threading.Thread(target=forward, args=(server, client))
                down.start()
                forward(client, server, most)
                down.join()

        threads.append(threading.Thread(target=relay))
        threads[0].start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        with suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)
        threads[0].join(TIMEOUT_S)


PATIENCE_S = 5 * TIMEOUT_S  # A machine that others use, too, takes its time to copy a gigabyte.


def stalled_calls(server: Server, stack: ExitStack, count: int) -> list[grpc.Future]:
    """Calls with 60 MiB each, of which the last MiB never comes, on a connection for each."""
    message = request(array("|u1", (60 * MIB,), bytes(60 * MIB))).SerializeToString()
    calls = []
    for _ in range(count):
        channel = stack.enter_context(connect(stack.enter_context(stalling(server.address, 59 * MIB))))
        calls.append(channel.unary_unary(CONVERT).future(message, timeout=PATIENCE_S))
    return calls


def test_messages_that_never_end_are_bounded() -> None:
    """24 of them would hold 1.4 GiB. Some are ended, whichever gRPC takes, and others are served all the time."""
    budget = 256 * MIB
    with Server("--receive-budget", f"{budget}") as server, ExitStack() as stack:
        before = server.rss()
        calls = stalled_calls(server, stack, 24)

        def ended() -> list[grpc.Future]:
            return [call for call in calls if call.done()]

        wanted = request(array("|u1", (MIB,), bytes(MIB)))
        with connect_stub(server.address) as stub:
            # Those that are left fit, and nothing tells when the last of them stalls.
            some_are_left = 24 - 4
            assert becomes_true(
                lambda: len(ended()) >= some_are_left and convert_unary(stub, wanted).reason == "", PATIENCE_S
            )
            for _ in range(100):
                assert convert_unary(stub, wanted).refusal is None
        assert {call.code() for call in ended()} <= {grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNAVAILABLE}
        assert server.peak_rss() - before < budget + 96 * MIB
        for call in calls:
            call.cancel()


def result_at_last(stub: TensorServiceStub, call: grpc.Future, wanted: ConvertRequest) -> ConvertResponse:
    """The answer of `call`, or of the first repetition that gRPC does not end for want of room."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        try:
            return call.result()
        except grpc.RpcError as error:
            if error.code() not in (grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNAVAILABLE):
                raise
            call = stub.Convert.future(wanted, timeout=PATIENCE_S)
    raise TimeoutError("no repetition found room")


def test_large_messages_of_many_callers_find_room() -> None:
    """The least budget holds two of the largest messages. Of eight callers each gets an answer, if he asks again."""
    wanted = request(array("|u1", (60 * MIB,), bytes(60 * MIB)), return_data=False)
    with Server("--receive-budget", "1KiB") as server, ExitStack() as stack:
        stubs = [stack.enter_context(connect_stub(server.address)) for _ in range(8)]
        calls = [(stub, stub.Convert.future(wanted, timeout=PATIENCE_S)) for stub in stubs for _ in range(2)]
        for stub, call in calls:
            assert result_at_last(stub, call, wanted).tensors[0].metadata.numel == 60 * MIB
