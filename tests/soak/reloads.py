"""Puts other variants of the models in place, again and again, while requests come."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import grpc

from harness import TIMEOUT_S, becomes_true, connect
from oip_messages import (
    RepositoryModelLoadRequest,
    RepositoryModelLoadResponse,
    RepositoryModelUnloadRequest,
    RepositoryModelUnloadResponse,
)
from served_models import listed
from soak_models import Repository
from tensorferry.v1 import tensor_service_pb2 as pb
from tensorferry.v1.tensor_service_pb2_grpc import TensorServiceStub

SERVICE = "/inference.GRPCInferenceService/"
UNLOADS = 4  # With explicit control, one reload in so many begins with an unload.


@dataclass(frozen=True)
class Pace:
    """Which models are reloaded, and when."""

    models: Sequence[str]
    interval: float  # Seconds from one reload of all to the next.
    until: float  # By time.time().


class Reloads(threading.Thread):
    """Reloads one model after the other, over and over; `error` is what ended it before its time."""

    def __init__(self, repository: Repository, address: str, control: str, pace: Pace) -> None:
        super().__init__()
        self._repository, self._address, self._pace = repository, address, pace
        self._reload: Callable[[grpc.Channel, str, int], None] = {"poll": self._poll, "explicit": self._load}[control]
        self.counts: Counter[str] = Counter()
        self.error = ""

    def run(self) -> None:
        turn = 0
        try:
            with connect(self._address) as channel:
                while time.time() < self._pace.until:
                    turn += 1
                    for name in self._pace.models:
                        self._reload(channel, name, turn)
                        self.counts[name] += 1
                    time.sleep(self._pace.interval)
        except Exception as error:  # The main thread reports it.
            self.error = f"reload {turn}: {error!r}"

    def _poll(self, channel: grpc.Channel, name: str, turn: int) -> None:
        """Replaces the file, and waits until the server serves the new one."""
        stub = TensorServiceStub(channel)
        before = listed(stub)[name]["1"].sha256
        self._repository.put(name, turn)

        def replaced() -> bool:
            model = listed(stub)[name]["1"]
            return model.sha256 != before and model.state == pb.MODEL_STATE_READY

        assert becomes_true(replaced), f"{name} was not taken over in {TIMEOUT_S} s"

    def _load(self, channel: grpc.Channel, name: str, turn: int) -> None:
        """Replaces the file and asks for it, now and then after the model was unloaded."""
        self._repository.put(name, turn)
        if turn % UNLOADS == 0:
            unload = channel.unary_unary(
                SERVICE + "RepositoryModelUnload",
                RepositoryModelUnloadRequest.SerializeToString,
                RepositoryModelUnloadResponse.FromString,
            )
            unload(RepositoryModelUnloadRequest(model_name=name), timeout=TIMEOUT_S)
        load = channel.unary_unary(
            SERVICE + "RepositoryModelLoad",
            RepositoryModelLoadRequest.SerializeToString,
            RepositoryModelLoadResponse.FromString,
        )
        load(RepositoryModelLoadRequest(model_name=name), timeout=TIMEOUT_S)
