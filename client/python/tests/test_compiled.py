"""The compiled core: answers, errors, and what it leaves to the pure one. CMakeLists.txt builds it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fake_server
import grpc
import numpy as np
import pytest
from both_clients import TIMEOUT_S, raised, serving
from streaming_server import Streaming

import tensorferry
from tensorferry.v1 import tensor_service_pb2 as pb

pytest.importorskip("tensorferry._core")

LARGE = np.zeros(5 << 17)  # 5 MiB, which travel in chunks.
SETTINGS: dict[str, Any] = {"timeout": TIMEOUT_S, "verify": False}


@pytest.fixture(autouse=True)
def compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TENSORFERRY_CORE", "compiled")


def answer_with(*outputs: Any) -> bytes:
    """Returns the response of a model, whose input had no elements to verify."""
    tensors = [
        pb.Tensor(
            metadata=pb.TensorMetadata(name=f"y{i}", dtype=array.dtype.name, shape=array.shape),
            data=array.tobytes(),
        )
        for i, array in enumerate(outputs)
    ]
    return bytes(pb.ConvertResponse(model_name="m", outputs=tensors).SerializeToString())


def infer(address: str) -> tensorferry.Outputs:
    with tensorferry.Client(address, timeout=TIMEOUT_S) as client:
        assert tensorferry.core(client) == "compiled"
        return client.infer("m", {})


@pytest.mark.parametrize("size", [0, 1, 1 << 14, 1 << 20])
def test_outputs_of_all_sizes(size: int) -> None:
    expected = [np.arange(size, dtype=np.float32), np.arange(3, dtype=np.int16).reshape(3, 1)]
    with serving({"Convert": answer_with(*expected)}) as address:
        outputs = infer(address)
    assert list(outputs) == ["y0", "y1"]
    for array, wanted in zip(outputs.values(), expected):
        np.testing.assert_array_equal(array, wanted, strict=True)
        array[...] = 0  # It is the caller's own.


def test_of_elements_that_are_there_twice_the_last_count() -> None:
    first, last = np.zeros(1 << 15, np.float32), np.ones(1 << 15, np.float32)
    tensor = pb.Tensor(metadata=pb.TensorMetadata(name="y", dtype="float32", shape=last.shape))
    twice = pb.Tensor(data=first.tobytes()).SerializeToString()
    twice += pb.Tensor(data=last.tobytes()).SerializeToString() + tensor.SerializeToString()
    message = bytes([6 << 3 | 2]) + _varint(len(twice)) + twice
    with serving({"Convert": message}) as address:
        np.testing.assert_array_equal(infer(address)["y"], last)


def _varint(value: int) -> bytes:
    groups = [value >> shift & 0x7F for shift in range(0, 35, 7) if value >> shift]
    return bytes([*(group | 0x80 for group in groups[:-1]), groups[-1]])


@pytest.mark.parametrize("answer", [b"\xff", b"\x2a" + b"\xff" * 80000], ids=["short", "long"])
def test_what_is_no_message(answer: bytes) -> None:
    with serving({"Convert": answer}) as address:
        error = raised(lambda: infer(address))
    assert isinstance(error, tensorferry.ProtocolError)


class _Waiting(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Answers no call before it ends."""

    def __init__(self) -> None:
        self.came = threading.Event()

    def service(self, details: Any) -> Any:
        return grpc.unary_unary_rpc_method_handler(self._wait)

    def _wait(self, request: bytes, context: Any) -> bytes:
        ended = threading.Event()
        context.add_callback(ended.set)
        self.came.set()
        ended.wait(TIMEOUT_S)
        return b""


def test_deadline() -> None:
    with fake_server.serving(_Waiting()) as address, tensorferry.Client(address) as client:
        error = raised(lambda: client.convert(np.zeros(1 << 16), timeout=0.2))
    assert isinstance(error, tensorferry.DeadlineError)


@pytest.mark.parametrize("size", [16, 1 << 20])
@pytest.mark.parametrize("timeout", [0, -1])
def test_of_a_call_that_has_no_time_nothing_is_sent(timeout: float, size: int) -> None:
    handler, array = _Waiting(), np.zeros(size, np.uint8)
    with fake_server.serving(handler) as address, tensorferry.Client(address) as client:
        for make in (
            lambda: client.convert(array, timeout=timeout),
            lambda: list(client.convert_many([array], timeout=timeout)),
        ):
            assert isinstance(raised(make), tensorferry.DeadlineError)
    assert not handler.came.is_set()


