"""Python clients whose outputs come in memory that they have handed over: the same arrays, as long as they are held."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import oracle
import tensorferry
from array_layouts import Array, check_elements, check_receipt, expect, random_array
from harness import MIB, TIMEOUT_S, Server, becomes_true
from isolated import ISOLATED
from metrics import scrape
from models import InPlace
from sealed_clients import each_client, use
from served_models import Echo, put
from test_sealed_fallback import answering, listening, silent

FLAGS = ("--sealed-memory", "on", "--admin-listen", "127.0.0.1:0")
BATCHED = 'platform: "pytorch_libtorch" max_batch_size: 64 dynamic_batching {}\n'


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("outputs")
    put(folder / "models/echo", Echo(), "")
    put(folder / "models/in-place", InPlace(), "")
    put(folder / "models/isolated", Echo(), ISOLATED)
    put(folder / "models/batched", Echo(), BATCHED)
    flags = ("--listen", f"unix:{folder}/socket", "--model-dir", str(folder / "models"), *FLAGS)
    with Server(*flags) as running:
        yield running
        assert running.alive(), running.log()


def sent(server: Server) -> float:
    """The bytes of all messages that the server has sent."""
    return scrape(server).value("tensorferry_message_bytes_total", direction="out")


def large(index: int, nbytes: int = 2 * MIB, dtype: Any = np.float32) -> Array:
    elements = np.random.default_rng(index).integers(0, 256, nbytes, np.uint8)
    return elements.view(dtype)


def check_same(actual: Array, expected: Array) -> None:
    assert actual.dtype == expected.dtype
    assert actual.shape == expected.shape
    assert actual.tobytes() == expected.tobytes()


@each_client
@pytest.mark.parametrize("transport", ["auto", "sealed"])
@pytest.mark.parametrize("model", ["identity", "echo", "isolated", "batched"])
def test_outputs_are_what_the_model_gave(model: str, transport: str, kind: str, server: Server) -> None:
    arrays = [large(index).reshape(64, -1) for index in range(4)]
    calls = [("infer", model, {"x": array}) for array in arrays]
    answers = use(kind, server.addresses[1], *calls, transport=transport)
    for answer, array in zip(answers, arrays, strict=True):
        (output,) = answer.values()
        check_same(output, array)
        assert output.flags.writeable
        assert answer.model == model


@each_client
@pytest.mark.parametrize("dtype", oracle.ALL)
def test_every_dtype(dtype: str, kind: str, server: Server) -> None:
    itemsize = oracle.numpy_dtype(dtype).itemsize
    arrays = [random_array(dtype, (4, MIB // itemsize)) for _ in range(2)]
    calls: list[Any] = [("infer", "identity", {"x": array}) for array in arrays]
    calls += [("convert", array) for array in arrays]
    *answers, _, _ = use(kind, server.addresses[1], *calls)
    for answer, array in zip(answers, arrays, strict=True):
        check_elements(answer["x"], expect(array))


@each_client
def test_only_the_first_answer_of_a_size_comes_in_messages(kind: str, server: Server) -> None:
    arrays = [large(index) for index in range(6)]
    before = sent(server)
    use(kind, server.addresses[1], ("infer", "echo", {"x": arrays[0]}))
    first = sent(server) - before
    assert first > arrays[0].nbytes
    use(kind, server.addresses[1], *(("infer", "echo", {"x": array}) for array in arrays))
    assert sent(server) - before - first < first + 100_000
    before = sent(server)
    use(kind, server.addresses[1], *(("infer", "echo", {"x": array[:1000]}) for array in arrays))
    assert sent(server) - before > 6 * 4000, "small ones come in messages"


@each_client
def test_what_a_conversion_sends_back(kind: str, server: Server) -> None:
    arrays = [large(index) for index in range(4)]
    before = sent(server)

    def convert(array: Array) -> Any:
        return lambda client: client.convert(array, return_data=True)

    receipts = use(kind, server.addresses[1], *map(convert, arrays))
    for receipt, array in zip(receipts, arrays, strict=True):
        check_receipt(receipt, array)
        check_same(receipt.data, array)
    assert sent(server) - before < 100_000


@pytest.fixture
def client(server: Server) -> Iterator[tensorferry.Client]:
    with tensorferry.Client(server.addresses[1], timeout=TIMEOUT_S) as connected:
        connected.infer("echo", {"x": large(0)})  # Now the size is known.
        yield connected


def echo(client: tensorferry.Client, array: Array) -> Array:
    (output,) = client.infer("echo", {"x": array}).values()
    return output


def place(array: Array) -> int:
    return array.ctypes.data


def test_an_array_that_is_held_never_changes(client: tensorferry.Client) -> None:
    """Neither by later answers, nor as its neighbours end."""
    held = [(index, echo(client, large(index))) for index in range(1, 25)]
    views = [(index, echo(client, large(index))[5:9].reshape(2, 2).T) for index in range(25, 40)]
    del held[::2]
    gc.collect()
    for index in range(40, 60):
        check_same(echo(client, large(index)), large(index))
    for index, output in held:
        check_same(output, large(index))
    for index, view in views:
        check_same(view, large(index)[5:9].reshape(2, 2).T)


def test_memory_is_used_again_once_no_array_lies_in_it(client: tensorferry.Client, server: Server) -> None:
    first = echo(client, large(1))
    second = echo(client, large(2))
    assert place(first) != place(second)
    was = place(first)
    part = first[10:20]
    del first
    assert place(echo(client, large(3))) != was, "a part of it is held"
    del part
    assert was in {place(echo(client, large(4))) for _ in range(3)}
    assert becomes_true(lambda: mappings(server) <= 4)


def test_what_the_caller_writes_the_next_answer_does_not_have(client: tensorferry.Client) -> None:
    for index in range(5):
        output = echo(client, large(index))
        check_same(output, large(index))
        output[:] = 0
        assert not output.any()
        del output


def test_a_small_output_keeps_no_memory_of_a_large_one(client: tensorferry.Client) -> None:
    inputs = {"large": large(1), "small": large(2, 4000)}
    small = []
    places = set()
    for _ in range(8):
        outputs = client.infer("identity", inputs)
        check_same(outputs["large"], inputs["large"])
        places.add(place(outputs["large"]))
        small.append(outputs["small"])
        del outputs
    for array in small:
        check_same(array, inputs["small"])
    assert len(places) < 4


@each_client
def test_outputs_of_many_requests(kind: str, server: Server) -> None:
    requests = [("echo", {"x": large(index)}) for index in range(40)]
    calls = [("infer", *requests[0]), ("infer_many", requests)]
    _, answers = use(kind, server.addresses[1], *calls)
    for index, answer in enumerate(answers):
        (output,) = answer.values()
        check_same(output, large(index))


def test_other_sizes_come_as_well(client: tensorferry.Client) -> None:
    for nbytes in (2 * MIB, 8 * MIB, 3 * MIB, 2 * MIB, 40 * MIB, 2 * MIB, MIB - 4, MIB, MIB + 4):
        for index in range(2):
            check_same(echo(client, large(index, nbytes)), large(index, nbytes))


def test_more_than_a_message_holds(server: Server) -> None:
    array = large(1, 80 * MIB)
    with tensorferry.Client(server.addresses[1], timeout=TIMEOUT_S, transport="sealed") as client:
        for _ in range(3):
            check_same(client.infer("identity", {"x": array})["x"], array)


def test_many_threads_share_a_client(client: tensorferry.Client) -> None:
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            held = []
            for step in range(12):
                index = 100 * number + step
                held.append((index, echo(client, large(index))))
                if step % 3 == number % 3:
                    held.pop(0)
            for index, output in held:
                check_same(output, large(index))
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_descriptors_and_mappings_stay_bounded(client: tensorferry.Client, server: Server) -> None:
    own, theirs = len(os.listdir("/proc/self/fd")), server.descriptors()
    held = [echo(client, large(index)) for index in range(40)]
    assert len(os.listdir("/proc/self/fd")) <= own + 2
    assert becomes_true(lambda: server.descriptors() <= theirs + 2)
    assert becomes_true(lambda: mappings(server) <= 8)
    for index, output in enumerate(held):
        check_same(output, large(index))
    client.close()
    assert becomes_true(lambda: mappings(server) == 0)
    check_same(held[7], large(7))


def test_failures_in_between(client: tensorferry.Client) -> None:
    for index in range(6):
        with suppress(tensorferry.DeadlineError):  # A millisecond may be enough: what counts is the last call.
            client.infer("echo", {"x": large(index)}, timeout=0.001)
        with pytest.raises(tensorferry.RefusedError):
            client.infer("echo", {"other": large(index)})
        check_same(echo(client, large(index)), large(index))


DYING = """
import sys, numpy as np, tensorferry
client = tensorferry.Client(sys.argv[1])
array = np.ones(1 << 19, np.float32)
held = []
while True:
    held.append(client.infer("echo", {"x": array}))
    print("answered", flush=True)
