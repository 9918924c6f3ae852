"""Python clients where sealed memory cannot be had: messages take its place, or with "sealed" the call fails."""

from __future__ import annotations

import itertools
import os
import resource
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cli
import tensorferry
from array_layouts import check_elements, check_receipt, expect
from harness import TIMEOUT_S, Server, becomes_true
from sealed_clients import LARGE, each_client, filled, use

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
    answer, reason = ANSWERS[how]
    if how in ("silent", "other-tags"):
        monkeypatch.setattr("tensorferry._side._PATIENCE_S", 0.3)
    with listening(plain_server, answer) as messages:
        check_calls(use(kind, f"unix:{plain_server}", *CALLS))
        assert messages, "it was tried"
        for call in CALLS:
            with pytest.raises(tensorferry.TensorferryError) as failed:
                use(kind, f"unix:{plain_server}", call, transport="sealed")
            assert failed.value.reason == ("SHARED_MEMORY_DISABLED" if how == "forgets" else reason)
    Path(f"{plain_server}.sealed").unlink()


@each_client
def test_a_call_with_a_timeout_has_time_left_for_messages(kind: str, plain_server: Path) -> None:
    """It waits for an answer beside the socket for half of its time."""
    with listening(plain_server, silent) as messages:
        (receipt,) = use(kind, f"unix:{plain_server}", lambda client: client.convert(LARGE, timeout=6.0))
        check_receipt(receipt, LARGE)
        assert messages, "it was tried"
    Path(f"{plain_server}.sealed").unlink()


@each_client
def test_of_a_call_that_has_no_time_nothing_is_handed_over(kind: str, plain_server: Path) -> None:
    """What is handed over waits for an answer: without time for it, a connection that others use would be closed."""
    with listening(plain_server, silent) as messages:
        for transport in ("auto", "sealed"):
            for make in (
                lambda client: client.convert(LARGE, timeout=0),
                lambda client: client.convert_many([LARGE], timeout=0),
            ):
                with pytest.raises(tensorferry.DeadlineError):
                    use(kind, f"unix:{plain_server}", make, transport=transport)
    assert messages == []
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
    bench = cli.run("bench", "--server", f"unix:{plain_server}", "--transport", "sealed", "--size", "64KiB")
    assert bench.code == cli.UNREACHABLE
    cli.check_message(bench, "no sealed memory is taken at")


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


@pytest.mark.parametrize("how", ANSWERS)
def test_the_command_where_it_fails(how: str, plain_server: Path, tmp_path: Path) -> None:
    file, address = cli.save(tmp_path / "x.npy", LARGE), f"unix:{plain_server}"
    np.savez(tmp_path / "x.npz", x=LARGE, y=LARGE[1:], z=LARGE[:3])
    codes = {"refuses": cli.REFUSED, "forgets": cli.REFUSED, "other-tags": cli.UNREACHABLE}
    with listening(plain_server, ANSWERS[how][0]) as messages:
        ran = cli.run("convert", file, "--server", address)
        assert ran.code == cli.OK, ran.stderr
        assert messages, "it was tried"
        several = cli.run("convert", tmp_path / "x.npz", "--server", address)
        assert several.code == cli.OK, several.stderr
        failed = cli.run("convert", file, "--server", address, "--transport", "sealed")
        assert failed.code == codes.get(how, cli.UNREACHABLE), failed.stderr
    Path(f"{plain_server}.sealed").unlink()


def test_many_end_with_their_server_where_messages_may_not_take_its_place(tmp_path: Path) -> None:
    with Server("--listen", f"unix:{tmp_path}/socket", "--sealed-memory", "on") as server:

        def arrays() -> Iterator[np.ndarray]:
            for count in itertools.count():
                yield np.full(10, count, np.float32)
                if count == 40:
                    server.process.terminate()

        settings: dict[str, Any] = {"timeout": TIMEOUT_S, "transport": "sealed", "retries": 5}
        client = tensorferry.Client(f"unix:{tmp_path}/socket", **settings)
        with client, pytest.raises(tensorferry.RefusedError, match="DRAINING"):
            list(client.convert_many(arrays()))