def test_close_ends_a_call_of_another_thread() -> None:
    handler = _Waiting()
    with fake_server.serving(handler) as address:
        client = tensorferry.Client(address)
        errors: list[BaseException | None] = []
        thread = threading.Thread(target=lambda: errors.append(raised(lambda: client.convert([1.0]))))
        thread.start()
        assert handler.came.wait(TIMEOUT_S)
        client.close()
        thread.join(TIMEOUT_S)
    assert [type(error) for error in errors] == [tensorferry.TransportError]


def check_that_a_signal_ends(handler: Any, make: Callable[[tensorferry.Client], object]) -> None:
    """Interrupts what `make` waits for, once the handler was called."""
    # Shells have programs ignore it for which they do not wait.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with fake_server.serving(handler) as address, tensorferry.Client(address, **SETTINGS) as client:

            def interrupt() -> None:
                handler.came.wait(TIMEOUT_S)
                os.kill(os.getpid(), signal.SIGINT)

            thread = threading.Thread(target=interrupt)
            thread.start()
            with pytest.raises(KeyboardInterrupt):
                make(client)
            thread.join()
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_signal_ends_a_call() -> None:
    check_that_a_signal_ends(_Waiting(), lambda client: client.convert([1.0]))


def test_the_first_call_after_a_restart(tmp_path: Path) -> None:
    address = f"unix:{tmp_path}/s"
    with tensorferry.Client(address, **SETTINGS) as client:
        for _ in range(3):
            with fake_server.serving(Streaming(), address):
                assert client.convert([1.0], digest=False).dtype == "float64"


