"""The Python clients and sealed memory: the same answers over every transport, and messages where there is no other."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import oracle
import tensorferry
from array_layouts import LAYOUTS, Array, check_elements, check_receipt, expect, random_array
from harness import MIB, TIMEOUT_S, Server, becomes_true
from isolated import ISOLATED
from models import InPlace, run_in_python, save_all
from served_models import put

KINDS = ["Client", "aio.Client"]
BATCHED = 'platform: "pytorch_libtorch" max_batch_size: 8 dynamic_batching {}\n'

each_client = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sealed")


@pytest.fixture(scope="module")
def files(folder: Path) -> dict[str, Path]:
    return save_all(folder)


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Server]:
    root = folder / "models"
    put(root / "in-place", InPlace(), "")
    put(root / "isolated", InPlace(), ISOLATED)
    put(root / "batched", InPlace(), BATCHED)
    flags = ("--listen", f"unix:{folder}/socket", "--sealed-memory", "on", "--model-dir", str(root))
    with Server(*flags) as running:
        yield running
        assert running.alive(), running.log()


def use(kind: str, address: str, *calls: tuple[Any, ...], transport: str = "auto") -> list[Any]:
    """Makes calls of (method, arguments, …) with one client, one after the other; arguments may be functions of it."""

    def given(client: Any, arguments: tuple[Any, ...]) -> list[Any]:
        return [argument(client) if callable(argument) else argument for argument in arguments]

    if kind == "Client":
        with tensorferry.Client(address, timeout=TIMEOUT_S, transport=transport) as client:
            results = [getattr(client, method)(*given(client, arguments)) for method, *arguments in calls]
            return [list(result) if hasattr(result, "__next__") else result for result in results]

    async def main() -> list[Any]:
        async with tensorferry.aio.Client(address, timeout=TIMEOUT_S, transport=transport) as client:
            results = []
            for method, *arguments in calls:
                result = getattr(client, method)(*given(client, arguments))
                is_many = hasattr(result, "__anext__")
                results.append([item async for item in result] if is_many else await result)
            return results

    return asyncio.run(main())


def filled(source: Array) -> Callable[[Any], Array]:
    """Returns what gives a client's own array of the same elements."""

    def make(client: Any) -> Array:
        array = client.empty(source.shape, source.dtype)
        array[...] = source
        return array

    return make


def regions(pid: int) -> int:
    """The memfds of clients that a process has open."""
    links = [os.readlink(f"/proc/{pid}/fd/{entry}") for entry in os.listdir(f"/proc/{pid}/fd")]
    return sum(link.startswith("/memfd:tensorferry-array") for link in links)


ARRAYS = [random_array(dtype) for dtype in oracle.ALL] + [
    layout(random_array(dtype)) for layout in LAYOUTS.values() for dtype in ("float32", "bool", "bfloat16")
]
LARGE = np.random.default_rng(1).normal(size=(1000, 700)).astype(np.float32)  # 2.7 MiB: above all thresholds.


@each_client
@pytest.mark.parametrize("transport", ["tcp", "bytes", "sealed", "auto"])
def test_every_dtype_and_layout(transport: str, kind: str, server: Server) -> None:
    address = server.addresses[transport != "tcp"]
    by = "auto" if transport == "tcp" else transport
    calls = [("convert", array) for array in [*ARRAYS, LARGE, LARGE.T, LARGE[::2, ::-1]]]
    *receipts, several = use(kind, address, *calls, ("convert_many", [*ARRAYS, LARGE] * 2), transport=by)
    for receipt, (_, array) in zip(receipts, calls, strict=True):
        check_receipt(receipt, array)
    for receipt, array in zip(several, [*ARRAYS, LARGE] * 2, strict=True):
        check_receipt(receipt, array)


