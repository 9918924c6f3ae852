"""The memory budget is whole again after any mix of success, refusal, cancellation and vanished clients."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness import MIB, TIMEOUT_S, Server, becomes_true, connect_stub
from metrics import scrape
from tensorferry.v1 import tensor_service_pb2 as pb
from tensorferry.v1.tensor_service_pb2_grpc import TensorServiceStub
from uploads import Upload
from wire import Outcome, array, chunked_parts, converse, convert_stream, convert_unary, request, request_part

BUDGET = 64 * MIB


def declared(nbytes: int) -> pb.ConvertRequest:
    return request(pb.Array(name="x", dtype="|u1", shape=[nbytes], chunked_nbytes=nbytes), return_data=False)


def parts_until(stop: int, nbytes: int) -> Iterator[pb.ConvertStreamRequest]:
    """A request and `stop` of its chunks of 1 MiB."""
    yield request_part(declared(nbytes))
    for _ in range(stop):
        yield pb.ConvertStreamRequest(chunk=bytes(MIB))


def becomes(reason: str, convert: Callable[[], Outcome]) -> bool:
    """Whether the request ends so once there is room: what was cut off before it is noticed a little later."""
    seen = {"MEMORY_BUDGET"}

    def ends() -> bool:
        seen.add(convert().reason)
        return seen != {"MEMORY_BUDGET"}

    return becomes_true(ends) and seen == {"MEMORY_BUDGET", reason}


def succeeds(server: Server, stub: TensorServiceStub, rng: random.Random) -> None:
    good = request(array("|u1", (3 * MIB,), bytes(3 * MIB)))
    assert becomes("", lambda: convert_unary(stub, good))


def is_refused(server: Server, stub: TensorServiceStub, rng: random.Random) -> None:
    bad = request(array("|b1", (2 * MIB,), b"\2" * 2 * MIB), fidelity=pb.FIDELITY_STRICT)
    assert becomes("BOOL_RANGE", lambda: convert_stream(stub, bad))


def does_not_fit(server: Server, stub: TensorServiceStub, rng: random.Random) -> None:
    outcome = convert_stream(stub, declared(BUDGET + 1))
    assert outcome.reason == "TENSOR_TOO_LARGE"


def ends_too_early(server: Server, stub: TensorServiceStub, rng: random.Random) -> None:
    stop = rng.randrange(20)
    assert becomes_true(lambda: converse(stub, parts_until(stop, 30 * MIB))[1] is not None)


def is_cancelled(server: Server, stub: TensorServiceStub, rng: random.Random) -> None:
    responses = stub.ConvertStream(parts_until(rng.randrange(20), 30 * MIB), timeout=TIMEOUT_S)
    responses.cancel()


def is_killed(server: Server, stub: TensorServiceStub, rng: random.Random) -> None:
    program = [sys.executable, str(Path(__file__).with_name("midstream_client.py")), server.address]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as client:
        assert client.stdout is not None
        becomes_true(lambda: client.stdout.readline() == "midstream\n" or client.poll() is not None)
        client.kill()


def in_chunks(*sizes: int) -> pb.ConvertRequest:
    arrays = (pb.Array(name=f"x{i}", dtype="|u1", shape=[n], chunked_nbytes=n) for i, n in enumerate(sizes))
    return request(*arrays, return_data=False)


def inside(*sizes: int) -> pb.ConvertRequest:
    return request(*(array("|u1", (n,), bytes(n), name=f"x{i}") for i, n in enumerate(sizes)), return_data=False)


@pytest.mark.parametrize("model", ["", "identity"])
@pytest.mark.parametrize(
    ("send", "make"), [(convert_unary, inside), (convert_stream, inside), (convert_stream, in_chunks)]
)
def test_what_can_never_fit_together_is_not_told_to_come_back(
    send: Callable[..., Outcome], make: Callable[..., pb.ConvertRequest], model: str
) -> None:
    half = 5 * MIB
    with Server("--memory-budget", f"{2 * half}") as server, connect_stub(server.address) as stub:
        for sizes in ((half, half + 1), (3 * MIB, 3 * MIB, 3 * MIB, 3 * MIB)):
            message = make(*sizes)
            message.model_name = model
            outcome = send(stub, message)
            assert outcome.reason == "TENSOR_TOO_LARGE"
            assert outcome.refusal is not None and outcome.refusal.retry_after_ms == 0
        assert convert_unary(stub, inside(half, half - 64)).refusal is None


FATES: list[Callable[[Server, TensorServiceStub, random.Random], None]] = [
    succeeds,
    is_refused,
    does_not_fit,
    ends_too_early,
    is_cancelled,
]


@pytest.mark.parametrize("seed", range(3))
def test_the_budget_is_whole_again(seed: int) -> None:
    rng = random.Random(seed)
    with Server("--memory-budget", f"{BUDGET}") as server, connect_stub(server.address) as stub:
        for _ in range(30):
            rng.choice(FATES)(server, stub, rng)
        is_killed(server, stub, rng)

        def fits() -> bool:  # What was cut off is noticed a little later.
            outcomes, ended = converse(stub, chunked_parts(request(array("|u1", (BUDGET,), bytes(BUDGET))), MIB))
            return ended is None and outcomes[0].refusal is None

        assert becomes_true(fits), "an array as large as the budget does not fit any more"


def test_uploads_of_which_little_has_come_take_little() -> None:
    """Whole pages are filled with zeros before they are written to, which takes memory and the time of others."""
    flags = ("--memory-budget", "1GiB", "--admin-listen", "127.0.0.1:0")
    with Server(*flags) as server, connect_stub(server.address) as stub:
        assert convert_unary(stub, request(array("|u1", (MIB,), bytes(MIB)))).refusal is None
        before = server.rss()
        uploads = [Upload(stub, 200 * MIB) for _ in range(48)]
        for upload in uploads:
            upload.send(1000)
        assert becomes_true(lambda: scrape(server).value("tensorferry_inflight_bytes") >= 48 * 2 * MIB)
        assert server.rss() - before < 24 * MIB
        for upload in uploads:
            upload.cancel()
