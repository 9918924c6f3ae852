"""The asyncio client: the blocking one's promises, and those of an event loop: concurrency, cancellation, deadlines."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

import models
import oracle
import tensorferry
from array_layouts import LAYOUTS, Array, check_elements, check_receipt, expect, random_array
from harness import MIB, TIMEOUT_S, Server
from proxy import Tamper, tampering, wrong_data, wrong_digest, wrong_dtype, wrong_shape
from tensorferry.aio import Client
from tensorferry.v1 import tensor_service_pb2 as pb

Use = Callable[[Client], Coroutine[Any, Any, None]]

FLOATS = np.random.default_rng(1).normal(size=(5, 16)).astype(np.float32)
BAD = {7: np.array(["2026-01-01"], "M8[D]"), 40: np.array([{}], object), 99: np.zeros(3, "g")}
REASONS = {7: "UNSUPPORTED_DTYPE", 40: "OBJECT_DTYPE", 99: "UNSUPPORTED_DTYPE"}
MANY = [BAD.get(i, random_array(oracle.ALL[i % len(oracle.ALL)], (i, 3))) for i in range(100)]


def connected(address: str, use: Use, **settings: Any) -> None:
    """Runs `use` in a loop of its own, with a client of its own."""

    async def main() -> None:
        async with Client(address, **{"timeout": TIMEOUT_S, **settings}) as client:
            await use(client)

    asyncio.run(main())


@pytest.mark.parametrize("dtype", oracle.ALL)
def test_every_dtype(dtype: str, server: Server) -> None:
    array = random_array(dtype)

    async def use(client: Client) -> None:
        check_receipt(await client.convert(array, name="x", return_data=True), array, "x")

    connected(server.address, use)


def test_every_layout(server: Server) -> None:
    arrays = {name: layout(random_array("float32")) for name, layout in LAYOUTS.items()}

    async def use(client: Client) -> None:
        for name, array in arrays.items():
            check_receipt(await client.convert(array, name=name, return_data=True), array, name)

    connected(server.address, use)


def test_many_at_once(server: Server) -> None:
    """Refused ones among them; each answer belongs to its own array."""

    async def use(client: Client) -> None:
        calls = (client.convert(array, name=str(i), return_data=True) for i, array in enumerate(MANY))
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        for i, (array, outcome) in enumerate(zip(MANY, outcomes, strict=True)):
            if i in BAD:
                assert isinstance(outcome, tensorferry.RefusedError)
                assert (outcome.reason, outcome.metadata["array"]) == (REASONS[i], str(i))
            else:
                assert isinstance(outcome, tensorferry.Receipt), outcome
                check_receipt(outcome, array, str(i))

    connected(server.address, use)


async def asynchronously(arrays: list[Array]) -> AsyncIterator[Array]:
    for array in arrays:
        await asyncio.sleep(0)
        yield array


@pytest.mark.parametrize("iterate", [iter, asynchronously])
def test_a_stream_with_bad_arrays_among_many(iterate: Callable[[list[Array]], Any], server: Server) -> None:
    async def use(client: Client) -> None:
        outcomes = [o async for o in client.convert_many(iterate(MANY), return_data=True, on_error="return")]
        for i, (array, outcome) in enumerate(zip(MANY, outcomes, strict=True)):
            if i in BAD:
                assert isinstance(outcome, tensorferry.RefusedError)
                assert outcome.reason == REASONS[i]
            else:
                assert isinstance(outcome, tensorferry.Receipt), outcome
                check_receipt(outcome, array)

    connected(server.address, use)


def test_a_stream_ends_at_the_first_error_by_default(server: Server) -> None:
    async def use(client: Client) -> None:
        receipts = client.convert_many([FLOATS, BAD[40], FLOATS])
        check_receipt(await anext(receipts), FLOATS)
        with pytest.raises(tensorferry.RefusedError, match="OBJECT_DTYPE"):
            await anext(receipts)
        assert [receipt async for receipt in receipts] == []
        check_receipt(await client.convert(FLOATS), FLOATS)

    connected(server.address, use)


def test_streams_side_by_side(server: Server) -> None:
    async def converted(client: Client, start: int) -> None:
        arrays = [random_array(dtype, (start, 3)) for dtype in oracle.ALL]
        receipts = [receipt async for receipt in client.convert_many(arrays, return_data=True)]
        for array, receipt in zip(arrays, receipts, strict=True):
            check_receipt(receipt, array)

    async def use(client: Client) -> None:
        await asyncio.gather(*(converted(client, start) for start in range(8)))

    connected(server.address, use)


@pytest.mark.parametrize("layout", ["c", "fortran", "big-endian"])
def test_an_array_above_the_message_limit(layout: str, server: Server) -> None:
    array = LAYOUTS[layout](random_array("float32", (3, 256, 70 * MIB // 3072)))

    async def use(client: Client) -> None:
        assert array.nbytes > (await client.server_info()).max_message_bytes
        large, small = await asyncio.gather(client.convert(array, return_data=True), client.convert(FLOATS))
        check_receipt(large, array)
        check_receipt(small, FLOATS)

    connected(server.address, use)


# These tests ask for models and for what the server says of itself.


INPUTS = {
    "affine": {"left": FLOATS, "right": FLOATS.T.copy()},
    "perceptron": {"features": FLOATS},
    "moments": {"x": FLOATS},
    "named": {"x": FLOATS},
}


def test_outputs_are_pytorchs(model_server: str, files: dict[str, Path]) -> None:
    """Several models answer at one time."""
    expected = {model: models.run_in_python(files[model], inputs) for model, inputs in INPUTS.items()}

    async def use(client: Client) -> None:
        answers = await asyncio.gather(*(client.infer(model, inputs) for model, inputs in INPUTS.items()))
        for wanted, outputs in zip(expected.values(), answers, strict=True):
            assert list(outputs) == list(wanted)
            for name, output in outputs.items():
                check_elements(output, expect(wanted[name]))

    connected(model_server, use)


def test_what_the_server_says_of_itself(model_server: str, files: dict[str, Path]) -> None:
    async def use(client: Client) -> None:
        assert [row.numpy_dtype for row in (await client.server_info()).dtypes] == oracle.ALL
        assert {model.name for model in await client.models()} == {*files, "identity"}
        assert await client.health() == tensorferry.HealthStatus.SERVING

    connected(model_server, use)


# In these tests something goes wrong.


@pytest.mark.parametrize("tamper", [wrong_digest, wrong_dtype, wrong_shape, wrong_data])
def test_a_tensor_that_is_not_the_array(tamper: Tamper, server: Server) -> None:
    async def use(client: Client) -> None:
        with pytest.raises(tensorferry.VerificationError) as caught:
            await client.convert(FLOATS, name="x", return_data=tamper is wrong_data)
        assert caught.value.receipt.name == "x"
        assert caught.value.metadata["field"] == tamper.__name__.removeprefix("wrong_")

    with tampering(server.address, tamper) as address:
        connected(address, use)


def test_without_verification_the_receipt_says_it(server: Server) -> None:
    async def use(client: Client) -> None:
        receipt = await client.convert(FLOATS)
        assert (receipt.dtype_equal, receipt.digest_equal) == (True, False)

    with tampering(server.address, wrong_digest) as address:
        connected(address, use, verify=False)


class Held:
    """A tamper that tells when the first answer is on its way, and holds every answer until released."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.released = threading.Event()

    def __call__(self, tensor: pb.Tensor) -> None:
        self.reached.set()
        assert self.released.wait(TIMEOUT_S)


