"""Ten thousand mixed requests: what metrics count is what this script has sent, and has got."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import numpy as np
import pytest
import torch

import oracle
from admin import ADMIN
from harness import TIMEOUT_S, Server, becomes_true, connect, connect_stub
from metrics import Scrape, scrape
from rpc_protos import ModelInferRequest, ModelInferResponse, ModelStreamInferResponse
from served_models import Plus, infer, put
from tensorferry.v1 import tensor_service_pb2 as pb
from tensorferry.v1.tensor_service_pb2_grpc import TensorServiceStub
from wire import array, converse, convert_unary, request, request_part

NATIVE, OIP = "tensorferry.v1.TensorService", "inference.GRPCInferenceService"
STREAMED, CALLED, INFERRED, STREAM_INFERRED = 5000, 2000, 1500, 1500
CODES = {"": "OK", "BAD_DTYPE": "InvalidArgument", "SIZE_MISMATCH": "InvalidArgument", "MODEL_NOT_FOUND": "NotFound"}


@dataclass
class Tally:
    """What was sent and answered, counted here."""

    handled: Counter[tuple[str, str]] = field(default_factory=Counter)  # By method and code.
    reasons: Counter[str] = field(default_factory=Counter)
    dtypes: Counter[str] = field(default_factory=Counter)
    tensor_bytes: int = 0
    runs: int = 0

    def add(self, method: str, reason: str) -> None:
        self.handled[method, CODES[reason]] += 1
        if reason:
            self.reasons[reason] += 1

    def add_tensor(self, dtype: str, nbytes: int) -> None:
        self.dtypes[dtype] += 1
        self.tensor_bytes += nbytes


def native_request(number: int) -> tuple[pb.ConvertRequest, str]:
    """A request that differs in dtype and size, and the reason of its refusal."""
    dtype, numel = oracle.ALL[number % len(oracle.ALL)], 1 + number % 41
    message = request(array(dtype, (numel,), oracle.random_bytes(dtype, numel)), request_id=str(number))
    if number % 7 == 1:
        message.arrays[0].dtype = "!f4"
        return message, "BAD_DTYPE"
    if number % 7 == 2:
        message.arrays[0].shape[0] += 1
        return message, "SIZE_MISMATCH"
    if number % 7 == 3:
        return infer(f"made-up-{number}", {"x": torch.zeros(3)}), "MODEL_NOT_FOUND"
    if number % 7 == 4:
        return infer("plus", {"x": torch.zeros(1 + number % 5)}), ""
    return message, ""


def count_native(tally: Tally, method: str, message: pb.ConvertRequest, reason: str) -> None:
    tally.add(method, reason)
    if reason:
        return
    (sent,) = message.arrays
    tally.add_tensor(str(oracle.numpy_dtype(sent.dtype)), len(sent.data))
    tally.runs += message.model_name != ""


def infer_request(number: int) -> tuple[object, str]:
    model = f"made-up-{number}" if number % 5 == 0 else "plus"
    x = {"name": "x", "datatype": "FP32", "shape": [4]}
    message = ModelInferRequest(model_name=model, inputs=[x], raw_input_contents=[np.zeros(4, "f4").tobytes()])
    return message, "MODEL_NOT_FOUND" if number % 5 == 0 else ""


def count_oip(tally: Tally, method: str, reason: str) -> None:
    tally.add(method, reason)
    if not reason:
        tally.add_tensor("float32", 16)
        tally.runs += 1


def send_all(channel: grpc.Channel, stub: TensorServiceStub) -> Tally:
    tally = Tally()
    streamed = [native_request(number) for number in range(STREAMED)]
    outcomes, ended = converse(stub, (request_part(message) for message, _ in streamed))
    assert ended is None
    assert [outcome.reason for outcome in outcomes] == [reason for _, reason in streamed]
    for message, reason in streamed:
        count_native(tally, "ConvertStream", message, reason)
    for number in range(CALLED):
        message, reason = native_request(number)
        assert convert_unary(stub, message).reason == reason
        count_native(tally, "Convert", message, reason)
    for number in range(INFERRED):
        message, reason = infer_request(number)
        call = channel.unary_unary(
            f"/{OIP}/ModelInfer", ModelInferRequest.SerializeToString, ModelInferResponse.FromString
        )
        if reason:
            with pytest.raises(grpc.RpcError, match="NOT_FOUND"):
                call(message, timeout=TIMEOUT_S)
        else:
            call(message, timeout=TIMEOUT_S)
        count_oip(tally, "ModelInfer", reason)
    infers = [infer_request(number) for number in range(STREAM_INFERRED)]
    stream = channel.stream_stream(
        f"/{OIP}/ModelStreamInfer", ModelInferRequest.SerializeToString, ModelStreamInferResponse.FromString
    )
    answers = list(stream((message for message, _ in infers), timeout=TIMEOUT_S))
    assert [bool(answer.error_message) for answer in answers] == [bool(reason) for _, reason in infers]
    for _, reason in infers:
        count_oip(tally, "ModelStreamInfer", reason)
    return tally


def answers(tally: Tally) -> int:
    return sum(count for (_, code), count in tally.handled.items() if code == "OK")


def sent_answers(now: Scrape) -> float:
    """How many answers were sent. The server counts one when gRPC tells it, and the caller may have it before."""
    return now.value("tensorferry_stage_duration_seconds_count", stage="send")


def is_over(now: Scrape, tally: Tally) -> bool:
    in_flight = [now.value(f"tensorferry_inflight_{what}") for what in ("requests", "bytes")]
    return sent_answers(now) == answers(tally) and in_flight == [0, 0]


@pytest.fixture(scope="module")
def counted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Scrape, Tally]]:
    folder: Path = tmp_path_factory.mktemp("counted")
    put(folder / "plus", Plus(1))
    with Server(*ADMIN, "--model-dir", str(folder)) as server:
        with connect(server.address) as channel, connect_stub(server.address) as stub:
            tally = send_all(channel, stub)
        assert sum(tally.handled.values()) == 10_000
        assert becomes_true(lambda: is_over(scrape(server), tally))
        yield scrape(server), tally
        assert server.stop() == 0


def test_requests_by_method_and_code(counted: tuple[Scrape, Tally]) -> None:
    now, tally = counted
    handled = {
        (labels["grpc_method"], labels["grpc_code"]): value
        for labels, value in now.named("grpc_server_handled_total")
        if value
    }
    assert handled == tally.handled
    started = Counter[str]()
    for (method, _), value in tally.handled.items():
        started[method] += value
    for name in ("grpc_server_started_total", "grpc_server_handling_seconds_count", "grpc_server_msg_received_total"):
        assert now.by(name, "grpc_method") == started, name
    # The call of a refused request has no message, the stream has one for each request.
    calls = {method: tally.handled[method, "OK"] for method in ("Convert", "ModelInfer")}
    streams = {method: started[method] for method in ("ConvertStream", "ModelStreamInfer")}
    assert now.by("grpc_server_msg_sent_total", "grpc_method") == calls | streams
    assert now.value(
        "grpc_server_started_total", grpc_type="bidi_stream", grpc_service=NATIVE, grpc_method="ConvertStream"
    ) == pytest.approx(STREAMED)


def test_refusals_by_reason(counted: tuple[Scrape, Tally]) -> None:
    now, tally = counted
    assert now.by("tensorferry_rejected_total", "reason") == tally.reasons
    assert now.by("tensorferry_auth_failures_total", "reason") == {}


def test_tensors_by_dtype(counted: tuple[Scrape, Tally]) -> None:
    now, tally = counted
    equal = {
        labels["dtype"]: v for labels, v in now.named("tensorferry_tensors_total") if labels["outcome"] == "equal" and v
    }
    assert equal == tally.dtypes
    assert now.value("tensorferry_dtype_mismatch_total") == 0
    assert now.value("tensorferry_tensor_size_bytes_count") == sum(tally.dtypes.values())
    assert now.value("tensorferry_tensor_size_bytes_sum") == tally.tensor_bytes
    assert now.value("tensorferry_tensor_bytes_total", direction="in") == tally.tensor_bytes
    assert now.value("tensorferry_message_bytes_total", direction="in") > tally.tensor_bytes


def test_stages_and_runs(counted: tuple[Scrape, Tally]) -> None:
    now, tally = counted
    answered = answers(tally)
    assert now.by("tensorferry_stage_duration_seconds_count", "stage") == {
        "receive": answered, "convert": answered, "queue": tally.runs, "compute": tally.runs,
        "send": answered,
    }  # fmt: skip
    plus = {"model": "plus", "version": "1"}
    assert now.value("tensorferry_model_requests_total", **plus, outcome="success") == tally.runs
    assert now.value("tensorferry_model_requests_total", **plus, outcome="failure") == 0
    assert now.value("tensorferry_model_batch_rows_count", **plus) == now.value(
        "tensorferry_model_executions_total", **plus
    )
    assert now.value("tensorferry_stage_duration_seconds_sum", stage="compute") > 0


def test_nothing_is_left_in_flight(counted: tuple[Scrape, Tally]) -> None:
    now, _ = counted
    assert now.value("tensorferry_inflight_requests") == 0
    assert now.value("tensorferry_inflight_bytes") == 0
    taken = sum(value for _, value in now.named("tensorferry_pool_buffers_total"))
    assert taken > 0
