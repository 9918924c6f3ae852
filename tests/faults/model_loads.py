"""Loads of models that take long without a warning, and of models that fail."""

from __future__ import annotations

from pathlib import Path

import grpc
import torch
from torch import Tensor, nn

from call_loads import CONVERT
from harness import MIB
from pressure import Load, Pressure
from served_models import put
from wire import array, request

SHORT_RUNS = 50  # Until the server has learned that the model is short.
TURNS = 4_000_000  # Of the long run: seconds.


class Turns(nn.Module):
    """Takes as long as the first element says, and so nothing of the request tells how long it will take."""

    def forward(self, x: Tensor) -> Tensor:
        total = 0
        for turn in range(int(x.view(-1)[0])):
            total = (total * 31 + turn) % 1_000_003
        return torch.full([1], total)


class Fails(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x @ torch.ones(3)


def put_turns(root: Path) -> None:
    put(root / "turns", Turns())


def put_failing(root: Path) -> None:
    put(root / "fails", Fails())


def _turns(turns: int, nbytes: int) -> bytes:
    data = turns.to_bytes(8, "little") + bytes(nbytes - 8)
    return request(array("<i8", (nbytes // 8,), data, name="x"), model_name="turns").SerializeToString()


def long_model(pressure: Pressure) -> None:
    """Many short runs, then a long one, with a small input and with one that a worker copies."""
    short, long = _turns(1, 8), [_turns(TURNS, 8), _turns(TURNS, 5 * MIB)]

    def run(channel: grpc.Channel) -> None:
        for message in long:
            for _ in range(SHORT_RUNS):
                pressure.call(channel, CONVERT, short)
            pressure.call(channel, CONVERT, message)

    pressure.repeat(run, callers=2)


def failing_models(pressure: Pressure) -> None:
    message = request(array("<f4", (5,), bytes(20), name="x"), model_name="fails").SerializeToString()
    pressure.repeat(lambda channel: pressure.call(channel, CONVERT, message), callers=4)


MODEL_LOADS = [
    Load("a model that takes long without a warning", long_model, put_models=put_turns),
    Load("a model that fails", failing_models, put_models=put_failing),
]