@contextmanager
def holding(server: Server) -> Iterator[tuple[str, Held]]:
    held = Held()
    with tampering(server.address, held) as address:
        try:
            yield address, held
        finally:
            held.released.set()


async def convert(client: Client, **settings: Any) -> None:
    await client.convert(FLOATS, **settings)


async def convert_chunked(client: Client, **settings: Any) -> None:
    await client.convert(np.zeros(5 * MIB, np.uint8), **settings)


async def convert_many(client: Client, **settings: Any) -> None:
    assert [receipt async for receipt in client.convert_many([FLOATS] * 3, **settings)]


async def infer(client: Client, **settings: Any) -> None:
    await client.infer("identity", {"x": FLOATS}, **settings)


each_call = pytest.mark.parametrize("call", [convert, convert_chunked, convert_many, infer])


@each_call
def test_cancellation(call: Callable[[Client], Awaitable[None]], server: Server) -> None:
    """While the answer is awaited; the client goes on."""

    async def use(client: Client) -> None:
        task = asyncio.ensure_future(call(client))
        assert await asyncio.to_thread(held.reached.wait, TIMEOUT_S)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        held.released.set()
        await call(client)

    with holding(server) as (address, held):
        connected(address, use)


def test_cancellation_while_the_callers_arrays_are_awaited(server: Server) -> None:
    async def use(client: Client) -> None:
        waiting = asyncio.Event()

        async def endless() -> AsyncIterator[Array]:
            yield FLOATS
            waiting.set()
            await asyncio.Event().wait()

        async def consume() -> None:
            async for _ in client.convert_many(endless()):
                pass

        task = asyncio.ensure_future(consume())
        await asyncio.wait_for(waiting.wait(), TIMEOUT_S)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        check_receipt(await client.convert(FLOATS), FLOATS)

    connected(server.address, use)


