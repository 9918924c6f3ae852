"""tritonclient.grpc.aio: every method once, and its streams."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import numpy as np
import pytest
import tritonclient.grpc.aio as triton
from grpc import StatusCode
from tritonclient.utils import InferenceServerException

from calls import A, B, check_refusal, check_simple, check_words, inputs_of, refused
from gates import Gate

Client = triton.InferenceServerClient

CANNOT_OPEN = (StatusCode.INTERNAL, StatusCode.INVALID_ARGUMENT, StatusCode.NOT_FOUND)


@pytest.fixture
def run(address: str) -> Callable[[Callable[[Client], Awaitable[None]]], None]:
    """Runs a coroutine function with a client of its own."""

    async def connect(test: Callable[[Client], Awaitable[None]]) -> None:
        async with triton.InferenceServerClient(address) as client:
            await test(client)

    return lambda test: asyncio.run(connect(test))


def test_everything_that_only_asks(run: Callable) -> None:
    async def test(client: Client) -> None:
        assert await client.is_server_live()
        assert await client.is_server_ready()
        assert await client.is_model_ready("simple")
        assert not await client.is_model_ready("no-such")
        assert "statistics" in (await client.get_server_metadata()).extensions
        assert (await client.get_model_metadata("simple")).inputs[1].name == "INPUT1"
        assert (await client.get_model_config("simple")).config.max_batch_size == 8
        assert "simple" in [model.name for model in (await client.get_model_repository_index()).models]
        assert (await client.get_inference_statistics("simple")).model_stats[0].name == "simple"
        assert (await client.get_trace_settings()).settings["trace_level"].value
        assert (await client.get_log_settings()).settings["log_info"].bool_param
        assert not (await client.get_system_shared_memory_status()).regions
        assert not (await client.get_cuda_shared_memory_status()).regions

    run(test)


def test_everything_that_changes_something(run: Callable) -> None:
    async def test(client: Client) -> None:
        await client.unload_model("scratch")
        assert not await client.is_model_ready("scratch")
        await client.load_model("scratch")
        assert await client.is_model_ready("scratch")
        await client.update_log_settings({"log_verbose_level": 0})
        await client.update_trace_settings(settings={"trace_level": ["OFF"]})
        await client.unregister_system_shared_memory()
        await client.unregister_cuda_shared_memory()
        with refused(CANNOT_OPEN, "Unable to open shared memory region"):
            await client.register_system_shared_memory("any", "/no-such-object-anywhere", 64)

    run(test)


def test_infer(run: Callable) -> None:
    async def test(client: Client) -> None:
        results = await asyncio.gather(*(client.infer("simple", inputs_of(A + i, B)) for i in range(50)))
        for i, result in enumerate(results):
            check_simple(result, A + np.int32(i), B)
        with refused(StatusCode.NOT_FOUND, "Request for unknown model", "'no-such'"):
            await client.infer("no-such", inputs_of(A))

    run(test)


def test_a_call_that_is_cancelled(run: Callable, gate: Gate) -> None:
    async def test(client: Client) -> None:
        with gate.closed("batched") as runs:
            call = asyncio.ensure_future(client.infer("batched", inputs_of(np.float32([[1]]))))
            await asyncio.to_thread(runs.wait_for, 1)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
        check_simple(await client.infer("simple", inputs_of(A, B)))

    run(test)


async def requests(count: int, **more: object) -> AsyncIterator[dict[str, object]]:
    for i in range(count):
        yield {"model_name": "simple", "inputs": inputs_of(A + i, B), "request_id": str(i), **more}


def test_stream(run: Callable) -> None:
    async def test(client: Client) -> None:
        seen = set()
        async for result, error in client.stream_infer(requests(50)):
            assert error is None
            i = int(result.get_response().id)
            check_simple(result, A + np.int32(i), B)
            seen.add(i)
        assert seen == set(range(50))

    run(test)


def test_errors_in_a_stream(run: Callable) -> None:
    async def test(client: Client) -> None:
        errors = [error async for _, error in client.stream_infer(requests(3, model_name="no-such"))]
        assert len(errors) == 3
        for error in errors:
            assert isinstance(error, InferenceServerException)
            check_words(error.message(), "Request for unknown model", "'no-such'")

    run(test)


@pytest.mark.usefixtures("ours")
def test_an_error_that_ends_a_stream(run: Callable) -> None:
    async def failing() -> AsyncIterator[dict[str, object]]:
        yield {"model_name": "failing", "inputs": inputs_of(np.float32([1]))}

    async def test(client: Client) -> None:
        stream = client.stream_infer(failing(), headers={"triton_grpc_error": "true"})
        with pytest.raises(triton.grpc.RpcError) as caught:
            async for _ in stream:
                pass
        check_refusal(caught.value, StatusCode.INTERNAL, "too few elements")

    run(test)


def test_a_stream_that_is_cancelled(run: Callable, gate: Gate) -> None:
    async def waiting() -> AsyncIterator[dict[str, object]]:
        yield {"model_name": "batched", "inputs": inputs_of(np.float32([[1]]))}

    async def test(client: Client) -> None:
        with gate.closed("batched") as runs:
            stream = client.stream_infer(waiting())
            answer = asyncio.ensure_future(anext(stream))
            await asyncio.to_thread(runs.wait_for, 1)
            assert stream.cancel()
            with pytest.raises(asyncio.CancelledError):
                await answer
        assert await client.is_server_live()

    run(test)
