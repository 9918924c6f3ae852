"""`infer` and `async_infer`: what comes back, and what else a request may carry."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import grpc
import numpy as np
import pytest
import tritonclient.grpc as triton
from grpc import StatusCode
from tritonclient.grpc import service_pb2 as pb

from calls import (
    TIMEOUT_S,
    A,
    Answers,
    B,
    Stub,
    check_refusal,
    check_simple,
    inputs_of,
    parameters_of,
    refused,
    request_of,
    simple_request,
)
from gates import Gate

Client = triton.InferenceServerClient


@pytest.mark.parametrize("rows", [1, 2, 8])
def test_infer(rows: int, client: Client) -> None:
    a, b = np.repeat(A, rows, 0), np.repeat(B, rows, 0)
    a[:, 0] = range(rows)
    check_simple(client.infer("simple", inputs_of(a, b)), a, b)


def test_the_response_describes_its_outputs(client: Client) -> None:
    response = client.infer("simple", inputs_of(A, B)).get_response()
    described = [(output.name, output.datatype, list(output.shape)) for output in response.outputs]
    assert described == [("OUTPUT0", "INT32", [1, 16]), ("OUTPUT1", "INT32", [1, 16])]
    assert not any(output.HasField("contents") for output in response.outputs)


def test_inputs_in_any_order(client: Client) -> None:
    check_simple(client.infer("simple", inputs_of(A, B)[::-1]))


def test_two_dimensions(client: Client) -> None:
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    np.testing.assert_array_equal(client.infer("grid", inputs_of(array)).as_numpy("OUTPUT0"), array, strict=True)


def test_a_large_tensor(client: Client) -> None:
    array = np.random.default_rng(0).standard_normal(5 << 20, np.float32)  # 20 MiB: gRPC's own limit is 4 MiB.
    np.testing.assert_array_equal(client.infer("scratch", inputs_of(array)).as_numpy("OUTPUT0"), array, strict=True)


@pytest.mark.parametrize("request_id", ["", "7", "with spaces, and ünïcode", "x" * 200])
def test_the_id_is_echoed(request_id: str, client: Client) -> None:
    assert client.infer("simple", inputs_of(A, B), request_id=request_id).get_response().id == request_id


@pytest.mark.parametrize("names", [["OUTPUT0"], ["OUTPUT1"], ["OUTPUT0", "OUTPUT1"], ["OUTPUT1", "OUTPUT0"]])
def test_only_the_requested_outputs_come(names: list[str], client: Client) -> None:
    outputs = [triton.InferRequestedOutput(name) for name in names]
    result = client.infer("simple", inputs_of(A, B), outputs=outputs)
    response = result.get_response()
    assert sorted(output.name for output in response.outputs) == sorted(names)
    assert len(response.raw_output_contents) == len(names)
    for name, expected in {"OUTPUT0": A + B, "OUTPUT1": A - B}.items():
        if name in names:
            np.testing.assert_array_equal(result.as_numpy(name), expected)
        else:
            assert result.as_numpy(name) is None


def test_an_output_requested_twice_comes_once(stub: Stub) -> None:
    wanted = [pb.ModelInferRequest.InferRequestedOutputTensor(name="OUTPUT1")] * 2
    response = stub.ModelInfer(simple_request(outputs=wanted), timeout=TIMEOUT_S)
    assert [output.name for output in response.outputs] == ["OUTPUT1"]
    assert list(response.raw_output_contents) == [(A - B).tobytes()]


OWN_PARAMETERS = [{"note": "text"}, {"count": -5}, {"flag": True}, {"ratio": 0.5}, {"a": 1, "b": "", "c": False}]


@pytest.mark.parametrize("parameters", OWN_PARAMETERS, ids=str)
def test_parameters_of_ones_own_are_taken(parameters: dict[str, object], client: Client, stub: Stub) -> None:
    check_simple(client.infer("simple", inputs_of(A, B), parameters=parameters))
    request = simple_request()
    for holder in (*request.inputs, request.outputs.add(name="OUTPUT0")):
        for name, value in parameters_of(parameters).items():
            holder.parameters[name].CopyFrom(value)
    stub.ModelInfer(request, timeout=TIMEOUT_S)


def test_reserved_parameters_are_taken_where_they_mean_nothing(client: Client) -> None:
    check_simple(client.infer("simple", inputs_of(A, B), priority=1, timeout=60_000_000))


@pytest.mark.parametrize("choice", ["int64_param", "uint64_param"])
def test_a_priority_is_signed_or_not(choice: str, stub: Stub) -> None:
    parameters = {"priority": pb.InferParameter(**{choice: 1})}
    stub.ModelInfer(simple_request(parameters=parameters), timeout=TIMEOUT_S)


def test_the_cpp_client_asks_for_an_empty_final_response(stub: Stub) -> None:
    """It asks on each request, even outside of streams."""
    parameters = parameters_of({"triton_enable_empty_final_response": True})
    assert len(stub.ModelInfer(simple_request(parameters=parameters), timeout=TIMEOUT_S).outputs) == 2


def test_async_infer(client: Client) -> None:
    answers = Answers()
    for i in range(100):
        client.async_infer("simple", inputs_of(A + i, B), answers, request_id=str(i))
    missing = set(range(100))
    for _ in range(100):
        result = answers.result()
        i = int(result.get_response().id)
        check_simple(result, A + np.int32(i))
        missing.remove(i)
    assert not missing


def test_async_infer_reports_errors(client: Client) -> None:
    answers = Answers()
    client.async_infer("no-such", inputs_of(A, B), answers)
    check_refusal(answers.error(), StatusCode.NOT_FOUND, "Request for unknown model", "'no-such'")


def test_many_clients_at_once(address: str) -> None:
    def use(number: int) -> None:
        with triton.InferenceServerClient(address) as client:
            for i in range(20):
                a = A + np.int32(number * 100 + i)
                check_simple(client.infer("simple", inputs_of(a, B)), a)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(use, range(8)))


def test_a_call_that_is_cancelled(client: Client, gate: Gate) -> None:
    answers = Answers()
    with gate.closed("batched") as runs:
        call = client.async_infer("batched", inputs_of(np.float32([[1]])), answers)
        runs.wait_for(1)
        call.cancel()
        check_refusal(answers.error(), StatusCode.CANCELLED)
    assert client.infer("batched", inputs_of(np.float32([[-1]]))).as_numpy("OUTPUT0").tolist() == [[-1]]


def test_a_call_whose_time_is_over(client: Client, gate: Gate) -> None:
    with gate.closed("batched"), refused(StatusCode.DEADLINE_EXCEEDED):
        client.infer("batched", inputs_of(np.float32([[1]])), client_timeout=0.2)
    assert client.infer("batched", inputs_of(np.float32([[-1]]))).as_numpy("OUTPUT0").tolist() == [[-1]]


def test_an_error_inside_a_model(client: Client) -> None:
    for _ in range(2):  # It is still there for the second.
        with refused(StatusCode.INTERNAL, "too few elements"):
            client.infer("failing", inputs_of(np.float32([1])))


def test_a_connection_for_each_call(address: str) -> None:
    for _ in range(20):
        with grpc.insecure_channel(address, [("grpc.use_local_subchannel_pool", 1)]) as channel:
            assert Stub(channel).ModelInfer(simple_request(id="1"), timeout=TIMEOUT_S).id == "1"


def test_a_field_that_is_not_known_yet(channel: grpc.Channel) -> None:
    """A newer client may send such a field."""
    infer = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
    unknown = b"\xfa\x3e\x03new"  # Field 1007, of bytes.
    answer = infer(simple_request().SerializeToString() + unknown, timeout=TIMEOUT_S)
    assert pb.ModelInferResponse.FromString(answer).model_name == "simple"


def test_split_messages(channel: grpc.Channel) -> None:
    """A message may repeat a field that holds one value, and give the inputs in pieces: the last value counts."""
    infer = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
    first = request_of("no-such", id="first").SerializeToString()
    answer = infer(first + simple_request(id="last").SerializeToString(), timeout=TIMEOUT_S)
    assert pb.ModelInferResponse.FromString(answer).id == "last"
