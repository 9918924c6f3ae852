"""Answers that nobody reads take no more than the memory budget has, whatever they consist of, and not for ever."""

from __future__ import annotations

import json
import socket
import struct
from collections import Counter
from pathlib import Path

import grpc
import numpy as np
import pytest
import torch
from google.protobuf.message import Message
from grpc_reflection.v1alpha.reflection_pb2 import ServerReflectionRequest
from torch import Tensor, nn

from harness import MIB, Server, becomes_true, connect, connect_stub
from http_calls import HTTP, binary_body, binary_outputs
from metrics import scrape
from oip_messages import ModelInferRequest
from served_models import config_tensor, put
from tensorferry.v1 import tensor_service_pb2 as pb
from unread import ask, connect_http_without_window, connect_without_window, ended
from wire import array, convert_unary, refusal_of_call, request

CONVERT = "/tensorferry.v1.TensorService/Convert"
INFER = "/inference.GRPCInferenceService/ModelInfer"
INDEX = "/inference.GRPCInferenceService/RepositoryIndex"
REFLECTION = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
ADMIN = ("--admin-listen", "127.0.0.1:0")


class Ones(nn.Module):
    """As many ones as the input says."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.ones([int(x[0])])


class Widened(nn.Module):
    """Each row of one element becomes one of 1 MiB."""

    def forward(self, x: Tensor) -> Tensor:
        return x.expand(-1, 1 << 18).contiguous()


def ones(numel: int) -> pb.ConvertRequest:
    count = array("<i8", (1,), struct.pack("<q", numel))
    return request(count, model_name="ones", return_data=False)


def held(server: Server) -> float:
    return scrape(server).value("tensorferry_inflight_bytes")


def refused(server: Server) -> float:
    """How many runs of the model have failed, its callers having been told or not."""
    return scrape(server).value("tensorferry_model_requests_total", model="ones", version="1", outcome="failure")


def answered(server: Server, model: str) -> float:
    """How many requests of the model have been answered, once none is worked on."""
    sample = scrape(server)
    if sample.value("tensorferry_inflight_requests") > 0:
        return -1
    return sample.value("tensorferry_model_requests_total", model=model, version="1", outcome="success")


def handled(server: Server, method: str) -> float:
    """How many calls of the method there were whose answers were made, or given up."""
    counts = scrape(server).named("grpc_server_handled_total")
    return sum(count for labels, count in counts if labels["grpc_method"] == method.rpartition("/")[2])


def largest_peer(server: Server) -> float:
    return scrape(server).value("tensorferry_budget_largest_peer_bytes")


def reasons(calls: list[grpc.Call]) -> set[str]:
    return {refusal_of_call(call).reason for call in calls}


def test_outputs_of_models_count_until_they_are_sent(tmp_path: Path) -> None:
    """64 answers of 4 MiB to requests of 8 bytes; the budget has room for seven."""
    put(tmp_path / "ones", Ones().eval())
    flags = (*ADMIN, "--memory-budget", f"{32 * MIB}", "--model-dir", f"{tmp_path}")
    with (
        Server(*flags) as server,
        connect_without_window(server.address) as channel,
        connect_stub(server.address) as stub,
    ):
        assert convert_unary(stub, ones(MIB)).refusal is None
        before = server.peak_rss()
        calls = ask(channel, CONVERT, ones(MIB), 64)
        assert becomes_true(lambda: len(ended(calls)) >= 64 - 8)
        assert reasons(ended(calls)) == {"MEMORY_BUDGET"}
        assert server.peak_rss() - before < 192 * MIB  # Not 256; malloc keeps some of what the refused ones had.
        assert becomes_true(lambda: largest_peer(server) == held(server) == 4 * MIB * (64 - len(ended(calls))))
        unread = next(call for call in calls if call.is_active())
        (answer,) = (pb.ConvertResponse.FromString(message) for message in unread)
        assert answer.outputs[0].data == torch.ones(MIB).numpy().tobytes()
        for call in calls:
            call.cancel()
        assert becomes_true(lambda: held(server) == 0)
        assert convert_unary(stub, ones(MIB)).refusal is None


def test_answers_that_wait_on_a_stream_count(tmp_path: Path) -> None:
    """Up to 64 requests of a stream are worked on before the first answer is read; the budget has room for seven."""
    put(tmp_path / "ones", Ones().eval())
    flags = (*ADMIN, "--memory-budget", f"{32 * MIB}", "--model-dir", f"{tmp_path}")
    with Server(*flags) as server, connect_without_window(server.address) as channel:
        part = pb.ConvertStreamRequest(request=ones(MIB)).SerializeToString()
        stream = channel.stream_stream("/tensorferry.v1.TensorService/ConvertStream")(iter([part] * 64))
        assert becomes_true(lambda: refused(server) == 64 - 7)
        assert 28 * MIB <= held(server) <= 32 * MIB
        answers = [pb.ConvertStreamResponse.FromString(message).response for message in stream]
        assert Counter(answer.error.reason for answer in answers) == {"": 7, "MEMORY_BUDGET": 57}
        assert becomes_true(lambda: held(server) == 0)


def test_the_rows_of_a_batch_count_for_those_who_asked_for_them(tmp_path: Path) -> None:
    """All rows lie in one memory, which is let go when the last of them is."""
    config = (
        "max_batch_size: 8\n"
        + config_tensor("input", "x", "TYPE_FP32", "1")
        + config_tensor("output", "y", "TYPE_FP32", f"{1 << 18}")
    )
    put(tmp_path / "widened", Widened().eval(), config)
    wanted = request(array("<f4", (1, 1), bytes(4)), model_name="widened", return_data=False)
    flags = (*ADMIN, "--memory-budget", f"{64 * MIB}", "--model-dir", f"{tmp_path}")
    with Server(*flags) as server, connect_without_window(server.address) as channel:
        calls = ask(channel, CONVERT, wanted, 32)
        assert becomes_true(lambda: held(server) == 32 * MIB)
        for call in calls:
            call.cancel()
        assert becomes_true(lambda: held(server) == 0)


WIDE = request(*(array("|u1", (0,), name=f"{i:0200}") for i in range(250)))
LABELLED = ModelInferRequest(model_name="identity")
LABELLED.inputs.add(name="x", datatype="FP32", shape=[1 << 12])
LABELLED.outputs.add(name="x").parameters["classification"].int64_param = 1 << 12
LABELLED.raw_input_contents.append(bytes(4 << 12))
EMPTY = pb.ListModelsRequest()
SYMBOL = ServerReflectionRequest(file_containing_symbol="inference.GRPCInferenceService")


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """200 models with names of 120 bytes, so that to list them takes 24 KiB and more. None of them is loaded."""
    folder = tmp_path_factory.mktemp("repository")
    for number in range(200):
        version = folder / f"{number:0120}" / "1"
        version.mkdir(parents=True)
        (version / "model.pt").touch()
    return folder


@pytest.mark.parametrize(
    ("method", "message"),
    [(CONVERT, WIDE), (INFER, LABELLED), (INDEX, EMPTY), (REFLECTION, SYMBOL)],
    ids=["receipts", "classes", "a list", "descriptors"],
)
def test_whatever_an_answer_consists_of_counts(method: str, message: Message, repository: Path) -> None:
    """The budget has room for some of 300 answers of 10 KiB and more. What is refused says so, and the rest waits."""
    flags = (*ADMIN, "--memory-budget", f"{MIB}", "--model-dir", f"{repository}", "--model-control", "explicit")
    with Server(*flags) as server, connect_without_window(server.address) as channel:
        calls = ask(channel, method, message, 300)
        assert becomes_true(lambda: len(ended(calls)) >= 300 - MIB // (10 << 10))
        assert reasons(ended(calls)) == {"MEMORY_BUDGET"}
        assert becomes_true(lambda: largest_peer(server) > MIB // 4)
        for call in calls:
            call.cancel()
        assert becomes_true(lambda: held(server) == 0)


@pytest.mark.parametrize(("method", "message"), [(INDEX, EMPTY), (REFLECTION, SYMBOL)], ids=["a list", "descriptors"])
def test_answers_of_methods_without_arrays_are_given_up_too(method: str, message: Message, repository: Path) -> None:
    flags = (*ADMIN, "--model-dir", f"{repository}", "--model-control", "explicit", "--idle-timeout", "1s")
    with Server(*flags) as server, connect_without_window(server.address) as channel:
        calls = ask(channel, method, message, 3)
        assert becomes_true(lambda: handled(server, method) == len(calls))
        assert becomes_true(lambda: held(server) == 0)
        for call in calls:
            with pytest.raises(grpc.RpcError) as raised:
                list(call)
            assert raised.value.code() == grpc.StatusCode.CANCELLED


def test_small_answers_are_not_counted() -> None:
    """They are bounded by the calls of a connection, and are answered even if the budget has no room at all."""
    small = request(array("<f4", (0,)))
    with Server(*ADMIN, "--memory-budget", "1KiB") as server, connect_without_window(server.address) as channel:
        before = server.rss()
        calls = ask(channel, CONVERT, small, 1000)
        assert becomes_true(lambda: scrape(server).value("tensorferry_inflight_requests") == 1000)
        assert held(server) == 0
        assert server.rss() - before < 64 * MIB
        for call in calls:
            (message,) = call
            assert pb.ConvertResponse.FromString(message).tensors[0].metadata.numel == 0


def test_copies_made_for_an_answer_count_for_whom_they_are_made() -> None:
    """Elements that do not lie in C order are copied to be sent."""
    wanted = request(array("<f4", (2048, 1024), bytes(8 * MIB), fortran_order=True))
    with Server(*ADMIN, "--memory-budget", f"{64 * MIB}") as server, connect(server.address) as channel:
        calls = ask(channel, CONVERT, wanted, 1)
        assert becomes_true(lambda: largest_peer(server) == held(server) == 8 * MIB)
        calls[0].cancel()
        assert becomes_true(lambda: held(server) == 0)


def test_json_of_an_answer_counts_for_whom_it_is_made() -> None:
    """It is several times as large as what the sockets of this machine take."""
    numel = 4 * MIB
    one_input = {"name": "x", "datatype": "FP32", "shape": [numel], "parameters": {"binary_data_size": 4 * numel}}
    head = json.dumps({"inputs": [one_input], "outputs": [{"name": "x"}]}).encode()
    lengths = f"Inference-Header-Content-Length: {len(head)}\r\nContent-Length: {len(head) + 4 * numel}"
    flags = (*ADMIN, "--memory-budget", f"{128 * MIB}", "--http-listen", "127.0.0.1:0")
    with Server(*flags) as server:
        assert server.http is not None
        host, port = server.http.rsplit(":", 1)
        with socket.create_connection((host, int(port))) as caller:
            caller.sendall(
                f"POST /v2/models/identity/infer HTTP/1.1\r\nHost: localhost\r\n{lengths}\r\n\r\n".encode() + head
            )
            caller.sendall(bytes(4 * numel))
            assert caller.recv(1, socket.MSG_PEEK)
            assert becomes_true(lambda: largest_peer(server) == held(server) >= 4 * numel)
        assert becomes_true(lambda: held(server) == 0)


@pytest.mark.parametrize("model", ["ones", "texts"])
def test_answers_over_http_count_until_they_are_sent(model: str, tmp_path: Path) -> None:
    """The system holds some MiB of an answer that the peer does not take, and the server the whole."""

    class Texts(nn.Module):
        def forward(self, x: Tensor) -> list[str]:
            return ["x".ljust(1 << 20) for _ in range(int(x[0]) >> 18)]

    put(tmp_path / "ones", Ones().eval())
    put(tmp_path / "texts", Texts().eval())
    body, fields = binary_body({"x": ("INT64", np.array([8 * MIB], np.int64))})
    with Server(*ADMIN, *HTTP, "--model-dir", f"{tmp_path}") as server:
        connection = connect_http_without_window(server)
        for count in (1, 2):
            connection.request("POST", f"/v2/models/{model}/infer", body, fields)
            assert becomes_true(lambda count=count: answered(server, model) == count)
            assert held(server) >= 32 * MIB
            (elements,) = binary_outputs(connection.getresponse()).values()
            assert len(elements) >= 32 * MIB
            assert becomes_true(lambda: held(server) == 0)
        connection.close()
