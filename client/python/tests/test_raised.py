"""Whatever happens to a call, what comes out of it is an error of this package."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import grpc
import numpy as np
import pytest
from both_clients import CLIENTS, TIMEOUT_S, call, raised, serving

import tensorferry
from tensorferry import ArrayError, ProtocolError, Receipt, TensorferryError, TransportError
from tensorferry.v1 import tensor_service_pb2 as pb

NOWHERE = "unix:/nonexistent/tensorferry.sock"
LARGE = np.zeros(1 << 20)
CALLS: dict[str, tuple[str, tuple[Any, ...]]] = {
    "convert": ("convert", (1.0,)),
    "convert-chunked": ("convert", (LARGE,)),
    "convert_many": ("convert_many", ([1.0],)),
    "infer": ("infer", ("m", {"x": 1.0})),
    "infer_many": ("infer_many", ([("m", {"x": 1.0})],)),
    "server_info": ("server_info", ()),
    "models": ("models", ()),
    "health": ("health", ()),
}
each_call = pytest.mark.parametrize("name", CALLS)
each_client = pytest.mark.parametrize("client", CLIENTS)


def collect(client: Any, name: str) -> Any:
    method, arguments = CALLS[name]
    result = getattr(client, method)(*arguments)
    return list(result) if method.endswith("_many") else result


async def collect_async(client: Any, name: str) -> Any:
    method, arguments = CALLS[name]
    result = getattr(client, method)(*arguments)
    return [item async for item in result] if method.endswith("_many") else await result


@each_call
def test_a_closed_client(name: str) -> None:
    client = tensorferry.Client(NOWHERE)
    client.close()
    client.close()
    with pytest.raises(TransportError, match="the client is closed"):
        collect(client, name)


@each_call
def test_a_closed_asyncio_client(name: str) -> None:
    async def main() -> None:
        for used in (False, True):
            client = tensorferry.aio.Client(NOWHERE, timeout=TIMEOUT_S)
            if used:
                assert isinstance(await raised_async(collect_async(client, name)), TransportError)
            await client.close()
            await client.close()
            with pytest.raises(TransportError, match="the client is closed"):
                await collect_async(client, name)

    asyncio.run(main())


async def raised_async(awaitable: Any) -> BaseException | None:
    try:
        await awaitable
    except BaseException as error:
        return error
    return None


class Silent:
    """A listener that takes connections and says nothing; `connected` waits for the first.

    Each has a loopback address of its own: ports come again soon, and clients of one address share
    what became of its connections, in gRPC.
    """

    _hosts = (f"127.1.0.{number}" for number in range(1, 255))

    def __init__(self) -> None:
        self._listener = socket.create_server((next(self._hosts), 0))
        self.address = "{}:{}".format(*self._listener.getsockname())

    def connected(self) -> socket.socket:
        return self._listener.accept()[0]

    def __enter__(self) -> Silent:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()


@each_call
def test_a_client_that_another_thread_closes_during_the_call(name: str) -> None:
    errors: list[BaseException | None] = []
    with Silent() as silent:
        client = tensorferry.Client(silent.address, timeout=TIMEOUT_S)
        caller = threading.Thread(target=lambda: errors.append(raised(lambda: collect(client, name))))
        caller.start()
        with silent.connected():
            client.close()
            caller.join(TIMEOUT_S)
    (error,) = errors
    assert isinstance(error, TransportError)
    assert error.code is grpc.StatusCode.CANCELLED


@each_call
def test_an_asyncio_client_that_another_task_closes_during_the_call(name: str) -> None:
    async def main() -> None:
        client = tensorferry.aio.Client(silent.address, timeout=TIMEOUT_S)
        task = asyncio.ensure_future(collect_async(client, name))
        with await asyncio.to_thread(silent.connected):
            await client.close()
            with pytest.raises(TransportError) as caught:
                await task
            assert caught.value.code is grpc.StatusCode.CANCELLED

    with Silent() as silent:
        asyncio.run(main())


@each_call
def test_a_cancelled_task_is_cancelled(name: str) -> None:
    async def main() -> None:
        async with tensorferry.aio.Client(silent.address, timeout=TIMEOUT_S) as client:
            task = asyncio.ensure_future(collect_async(client, name))
            with await asyncio.to_thread(silent.connected):
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task

    with Silent() as silent:
        asyncio.run(main())


@each_call
def test_a_client_of_another_event_loop(name: str) -> None:
    """Made outside of any loop, it belongs to the one in which it is first used."""
    client = tensorferry.aio.Client(NOWHERE, timeout=TIMEOUT_S)
    with pytest.raises(TransportError, match="No such file"):
        asyncio.run(collect_async(client, name))
    with pytest.raises(TensorferryError, match="another event loop; make one client for each loop"):
        asyncio.run(collect_async(client, name))


@each_call
@each_client
def test_answers_that_are_no_messages(name: str, client: str) -> None:
    method, arguments = CALLS[name]
    garbage = dict.fromkeys(("Convert", "ConvertStream", "ListModels", "Check"), b"\xff\xff")
    if method == "server_info":
        garbage["GetServerInfo"] = b"\xff\xff"
    with serving(garbage) as address, pytest.raises(ProtocolError, match="the answer is not a message"):
        call(client, address, method, *arguments)


@each_client
def test_a_health_that_nobody_knows(client: str) -> None:
    with serving({"Check": b"\x08\x4d"}) as address, pytest.raises(ProtocolError, match="77 is no status"):
        call(client, address, "health")


def answer(metadata: pb.TensorMetadata, **payload: Any) -> bytes:
    response = pb.ConvertResponse(tensors=[pb.Tensor(metadata=pb.TensorMetadata())])
    response.outputs.append(pb.Tensor(metadata=metadata, **payload))
    return bytes(response.SerializeToString())


@pytest.mark.parametrize(
    ("metadata", "payload", "text"),
    [
        (pb.TensorMetadata(dtype="object", shape=[1]), {"data": b"\0" * 8}, "know no dtype 'object'"),
        (pb.TensorMetadata(dtype="V0", shape=[0]), {"data": b""}, "know no dtype 'V0'"),
        (pb.TensorMetadata(dtype="f4,f4", shape=[1]), {"data": b"\0" * 8}, "know no dtype 'f4,f4'"),
        (pb.TensorMetadata(dtype="f4,", shape=[1]), {"data": b"\0" * 4}, "know no dtype 'f4,'"),
        (pb.TensorMetadata(dtype="int8", shape=[1] * 65), {"data": b"\0"}, "int8 with shape"),
        (
            pb.TensorMetadata(dtype="int8", shape=[9]),
            {"chunked_nbytes": 1 << 63},
            "for which there is no memory",
        ),
        (
            pb.TensorMetadata(dtype="int8", shape=[9]),
            {"chunked_nbytes": 9},
            "chunks, which only a stream brings",
        ),
    ],
)
@each_client
def test_outputs_that_no_array_can_hold(
    metadata: pb.TensorMetadata, payload: dict[str, Any], text: str, client: str
) -> None:
    with (
        serving({"Convert": answer(metadata, **payload)}) as address,
        pytest.raises(ProtocolError, match=text),
    ):
        unverified(client, address)


def unverified(client: str, address: str) -> None:
    """Runs a model without verification of its input: the tests' server knows no digests."""
    if client == "Client":
        with tensorferry.Client(address, timeout=TIMEOUT_S, verify=False) as blocking:
            blocking.infer("m", {"x": 1.0})
        return

    async def main() -> None:
        async with tensorferry.aio.Client(address, timeout=TIMEOUT_S, verify=False) as client:
            await client.infer("m", {"x": 1.0})

    asyncio.run(main())