@each_client
@pytest.mark.parametrize("transport", ["tcp", "bytes", "sealed", "auto"])
@pytest.mark.parametrize("model", ["in-place", "isolated", "batched"])
def test_models(model: str, transport: str, kind: str, server: Server, files: dict[str, Path]) -> None:
    """What a model writes to its input, the caller does not see, nor the next request with the same memory."""
    given = LARGE[:8] if model == "batched" else LARGE
    own: list[Array] = []

    def once(client: Any) -> dict[str, Array]:
        own.append(filled(given)(client))
        return {"x": own[0]}

    address, by = server.addresses[transport != "tcp"], "auto" if transport == "tcp" else transport
    calls = [("infer", model, {"x": given}), ("infer", model, once), ("infer", model, lambda _: {"x": own[0]})]
    expected = run_in_python(files["in-place"], {"x": given})["OUTPUT__0"]
    for outputs in use(kind, address, *calls, transport=by):
        np.testing.assert_array_equal(outputs["OUTPUT__0"], expected)
    np.testing.assert_array_equal(own[0], given)


@each_client
def test_elements_come_back_in_messages_of_any_size(kind: str, server: Server) -> None:
    large = np.arange(18 * MIB, dtype=np.uint8)
    convert, infer = use(
        kind,
        server.addresses[1],
        ("convert", large),
        ("infer", "identity", {"x": large}),
        transport="sealed",
    )
    check_receipt(convert, large)
    check_elements(infer["x"], expect(large))


