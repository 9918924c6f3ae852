"""Which calls the Python clients make: one for an array or a model, and none that only asks about the server."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import tensorferry
from array_layouts import check_elements, check_receipt, expect, random_array
from harness import MIB, TIMEOUT_S, Server, becomes_true
from proxy import recording

FLOATS = np.arange(80, dtype=np.float32).reshape(5, 16)
each_client = pytest.mark.parametrize("kind", ["Client", "aio.Client"])


class Repeated(nn.Module):
    """Gives more than it takes: an output of 4 MiB for each element."""

    def forward(self, x: Tensor) -> Tensor:
        return x.repeat_interleave(1 << 20)


@pytest.fixture(scope="module")
def small_messages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    file = tmp_path_factory.mktemp("models") / "repeated.pt"
    torch.jit.script(Repeated()).save(file)
    with Server("--max-message-bytes", "2MiB", "--model", f"repeated={file}") as running:
        running.model = file
        yield running


def use(kind: str, address: str, *calls: tuple[Any, ...]) -> list[Any]:
    """Makes calls of (method, argument, …) with one client, one after the other."""
    if kind == "Client":
        with tensorferry.Client(address, timeout=TIMEOUT_S) as client:
            return [getattr(client, method)(*arguments) for method, *arguments in calls]

    async def main() -> list[Any]:
        async with tensorferry.aio.Client(address, timeout=TIMEOUT_S) as client:
            return [await getattr(client, method)(*arguments) for method, *arguments in calls]

    return asyncio.run(main())


@each_client
def test_small_requests_are_unary_calls(kind: str, server: Server) -> None:
    with recording(server.address) as (address, made):
        receipt, outputs = use(kind, address, ("convert", FLOATS), ("infer", "identity", {"x": FLOATS}))
    check_receipt(receipt, FLOATS)
    check_elements(outputs["x"], expect(FLOATS))
    assert made == ["Convert", "Convert"]


@each_client
def test_outputs_above_a_message_come_on_a_stream_which_the_client_remembers(kind: str, small_messages: Server) -> None:
    infer = ("infer", "repeated", {"x": np.float32([1.5])})
    with recording(small_messages.address) as (address, made):
        answers = use(kind, address, infer, infer, ("infer", "identity", {"x": FLOATS}), infer)
    for answer in answers[:2] + answers[3:]:
        np.testing.assert_array_equal(answer["OUTPUT__0"], np.full(1 << 20, 1.5, np.float32))
    check_elements(answers[2]["x"], expect(FLOATS))
    assert made == ["Convert", "ConvertStream", "Convert"]  # The stream is kept for the next of such calls.


def reaches(client: tensorferry.Client) -> bool:
    try:
        client.server_info()
    except tensorferry.TransportError:
        return False
    return True


def test_what_is_remembered_of_models_goes_with_the_connection(small_messages: Server, tmp_path: Path) -> None:
    listen = f"unix:{tmp_path}/s"
    with (
        Server("--model", f"repeated={small_messages.model}") as large_messages,
        tensorferry.Client(listen, timeout=TIMEOUT_S) as client,
    ):
        for server, last_call in ((small_messages, "ConvertStream"), (large_messages, "Convert")):
            with recording(server.address, listen) as (_, made):
                assert becomes_true(lambda: reaches(client))
                for _ in range(2):
                    outputs = client.infer("repeated", {"x": np.float32([2])})
                    assert outputs["OUTPUT__0"].nbytes == 4 * MIB
                assert made[-1] == last_call
            assert becomes_true(lambda: not reaches(client))


@each_client
def test_limits_are_asked_for_where_a_message_was_refused(kind: str, small_messages: Server) -> None:
    array = random_array("uint8", (3 * MIB,))
    with recording(small_messages.address) as (address, made):
        receipts = use(kind, address, ("convert", array), ("convert", array), ("convert", FLOATS))
    check_receipt(receipts[0], array)
    check_receipt(receipts[1], array)
    if kind == "Client":  # It sends so much in chunks from the first time on.
        assert made == ["ConvertStream", "Convert"]
    else:
        assert made == ["Convert", "GetServerInfo", "ConvertStream", "Convert"]


@each_client
def test_what_no_call_could_take_is_refused(kind: str) -> None:
    """An output above the limit on arrays does not fit a stream either: nothing is tried again."""
    with (
        Server("--max-tensor-bytes", "1MiB") as server,
        recording(server.address) as (address, made),
        pytest.raises(tensorferry.RefusedError, match="TENSOR_TOO_LARGE"),
    ):
        use(kind, address, ("infer", "identity", {"x": np.zeros(2 * MIB, np.uint8)}))
    assert made.count("ConvertStream") == (kind == "Client")