class Exploding:
    """An object whose conversion to an array fails in its own way."""

    def __array__(self, *_: object, **__: object) -> Any:
        raise LookupError("no elements today")


RAGGED = [[1, 2], [3]]
NO_ARRAYS: list[tuple[Any, str]] = [
    (RAGGED, "there is no NumPy array of this list: .*inhomogeneous"),
    (Exploding(), "there is no NumPy array of this Exploding: no elements today"),
]


@pytest.mark.parametrize(("array", "text"), NO_ARRAYS)
@pytest.mark.parametrize("method", ["convert", "infer", "convert_many"])
@each_client
def test_what_is_no_array(array: Any, text: str, method: str, client: str) -> None:
    arguments = {"convert": (array,), "infer": ("m", {"x": array}), "convert_many": ([array],)}[method]
    with serving({"ConvertStream": b""}) as address, pytest.raises(ArrayError, match=text) as caught:
        call(client, address, method, *arguments)
    assert isinstance(caught.value, (ValueError, tensorferry.RefusedError))
    assert caught.value.reason == "NOT_AN_ARRAY"


@each_client
def test_arrays_without_a_tensor_cost_a_stream_nothing_else(client: str) -> None:
    """Nothing is sent for them; their errors stand in their places."""
    with serving({"ConvertStream": b""}) as address:
        outcomes = call(client, address, "convert_many", [RAGGED, Exploding()] * 40, on_error="return")
    assert [type(outcome) for outcome in outcomes] == [ArrayError] * 80
    assert [str(outcome).split(":")[1] for outcome in outcomes] == [f" array {index}" for index in range(80)]


def test_an_error_of_the_callers_iterable_goes_through() -> None:
    def arrays() -> Iterator[float]:
        yield 1.0
        raise KeyError("mine")

    async def asynchronous() -> AsyncIterator[float]:
        yield 1.0
        raise KeyError("mine")

    with serving({"ConvertStream": b""}) as address:
        for client, iterable in (
            ("Client", arrays()),
            ("aio.Client", arrays()),
            ("aio.Client", asynchronous()),
        ):
            with pytest.raises(KeyError, match="mine"):
                call(client, address, "convert_many", iterable)


def test_errors_in_place_keep_the_order() -> None:
    from tensorferry._limits import Limits
    from tensorferry._request import ConvertRequest, Options
    from tensorferry._stream import StreamState

    state = StreamState[Receipt]()
    refused = ArrayError(grpc.StatusCode.INVALID_ARGUMENT, "no")
    state.add(ConvertRequest(1.0, "", None, Options(), Limits(64, 64)))
    state.add(refused)
    assert state.take_unsent() is None
    refusal = pb.ConvertStreamResponse(response=pb.ConvertResponse(error=pb.Error(code=3)))
    error = state.receive(refusal.SerializeToString())
    assert isinstance(error, tensorferry.RefusedError)
    assert state.take_unsent() is refused
    assert state.take_unsent() is None
