"""The probe: conversions of 1 KiB at a fixed small rate, with a watch on every answer."""

from __future__ import annotations

import math
import os
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import grpc

from harness import connect
from tensorferry.v1 import tensor_service_pb2 as pb
from tensorferry.v1.tensor_service_pb2_grpc import TensorServiceStub
from wire import array, refusal_of_call, request

RATE = 100  # Requests a second, sent without waiting for the answers to others.
LOST_S = 10  # An answer that takes longer counts as lost.
NBYTES = 1024


@dataclass
class Probed:
    """What came of the probe's requests: seconds of those that were answered rightly, and what else happened."""

    seconds: list[float] = field(default_factory=list)
    wrong: Counter[str] = field(default_factory=Counter)

    def add(self, other: Probed) -> None:
        self.seconds += other.seconds
        self.wrong.update(other.wrong)

    def percentile(self, percent: float) -> float:
        """By the nearest rank; infinite if nothing was answered."""
        ranked = sorted(self.seconds)
        return ranked[math.ceil(len(ranked) * percent / 100) - 1] if ranked else math.inf


def probe(address: str, seconds: float) -> Probed:
    """Probes on a connection of its own for that long, and waits for the last answers."""
    probed, lock = Probed(), threading.Lock()

    def note(data: bytes, due: float, call: Any) -> None:
        took, wrong = time.monotonic() - due, _wrong(call, data)
        with lock:
            if wrong:
                probed.wrong[wrong] += 1
            else:
                probed.seconds.append(took)

    with connect(address) as channel:
        stub = TensorServiceStub(channel)
        stub.GetServerInfo(pb.GetServerInfoRequest(), timeout=LOST_S)  # The connection is not measured.
        begun, calls = time.monotonic(), []
        for number in range(int(seconds * RATE)):
            due = begun + number / RATE
            time.sleep(max(0.0, due - time.monotonic()))
            data = os.urandom(NBYTES)
            call = stub.Convert.future(request(array("|u1", (NBYTES,), data)), timeout=LOST_S)
            call.add_done_callback(partial(note, data, due))
            calls.append(call)
        for call in calls:
            call.exception()
    while len(probed.seconds) + probed.wrong.total() < len(calls):  # The last callbacks are on their way.
        time.sleep(0.01)
    return probed


def _wrong(call: Any, data: bytes) -> str:
    error = call.exception()
    if error is None:
        return "" if [tensor.data for tensor in call.result().tensors] == [data] else "wrong bytes"
    if error.code() == grpc.StatusCode.DEADLINE_EXCEEDED:
        return f"no answer in {LOST_S} s"
    return refusal_of_call(error).reason or error.code().name
