"""Models that are being loaded, held by a gate at which their warm-up waits: what else goes on meanwhile."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest
import torch

import tensorferry
from harness import READY_LINE, TIMEOUT_S, Server, becomes_true, connect, server_command, starting
from served_models import Echo, Gate, Gated, Plus, config_tensor, infer, listed, put
from tensorferry.v1 import tensor_service_pb2 as pb
from tensorferry.v1.tensor_service_pb2_grpc import TensorServiceStub
from wire import convert_stream, convert_unary

X = torch.arange(4.0)
HELD_X = torch.arange(16)
LOADS_AT_ONCE = 4
# Random integers are 0 and 1, and the gate holds back runs whose largest element is positive.
HELD = (
    config_tensor("input", "x", "TYPE_INT64", "16")
    + 'model_warmup { name: "held" inputs { key: "x" value { data_type: TYPE_INT64 dims: [16] random_data: true } } }'
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "models").mkdir()
    return tmp_path / "models"


@contextmanager
def starting_server(root: Path, socket: Path) -> Iterator[tuple[subprocess.Popen[str], grpc.Channel]]:
    """A server whose port is open, whether or not it is ready, and a connection to it."""
    command = server_command("--listen", f"unix:{socket}", "--model-dir", f"{root}")
    with starting(command, stdout=subprocess.PIPE) as process:
        assert becomes_true(socket.exists)
        with connect(f"unix:{socket}") as channel:
            grpc.channel_ready_future(channel).result(TIMEOUT_S)
            yield process, channel


def begin(channel: grpc.Channel, method: str, model: str = "", timeout_s: float = TIMEOUT_S) -> grpc.Future:
    """Calls a method of the Open Inference Protocol with the model's name: the first field of most requests."""
    field = b"\x12" if method.startswith("RepositoryModel") else b"\x0a"
    name = field + bytes([len(model)]) + model.encode() if model else b""
    return channel.unary_unary(f"/inference.GRPCInferenceService/{method}").future(name, timeout=timeout_s)


def inference(channel: grpc.Channel, method: str, model: str = "") -> bytes:
    return begin(channel, method, model).result()


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

        def states() -> list[int]:
            return [versions["1"].state for name, versions in listed(stub).items() if name != "identity"]

        assert becomes_true(lambda: states() == [pb.MODEL_STATE_LOADING] * (LOADS_AT_ONCE + 1))
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
        assert inference(channel, "RepositoryIndex").count(b"LOADING") == LOADS_AT_ONCE + 1
        gate.open()
        assert process.stdout is not None
        assert READY_LINE.fullmatch(process.stdout.readline())
        assert convert_unary(stub, infer("waits", {"x": X})).refusal is None


@pytest.fixture
def channel(root: Path, gate: Gate) -> Iterator[grpc.Channel]:
    """A connection to a server that has loaded nothing, with a model `held` and others in its repository."""
    put(root / "held", Gated(gate, Echo()), HELD)
    for number, name in enumerate(("one", "two")):
        put(root / name, Plus(number))
    flags = ("--model-dir", f"{root}", "--model-control", "explicit", "--load-model", "none", "--model-threads", "1")
    with Server(*flags) as server, connect(server.address) as connected:
        yield connected
        gate.open()
        assert server.alive(), server.log()
        assert server.stop() == 0


def is_loading(channel: grpc.Channel, model: str) -> bool:
    """Whether the index lists the model's one version as LOADING."""
    return b"\x0a" + bytes([len(model)]) + model.encode() + b"\x12\x011\x1a\x07LOADING" in inference(
        channel, "RepositoryIndex"
    )


def test_other_models_are_managed_while_one_is_loaded(channel: grpc.Channel, gate: Gate) -> None:
    stub = TensorServiceStub(channel)
    held = begin(channel, "RepositoryModelLoad", "held")
    assert becomes_true(lambda: is_loading(channel, "held"))
    for _ in range(2):
        inference(channel, "RepositoryModelLoad", "one")
        assert convert_unary(stub, infer("one", {"x": X})).refusal is None
        assert inference(channel, "ModelReady", "one")
        inference(channel, "RepositoryModelUnload", "one")
        assert convert_unary(stub, infer("one", {"x": X})).reason == "MODEL_NOT_READY"
    assert listed(stub)["held"]["1"].state == pb.MODEL_STATE_LOADING
    assert convert_unary(stub, infer("held", {"x": HELD_X})).reason == "MODEL_NOT_READY"
    assert not held.done()
    gate.open()
    held.result()
    assert convert_unary(stub, infer("held", {"x": HELD_X})).refusal is None