@each_call
def test_deadline(call: Callable[..., Awaitable[None]], server: Server) -> None:
    async def use(client: Client) -> None:
        await client.server_info()
        with pytest.raises(tensorferry.DeadlineError) as caught:
            await call(client, timeout=0.3)
        assert isinstance(caught.value, TimeoutError)
        assert caught.value.code is grpc.StatusCode.DEADLINE_EXCEEDED
        held.released.set()
        await call(client)

    with holding(server) as (address, held):
        connected(address, use)


def test_deadline_of_a_server_that_says_nothing() -> None:
    async def use(client: Client) -> None:
        with pytest.raises(tensorferry.DeadlineError):
            await client.convert(FLOATS)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        connected(f"127.0.0.1:{listener.getsockname()[1]}", use, timeout=0.2)


def check_unreachable(error: tensorferry.TransportError) -> None:
    assert isinstance(error, ConnectionError)
    assert (error.code, error.reason) == (grpc.StatusCode.UNAVAILABLE, "")


@each_call
def test_no_server(call: Callable[[Client], Awaitable[None]], tmp_path: Path) -> None:
    async def use(client: Client) -> None:
        with pytest.raises(tensorferry.TransportError) as caught:
            await call(client)
        check_unreachable(caught.value)

    connected(f"unix:{tmp_path}/none", use)


@each_call
def test_a_server_that_is_gone(call: Callable[[Client], Awaitable[None]]) -> None:
    with Server() as server:

        async def use(client: Client) -> None:
            await call(client)
            server.process.kill()
            server.process.wait(TIMEOUT_S)
            with pytest.raises(tensorferry.TransportError) as caught:
                await call(client)
            check_unreachable(caught.value)

        connected(server.address, use)


def test_a_server_that_goes_in_the_middle_of_a_stream() -> None:
    with Server() as server:

        async def arrays() -> AsyncIterator[Array]:
            yield FLOATS
            server.process.kill()
            while True:
                yield FLOATS

        async def consume(client: Client) -> None:
            async for receipt in client.convert_many(arrays(), on_error="return"):
                check_receipt(receipt, FLOATS)

        async def use(client: Client) -> None:
            with pytest.raises(tensorferry.TransportError) as caught:
                await consume(client)
            check_unreachable(caught.value)

        connected(server.address, use)
