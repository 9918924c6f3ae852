"""tritonclient.http.aio: every method."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable

import numpy as np
import pytest
import tritonclient.http.aio as triton
import tritonclient.utils.shared_memory as shm
from tritonclient.http import InferInput, InferRequestedOutput
from tritonclient.utils import InferenceServerException

from target import Target

Client = triton.InferenceServerClient
Run = Callable[[Callable[[Client], Awaitable[None]]], None]

ROWS = np.arange(8 * 64, dtype=np.int32).reshape(8, 64)


@pytest.fixture
def run(target: Target) -> Run:
    """Runs a coroutine function with a client of its own."""

    async def connect(test: Callable[[Client], Awaitable[None]]) -> None:
        async with triton.InferenceServerClient(target.http) as client:
            await test(client)

    return lambda test: asyncio.run(connect(test))


def rows_as(binary: bool) -> tuple[list[InferInput], list[InferRequestedOutput]]:
    given = InferInput("x", list(ROWS.shape), "INT32")
    given.set_data_from_numpy(ROWS, binary_data=binary)
    return [given], [InferRequestedOutput("x", binary_data=binary)]


def test_everything_that_only_asks(run: Run) -> None:
    async def test(client: Client) -> None:
        assert await client.is_server_live()
        assert await client.is_server_ready()
        assert await client.is_model_ready("simple")
        assert not await client.is_model_ready("no-such")
        assert "statistics" in (await client.get_server_metadata())["extensions"]
        assert (await client.get_model_metadata("simple"))["inputs"][1]["name"] == "INPUT1"
        assert (await client.get_model_config("simple"))["max_batch_size"] == 8
        assert "simple" in [model["name"] for model in await client.get_model_repository_index()]
        assert (await client.get_inference_statistics("simple"))["model_stats"][0]["name"] == "simple"
        assert (await client.get_trace_settings())["trace_level"]
        assert "log_info" in await client.get_log_settings()
        assert await client.get_cuda_shared_memory_status() == []

    run(test)


def test_everything_that_changes_something(run: Run) -> None:
    async def test(client: Client) -> None:
        await client.unload_model("scratch")
        await client.load_model("scratch")
        assert await client.is_model_ready("scratch")
        await client.update_log_settings({"log_verbose_level": 0})
        await client.update_trace_settings(settings={"trace_level": ["OFF"]})
        with pytest.raises(InferenceServerException):
            await client.register_cuda_shared_memory("region", b"handle", 0, 4)
        await client.unregister_cuda_shared_memory()

    run(test)


def test_shared_memory(run: Run) -> None:
    key = f"/tensorferry-http-aio-{os.getpid()}"
    region = shm.create_shared_memory_region("aio", key, ROWS.nbytes)

    async def test(client: Client) -> None:
        shm.set_shared_memory_region(region, [ROWS])
        await client.register_system_shared_memory("aio", key, ROWS.nbytes)
        assert (await client.get_system_shared_memory_status("aio"))[0]["byte_size"] == ROWS.nbytes
        given = InferInput("x", list(ROWS.shape), "INT32")
        given.set_shared_memory("aio", ROWS.nbytes)
        result = await client.infer("identity", [given], outputs=[InferRequestedOutput("x")])
        np.testing.assert_array_equal(result.as_numpy("x"), ROWS, strict=True)
        await client.unregister_system_shared_memory("aio")

    try:
        run(test)
    finally:
        shm.destroy_shared_memory_region(region)


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("algorithm", [None, "gzip", "deflate"])
def test_infer(run: Run, algorithm: str | None, binary: bool) -> None:
    """Many at a time. This client asks for packed answers by itself, and unpacks those of infer alone."""
    inputs, outputs = rows_as(binary)
    algorithms = {"request_compression_algorithm": algorithm, "response_compression_algorithm": algorithm}

    async def test(client: Client) -> None:
        asked = [client.infer("identity", inputs, outputs=outputs, **algorithms) for _ in range(8)]
        for result in await asyncio.gather(*asked):
            np.testing.assert_array_equal(result.as_numpy("x"), ROWS, strict=True)

    run(test)


def test_errors_are_read(run: Run) -> None:
    async def test(client: Client) -> None:
        with pytest.raises(InferenceServerException, match="unknown model") as caught:
            await client.infer("no-such-model", rows_as(True)[0])
        assert caught.value.status() == "404"

    run(test)
