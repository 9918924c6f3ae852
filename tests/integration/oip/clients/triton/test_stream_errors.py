"""Errors on streams: told apart by the request's id, or, where that is asked for, the end of the stream."""

from __future__ import annotations

import queue

import grpc
import numpy as np
import pytest
import tritonclient.grpc as triton
from grpc import StatusCode
from tritonclient.grpc import service_pb2 as pb

from calls import (
    TIMEOUT_S,
    A,
    B,
    Stub,
    check_refusal,
    check_simple,
    check_words,
    parameters_of,
    request_of,
    simple_request,
)
from streams import stream_all, streaming

Client = triton.InferenceServerClient

UNKNOWN = request_of("no-such", ("FP32", [1], b"abcd"), id="unknown")
FAILING = request_of("failing", ("FP32", [1], b"abcd"), id="failing")
SHORT = request_of("simple", ("INT32", [1, 16], b""), ("INT32", [1, 16], bytes(64)), id="short")
SAID = {
    "unknown": "Request for unknown model",
    "failing": "too few elements",
    "short": "INPUT0",
}


def test_an_error_costs_the_other_requests_nothing(client: Client) -> None:
    with streaming(client) as stream:
        stream.send("simple", A, B, request_id="first")
        stream.send("no-such", A, request_id="unknown")
        stream.send("failing", np.float32([1]), request_id="failing")
        stream.send("simple", A, B, request_id="last")
        received = [stream.receive() for _ in range(4)]
    results = [result for result, error in received if error is None]
    assert {result.get_response().id for result in results} == {"first", "last"}
    errors = sorted(error.message() for _, error in received if error is not None)
    check_words(errors[0], SAID["unknown"])
    check_words(errors[1], SAID["failing"])


def test_an_error_says_whose_it_is(stub: Stub) -> None:
    responses = stream_all(stub, simple_request(id="good"), UNKNOWN, FAILING, SHORT)
    by_id = {response.infer_response.id: response for response in responses}
    assert len(responses) == 4
    assert by_id.pop("good").error_message == ""
    assert by_id.keys() == SAID.keys()
    for request_id, response in by_id.items():
        check_words(response.error_message, SAID[request_id])
        assert not response.infer_response.outputs
        assert not response.infer_response.raw_output_contents


def status_after(stub: Stub, bad: pb.ModelInferRequest, value: str) -> tuple[list[str], grpc.RpcError | None]:
    """The ids of the responses, and the status that ended a stream on which a good request came first."""
    ids = []
    requests: queue.SimpleQueue[pb.ModelInferRequest | None] = queue.SimpleQueue()
    metadata = (("triton_grpc_error", value),)
    responses = stub.ModelStreamInfer(iter(requests.get, None), timeout=TIMEOUT_S, metadata=metadata)
    requests.put(simple_request(id="first"))
    try:
        ids.append(next(responses).infer_response.id)  # Else the error might overtake it.
        requests.put(bad)
        requests.put(None)
        ids += [response.infer_response.id for response in responses]
    except grpc.RpcError as error:
        return ids, error
    finally:
        requests.put(None)
    return ids, None


ENDS = {"failing": (FAILING, StatusCode.INTERNAL), "unknown": (UNKNOWN, StatusCode.NOT_FOUND)}


@pytest.mark.usefixtures("ours")
@pytest.mark.parametrize("case", ENDS)
def test_errors_end_the_stream_where_that_is_asked_for(case: str, stub: Stub) -> None:
    request, code = ENDS[case]
    ids, error = status_after(stub, request, "true")
    assert ids == ["first"]
    check_refusal(error, code, SAID[case])


@pytest.mark.parametrize("value", ["false", "0", "anything"])
def test_errors_do_not_end_it_otherwise(value: str, stub: Stub) -> None:
    ids, error = status_after(stub, UNKNOWN, value)
    assert (ids, error) == (["first", "unknown"], None)


@pytest.mark.usefixtures("ours")
def test_tritonclient_reports_the_end(client: Client) -> None:
    with streaming(client, headers={"triton_grpc_error": "true"}) as stream:
        stream.send("failing", np.float32([1]))
        result, error = stream.receive()
        assert result is None
        check_refusal(error, StatusCode.INTERNAL, "too few elements")
    with streaming(client) as stream:
        stream.send("simple", A, B)
        check_simple(stream.result())


RESERVED = {
    "type": ({"triton_enable_empty_final_response": 1}, "triton_enable_empty_final_response"),
    "unknown": ({"triton_any": True}, "triton_"),
}


@pytest.mark.parametrize("case", RESERVED)
def test_reserved_parameters(case: str, stub: Stub) -> None:
    parameters, words = RESERVED[case]
    (response,) = stream_all(stub, simple_request(parameters=parameters_of(parameters), id="7"))
    check_words(response.error_message, words)
    assert response.infer_response.id == "7"
