"""What Envoy does besides: gRPC-Web and HTTP, bounds of memory and headers, health, TLS, clients of others."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import grpc
import numpy as np
import pytest
import torch

import cli
import oracle
import tensorferry
from certificates import Authority
from grpc_web import CONVERT, ask, frames, reason_of
from harness import MIB, TIMEOUT_S, Server, becomes_true, connect, connect_stub
from load_balancers import LIMITS, Balancer, balancing, who_answer
from oip.environments import NEWEST, run_source
from rpc_protos import SERVING, HealthCheckRequest, HealthCheckResponse
from served_models import Echo, Gate, Gated, infer, put
from tensorferry.v1 import tensor_service_pb2 as pb
from wire import array, convert_unary, request, request_part

DATA = oracle.random_bytes("<f4", 4)
FLOATS = request(array("<f4", (4,), DATA))
BOTH = set(LIMITS)
PAUSED = "cluster.grpc.upstream_flow_control_paused_reading_total"  # For a caller that does not read.


class Fleet(NamedTuple):
    servers: list[Server]
    balancer: Balancer

    @property
    def address(self) -> str:
        return self.balancer.address


@contextmanager
def fleet_of(folder: Path, *flags: str) -> Iterator[Fleet]:
    common = ("--http-listen", "127.0.0.1:0", "--log-format", "json", "--access-log", "all", *flags)
    with (
        Server("--max-message-bytes", f"{LIMITS[0]}B", *common) as one,
        Server("--max-message-bytes", f"{LIMITS[1]}B", *common) as other,
        balancing("envoy", folder, [one, other]) as balancer,
    ):
        yield Fleet([one, other], balancer)


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with fleet_of(tmp_path_factory.mktemp("envoy"), "--idle-timeout", "1h") as running:
        yield running


def get(address: str, path: str) -> int:
    connection = http.client.HTTPConnection(address, timeout=TIMEOUT_S)
    connection.request("GET", path)
    status = connection.getresponse().status
    connection.close()
    return status


def check_health(channel: grpc.Channel, service: str, *headers: tuple[str, str]) -> int:
    call = channel.unary_unary(
        "/grpc.health.v1.Health/Check",
        request_serializer=HealthCheckRequest.SerializeToString,
        response_deserializer=HealthCheckResponse.FromString,
    )
    return call(HealthCheckRequest(service=service), timeout=TIMEOUT_S, metadata=headers).status


def test_an_array_of_many_chunks_needs_little_memory_of_it(fleet: Fleet) -> None:
    with tensorferry.Client(fleet.address) as client:
        assert client.convert(np.zeros(MIB, np.uint8)).digest_equal
        before = fleet.balancer.peak_rss()
        assert client.convert(np.arange(48 * MIB)).digest_equal  # 384 MiB
        assert fleet.balancer.peak_rss() - before < 48 * MIB


def test_many_large_messages_need_little_memory_of_it(fleet: Fleet) -> None:
    with tensorferry.Client(fleet.address) as client:
        before = fleet.balancer.peak_rss()
        receipts = client.convert_many(np.full(60 * MIB, number, np.uint8) for number in range(8))
        assert all(receipt.digest_equal for receipt in receipts)
        assert fleet.balancer.peak_rss() - before < 96 * MIB


def test_callers_that_do_not_read_their_answers_stop_nobody_else(fleet: Fleet) -> None:
    """All calls of Envoy's threads share a connection to each server, and so its window."""
    done, before = threading.Event(), fleet.balancer.count(PAUSED)
    large = request_part(request(array("|u1", (40 * MIB,), bytes(40 * MIB))))

    def requests() -> Iterator[pb.ConvertStreamRequest]:
        yield large
        done.wait()

    with ExitStack() as stack:
        stack.callback(done.set)
        stubs = [stack.enter_context(connect_stub(fleet.address)) for _ in range(8)]
        streams = [stub.ConvertStream(requests()) for stub in stubs]
        for stream in streams:
            stack.callback(stream.cancel)
        assert becomes_true(lambda: fleet.balancer.count(PAUSED) >= before + len(streams))
        values = np.arange(MIB)
        for _ in range(8):  # Each has a connection of its own, so that every thread of Envoy has some of them.
            with tensorferry.Client(fleet.address, timeout=TIMEOUT_S) as client:
                assert np.array_equal(client.infer("identity", {"x": values})["x"], values)