def test_operations_on_one_model_are_in_order(channel: grpc.Channel, gate: Gate) -> None:
    loads = [begin(channel, "RepositoryModelLoad", "held") for _ in range(2)]
    assert becomes_true(lambda: is_loading(channel, "held"))
    unload = begin(channel, "RepositoryModelUnload", "held")
    inference(channel, "ServerLive")
    assert not any(call.done() for call in (*loads, unload))
    gate.open()
    for call in (*loads, unload):
        call.result()
    assert not is_loading(channel, "held")
    assert inference(channel, "ModelReady", "held") == b"", "false"


def test_what_the_caller_gave_up_is_not_done(channel: grpc.Channel, gate: Gate) -> None:
    """An unload waits for the load before it, and a load behind that, until nobody waits for either."""
    held = begin(channel, "RepositoryModelLoad", "held")
    assert becomes_true(lambda: is_loading(channel, "held"))
    given_up = [begin(channel, f"RepositoryModel{what}", "held", timeout_s=0.2) for what in ("Unload", "Load")]
    for call in given_up:
        with pytest.raises(grpc.RpcError, match="DEADLINE_EXCEEDED"):
            call.result()
    inference(channel, "ServerLive")  # The server has read by then that nobody waits.
    gate.open()
    held.result()
    inference(channel, "RepositoryModelLoad", "held")  # Comes after those in the model's queue.
    assert inference(channel, "ModelReady", "held")
    assert len(gate.runs()) == 3, "one warm-up"


def test_what_is_gone_is_listed_nowhere(channel: grpc.Channel, root: Path) -> None:
    stub = TensorServiceStub(channel)
    for name in ("one", "two"):
        inference(channel, "RepositoryModelLoad", name)
    shutil.rmtree(root / "one")
    inference(channel, "RepositoryModelUnload", "one")
    assert becomes_true(lambda: "one" not in listed(stub)), "its files are gone"
    assert b"one" not in inference(channel, "RepositoryIndex")
    inference(channel, "RepositoryModelUnload", "two")
    assert becomes_true(lambda: listed(stub)["two"]["1"].reason == "unloaded")
    shutil.rmtree(root / "two")
    assert b"two" not in inference(channel, "RepositoryIndex")
    assert set(listed(stub)) == {"identity"}
    health = channel.unary_unary("/grpc.health.v1.Health/Check")
    for name in ("one", "two", "never"):
        if name == "never":
            with pytest.raises(grpc.RpcError):
                inference(channel, "RepositoryModelLoad", name)
        with pytest.raises(grpc.RpcError) as caught:
            health(b"\x0a" + bytes([6 + len(name)]) + b"model:" + name.encode(), timeout=TIMEOUT_S)
        assert caught.value.code() == grpc.StatusCode.NOT_FOUND


def test_a_server_stops_while_a_model_is_loaded(root: Path, gate: Gate) -> None:
    put(root / "held", Gated(gate, Echo()), HELD)
    flags = ("--model-dir", f"{root}", "--model-control", "explicit", "--load-model", "none", "--drain-grace", "0s")
    with Server(*flags) as server, connect(server.address) as channel:
        held = begin(channel, "RepositoryModelLoad", "held")
        assert becomes_true(lambda: is_loading(channel, "held"))
        assert server.stop() == 0
        assert held.exception() is not None


def test_polling_goes_on_while_a_model_is_loaded(root: Path, gate: Gate) -> None:
    put(root / "one", Plus(1))
    flags = ("--model-dir", f"{root}", "--model-control", "poll", "--model-poll-interval", "50ms")
    with Server(*flags) as server, connect(server.address) as channel:
        stub = TensorServiceStub(channel)
        put(root / "held", Gated(gate, Echo()), HELD)
        assert becomes_true(lambda: "held" in listed(stub))
        assert listed(stub)["held"]["1"].state == pb.MODEL_STATE_LOADING
        put(root / "one", Plus(2), version=2)
        assert becomes_true(lambda: "2" in listed(stub)["one"] and "1" not in listed(stub)["one"])
        put(root / "two", Plus(3))
        assert becomes_true(lambda: convert_unary(stub, infer("two", {"x": X})).refusal is None)
        assert is_loading(channel, "held")
        gate.open()
        assert becomes_true(lambda: convert_unary(stub, infer("held", {"x": HELD_X})).refusal is None)
        assert server.stop() == 0
