"""What a caller may take of the server: memory, time and work are bounded before they are taken, and given back."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import grpc
import pytest

from harness import MIB, TIMEOUT_S, Server, becomes_true, connect, connect_stub
from oip_messages import ModelInferRequest, ModelInferResponse
from tensorferry.v1 import tensor_service_pb2 as pb
from tensorferry.v1.tensor_service_pb2_grpc import TensorServiceStub
from uploads import Upload
from wire import array, chunk_part, converse, convert_unary, request, request_part

CONVERT = "/tensorferry.v1.TensorService/Convert"
INFER = "/inference.GRPCInferenceService/ModelInfer"
SLOTS = 16  # The most calls of one method for which a server keeps itself ready.


def text(field: int, value: bytes) -> bytes:
    """A field of bytes on the wire."""
    length, rest = bytearray(), len(value)
    while rest >= 128:
        length.append(rest & 127 | 128)
        rest >>= 7
    return bytes([field << 3 | 2, *length, rest]) + value


def test_an_output_is_requested_once() -> None:
    """A name takes three bytes of the request, the output that it asks for once more any number."""
    square = array("<f4", (512, 512), bytes(MIB), fortran_order=True)
    message = request(square, model_name="identity", requested_outputs=["x"] * 1000)
    with Server() as server, connect_stub(server.address) as stub:
        before = server.peak_rss()
        outcome = convert_unary(stub, message)
        assert outcome.refusal is not None
        assert (outcome.reason, outcome.refusal.metadata["actual"]) == ("INPUT_MISMATCH", "'x'")
        assert server.peak_rss() - before < 32 * MIB
        message.requested_outputs[:] = ["x"]
        assert convert_unary(stub, message).reason == ""


HALF = MIB // 2  # That many fields without content fill a MiB.
MANY = {
    "arrays": (CONVERT, text(8, b"") * HALF),
    "requested_outputs": (CONVERT, text(7, b"") * HALF),
    "inputs": (INFER, text(5, b"") * HALF),
    "outputs": (INFER, text(6, b"") * HALF),
    "raw_input_contents": (INFER, text(7, b"") * HALF),
    "parameters": (INFER, text(4, b"") * HALF),
    "inputs.parameters": (INFER, text(5, text(4, b"") * 100_000) * 5),
    "outputs.parameters": (INFER, text(6, text(2, b"") * 100_000) * 5),
    "inputs.contents.bytes_contents": (INFER, text(5, text(5, text(8, b"") * 3_000_000))),
}


@pytest.mark.parametrize("name", MANY)
def test_fields_are_counted_before_they_are_parsed(name: str) -> None:
    """A MiB may hold hundreds of thousands of them, each of which takes some hundred bytes once it is parsed."""
    method, message = MANY[name]
    with Server() as server, connect(server.address) as channel:
        call = channel.unary_unary(method)
        before = server.rss()

        def refused(_: int) -> str:
            with pytest.raises(grpc.RpcError) as raised:
                call(message, timeout=TIMEOUT_S)
            assert raised.value.code() == grpc.StatusCode.INVALID_ARGUMENT
            return raised.value.details()

        with ThreadPoolExecutor(4) as pool:
            details = set(pool.map(refused, range(2 * SLOTS)))
        assert len(details) == 1
        assert f" {name}, at most " in details.pop()
        assert becomes_true(lambda: server.rss() - before < 64 * MIB)


LARGE = {
    "ModelReady": ("/inference.GRPCInferenceService/ModelReady", b"\x0a"),
    "ListModels": ("/tensorferry.v1.TensorService/ListModels", b"\x7a"),  # A field that nobody knows.
    "Check": ("/grpc.health.v1.Health/Check", b"\x0a"),
}


@pytest.mark.parametrize(("method", "tag"), LARGE.values(), ids=LARGE.keys())
def test_what_a_call_took_is_given_back(method: str, tag: bytes) -> None:
    """Each of the coroutines that serve a method would keep the last message that it got."""
    length = b"\x80\x80\x80\x04"  # 8 MiB.
    message = tag + length + b"n" * (8 * MIB)
    with Server() as server, connect(server.address) as channel:
        call = channel.unary_unary(method)
        before = server.rss()
        for _ in range(2 * SLOTS):
            with suppress(grpc.RpcError):
                call(message, timeout=TIMEOUT_S)
        assert becomes_true(lambda: server.rss() - before < 64 * MIB)


def test_many_distinct_outputs_cost_a_time_that_grows_with_their_number() -> None:
    """18 requests that each ask for as many outputs as are taken hold up nobody: health answers meanwhile."""
    names = [f"{'n' * 100}{index:04}" for index in range(4096)]
    message = request(
        *(array("|u1", (0,), name=name) for name in names),
        model_name="identity",
        requested_outputs=reversed(names),
    )
    with Server() as server, connect(server.address) as channel, connect_stub(server.address) as stub:
        convert = channel.unary_unary(CONVERT)
        calls = [convert.future(message.SerializeToString(), timeout=TIMEOUT_S) for _ in range(18)]
        assert channel.unary_unary("/grpc.health.v1.Health/Check")(b"", timeout=TIMEOUT_S) == b"\x08\x01"
        assert convert_unary(stub, request(array("|u1", (1,), b"a"))).reason == ""
        for call in calls:
            response = pb.ConvertResponse.FromString(call.result())
            assert [output.metadata.name for output in response.outputs] == names[::-1]


def test_the_largest_of_many_elements_are_found_in_little_memory() -> None:
    """Eight bytes for each element of a byte would be half a gigabyte."""
    wanted = ModelInferRequest(model_name="identity")
    wanted.inputs.add(name="x", datatype="UINT8", shape=[60 * MIB])
    wanted.outputs.add(name="x").parameters["classification"].int64_param = 1
    wanted.raw_input_contents.append(bytes(60 * MIB))
    with Server() as server, connect(server.address) as channel:
        before = server.peak_rss()
        answer = channel.unary_unary(INFER)(wanted.SerializeToString(), timeout=TIMEOUT_S)
        assert ModelInferResponse.FromString(answer).raw_output_contents == [b"\x03\x00\x00\x000:0"]
        assert server.peak_rss() - before < 192 * MIB


def no_room_for(stub: TensorServiceStub, nbytes: int) -> bool:
    """Whether an array of that many bytes is refused when it is announced, which takes no room from others."""
    announced = pb.Array(name="x", dtype="|u1", shape=[nbytes], chunked_nbytes=nbytes)
    outcomes, _ = converse(stub, [request_part(request(announced))])
    return [outcome.reason for outcome in outcomes] == ["MEMORY_BUDGET"]


def test_a_silent_caller_gives_the_budget_back() -> None:
    """Nearly all of an array comes, and then nothing."""
    with (
        Server("--memory-budget", "64MiB", "--idle-timeout", "3s") as server,
        connect_stub(server.address) as stub,
    ):
        declared = pb.Array(name="x", dtype="|u1", shape=[60 * MIB], chunked_nbytes=60 * MIB)
        full, ended = threading.Event(), threading.Event()

        def silent() -> object:
            yield request_part(request(declared))
            for _ in range(59):  # One message could take longer to arrive than the server waits.
                yield chunk_part(bytes(MIB))
            while not full.wait(0.1):
                yield chunk_part(b"\0")
            ended.wait(TIMEOUT_S)

        stream = stub.ConvertStream(silent(), timeout=TIMEOUT_S)
        wanted = request(array("|u1", (8 * MIB,), bytes(8 * MIB)))
        assert becomes_true(lambda: no_room_for(stub, 8 * MIB))
        full.set()
        with pytest.raises(grpc.RpcError) as raised:
            list(stream)
        ended.set()
        assert raised.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
        assert raised.value.details() == "nothing came for 3000 ms in the middle of a request"
        assert becomes_true(lambda: convert_unary(stub, wanted).reason == "")


def test_announced_bytes_hold_nothing_of_the_budget() -> None:
    """Each of these streams announces all of the budget in some bytes, and sends a little of it."""
    budget = 256 * MIB
    with Server("--memory-budget", f"{budget}") as server, connect_stub(server.address) as stub:
        uploads = [Upload(stub, budget) for _ in range(32)]
        for upload in uploads:
            upload.send(1000)
        wanted = request(array("|u1", (8 * MIB,), bytes(8 * MIB)))
        for _ in range(50):
            assert convert_unary(stub, wanted).reason == ""
        whole = Upload(stub, budget // 2)
        for _ in range(4):
            whole.send(budget // 8)
        assert whole.answer().tensors[0].metadata.numel == budget // 2
        for upload in [*uploads, whole]:
            upload.cancel()


def test_two_half_received_arrays_do_not_wait_for_each_other() -> None:
    """Together they do not fit: the one that comes too late is refused, and may come back, and the other is served."""
    with Server("--memory-budget", "64MiB") as server, connect_stub(server.address) as stub:
        first, second = Upload(stub, 40 * MIB), Upload(stub, 40 * MIB)
        first.send(20 * MIB)
        second.send(20 * MIB)
        assert becomes_true(lambda: no_room_for(stub, 25 * MIB))
        first.send(15 * MIB)
        assert becomes_true(lambda: no_room_for(stub, 10 * MIB))
        second.send(15 * MIB)
        refused = second.answer()
        assert (refused.error.reason, refused.error.retry_after_ms) == ("MEMORY_BUDGET", 100)
        first.send(5 * MIB)
        assert first.answer().tensors[0].metadata.numel == 40 * MIB
        first.end()
        second.send(5 * MIB)  # The rest of a refused request is passed over.
        second.end()


@pytest.mark.parametrize("method", ["Convert", "ConvertStream"])
def test_an_answer_that_nobody_reads_is_given_up(method: str) -> None:
    """It holds the elements, and so the budget, for as long as it is not sent."""
    wanted = request(array("|u1", (16 * MIB,), bytes(16 * MIB)), return_data=True)
    part = wanted if method == "Convert" else request_part(wanted)
    flags = ("--memory-budget", "24MiB", "--idle-timeout", "2s")
    with Server(*flags) as server, connect(server.address) as channel, connect_stub(server.address) as stub:
        stream = channel.stream_stream(f"/tensorferry.v1.TensorService/{method}")
        unread = stream(iter([part.SerializeToString()]), timeout=TIMEOUT_S)
        assert becomes_true(lambda: no_room_for(stub, 16 * MIB))
        assert becomes_true(lambda: convert_unary(stub, wanted).reason == "")
        with pytest.raises(grpc.RpcError) as raised:
            list(unread)
        assert raised.value.code() == grpc.StatusCode.CANCELLED