@pytest.mark.parametrize("nbytes", [1, 4096, 100_000, 3 * MIB])
@pytest.mark.parametrize("dtype", ["uint8", "float32", "bfloat16", "bool"])
def test_an_array_of_the_clients_own_is_sent_as_it_is_at_the_time(dtype: str, nbytes: int, server: Server) -> None:
    kind = oracle.numpy_dtype(dtype)
    first, second = (random_array(dtype, (max(1, nbytes // kind.itemsize),)) for _ in range(2))
    with tensorferry.Client(server.addresses[1], timeout=TIMEOUT_S, transport="sealed") as client:
        array = client.empty(first.shape, kind)
        assert array.flags.writeable
        array[...] = first
        view = array.view()
        for source in (first, second, first):
            view[...] = source
            for _ in range(2):  # The second time nothing has changed.
                receipt = client.convert(array, return_data=True)
                check_receipt(receipt, source)
        view[-1:] = second[-1:]
        check_receipt(client.convert(array[-1:], return_data=True), second[-1:])
    assert array[-1:].tobytes() == second[-1:].tobytes(), "the array outlives its client"


def test_parts_and_other_looks_at_an_array_of_the_clients_own(server: Server) -> None:
    with tensorferry.Client(server.addresses[1], timeout=TIMEOUT_S, transport="sealed") as client:
        array = filled(LARGE)(client)
        parts: list[Any] = [array[3:9], array[:, 5], array.T, array[::2], array.reshape(-1)[17:], array.view(np.int32)]
        for part in [*parts, memoryview(array), torch.from_numpy(array)]:
            check_receipt(client.convert(part, return_data=True), np.asarray(part))
        rows = [array[index] for index in range(40)]
        for receipt, row in zip(client.convert_many(rows, return_data=True), rows, strict=True):
            check_receipt(receipt, row)


@pytest.mark.parametrize("transport", ["auto", "bytes", "sealed"])
def test_empty_takes_what_numpy_takes(transport: str, server: Server) -> None:
    client = tensorferry.Client(server.addresses[1], transport=transport)
    for shape, dtype in [(3, "f4"), ((), "i8"), ((2, 0), "?"), ([4, 5], np.float16), ((2,), object)]:
        ours, theirs = client.empty(shape, dtype), np.empty(shape, dtype)
        assert (ours.shape, ours.dtype, ours.strides) == (theirs.shape, theirs.dtype, theirs.strides)
        assert ours.flags.writeable
    assert client.empty(2).dtype == np.float64
    for shape, dtype, error in [(-1, "f4", ValueError), ((2,), "nonsense", TypeError), ("x", "f4", TypeError)]:
        with pytest.raises(error):
            client.empty(shape, dtype)
    client.close()


@pytest.mark.parametrize(
    ("address", "transport", "message"),
    [
        ("localhost:8001", "sealed", "transport 'sealed' needs an address unix:PATH, not 'localhost:8001'"),
        ("unix:/tmp/x", "fast", "transport is 'auto', 'bytes' or 'sealed', not 'fast'"),
        ("unix:/tmp/x", None, "transport is 'auto', 'bytes' or 'sealed', not None"),
    ],
)
def test_what_cannot_be_meant(address: str, transport: Any, message: str) -> None:
    for kind in (tensorferry.Client, tensorferry.aio.Client):
        with pytest.raises(ValueError, match=message):
            kind(address, transport=transport)


def test_by_itself_where_the_server_takes_it(server: Server) -> None:
    """While requests are unanswered, the server has their memory, and afterwards it has none."""
    seen = []

    def arrays(client: tensorferry.Client) -> Iterator[Array]:
        for array in (LARGE, filled(LARGE[:200])(client), LARGE[:10]):
            yield array
            seen.append(regions(server.pid))

    with tensorferry.Client(server.addresses[1], timeout=TIMEOUT_S) as client:
        for receipt, array in zip(client.convert_many(arrays(client)), (LARGE, LARGE[:200], LARGE[:10]), strict=True):
            check_receipt(receipt, array)
        assert seen == [1, 2, 2], "the last one is too small to be worth it"
        assert becomes_true(lambda: regions(server.pid) == 0)
    seen.clear()
    with tensorferry.Client(server.addresses[1], timeout=TIMEOUT_S, transport="bytes") as client:
        list(client.convert_many(arrays(client)))
    assert seen == [0, 0, 0]


def test_a_chunked_array_is_not_copied_as_a_whole(server: Server) -> None:
    """Larger arrays are as quick in chunks, which take no memory of their size."""
    large = np.zeros(64 * MIB, np.uint8)
    script = (
        "import resource, numpy as np, tensorferry\n"
        f"client = tensorferry.Client('{server.addresses[1]}', timeout={TIMEOUT_S})\n"
        "array = np.ones(64 << 20, np.uint8)\n"
        "client.convert(array[:1])\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "client.convert(array)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    grown = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=TIMEOUT_S, check=True
    )
    assert int(grown.stdout) * 1024 < large.nbytes // 2


Answer = Callable[[socket.socket, bytes], None]


def silent(connection: socket.socket, message: bytes) -> None:
    """Gives no answer."""


def answering(kind: int, text: str) -> Answer:
    def answer(connection: socket.socket, message: bytes) -> None:
        tag = struct.unpack_from("<HHI", message)[2]
        connection.send(struct.pack("<HHI", 1, kind, tag) + text.encode())

    return answer


ANSWERS: dict[str, tuple[Answer, str]] = {
    "closes": (lambda connection, _: connection.close(), ""),
    "refuses": (answering(2, "MEMORY_BUDGET no more for now"), "MEMORY_BUDGET"),
    "forgets": (answering(1, f"sealed:{0:032x}"), "REGION_NOT_FOUND"),
    "short": (lambda connection, _: connection.send(b"x"), ""),
    "other-tags": (lambda connection, _: connection.send(struct.pack("<HHI", 1, 2, 77) + b"X y"), ""),
    "silent": (silent, ""),
}


@contextmanager
def listening(path: Path, answer: Answer) -> Iterator[list[int]]:
    """Listens beside the socket in the server's place. Yields the sizes of messages that came."""
    messages: list[int] = []
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(f"{path}.sealed")
    listener.listen()

    def serve(connection: socket.socket) -> None:
        with suppress(OSError):  # The client has gone, or the answer was to close.
            while (received := socket.recv_fds(connection, 64, 4))[0]:
                message, descriptors, _, _ = received
                for descriptor in descriptors:
                    os.close(descriptor)
                messages.append(len(message))
                answer(connection, message)

    def accept() -> None:
        while True:
            try:
                connection = listener.accept()[0]
            except OSError:
                return
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    yield messages
    listener.shutdown(socket.SHUT_RDWR)
    thread.join()
    listener.close()


@pytest.fixture(scope="module")
def plain_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The path of a server that takes no sealed memory."""
    path = tmp_path_factory.mktemp("plain") / "socket"
    with Server("--listen", f"unix:{path}", "--sealed-memory", "off"):
        yield path


CALLS: tuple[tuple[Any, ...], ...] = (
    ("convert", LARGE),
    ("infer", "identity", {"x": LARGE, "y": LARGE[:10]}),
    ("convert_many", [LARGE, LARGE[:5], LARGE[1:]]),
)


def check_calls(answers: list[Any]) -> None:
    convert, infer, several = answers
    check_receipt(convert, LARGE)
    check_elements(infer["x"], expect(LARGE))
    for receipt, array in zip(several, [LARGE, LARGE[:5], LARGE[1:]], strict=True):
        check_receipt(receipt, array)


@each_client
@pytest.mark.parametrize("how", ANSWERS)
def test_messages_where_it_fails(how: str, kind: str, plain_server: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tensorferry._side._PATIENCE_S", 0.3)
    answer, reason = ANSWERS[how]
    with listening(plain_server, answer) as messages:
        check_calls(use(kind, f"unix:{plain_server}", *CALLS))
        assert messages, "it was tried"
        for call in CALLS:
            with pytest.raises(tensorferry.TensorferryError) as failed:
                use(kind, f"unix:{plain_server}", call, transport="sealed")
            assert failed.value.reason == ("SHARED_MEMORY_DISABLED" if how == "forgets" else reason)
    Path(f"{plain_server}.sealed").unlink()


@each_client
def test_messages_where_nobody_listens(kind: str, plain_server: Path) -> None:
    check_calls(use(kind, f"unix:{plain_server}", *CALLS))
    with pytest.raises(
        tensorferry.TransportError, match=r"no sealed memory is taken at .*socket\.sealed: No such file"
    ):
        use(kind, f"unix:{plain_server}", CALLS[0], transport="sealed")
    (own,) = use(kind, f"unix:{plain_server}", ("convert", filled(LARGE)))
    check_receipt(own, LARGE)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files to others")
def test_nobody_gets_arrays_but_the_owner_of_the_socket(plain_server: Path) -> None:
    with listening(plain_server, ANSWERS["refuses"][0]) as messages:
        os.chown(plain_server, 12345, -1)
        try:
            check_calls(use("Client", f"unix:{plain_server}", *CALLS))
        finally:
            os.chown(plain_server, os.geteuid(), -1)
    assert messages == []
    Path(f"{plain_server}.sealed").unlink()


def test_a_server_without_free_descriptors(tmp_path: Path) -> None:
    """The system then drops the descriptor of a message, and the server says so."""
    address = f"unix:{tmp_path}/socket"
    with (
        Server("--listen", address, "--sealed-memory", "on") as server,
        tensorferry.Client(address, timeout=TIMEOUT_S) as client,
        tensorferry.Client(address, timeout=TIMEOUT_S, transport="sealed") as sealed,
    ):
        for each in (client, sealed):
            check_receipt(each.convert(LARGE), LARGE)
        limits = resource.prlimit(server.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (5, limits[1]))
        check_receipt(client.convert(LARGE), LARGE)
        with pytest.raises(tensorferry.RefusedError, match="the server may open no more files now") as refused:
            sealed.convert(LARGE)
        assert refused.value.reason == "MEMORY_BUDGET"
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, limits)
        check_receipt(sealed.convert(LARGE), LARGE)


def test_the_next_server_at_the_same_address(tmp_path: Path) -> None:
    address = f"unix:{tmp_path}/socket"

    def works() -> bool:
        try:
            check_receipt(client.convert(array), LARGE)
        except tensorferry.TensorferryError:
            return False
        return True

    with tensorferry.Client(address, timeout=TIMEOUT_S, transport="sealed") as client:
        array = filled(LARGE)(client)
        for _ in range(2):
            with Server("--listen", address, "--sealed-memory", "on") as server:
                assert becomes_true(works)
                server.kill()


@each_client
def test_descriptors_and_memory_stay_as_they_are(kind: str, server: Server) -> None:
    arrays = [np.full(2000, index, np.float32) for index in range(50)]
    calls = [("convert_many", arrays)] * 20 + [("convert", filled(array)) for array in arrays * 4]
    for call in calls[::100]:
        use(kind, server.addresses[1], call, transport="sealed")
    own, theirs, memory = len(os.listdir("/proc/self/fd")), server.descriptors(), server.rss()
    use(kind, server.addresses[1], *calls, transport="sealed")
    assert becomes_true(lambda: server.descriptors() <= theirs)
    assert becomes_true(lambda: len(os.listdir("/proc/self/fd")) <= own)
    assert server.rss() - memory < 16 * MIB


SENDER = """
import sys, numpy as np, tensorferry
client = tensorferry.Client(sys.argv[1], transport="sealed")
def arrays():
    while True:
        yield np.ones(1 << 20, np.float32)
        print("sent", flush=True)
for receipt in client.convert_many(arrays()):
    pass
"""


def test_a_client_that_dies_leaves_nothing(server: Server) -> None:
    before = server.descriptors()
    with subprocess.Popen([sys.executable, "-c", SENDER, server.addresses[1]], stdout=subprocess.PIPE) as client:
        assert client.stdout is not None
        client.stdout.readline()
        client.send_signal(signal.SIGKILL)
    assert becomes_true(lambda: regions(server.pid) == 0 and server.descriptors() <= before)
    check_receipt(use("Client", server.addresses[1], ("convert", LARGE), transport="sealed")[0], LARGE)


FORKING = """
import os, sys, numpy as np, tensorferry
address, source = sys.argv[1], np.arange(1 << 18, dtype=np.float32)
parent = tensorferry.Client(address, transport="sealed")
array, shared = parent.empty(source.shape, source.dtype), parent.empty(source.shape, source.dtype)
array[:] = shared[:] = source
parent.convert(array)
parent.close()
gate = os.pipe()
child = os.fork()
if child == 0:
    with tensorferry.Client(address, transport="sealed") as client:
        for given in (array, shared, source):
            assert client.convert(given, return_data=True).data.tobytes() == source.tobytes()
    os.close(gate[1])
    os.read(gate[0], 1)
    os._exit(0)
with tensorferry.Client(address, transport="sealed") as client:
    for given in (array, shared, source):
        assert client.convert(given, return_data=True).data.tobytes() == source.tobytes()
os.close(gate[1])
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
print("both")
"""


def test_arrays_outlive_a_fork(server: Server) -> None:
    """A child that could still write to what its parent fills keeps it from being sealed: a copy is sent then."""
    environment = {**os.environ, "GRPC_ENABLE_FORK_SUPPORT": "1"}
    command = [sys.executable, "-c", FORKING, server.addresses[1]]
    run = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False, env=environment)
    assert run.stdout == "both\n", run.stderr


def test_many_threads_share_a_client(server: Server) -> None:
    failures: list[BaseException] = []

    def work(index: int) -> None:
        try:
            array = filled(np.full(70_000 + index, index, np.float32))(client)
            for _ in range(20):
                array += 1
                check_receipt(client.convert(array), array)
        except BaseException as error:
            failures.append(error)

    with tensorferry.Client(server.addresses[1], timeout=TIMEOUT_S) as client:
        threads = [threading.Thread(target=work, args=(index,)) for index in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert failures == []
