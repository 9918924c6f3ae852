"""Conversions on a server that has a tenth of a core: every answer comes, also when nobody else calls."""

from __future__ import annotations

import queue
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator

import grpc

from cpu_quota import keep_to
from figures import cpu_seconds
from harness import Server, connect
from tensorferry.v1 import tensor_service_pb2 as pb
from tensorferry.v1.tensor_service_pb2_grpc import TensorServiceStub
from wire import array, request

LOST_S = 10  # An answer that takes longer counts as lost.
POKED_S = 10  # How long a lost answer is waited for once somebody else has called.
PHASE_S = 10
PHASES = ("stream", "stream", "unary", "stream", "both")  # The stream alone is the case in which nobody helps.
RIGHT = ": right"
SIZES = (16, 512 << 10)


class Tally:
    """What came of the requests of all callers, and how late this program's own threads were."""

    def __init__(self, minutes: float, share: float) -> None:
        self.minutes, self.share = minutes, share
        self._lock = threading.Lock()
        self.counts: Counter[str] = Counter()
        self.slowest = 0.0  # In seconds, of the answers that came.
        self.lag = 0.0  # By how many seconds a sleep of this program was too long at most.
        self.cores = 0.0  # What the server used on average.
        self.throttled = 0.0  # The share of periods in which the server wanted more than its quota.
        self.means = ""

    def add(self, caller: str, seconds: float, wrong: str = "") -> None:
        with self._lock:
            self.counts[f"{caller}: {wrong}" if wrong else f"{caller}{RIGHT}"] += 1
            self.slowest = max(self.slowest, seconds)

    def lose(self, text: str) -> None:
        with self._lock:
            self.counts[text] += 1
        print(text, flush=True)

    def wrong(self) -> list[str]:
        texts = [f"{text}: {count}" for text, count in self.counts.items() if not text.endswith(RIGHT)]
        return texts if self.counts else ["nothing was converted"]

    def watch_lag(self, until: float) -> None:
        while time.monotonic() < until:
            before = time.monotonic()
            time.sleep(0.1)
            self.lag = max(self.lag, time.monotonic() - before - 0.1)


def _message(rng: random.Random) -> tuple[pb.ConvertRequest, bytes]:
    data = rng.randbytes(rng.choice(SIZES))
    return request(array("|u1", (len(data),), data)), data


def _verdict(response: pb.ConvertResponse, data: bytes) -> str:
    if response.HasField("error"):
        return response.error.reason
    return "" if [tensor.data for tensor in response.tensors] == [data] else "wrong bytes"


class StreamCaller:
    """Sends each request after the answer to the last one, all on one stream."""

    def __init__(self, address: str, tally: Tally, rng: random.Random) -> None:
        self._address, self._tally, self._rng = address, tally, rng
        self._requests: queue.Queue[pb.ConvertRequest | None] = queue.Queue()
        self._responses: queue.Queue[pb.ConvertResponse | grpc.RpcError] = queue.Queue()

    def _parts(self) -> Iterator[pb.ConvertStreamRequest]:
        while (message := self._requests.get()) is not None:
            yield pb.ConvertStreamRequest(request=message)

    def _receive(self, stub: TensorServiceStub) -> None:
        try:
            for part in stub.ConvertStream(self._parts()):
                self._responses.put(part.response)
        except grpc.RpcError as error:
            self._responses.put(error)

    def run(self, until: float) -> None:
        """Converts until `until`, or until an answer is lost and nothing brings it."""
        with connect(self._address) as channel:
            receiver = threading.Thread(target=self._receive, args=[TensorServiceStub(channel)], daemon=True)
            receiver.start()
            while time.monotonic() < until and self._convert():
                continue
            self._requests.put(None)
            receiver.join(LOST_S)

    def _convert(self) -> bool:
        message, data = _message(self._rng)
        sent = time.monotonic()
        self._requests.put(message)
        try:
            answer = self._responses.get(timeout=LOST_S)
        except queue.Empty:
            return self._poke()
        if isinstance(answer, grpc.RpcError):
            self._tally.add("stream", 0, f"{answer.code().name} {answer.details()}")
            return False
        self._tally.add("stream", time.monotonic() - sent, _verdict(answer, data))
        return True

    def _poke(self) -> bool:
        """Calls once on another connection, and looks whether that brings the answer."""
        try:
            with connect(self._address) as channel:
                TensorServiceStub(channel).GetServerInfo(pb.GetServerInfoRequest(), timeout=LOST_S)
        except grpc.RpcError as error:
            self._tally.lose(f"stream: no answer for {LOST_S} s, and another caller was told {error.code().name}")
            return False
        try:
            self._responses.get(timeout=POKED_S)
        except queue.Empty:
            self._tally.lose(f"stream: no answer for {LOST_S} s, nor after another caller had called")
            return False
        self._tally.lose(f"stream: the answer came after {LOST_S} s, when another caller called")
        return True


def call_unary(address: str, tally: Tally, rng: random.Random, until: float) -> None:
    """Converts by calls of their own, each after the last one's answer."""
    with connect(address) as channel:
        stub = TensorServiceStub(channel)
        while time.monotonic() < until:
            message, data = _message(rng)
            sent = time.monotonic()
            try:
                verdict = _verdict(stub.Convert(message, timeout=LOST_S), data)
                tally.add("unary", time.monotonic() - sent, verdict)
            except grpc.RpcError as error:
                if error.code() == grpc.StatusCode.DEADLINE_EXCEEDED:
                    tally.lose(f"unary: no answer for {LOST_S} s")
                else:
                    tally.add("unary", 0, f"{error.code().name} {error.details()}")


def _run_phase(phase: str, address: str, tally: Tally, seed: int) -> None:
    until = time.monotonic() + PHASE_S
    callers = []
    if phase != "unary":
        stream = StreamCaller(address, tally, random.Random(seed))
        callers.append(threading.Thread(target=stream.run, args=[until]))
    if phase != "stream":
        rngs = [random.Random(seed + 1), random.Random(seed + 2)]
        callers += [threading.Thread(target=call_unary, args=[address, tally, rng, until]) for rng in rngs]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()


def run_throttled(minutes: float, share: float) -> Tally:
    """Keeps a server to `share` of a core for that long, and watches every answer."""
    begun = time.monotonic()
    end, tally = begun + 60 * minutes, Tally(minutes, share)
    threading.Thread(target=tally.watch_lag, args=[end], daemon=True).start()
    with Server() as server:
        quota = keep_to(share, server.pid)
        try:
            turn, shown, used = 0, begun, cpu_seconds(server)
            while time.monotonic() < end:
                _run_phase(PHASES[turn % len(PHASES)], server.address, tally, 3 * turn)
                turn += 1
                if time.monotonic() - shown >= 60:
                    shown = time.monotonic()
                    print(f"minute {(shown - begun) / 60:5.1f}: {dict(tally.counts)}", flush=True)
            tally.throttled = quota.throttled()
            tally.cores = (cpu_seconds(server) - used) / (time.monotonic() - begun)
        finally:
            server.kill()
            quota.end()
    tally.means = quota.means
    return tally