def test_grpc_web_converts(fleet: Fleet) -> None:
    answer = ask(fleet.address, CONVERT, frames(FLOATS))
    assert answer.status == 200
    response = pb.ConvertResponse.FromString(answer.messages()[0])
    oracle.check_tensor(response.tensors[0], oracle.expect("<f4", (4,), DATA), "x")
    assert answer.trailers()["grpc-status"] == "0"


def test_grpc_web_keeps_the_details_of_a_refusal(fleet: Fleet) -> None:
    answer = ask(fleet.address, CONVERT, frames(infer("none", {"x": torch.ones(1)})))
    told = {**answer.fields, **({} if not answer.body else answer.trailers())}
    assert told["grpc-status"] == str(grpc.StatusCode.NOT_FOUND.value[0])
    assert reason_of(told["grpc-status-details-bin"]) == "MODEL_NOT_FOUND"


def test_http_passes_but_not_what_one_server_tells_of_itself(fleet: Fleet, tmp_path: Path) -> None:
    assert get(fleet.address, "/v2/health/ready") == 200
    assert get(fleet.address, "/v2/models/identity") == 200
    assert {get(fleet.address, path) for path in ("/metrics", "/debug/requests", "/")} == {404}
    npy = cli.save(tmp_path / "x.npy", np.arange(6, dtype=">i2")).read_bytes()
    answer = ask(fleet.address, "/v1/convert", npy, Content_Type="application/octet-stream")
    assert answer.status == 200
    assert json.loads(answer.body)["tensors"][0]["dtype"] == "int16"


def test_a_request_keeps_its_caller_s_name(fleet: Fleet) -> None:
    """Names of the form of a UUID, too, which Envoy writes into where it makes them itself."""
    names = ["7", "3e0be4c5-1f37-4b7f-8d5c-0d5e8f0a1b2c"]
    with connect_stub(fleet.address) as stub:
        for name in names:
            stub.Convert(FLOATS, metadata=(("x-request-id", name),), timeout=TIMEOUT_S)

    def logged() -> set[object]:
        lines = [json.loads(line) for server in fleet.servers for line in server.log().splitlines()]
        return {line.get("request_id") for line in lines}

    assert becomes_true(lambda: logged() >= set(names))


def test_health_is_told(fleet: Fleet) -> None:
    with connect(fleet.address) as channel:
        assert check_health(channel, "") == SERVING
        assert check_health(channel, "model:identity") == SERVING
        with pytest.raises(grpc.RpcError) as refused:
            check_health(channel, "model:none")
    assert refused.value.code() == grpc.StatusCode.NOT_FOUND


def test_calls_that_fail_for_their_callers_sake_take_no_server_away(fleet: Fleet) -> None:
    with connect(fleet.address) as channel, tensorferry.Client(fleet.address) as client:
        assert becomes_true(lambda: who_answer(client) == BOTH)
        unknown = channel.unary_unary("/tensorferry.v1.TensorService/NoSuchMethod")
        for _ in range(30):
            with pytest.raises(grpc.RpcError) as failed:
                unknown(b"", timeout=TIMEOUT_S)
            assert failed.value.code() == grpc.StatusCode.UNIMPLEMENTED
        assert who_answer(client) == BOTH


@pytest.fixture(scope="module")
def gated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Fleet, Gate]]:
    """Servers whose model waits for inputs of 1 until the gate is open."""
    folder = tmp_path_factory.mktemp("gated")
    gate = Gate(folder / "gate")
    put(folder / "repository/gated", Gated(gate, Echo()))
    with fleet_of(folder, "--model-dir", str(folder / "repository")) as running:
        yield running, gate
        gate.open()


def test_a_deadline_is_kept_for_callers_that_only_say_it(gated: tuple[Fleet, Gate]) -> None:
    waiting = frames(infer("gated", {"x": torch.ones(1, 4)}))
    answer = ask(gated[0].address, CONVERT, waiting, grpc_timeout="200m")
    told = {**answer.fields, **({} if not answer.body else answer.trailers())}
    assert told["grpc-status"] == str(grpc.StatusCode.DEADLINE_EXCEEDED.value[0])


