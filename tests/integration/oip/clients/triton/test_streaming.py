"""Streams, by tritonclient's start_stream and by its generated stubs."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import tritonclient.grpc as triton
from grpc import StatusCode
from tritonclient.grpc import service_pb2 as pb

from calls import TIMEOUT_S, A, B, Stub, check_simple, simple_request
from gates import Gate
from streams import Stream, stream_all, streaming

Client = triton.InferenceServerClient


def is_final(response: pb.ModelInferResponse) -> bool:
    parameter = response.parameters["triton_final_response"]
    assert parameter.WhichOneof("parameter_choice") == "bool_param"
    return parameter.bool_param


def test_requests_and_results(client: Client) -> None:
    with streaming(client) as stream:
        for i in range(100):
            stream.send("simple", A + i, B, request_id=str(i))
        results = {int(result.get_response().id): result for result in (stream.result() for _ in range(100))}
    assert results.keys() == set(range(100))
    for i, result in results.items():
        check_simple(result, A + np.int32(i), B)
        assert is_final(result.get_response())
    assert stream.empty()


def test_requests_to_several_models(client: Client) -> None:
    with streaming(client) as stream:
        stream.send("simple", A, B, request_id="simple")
        stream.send("plus", np.float32([1]), model_version="1", request_id="plus")
        results = {result.get_response().id: result for result in (stream.result(), stream.result())}
    check_simple(results["simple"])
    assert results["plus"].as_numpy("OUTPUT0").tolist() == [2]


@pytest.mark.parametrize("wanted", [False, True])
def test_there_is_no_empty_final_response_after_a_result(wanted: bool, client: Client) -> None:
    with streaming(client) as stream:
        stream.send("simple", A, B, enable_empty_final_response=wanted)
        result = stream.result()
    assert is_final(result.get_response())
    check_simple(result)
    assert stream.empty()


def test_a_stream_without_requests(client: Client, stub: Stub) -> None:
    with streaming(client) as stream:
        pass
    assert stream.empty()
    assert list(stub.ModelStreamInfer(iter([]), timeout=TIMEOUT_S)) == []


@pytest.mark.parametrize("algorithm", ["gzip", "deflate"])
def test_a_compressed_stream(algorithm: str, client: Client) -> None:
    with streaming(client, compression_algorithm=algorithm) as stream:
        stream.send("simple", A, B)
        check_simple(stream.result())


def test_a_stream_can_be_started_again(client: Client) -> None:
    for _ in range(3):
        with streaming(client) as stream:
            stream.send("simple", A, B)
            check_simple(stream.result())


def test_cancelling_a_stream(client: Client, gate: Gate) -> None:
    stream = Stream(client)
    with gate.closed("batched") as runs:
        client.start_stream(stream)
        stream.send("batched", np.float32([[1]]))
        runs.wait_for(1)
        client.stop_stream(cancel_requests=True)
        result, error = stream.receive()
    assert result is None
    assert error.status() == str(StatusCode.CANCELLED)
    assert client.is_server_live()


def test_a_stream_whose_time_is_over(client: Client, gate: Gate) -> None:
    with gate.closed("batched"), streaming(client, stream_timeout=1.0) as stream:
        stream.send("batched", np.float32([[1]]))
        _, error = stream.receive()
        assert error.status() == str(StatusCode.DEADLINE_EXCEEDED)
    assert client.is_server_live()


def test_stopping_waits_for_what_was_sent(client: Client) -> None:
    with streaming(client) as stream:
        for i in range(20):
            stream.send("simple", A, B, request_id=str(i))
    assert {stream.result().get_response().id for _ in range(20)} == {str(i) for i in range(20)}


def test_a_request_that_waits_holds_no_other_up(client: Client, gate: Gate, stub: Stub) -> None:
    with gate.closed("batched") as runs, streaming(client) as stream:
        stream.send("batched", np.float32([[1]]), request_id="waits")
        runs.wait_for(1)
        assert len(stream_all(stub, simple_request(), simple_request())) == 2
        runs.open()
        assert stream.result().get_response().id == "waits"


def test_many_streams_at_once(address: str) -> None:
    def converse(number: int) -> set[str]:
        with triton.InferenceServerClient(address) as client, streaming(client) as stream:
            for i in range(20):
                stream.send("simple", A + number, B, request_id=f"{number}.{i}")
            results = [stream.result() for _ in range(20)]
        for result in results:
            check_simple(result, A + np.int32(number), B)
        return {result.get_response().id for result in results}

    with ThreadPoolExecutor(16) as pool:
        for number, ids in enumerate(pool.map(converse, range(16))):
            assert ids == {f"{number}.{i}" for i in range(20)}
