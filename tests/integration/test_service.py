"""What the server says of itself: health, reflection, limits and the dtype table."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import grpc
import ml_dtypes
import numpy as np
import pytest
import torch
from google.protobuf import descriptor_pb2

import oracle
from harness import TIMEOUT_S, Server, connect, connect_stub
from rpc_protos import (
    NOT_SERVING,
    SERVICE_UNKNOWN,
    SERVING,
    HealthCheckRequest,
    HealthCheckResponse,
    ServerReflectionRequest,
    ServerReflectionResponse,
)
from tensorferry.v1 import tensor_service_pb2 as pb
from tensorferry.v1.tensor_service_pb2_grpc import TensorServiceStub
from wire import array, chunked_parts, converse, convert_unary, request

SERVICE = "tensorferry.v1.TensorService"

VERSIONS = ["v1", "v1alpha"]  # The messages of both versions of reflection have the same bytes.
both_versions = pytest.mark.parametrize("version", VERSIONS)


@pytest.fixture(scope="module")
def channel(server: Server) -> Iterator[grpc.Channel]:
    with connect(server.address) as connected:
        yield connected


@pytest.fixture(scope="module")
def info(stub: TensorServiceStub) -> pb.GetServerInfoResponse:
    return stub.GetServerInfo(pb.GetServerInfoRequest(), timeout=TIMEOUT_S)


def check_health(channel: grpc.Channel, service: str) -> int:
    check = channel.unary_unary(
        "/grpc.health.v1.Health/Check",
        request_serializer=HealthCheckRequest.SerializeToString,
        response_deserializer=HealthCheckResponse.FromString,
    )
    return check(HealthCheckRequest(service=service), timeout=TIMEOUT_S).status


def watch_health(channel: grpc.Channel, service: str) -> grpc.Call:
    watch = channel.unary_stream(
        "/grpc.health.v1.Health/Watch",
        request_serializer=HealthCheckRequest.SerializeToString,
        response_deserializer=HealthCheckResponse.FromString,
    )
    return watch(HealthCheckRequest(service=service), timeout=TIMEOUT_S)


def ask_all(
    channel: grpc.Channel, version: str, questions: list[ServerReflectionRequest]
) -> list[ServerReflectionResponse]:
    ask = channel.stream_stream(
        f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
        request_serializer=ServerReflectionRequest.SerializeToString,
        response_deserializer=ServerReflectionResponse.FromString,
    )
    return list(ask(iter(questions), timeout=TIMEOUT_S))


def reflect(channel: grpc.Channel, version: str, **question: str) -> ServerReflectionResponse:
    (answer,) = ask_all(channel, version, [ServerReflectionRequest(**question)])
    return answer


@pytest.mark.parametrize("service", ["", SERVICE])
def test_health_is_serving(service: str, channel: grpc.Channel) -> None:
    assert check_health(channel, service) == SERVING
    watch = watch_health(channel, service)
    assert next(watch).status == SERVING
    watch.cancel()


def test_health_of_an_unknown_service(channel: grpc.Channel) -> None:
    with pytest.raises(grpc.RpcError) as raised:
        check_health(channel, "no.such.Service")
    assert raised.value.code() == grpc.StatusCode.NOT_FOUND
    watch = watch_health(channel, "no.such.Service")
    assert next(watch).status == SERVICE_UNKNOWN
    watch.cancel()


@pytest.mark.parametrize("model", ["identity", "broken"])
def test_health_of_a_model(model: str, tmp_path: Path) -> None:
    corrupt = tmp_path / "broken.pt"
    corrupt.write_bytes(b"not a model")
    with Server("--model", f"broken={corrupt}") as server, connect(server.address) as channel:
        expected = SERVING if model == "identity" else NOT_SERVING
        assert check_health(channel, f"model:{model}") == expected


def test_a_watch_sees_the_server_stop() -> None:
    with Server("--drain-delay", "500ms") as server, connect(server.address) as channel:
        watches = [watch_health(channel, name) for name in ("", "tensorferry.v1.TensorService", "no.such.Service")]
        assert [next(watch).status for watch in watches] == [SERVING, SERVING, SERVICE_UNKNOWN]
        server.terminate()
        assert [next(watch).status for watch in watches[:2]] == [NOT_SERVING] * 2
        assert server.wait() == 0


def test_watches_that_are_gone_leave_nothing_behind(channel: grpc.Channel) -> None:
    for _ in range(200):
        watch = watch_health(channel, "")
        assert next(watch).status == SERVING
        watch.cancel()
    assert check_health(channel, "") == SERVING


@both_versions
def test_reflection_tells_the_services_and_their_file(version: str, channel: grpc.Channel) -> None:
    listed = {service.name for service in reflect(channel, version, list_services="*").list_services_response.service}
    assert {
        SERVICE,
        "grpc.health.v1.Health",
        *(f"grpc.reflection.{each}.ServerReflection" for each in VERSIONS),
    } <= listed

    answer = reflect(channel, version, file_containing_symbol=SERVICE)
    files = answer.file_descriptor_response.file_descriptor_proto
    reflected = {file.name: file for file in map(descriptor_pb2.FileDescriptorProto.FromString, files)}
    published = descriptor_pb2.FileDescriptorProto()
    pb.DESCRIPTOR.CopyToProto(published)
    served = reflected[published.name]
    for descriptor in (served, published):
        for field in (field for message in descriptor.message_type for field in message.field):
            field.ClearField("json_name")
    assert served == published


@both_versions
def test_reflection_answers_many_requests_on_one_stream(version: str, channel: grpc.Channel) -> None:
    names = [SERVICE, "no.such.Service", "grpc.health.v1.Health", SERVICE]
    questions = [ServerReflectionRequest(file_containing_symbol=name) for name in names]
    files = [
        len(answer.file_descriptor_response.file_descriptor_proto) for answer in ask_all(channel, version, questions)
    ]
    assert files == [1, 0, 1, 1]


@pytest.mark.parametrize("symbol", ["inference.GRPCInferenceService", "inference.ModelInferRequest"])
def test_reflection_tells_of_the_open_inference_protocol(symbol: str, channel: grpc.Channel) -> None:
    listed = {service.name for service in reflect(channel, "v1", list_services="*").list_services_response.service}
    assert "inference.GRPCInferenceService" in listed
    files = reflect(channel, "v1", file_containing_symbol=symbol).file_descriptor_response.file_descriptor_proto
    names = [descriptor_pb2.FileDescriptorProto.FromString(file).name for file in files]
    assert set(names) == {"inference/model_config.proto", "inference/grpc_service.proto"}


@both_versions
def test_reflection_can_be_switched_off(version: str) -> None:
    with Server("--reflection", "off") as server, connect(server.address) as channel:
        with pytest.raises(grpc.RpcError) as raised:
            reflect(channel, version, list_services="*")
        assert raised.value.code() == grpc.StatusCode.UNIMPLEMENTED


def test_an_unknown_method_is_unimplemented(channel: grpc.Channel) -> None:
    with pytest.raises(grpc.RpcError) as raised:
        channel.unary_unary(f"/{SERVICE}/NoSuchMethod")(b"", timeout=TIMEOUT_S)
    assert raised.value.code() == grpc.StatusCode.UNIMPLEMENTED


def test_compressed_requests_are_refused(stub: TensorServiceStub) -> None:
    with pytest.raises(grpc.RpcError) as raised:
        stub.Convert(
            request(array("|u1", (10_000,), bytes(10_000))),
            timeout=TIMEOUT_S,
            compression=grpc.Compression.Gzip,
        )
    assert raised.value.code() == grpc.StatusCode.UNIMPLEMENTED


def test_versions_and_limits(info: pb.GetServerInfoResponse) -> None:
    assert all(part.isdecimal() for part in info.version.split(".")[:3])
    assert info.torch_version.split("+")[0] == torch.__version__.split("+")[0]
    assert info.max_ndim == 64
    assert info.max_message_bytes == 64 << 20
    assert info.max_tensor_bytes == 8 << 30
    assert 0 < info.recommended_chunk_bytes < info.max_message_bytes
    assert "models" in info.features
    assert "shared_memory" not in info.features


@pytest.mark.parametrize("limit", [64 << 10, 1 << 20, (1 << 20) + 1, 3 << 20])
def test_chunks_of_the_recommended_size_fit_a_message(limit: int) -> None:
    with Server("--max-message-bytes", f"{limit}") as server, connect_stub(server.address) as stub:
        info = stub.GetServerInfo(pb.GetServerInfoRequest(), timeout=TIMEOUT_S)
        sent = request(array("|u1", (4 << 20,), bytes(4 << 20)), return_data=False)
        (outcome,), ended = converse(stub, chunked_parts(sent, info.recommended_chunk_bytes))
    assert info.max_message_bytes == limit
    assert ended is None
    assert outcome.refusal is None


def test_the_dtype_table_is_numpys_and_torchs(info: pb.GetServerInfoResponse) -> None:
    assert sorted(row.numpy_dtype for row in info.dtypes) == sorted(oracle.ALL)
    assert len({row.oip_datatype for row in info.dtypes} - {""}) == len(oracle.ALL)
    for row in info.dtypes:
        dtype = oracle.numpy_dtype(row.numpy_dtype)
        assert row.itemsize == dtype.itemsize
        assert str(getattr(torch, row.torch_dtype)) == f"torch.{row.torch_dtype}"
        if row.numpy_dtype in oracle.FROM_NUMPY:
            assert row.numpy_descr == dtype.str
            assert torch.from_numpy(np.zeros(1, dtype)).dtype == getattr(torch, row.torch_dtype)
        else:
            assert hasattr(ml_dtypes, row.numpy_dtype)
            assert row.numpy_descr in {"", "<f1", "<c4"}
            assert row.torch_dtype == row.numpy_dtype


def test_every_spelling_of_the_table_converts(info: pb.GetServerInfoResponse, stub: TensorServiceStub) -> None:
    for row in info.dtypes:
        for dtype in filter(None, [row.numpy_dtype, row.numpy_descr]):
            outcome = convert_unary(stub, request(array(dtype, (1,), bytes(row.itemsize))))
            oracle.check_converted(outcome, oracle.expect(dtype, (1,), bytes(row.itemsize)))
            assert outcome.tensors[0].metadata.dtype == row.torch_dtype
