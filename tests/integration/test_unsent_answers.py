"""Answers that are too large to be sent hold nothing once their callers are told so, and their memory comes back."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from queue import Queue

import grpc
import pytest
import torch
from torch import Tensor, nn

from harness import MIB, TIMEOUT_S, Server, becomes_true, connect, connect_stub
from metrics import scrape
from oip_messages import ModelInferRequest, ModelStreamInferResponse
from served_models import put
from wire import array, convert_unary, refusal_of_call, request

SERVICE = "/inference.GRPCInferenceService"
CALLS = 40  # More than the coroutines that serve a method, each of which would keep the last answer.
TOO_LARGE = "a message holds at most"
FLAGS = ("--max-message-bytes", "4MiB", "--memory-budget", "64MiB", "--admin-listen", "127.0.0.1:0")


class Ones(nn.Module):
    """As many ones as the input says."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.ones([int(x[0])])


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    models = tmp_path_factory.mktemp("models")
    put(models / "ones", Ones().eval())
    with Server(*FLAGS, "--model-dir", f"{models}") as running:
        yield running


def ones(count: int = 2 * MIB) -> bytes:
    wanted = ModelInferRequest(model_name="ones")
    wanted.inputs.add(name="x", datatype="INT64", shape=[1])
    wanted.raw_input_contents.append(struct.pack("<q", count))
    return wanted.SerializeToString()


def refuse_calls(channel: grpc.Channel, method: str, message: bytes) -> None:
    for _ in range(CALLS):
        with pytest.raises(grpc.RpcError) as raised:
            channel.unary_unary(method)(message, timeout=TIMEOUT_S)
        assert refusal_of_call(raised.value).reason == "TENSOR_TOO_LARGE"
        assert TOO_LARGE in raised.value.details()


def convert(channel: grpc.Channel, check: Callable[[], None]) -> None:
    """The elements come twice, as those of the tensor and of the output."""
    doubled = request(array("|u1", (3 * MIB,), bytes(3 * MIB)), model_name="identity")
    refuse_calls(channel, "/tensorferry.v1.TensorService/Convert", doubled.SerializeToString())
    check()


def infer(channel: grpc.Channel, check: Callable[[], None]) -> None:
    refuse_calls(channel, f"{SERVICE}/ModelInfer", ones())
    check()


def infer_on_a_stream(channel: grpc.Channel, check: Callable[[], None]) -> None:
    """Which stays open."""
    messages: Queue[bytes | None] = Queue()
    answers = channel.stream_stream(f"{SERVICE}/ModelStreamInfer")(iter(messages.get, None), timeout=TIMEOUT_S)
    for _ in range(CALLS):
        messages.put(ones())
        assert TOO_LARGE in ModelStreamInferResponse.FromString(next(answers)).error_message
    check()
    messages.put(None)
    assert list(answers) == []


@pytest.mark.parametrize("refuse", [convert, infer, infer_on_a_stream])
def test_nothing_is_held(refuse: Callable[[grpc.Channel, Callable[[], None]], None], server: Server) -> None:
    def check() -> None:
        assert becomes_true(lambda: scrape(server).value("tensorferry_inflight_bytes") == 0)

    with connect(server.address) as channel:
        refuse(channel, check)


def test_what_a_model_took_comes_back_while_others_call(server: Server) -> None:
    """The memory budget has no room for its output, and malloc keeps it for the next. Somebody calls all the time."""
    before = server.own_memory()
    with connect(server.address) as channel, connect_stub(server.address) as stub:
        with pytest.raises(grpc.RpcError) as raised:
            channel.unary_unary(f"{SERVICE}/ModelInfer")(ones(50 * MIB), timeout=TIMEOUT_S)
        assert refusal_of_call(raised.value).reason == "TENSOR_TOO_LARGE"

        def has_come_back() -> bool:
            assert convert_unary(stub, request(array("|u1", (1,), b"a"))).refusal is None
            return server.own_memory() - before < 96 * MIB

        assert becomes_true(has_come_back)
