"""Ends servers under busy callers: the last thing that each is told must send it elsewhere."""

from __future__ import annotations

import signal
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator

import grpc
import numpy as np

import tensorferry
from harness import Server, connect, run_to_exit
from probe import LOST_S
from tensorferry.v1 import tensor_service_pb2 as pb
from tensorferry.v1.tensor_service_pb2_grpc import TensorServiceStub
from wire import array, refusal_in_band, refusal_of_call, request

FLAGS = ("--drain-delay", "300ms")
ENDS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
IGNORED = (signal.SIGUSR1, signal.SIGUSR2, signal.SIGPIPE, signal.SIGALRM, signal.SIGIO, signal.SIGRTMIN)
ANSWERS = 50  # Of each caller, before the server is ended.
ADDRESS_TAKEN = 4  # The exit code.

DATA = np.arange(256, dtype=np.float32)
REQUEST = request(array("<f4", DATA.shape, DATA.tobytes()))

Answered = Callable[[], None]


def _check(response: pb.ConvertResponse) -> None:
    if [tensor.data for tensor in response.tensors] != [DATA.tobytes()]:
        raise AssertionError("wrong bytes")


def call_raw(address: str, answered: Answered) -> str:
    with connect(address) as channel:
        stub = TensorServiceStub(channel)
        while True:
            try:
                _check(stub.Convert(REQUEST, timeout=LOST_S))
            except grpc.RpcError as error:
                refusal = refusal_of_call(error)
                return f"{refusal.code.name} {refusal.reason}".strip()
            answered()


def stream_raw(address: str, answered: Answered) -> str:
    free = threading.Semaphore(1)

    def parts() -> Iterator[pb.ConvertStreamRequest]:
        while free.acquire(timeout=LOST_S):
            yield pb.ConvertStreamRequest(request=REQUEST)

    with connect(address) as channel:
        try:
            for part in TensorServiceStub(channel).ConvertStream(parts()):
                if part.response.HasField("error"):
                    refusal = refusal_in_band(part.response.error)
                    return f"{refusal.code.name} {refusal.reason}"
                _check(part.response)
                answered()
                free.release()
        except grpc.RpcError as error:
            return f"{error.code().name} {refusal_of_call(error).reason}".strip()
    return f"no answer in {LOST_S} s"  # The requests ended without one.


def call_with_client(address: str, answered: Answered) -> str:
    with tensorferry.Client(address, timeout=LOST_S) as client:
        try:
            while True:
                client.convert(DATA)
                answered()
        except tensorferry.TensorferryError as error:
            return f"{error.code.name} {error.reason}".strip()


def stream_with_client(address: str, answered: Answered) -> str:
    def arrays() -> Iterator[np.ndarray]:
        while True:
            yield DATA

    with tensorferry.Client(address, timeout=6 * LOST_S) as client:
        try:
            for _ in client.convert_many(arrays()):
                answered()
        except tensorferry.TensorferryError as error:
            return f"{error.code.name} {error.reason}".strip()
    return "OK"


CALLERS = {
    "grpcio, calls": call_raw,
    "grpcio, a stream": stream_raw,
    "tensorferry.Client, calls": call_with_client,
    "tensorferry.Client, a stream": stream_with_client,
}


class Busy:
    """Callers on threads of their own, two of each kind; what each was told last is in `last`."""

    def __init__(self, address: str) -> None:
        self.last: Counter[tuple[str, str]] = Counter()
        self._lock = threading.Lock()
        self._warm = threading.Semaphore(0)
        self._threads = [
            threading.Thread(target=self._run, args=[kind, address], daemon=True) for kind in CALLERS for _ in range(2)
        ]
        for thread in self._threads:
            thread.start()
        for _ in range(ANSWERS * len(self._threads)):
            assert self._warm.acquire(timeout=6 * LOST_S), "the callers are not served"

    def _run(self, kind: str, address: str) -> None:
        try:
            told = CALLERS[kind](address, self._warm.release)
        except Exception as error:  # Whatever it is, it is not what a caller should meet.
            told = repr(error)
        with self._lock:
            self.last[kind, told] += 1

    def join(self) -> Counter[tuple[str, str]]:
        for thread in self._threads:
            thread.join(6 * LOST_S)
        return self.last


def _end_once(end: signal.Signals, wrong: list[str]) -> Counter[tuple[str, str]]:
    """A server among busy callers, with signals that mean nothing and a rival for its path, and then its end."""
    with tempfile.TemporaryDirectory() as folder:
        path = f"unix:{folder}/socket"
        with Server("--listen", path, *FLAGS) as server:
            busy = Busy(server.address)
            for signum in IGNORED:
                server.terminate(signum)
            rival = run_to_exit("--listen", path)
            if rival.returncode != ADDRESS_TAKEN:
                wrong.append(f"a second server on the same path ended with {rival.returncode}: {rival.stderr}")
            if busy.last:
                wrong.append(f"before {end.name}: {dict(busy.last)}")
            server.terminate(end)
            code = server.wait()
            if code != 0:
                wrong.append(f"exit code {code} after {end.name}")
            return busy.join()


def run_restarts(turns: int) -> tuple[Counter[tuple[str, str]], list[str]]:
    """What the callers were told last, and what was wrong."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # Under nohup servers would inherit that it is ignored.
    last: Counter[tuple[str, str]] = Counter()
    wrong: list[str] = []
    for turn in range(turns):
        last.update(_end_once(ENDS[turn % len(ENDS)], wrong))
    wrong += [
        f"{kind}: {told}: {n}" for (kind, told), n in last.items() if told.split()[0] not in ("OK", "UNAVAILABLE")
    ]
    if last.total() != turns * 2 * len(CALLERS):
        wrong.append(f"{turns * 2 * len(CALLERS) - last.total()} callers were never told anything")
    return last, wrong