def test_headers_that_are_too_large_cost_the_other_calls_nothing(gated: tuple[Fleet, Gate]) -> None:
    """They do where gRPC 1.51 reads them (docs/protocol.md)."""
    fleet, gate = gated
    with connect_stub(fleet.address) as stub, connect(fleet.address) as channel:
        begun = len(gate.runs())
        first = stub.Convert.future(infer("gated", {"x": torch.full((1, 4), 2.0)}), timeout=TIMEOUT_S)
        assert becomes_true(lambda: len(gate.runs()) > begun)
        with pytest.raises(grpc.RpcError):
            check_health(channel, "", ("authorization", "Bearer " + "a" * (80 << 10)))
        oracle.check_converted(convert_unary(stub, FLOATS), oracle.expect("<f4", (4,), DATA))
        gate.open(2)
        assert [output.metadata.name for output in first.result().outputs] == ["rows", "result"]


def test_a_server_that_is_not_ready_gets_no_calls(tmp_path: Path) -> None:
    with fleet_of(tmp_path, "--drain-delay", "1h") as fleet, tensorferry.Client(fleet.address) as client:
        assert becomes_true(lambda: who_answer(client) == BOTH)
        leaving, staying = fleet.servers
        leaving.terminate()
        assert becomes_true(lambda: who_answer(client) == {LIMITS[1]})
        with tensorferry.Client(leaving.address) as direct:
            assert direct.convert([1, 2, 3]).digest_equal
        staying.kill()
        assert becomes_true(lambda: code_of(client) == grpc.StatusCode.UNAVAILABLE)
        leaving.terminate()


def code_of(client: tensorferry.Client) -> grpc.StatusCode:
    """The code with which a call fails, else OK."""
    try:
        client.server_info()
    except tensorferry.TensorferryError as error:
        return error.code
    return grpc.StatusCode.OK


TRITON = """
import queue
import sys
import numpy
import tritonclient.grpc as triton
client = triton.InferenceServerClient(sys.argv[1])
array = numpy.random.default_rng(5).integers(-9, 9, (4 << 20,), numpy.int32)
given = triton.InferInput("x", array.shape, "INT32")
given.set_data_from_numpy(array)
assert client.is_server_ready() and client.is_model_ready("identity")
assert (client.infer("identity", [given]).as_numpy("x") == array).all()
answers = queue.Queue()
client.start_stream(lambda result, error: answers.put((result, error)))
for number in range(20):
    client.async_stream_infer("identity", [given], request_id=str(number))
for number in range(20):
    result, error = answers.get(timeout=60)
    assert error is None, error
    assert result.get_response().id == str(number) and (result.as_numpy("x") == array).all()
client.stop_stream()
try:
    client.infer("none", [given])
except triton.InferenceServerException as error:
    assert error.status() == "StatusCode.NOT_FOUND", error
else:
    sys.exit("a model that is not there has answered")
"""


def test_the_client_of_triton(fleet: Fleet) -> None:
    run_source(NEWEST, TRITON, fleet.address)


def test_tls_to_the_outside(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "authority")
    pair = authority.sign("envoy")

    def with_tls(configuration: str) -> str:
        before, _, rest = configuration.partition("# With TLS:\n")
        block, filters, after = rest.partition("          filters:\n")
        tls = block.replace("          # ", "          ")
        tls = tls.replace("server.crt", str(pair.certificate)).replace("server.key", str(pair.key))
        return before + "\n" + tls + filters + after

    with (
        Server("--max-message-bytes", f"{LIMITS[0]}B") as one,
        Server("--max-message-bytes", f"{LIMITS[1]}B") as other,
        balancing("envoy", tmp_path, [one, other], change=with_tls) as balancer,
        tensorferry.Client(balancer.address, tls=tensorferry.TLS(ca=authority.certificate)) as client,
    ):
        assert becomes_true(lambda: who_answer(client) == BOTH)
        assert client.convert(np.random.default_rng(4).standard_normal(2 * MIB)).digest_equal