"""


def test_a_client_that_dies_leaves_nothing(server: Server) -> None:
    before = server.descriptors()
    with subprocess.Popen([sys.executable, "-c", DYING, server.addresses[1]], stdout=subprocess.PIPE) as dying:
        assert dying.stdout is not None
        for _ in range(5):
            assert dying.stdout.readline()
        assert mappings(server) > 0
        dying.send_signal(signal.SIGKILL)
    assert becomes_true(lambda: mappings(server) == 0 and server.descriptors() <= before)


FORKING = """
import os, sys, numpy as np, tensorferry
address = sys.argv[1]
arrays = [np.full(1 << 19, index, np.float32) for index in range(8)]
with tensorferry.Client(address) as client:
    def echo(index):
        (output,) = client.infer("echo", {"x": arrays[index]}).values()
        return output
    echo(0)
    held = [echo(1), echo(2)]
    gate, other = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        os.close(gate[1])
        os.read(gate[0], 1)  # Until the parent has got other outputs, and has written to its own.
        for index, output in zip((1, 2), held):
            assert (output == index).all(), "the child has what it had"
        held[1][:] = 99
        with tensorferry.Client(address) as own:
            for index in (3, 4):
                (output,) = own.infer("echo", {"x": arrays[index]}).values()
                assert (output == index).all()
        os.write(other[1], b"x")
        os._exit(0)
    held[0][:] = 77
    del held[0]
    for index in (3, 4, 5):
        assert (echo(index) == index).all()
    os.close(gate[1])
    os.close(other[1])
    os.read(other[0], 1)
    assert (held[0] == 2).all(), "what the child writes is the child's"
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
print("both")
"""


def test_arrays_outlive_a_fork(server: Server) -> None:
    environment = {**os.environ, "GRPC_ENABLE_FORK_SUPPORT": "1"}
    command = [sys.executable, "-c", FORKING, server.addresses[1]]
    run = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False, env=environment)
    assert run.stdout == "both\n", run.stderr


@pytest.mark.parametrize("nbytes", [2 * MIB, 8 * MIB], ids=["inputs sealed", "inputs in chunks"])
def test_a_server_that_starts_anew(nbytes: int, tmp_path: Path) -> None:
    flags = ("--listen", f"unix:{tmp_path}/socket", *FLAGS)
    address = f"unix:{tmp_path}/socket"
    with tensorferry.Client(address, timeout=TIMEOUT_S, wait_for_ready=True, retries=3) as client:
        held = []
        for index in range(3):
            with Server(*flags) as server:
                for step in range(4):
                    array = large(10 * index + step, nbytes)
                    held.append((array, client.infer("identity", {"x": array})["x"]))
                assert mappings(server) > 0, "outputs go there once more"
        for array, output in held:
            check_same(output, array)


def test_quotas(tmp_path: Path) -> None:
    """A connection may have 16 MiB there: older memory is let go of, and what never fits comes in messages."""
    flags = ("--listen", f"unix:{tmp_path}/socket", "--memory-budget", "32MiB", *FLAGS)
    with Server(*flags) as server, tensorferry.Client(server.addresses[1], timeout=TIMEOUT_S) as client:
        held = []
        for nbytes in (3 * MIB, 20 * MIB, 3 * MIB):
            for index in range(10):
                array = large(index, nbytes)
                held.append((array, client.infer("identity", {"x": array})["x"]))
        for array, output in held:
            check_same(output, array)
        assert becomes_true(lambda: 0 < mappings(server) <= 5)


@pytest.mark.parametrize(
    "answer",
    [
        lambda connection, _: connection.close(),
        silent,
        answering(2, "BAD_SHARED_MEMORY the message on the side socket has kind 3"),
        answering(2, "MEMORY_BUDGET no more for now"),
        answering(1, f"sealed:{0:032x}"),
    ],
    ids=["closes", "silent", "older", "no-room", "forgets"],
)
@each_client
def test_messages_where_it_fails(answer: Any, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if answer is silent:
        monkeypatch.setattr("tensorferry._side._PATIENCE_S", 0.3)
    path = tmp_path / "socket"
    with Server("--listen", f"unix:{path}", "--sealed-memory", "off"), listening(path, answer) as messages:
        calls = [("infer", "identity", {"x": large(index, 8 * MIB)}) for index in range(4)]
        for index, outputs in enumerate(use(kind, f"unix:{path}", *calls)):
            check_same(outputs["x"], large(index, 8 * MIB))
        assert messages, "it was tried"


def mappings(server: Server) -> int:
    """The memory of clients that the server has mapped to write outputs there."""
    maps = Path(f"/proc/{server.pid}/maps").read_text()
    return sum("rw-s" in line and "/memfd:tensorferry-array" in line for line in maps.splitlines())