def test_calls_of_many_threads() -> None:
    expected = [np.full(1 << 15, i, np.float32) for i in range(8)]
    outcomes: list[Any] = [None] * len(expected)

    def call(client: tensorferry.Client, i: int) -> None:
        outcomes[i] = raised(lambda: [client.convert(expected[i]) for _ in range(20)])

    with fake_server.serving(Streaming()) as address, tensorferry.Client(address, **SETTINGS) as client:
        threads = [threading.Thread(target=call, args=(client, i)) for i in range(len(expected))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert outcomes == [None] * len(expected)


def test_a_stream_is_kept_until_the_server_restarts(tmp_path: Path) -> None:
    address = f"unix:{tmp_path}/s"
    with tensorferry.Client(address, **SETTINGS) as client:
        for _ in range(2):
            with fake_server.serving(handler := Streaming(), address):
                for _ in range(3):
                    assert client.convert(LARGE, digest=False).dtype == "float64"
                assert handler.streams == 1


@pytest.mark.parametrize("cut", [[], [1], [1, 1 << 19]], ids=["whole", "first byte", "three"])
def test_outputs_in_chunks(cut: list[int]) -> None:
    expected = np.arange(1 << 18, dtype=np.float32)
    elements = expected.tobytes()
    head = pb.Tensor(
        metadata=pb.TensorMetadata(name="y", dtype="float32", shape=expected.shape),
        chunked_nbytes=len(elements),
    )
    echo = pb.Tensor(metadata=pb.TensorMetadata(name="x", dtype="float64", shape=LARGE.shape))
    parts = [elements[start:end] for start, end in zip([0, *cut], [*cut, len(elements)])]
    response = pb.ConvertResponse(tensors=[echo], outputs=[head])
    messages = [pb.ConvertStreamResponse(response=response)]
    messages += [pb.ConvertStreamResponse(chunk=part) for part in parts]

    with (
        fake_server.serving(_Scripted(messages)) as address,
        tensorferry.Client(address, **SETTINGS) as client,
    ):
        outputs = client.infer("m", {"x": LARGE}, digest=False)
    np.testing.assert_array_equal(outputs["y"], expected, strict=True)


class _Scripted(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Sends the messages when the caller's first has come, and takes what else comes."""

    def __init__(self, messages: list[pb.ConvertStreamResponse]) -> None:
        self._messages = messages

    def service(self, details: Any) -> Any:
        return grpc.stream_stream_rpc_method_handler(self._answer)

    def _answer(self, requests: Iterator[bytes], context: Any) -> Iterator[bytes]:
        next(requests)
        for message in self._messages:
            yield message.SerializeToString()
        for _ in requests:
            pass


def test_a_refusal_ends_the_upload() -> None:
    error = pb.Error(code=3, reason="UNSUPPORTED_DTYPE", message="no")
    messages = [pb.ConvertStreamResponse(response=pb.ConvertResponse(error=error))]
    with (
        fake_server.serving(_Scripted(messages)) as address,
        tensorferry.Client(address, **SETTINGS) as client,
    ):
        refusal = raised(lambda: client.convert(np.zeros(8 << 20)))
    assert isinstance(refusal, tensorferry.RefusedError)
    assert refusal.reason == "UNSUPPORTED_DTYPE"


def test_a_server_that_is_not_there() -> None:
    with tensorferry.Client("127.0.0.1:1", timeout=TIMEOUT_S) as client:
        error = raised(lambda: client.convert([1.0]))
    assert isinstance(error, tensorferry.TransportError)
    assert error.code is grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize(
    "settings",
    [
        {"tls": True},  # grpcio has certificates of its own to trust.
        {"credentials": grpc.ssl_channel_credentials()},
        {"balance": True},
        {"options": [("grpc.keepalive_time_ms", 2**31 - 1), ("tensorferry.test", True)]},
    ],
    ids=["tls", "credentials", "balance", "options"],
)
def test_what_the_pure_core_does(settings: dict[str, Any]) -> None:
    with tensorferry.Client("127.0.0.1:1", **settings) as client:
        assert tensorferry.core(client) == "pure"


def test_the_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    assert tensorferry.core() == "compiled"
    monkeypatch.setenv("TENSORFERRY_CORE", "pure")
    assert tensorferry.core() == "pure"
    monkeypatch.setenv("TENSORFERRY_CORE", "fast")
    with pytest.raises(ValueError, match="TENSORFERRY_CORE is compiled or pure, not 'fast'"):
        tensorferry.Client()
    monkeypatch.delenv("TENSORFERRY_CORE")
    assert tensorferry.core() == "pure"


def test_many_on_one_stream_are_the_cores_own() -> None:
    with fake_server.serving(handler := Streaming()) as address:
        client = tensorferry.Client(address, **SETTINGS)
        client._channel.close()  # grpcio's.
        arrays = [np.zeros(2), LARGE, LARGE.reshape(2, -1).T]
        assert [receipt.dtype for receipt in client.convert_many(arrays, digest=False)] == ["float64"] * 3
        client.close()
    assert handler.streams == 1


def test_a_signal_ends_many() -> None:
    check_that_a_signal_ends(_WaitingStream(), lambda client: list(client.convert_many([np.zeros(2)])))


class _WaitingStream(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Answers nothing before the call ends."""

    def __init__(self) -> None:
        self.came = threading.Event()

    def service(self, details: Any) -> Any:
        return grpc.stream_stream_rpc_method_handler(self._wait)

    def _wait(self, requests: Iterator[bytes], context: Any) -> Iterator[bytes]:
        ended = threading.Event()
        context.add_callback(ended.set)
        next(requests)
        self.came.set()
        ended.wait(TIMEOUT_S)
        yield from ()


def test_an_upload_that_is_refused_ends() -> None:
    """The rest of 64 MiB stays here once the server has refused it, with what it had read until then."""
    with (
        fake_server.serving(refusing := _Refusing()) as address,
        tensorferry.Client(address, **SETTINGS) as client,
    ):
        outcomes = client.convert_many([np.zeros(8 << 20)], on_error="return")
        assert isinstance(next(outcomes), tensorferry.RefusedError)
        refusing.goes_on.set()
        assert list(outcomes) == []
    assert refusing.nbytes < 64 << 20


class _Refusing(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Refuses a request at once, and reads on when `goes_on` is set.

    Attributes:
        nbytes: Of the chunks that came nevertheless.
    """

    def __init__(self) -> None:
        error = pb.Error(code=3, reason="UNSUPPORTED_DTYPE", message="no")
        self._refusal = pb.ConvertStreamResponse(response=pb.ConvertResponse(error=error))
        self.goes_on = threading.Event()
        self.nbytes = 0

    def service(self, details: Any) -> Any:
        return grpc.stream_stream_rpc_method_handler(self._refuse)

    def _refuse(self, requests: Iterator[bytes], context: Any) -> Iterator[bytes]:
        next(requests)
        yield self._refusal.SerializeToString()
        self.goes_on.wait(TIMEOUT_S)
        for message in requests:
            self.nbytes += len(pb.ConvertStreamRequest.FromString(message).chunk)


FORK = """
import os, sys, numpy as np, tensorferry
client = tensorferry.Client(sys.argv[1], verify=False, timeout=20)
receipts = client.convert_many((np.zeros(2) for _ in range(100)), digest=False)
next(receipts)
child = os.fork()
if child == 0:
    try:
        for _ in receipts:
            pass
    except tensorferry.TransportError:
        os._exit(5)  # grpcio's own channel does not survive more.
    os._exit(6)
assert len(list(receipts)) == 99
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_many_of_a_process_that_forks_go_on_in_it_alone() -> None:
    with fake_server.serving(Streaming()) as address:
        ran = subprocess.run(
            [sys.executable, "-c", FORK, address], capture_output=True, text=True, timeout=TIMEOUT_S
        )
    assert (ran.returncode, ran.stderr) == (5, "")
