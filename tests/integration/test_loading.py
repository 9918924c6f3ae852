"""Models that are being loaded, held by a gate at which their warm-up waits: what else goes on meanwhile."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest
import torch

import tensorferry
from harness import READY_LINE, TIMEOUT_S, becomes_true, clean_environment, connect, server_command
from served_models import Echo, Gate, Gated, Plus, config_tensor, infer, listed, put
from tensorferry.v1 import tensor_service_pb2 as pb
from tensorferry.v1.tensor_service_pb2_grpc import TensorServiceStub
from wire import convert_stream, convert_unary

X = torch.arange(4.0)
LOADS_AT_ONCE = 4
# Random integers are 0 and 1, and the gate holds back runs whose largest element is positive.
HELD = (
    config_tensor("input", "x", "TYPE_INT64", "16")
    + 'model_warmup { name: "held" inputs { key: "x" value { data_type: TYPE_INT64 dims: [16] random_data: true } } }'
)


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Gate]:
    gate = Gate(tmp_path / "gate")
    yield gate
    gate.open()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "models").mkdir()
    return tmp_path / "models"


@contextmanager
def starting_server(root: Path, socket: Path) -> Iterator[tuple[subprocess.Popen[str], grpc.Channel]]:
    """A server whose port is open, whether or not it is ready, and a connection to it."""
    command = server_command("--listen", f"unix:{socket}", "--model-dir", f"{root}")
    process = subprocess.Popen(command, env=clean_environment(), stdout=subprocess.PIPE, text=True)
    try:
        assert becomes_true(socket.exists)
        with connect(f"unix:{socket}") as channel:
            grpc.channel_ready_future(channel).result(TIMEOUT_S)
            yield process, channel
    finally:
        process.kill()
        process.communicate(timeout=TIMEOUT_S)


def inference(channel: grpc.Channel, method: str, model: str = "") -> bytes:
    """Calls a method of the Open Inference Protocol with the model's name, the first field of its request."""
    name = b"\x0a" + bytes([len(model)]) + model.encode() if model else b""
    return channel.unary_unary(f"/inference.GRPCInferenceService/{method}")(name, timeout=TIMEOUT_S)


def check_loading(error: grpc.RpcError) -> None:
    assert error.code() == grpc.StatusCode.UNAVAILABLE, error
    assert "it is being loaded" in error.details()
    assert "google.rpc.RetryInfo" in str(error.trailing_metadata())


def test_what_waits_for_its_turn_at_the_start_is_loading(root: Path, gate: Gate, tmp_path: Path) -> None:
    """More models are loaded at the start than at once, and the last one has to wait."""
    for number in range(LOADS_AT_ONCE):
        put(root / f"held-{number}", Gated(gate, Echo()), HELD)
    put(root / "waits", Plus(1))
    with starting_server(root, tmp_path / "socket") as (process, channel):
        stub = TensorServiceStub(channel)
        assert {versions["1"].state for name, versions in listed(stub).items() if name != "identity"} == {
            pb.MODEL_STATE_LOADING
        }
        for convert in (convert_unary, convert_stream):
            outcome = convert(stub, infer("waits", {"x": X}))
            assert outcome.reason == "MODEL_NOT_READY"
            assert outcome.refusal is not None
            assert outcome.refusal.retry_after_ms > 0
        with tensorferry.Client(f"unix:{tmp_path}/socket") as client:
            assert client.health("model:waits") == tensorferry.HealthStatus.NOT_SERVING
        for method in ("ModelInfer", "ModelMetadata", "ModelConfig", "ModelStatistics"):
            with pytest.raises(grpc.RpcError) as caught:
                inference(channel, method, "waits")
            check_loading(caught.value)
        assert inference(channel, "ModelReady", "waits") == b"", "false"
        gate.open()
        assert process.stdout is not None
        assert READY_LINE.fullmatch(process.stdout.readline())
        assert convert_unary(stub, infer("waits", {"x": X})).refusal is None
